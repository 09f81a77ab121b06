/** A feed for tests: signs batches, snapshots and heartbeats with a key of its own. */
import { sign } from "node:crypto";
import type { Entry } from "../feed/entry.js";
import { Live } from "../feed/live.js";
import { digest, GENESIS } from "../feed/message.js";
import { encode } from "../jose/base64url.js";
import type { JsonObject } from "../jose/strict_json.js";
import { ed25519Pair } from "./keys.js";

/** A chain of batches and what follows from them. */
export class TestFeed {
  /** What lives. */
  live = new Live();
  readonly #issuer: string;
  readonly #now: () => number;
  readonly #keys = ed25519Pair();
  readonly #batches = new Map<number, string>();
  #n = 0;
  #head = GENESIS;

  /** @param now Unix milliseconds */
  constructor(issuer: string, now: () => number) {
    this.#issuer = issuer;
    this.#now = now;
  }

  /** The key set of the configuration. */
  get jwks(): JsonObject {
    const { x } = this.#keys.publicKey.export({ format: "jwk" });
    return { keys: [{ kty: "OKP", crv: "Ed25519", x, kid: "feed", use: "sig", alg: "EdDSA" }] };
  }

  /** The number of the newest batch. */
  get n(): number {
    return this.#n;
  }

  /** A batch, where it is kept. */
  batch(n: number): string | undefined {
    return this.#batches.get(n);
  }

  /** Makes the next batch. */
  publish(entries: readonly Entry[]): number {
    for (const entry of entries) this.live.fold(entry);
    const body = { n: this.#n + 1, prev: this.#head, entries: entries.map(toArray) };
    const compact = this.sign("revocation-batch+jwt", body);
    this.#n += 1;
    this.#head = digest(compact);
    this.#batches.set(this.#n, compact);
    return this.#n;
  }

  snapshot(): string {
    const entries = this.live.entries().map(toArray);
    return this.sign("revocation-snapshot+jwt", { n: this.#n, head: this.#head, entries });
  }

  heartbeat(): string {
    return this.sign("revocation-heartbeat+jwt", { n: this.#n, head: this.#head });
  }

  /** Forgets all, as a server does whose database was restored without `restore-epoch`. */
  rollBack(): void {
    this.live = new Live();
    this.#batches.clear();
    this.#n = 0;
    this.#head = GENESIS;
  }

  /** Forgets batches that would be kept, as if the number had jumped. */
  forget(): void {
    this.#batches.clear();
  }

  /** Signs any payload, the issuer and the time added where they are missing. */
  sign(typ: string, payload: JsonObject): string {
    const header = encode(JSON.stringify({ alg: "EdDSA", kid: "feed", typ }));
    const content = `${header}.${encode(JSON.stringify({ iss: this.#issuer, at: this.#now(), ...payload }))}`;
    return `${content}.${encode(sign(null, Buffer.from(content), this.#keys.privateKey))}`;
  }
}

function toArray({ kind, id, min, diesAt }: Entry): unknown[] {
  return [kind, id, min, diesAt];
}
