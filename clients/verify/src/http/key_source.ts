/** The issuer's key set over HTTP: fetched by one request for all who wait, served stale where fetching fails. */
import { KeySet, type PublicKey } from "../jose/key_set.js";
import { Rejected, Unavailable } from "../jose/rejected.js";
import type { Discovery } from "./discovery.js";
import { DOCUMENT, type Fetch, request } from "./fetch.js";

/** After how long the set is read again, in milliseconds. */
const KEPT = 300_000;
/** For how long the set is served where it cannot be read again, in milliseconds. */
const STALE = 86_400_000;
/** Between two fetches for unknown names, in milliseconds: strangers must not make us fetch. */
const UNKNOWN_PAUSE = 30_000;
/** Between a failure and the next attempt, in milliseconds. */
const FAILURE_PAUSE = 1_000;

/** The keys of one issuer. */
export class KeySource {
  readonly #discovery: Discovery;
  readonly #fetch: Fetch;
  readonly #mono: () => number;
  #set: { keys: KeySet; text: string; at: number } | undefined;
  #attempted = Number.NEGATIVE_INFINITY;
  #forUnknown = Number.NEGATIVE_INFINITY;
  #underway: Promise<void> | undefined;
  #version = 0;
  /** Whatever a key set says: it may come from a cache, or not at all. */
  #withdrawn: ReadonlySet<string> = new Set();

  constructor(discovery: Discovery, fetch: Fetch, mono: () => number) {
    this.#discovery = discovery;
    this.#fetch = fetch;
    this.#mono = mono;
  }

  /** The key of a name. @throws {Rejected} where there is none. @throws {Unavailable} where no set could be read. */
  async find(kid: string | undefined): Promise<PublicKey> {
    if (kid !== undefined && this.#withdrawn.has(kid)) throw new Rejected("revoked", "kid");
    const keys = await this.#current();
    const key = keys.find(kid) ?? (await this.#afterRefetch(kid));
    if (!key) throw new Rejected("kid_unknown");
    return key;
  }

  /** Changes when the set does: tokens verified by the old one are to be verified again. */
  get version(): number {
    return this.#version;
  }

  /** Reads the set unless it is there. @throws {Unavailable} */
  async load(): Promise<void> {
    await this.#current();
  }

  /** Reads the set again in the background if it is old: for who has no name to look up. */
  touch(): void {
    this.#current().catch(() => undefined);
  }

  /** Never uses the keys of these names again, and reads the set again, since it is known to have changed. */
  async withdraw(names: ReadonlySet<string>): Promise<void> {
    this.#withdrawn = new Set(names);
    if (this.#set) this.#set = { ...this.#set, keys: this.#set.keys.without(this.#withdrawn) };
    this.#version += 1;
    // One that is under way may have been answered before the change.
    await this.#underway?.catch(() => undefined);
    await this.#read().catch(() => undefined);
  }

  async #current(): Promise<KeySet> {
    const set = this.#set;
    const now = this.#mono();
    if (set && now - set.at < KEPT) return set.keys;
    if (now - this.#attempted >= FAILURE_PAUSE || this.#underway) {
      const reading = this.#read();
      // Nobody waits for a set that is only old.
      if (set && now - set.at < STALE) reading.catch(() => undefined);
      else await reading.catch(() => undefined);
    }
    if (this.#set && this.#mono() - this.#set.at < STALE) return this.#set.keys;
    throw new Unavailable("the issuer's keys cannot be read");
  }

  async #afterRefetch(kid: string | undefined): Promise<PublicKey | undefined> {
    // A set that is under way may have been answered before the key was published.
    const earlier = this.#underway;
    await earlier?.catch(() => undefined);
    const key = earlier && this.#set?.keys.find(kid);
    if (key) return key;
    if (!this.#underway) {
      if (this.#mono() - this.#forUnknown < UNKNOWN_PAUSE) return undefined;
      this.#forUnknown = this.#mono();
    }
    await this.#read().catch(() => undefined);
    return this.#set?.keys.find(kid);
  }

  #read(): Promise<void> {
    this.#underway ??= this.#ask().finally(() => {
      this.#underway = undefined;
    });
    return this.#underway;
  }

  async #ask(): Promise<void> {
    this.#attempted = this.#mono();
    const { jwksUri } = await this.#discovery.get();
    const answer = await request(this.#fetch, jwksUri, { headers: { accept: "application/json" } }, DOCUMENT);
    const keys = answer.status === 200 ? await KeySet.read(answer.body) : undefined;
    if (!keys) throw new Error("no key set");
    const text = Buffer.from(answer.body).toString("latin1");
    if (text !== this.#set?.text) this.#version += 1;
    this.#set = { keys: keys.without(this.#withdrawn), text, at: this.#mono() };
  }
}
