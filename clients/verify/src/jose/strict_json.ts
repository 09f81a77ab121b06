/**
 * A JSON object reader for input from others. `JSON.parse` keeps the last of two members of one name, as RFC 7519 §4
 * lets it; two parsers that differ then read two different tokens. So repeated members are refused, at every level,
 * and with them deep nesting, lone surrogates and numbers beyond a double.
 */

/** The deepest nesting of objects and arrays that is read, the outermost object counted. */
export const DEEPEST = 8;

/** A JSON object as it was read: its members are of any type. */
export type JsonObject = Record<string, unknown>;

/**
 * Reads UTF-8 bytes as one JSON object and nothing after it; `undefined` for anything else.
 *
 * In the top-level members named by `whole`, at any depth, a number must be written as a whole number: where `1.0`
 * and `1` are different to one reader and the same to another, neither is taken.
 */
export function strictObject(bytes: Uint8Array, whole: readonly string[] = []): JsonObject | undefined {
  try {
    const text = utf8.decode(bytes);
    const value: unknown = JSON.parse(text);
    if (!isObject(value) || !new Scanner(text, whole).sound()) return undefined;
    return value;
  } catch {
    return undefined;
  }
}

/** Whether a value is a JSON object: no array, no null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value is a list of strings. */
export function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

// A byte order mark is kept, so that JSON.parse refuses it.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Walks text that `JSON.parse` has found to be well-formed, and looks for what `JSON.parse` lets pass. */
class Scanner {
  readonly #text: string;
  readonly #whole: readonly string[];
  /** The names met in each open object; `null` for an array. */
  readonly #open: (Set<string> | null)[] = [];
  #at = 0;
  /** Whether the next string is a member's name. */
  #name = false;
  #strictNumbers = false;

  constructor(text: string, whole: readonly string[]) {
    this.#text = text;
    this.#whole = whole;
  }

  sound(): boolean {
    while (this.#at < this.#text.length) {
      if (!this.#step(this.#text.charCodeAt(this.#at))) return false;
    }
    return true;
  }

  #step(code: number): boolean {
    switch (code) {
      case 0x7b: // {
        return this.#enter(new Set());
      case 0x5b: // [
        return this.#enter(null);
      case 0x7d: // }
      case 0x5d: // ]
        this.#open.pop();
        break;
      case 0x2c: // ,
        this.#name = this.#open.at(-1) instanceof Set;
        break;
      case QUOTE:
        return this.#string();
      default:
        if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return this.#number();
    }
    this.#at += 1;
    return true;
  }

  #enter(names: Set<string> | null): boolean {
    this.#open.push(names);
    this.#name = names !== null;
    this.#at += 1;
    return this.#open.length <= DEEPEST;
  }

  #string(): boolean {
    const start = this.#at;
    let end = start + 1;
    let escaped = false;
    for (; ; end += 1) {
      const code = this.#text.charCodeAt(end);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        escaped = true;
        end += 1;
      }
    }
    this.#at = end + 1;
    if (!this.#name && !escaped) return true;
    const value: string = escaped
      ? JSON.parse(this.#text.slice(start, end + 1))
      : this.#text.slice(start + 1, end);
    if (!value.isWellFormed()) return false;
    return !this.#name || this.#member(value);
  }

  #member(name: string): boolean {
    this.#name = false;
    const names = this.#open.at(-1);
    if (!names || names.has(name)) return false;
    names.add(name);
    if (this.#open.length === 1) this.#strictNumbers = this.#whole.includes(name);
    return true;
  }

  #number(): boolean {
    NUMBER.lastIndex = this.#at;
    const literal = NUMBER.exec(this.#text)?.[0] ?? "";
    this.#at += literal.length;
    if (this.#strictNumbers) return WHOLE.test(literal);
    return Number.isFinite(Number(literal));
  }
}

const NUMBER = /[-+.0-9eE]+/y;
const WHOLE = /^(?:0|-?[1-9][0-9]{0,18})$/;
