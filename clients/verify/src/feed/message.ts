/** The signed messages of the revocation feed: docs/revocation-feed.md §2. */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { decode, sha256 } from "../jose/base64url.js";
import { isCount } from "../jose/claims.js";
import { isObject, type JsonObject, strictObject } from "../jose/strict_json.js";
import { type Entry, readEntry } from "./entry.js";

/** What batch n adds. */
export interface Batch {
  readonly type: "batch";
  readonly n: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** The digest of batch n−1. */
  readonly prev: string;
  readonly entries: readonly Entry[];
}

/** All that lives after batch n. */
export interface Snapshot {
  readonly type: "snapshot";
  readonly n: number;
  readonly at: number;
  /** The digest of batch n. */
  readonly head: string;
  readonly entries: readonly Entry[];
}

/** Every revocation committed before `at` is in batches up to n. */
export interface Heartbeat {
  readonly type: "heartbeat";
  readonly n: number;
  readonly at: number;
  readonly head: string;
}

/** A message whose signature has been verified. */
export type Message = Batch | Snapshot | Heartbeat;

/** Why a message is refused: the words of the test vectors. Where it is `kid`, the configuration may have changed. */
export type RefusedWord = "length" | "form" | "header" | "alg" | "typ" | "kid" | "signature" | "issuer";

/** A message that is refused as a whole. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly word: RefusedWord;

  constructor(word: RefusedWord) {
    super(`a feed message was refused: ${word}`);
    this.word = word;
  }
}

const TYPES: Record<string, Message["type"]> = {
  "revocation-batch+jwt": "batch",
  "revocation-snapshot+jwt": "snapshot",
  "revocation-heartbeat+jwt": "heartbeat",
};

const MIB = 1024 * 1024;
/** The longest messages, in characters. */
export const LONGEST = { batch: 4 * MIB, heartbeat: 8 * 1024, snapshot: 256 * MIB } as const;
const MOST_ENTRIES_OF_A_BATCH = 10_000;
const LONGEST_HEADER = 1024;
const MOST_KEYS = 16;

/** The members that hold numbers which must be written as whole ones. */
const WHOLE = ["n", "at", "entries"];

/** The digest of a batch: of its compact serialisation. */
export const digest = sha256;

/** The digest of batch 0, which does not exist. */
export const GENESIS = digest("");

/** The keys that sign the feed. */
export class FeedKeys {
  readonly #keys: ReadonlyMap<string, KeyObject>;

  private constructor(keys: ReadonlyMap<string, KeyObject>) {
    this.#keys = keys;
  }

  /** Reads the `jwks` of the configuration; `undefined` without a usable key, or with two of one name. */
  static read(jwks: unknown): FeedKeys | undefined {
    if (!isObject(jwks) || !Array.isArray(jwks["keys"])) return undefined;
    const keys = new Map<string, KeyObject>();
    if (jwks["keys"].length > MOST_KEYS) return undefined;
    for (const jwk of jwks["keys"]) {
      const key = isObject(jwk) ? ed25519(jwk) : undefined;
      if (!key) continue;
      if (keys.has(key.kid)) return undefined;
      keys.set(key.kid, key.key);
    }
    return keys.size === 0 ? undefined : new FeedKeys(keys);
  }

  /**
   * Verifies a message and reads it.
   *
   * @param longestSnapshot the longest snapshot taken, in characters
   * @throws {Refused}
   */
  open(compact: string, issuer: string, longestSnapshot: number = LONGEST.snapshot): Message {
    if (compact.length > Math.max(longestSnapshot, LONGEST.batch)) throw new Refused("length");
    const parts = compact.split(".", 4);
    const [headerPart = "", payloadPart = "", signaturePart = ""] = parts;
    if (parts.length !== 3 || headerPart.length > LONGEST_HEADER) throw new Refused("form");
    const signature = decode(signaturePart);
    if (signature?.length !== 64) throw new Refused("form");
    const { type, kid } = readHeader(headerPart);
    if (compact.length > (type === "snapshot" ? longestSnapshot : LONGEST[type])) throw new Refused("length");
    const key = this.#keys.get(kid);
    if (!key) throw new Refused("kid");
    const signed = Buffer.from(compact.slice(0, headerPart.length + 1 + payloadPart.length));
    if (!verify(null, signed, key, signature)) throw new Refused("signature");
    const bytes = decode(payloadPart);
    const payload = bytes && strictObject(bytes, WHOLE);
    if (!payload) throw new Refused("form");
    return readPayload(type, payload, issuer);
  }
}

function ed25519(jwk: JsonObject): { kid: string; key: KeyObject } | undefined {
  const { kty, crv, x, kid, use, alg } = jwk;
  if (kty !== "OKP" || crv !== "Ed25519" || typeof kid !== "string" || typeof x !== "string") return undefined;
  if ((use !== undefined && use !== "sig") || (alg !== undefined && alg !== "EdDSA")) return undefined;
  if (decode(x)?.length !== 32) return undefined;
  try {
    return { kid, key: createPublicKey({ key: { kty, crv, x }, format: "jwk" }) };
  } catch {
    return undefined;
  }
}

/** Exactly `alg`, `kid` and `typ`. */
function readHeader(part: string): { type: Message["type"]; kid: string } {
  const bytes = decode(part);
  if (!bytes) throw new Refused("form");
  const header = strictObject(bytes);
  if (!header || Object.keys(header).length !== 3) throw new Refused("header");
  const { alg, kid, typ } = header;
  if (typeof alg !== "string" || typeof kid !== "string" || typeof typ !== "string") throw new Refused("header");
  if (alg !== "EdDSA") throw new Refused("alg");
  const type = Object.hasOwn(TYPES, typ) ? TYPES[typ] : undefined;
  if (!type) throw new Refused("typ");
  return { type, kid };
}

function readPayload(type: Message["type"], payload: JsonObject, issuer: string): Message {
  const message = readBody(type, payload);
  if (!message || typeof payload["iss"] !== "string") throw new Refused("form");
  if (payload["iss"] !== issuer) throw new Refused("issuer");
  return message;
}

function readBody(type: Message["type"], { n, at, prev, head, entries }: JsonObject): Message | undefined {
  if (!isCount(n) || !isCount(at)) return undefined;
  if (type === "heartbeat") return isDigest(head) ? { type, n, at, head } : undefined;
  const read = readEntries(entries);
  if (!read) return undefined;
  if (type === "snapshot") return isDigest(head) ? { type, n, at, head, entries: read } : undefined;
  if (n === 0 || read.length === 0 || read.length > MOST_ENTRIES_OF_A_BATCH) return undefined;
  return isDigest(prev) ? { type, n, at, prev, entries: read } : undefined;
}

function isDigest(value: unknown): value is string {
  return typeof value === "string" && decode(value)?.length === 32;
}

/** One entry that is not understood makes the message malformed: skipping it would let revoked tokens pass. */
function readEntries(value: unknown): Entry[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const entries: Entry[] = [];
  for (const item of value) {
    const entry = readEntry(item);
    if (!entry) return undefined;
    entries.push(entry);
  }
  return entries;
}
