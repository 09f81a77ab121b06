/** The folded entries that live: docs/revocation-feed.md §1 and the judging of §5. */
import { type Entry, type Kind, KINDS } from "./entry.js";

/** Where a token stands. What it does not have is not looked up. */
export interface Coordinates {
  readonly kid?: string | undefined;
  /** Unix seconds, perhaps with a fraction. */
  readonly iat?: number | undefined;
  readonly client?: string | undefined;
  readonly sub?: string | undefined;
  readonly sid?: string | undefined;
  readonly jti?: string | undefined;
  /** The user's epoch, the family of refresh tokens, the generation within it. */
  readonly rv?: readonly [number, string, number] | undefined;
}

interface Rule {
  min: number | null;
  diesAt: number;
}

/** By how many seconds a clock may go back before what it dropped while it was ahead is missed. */
const STEP_BACK = 5;

/** Entries by kind and id. */
export class Live {
  readonly #rules: Record<Kind, Map<string, Rule>> = {
    iss: new Map(),
    kid: new Map(),
    client: new Map(),
    sub: new Map(),
    sid: new Map(),
    fam: new Map(),
    jti: new Map(),
  };
  /** What may die in a second, so that expiry does not look at all that lives. */
  readonly #deaths = new Map<number, [Kind, string][]>();
  #soonest = Number.POSITIVE_INFINITY;
  /** The latest time at which entries were dropped. */
  #now = Number.NEGATIVE_INFINITY;

  /**
   * Merges an entry: the larger `min`, where null is the largest, and the larger `dies_at`. Whether anything changed;
   * an entry that is dead changes nothing.
   */
  fold(entry: Entry): boolean {
    if (entry.diesAt <= this.#now) return false;
    const rules = this.#rules[entry.kind];
    const known = rules.get(entry.id);
    if (!known) {
      rules.set(entry.id, { min: entry.min, diesAt: entry.diesAt });
      this.#diesAt(entry);
      return true;
    }
    const min = known.min === null || entry.min === null ? null : Math.max(known.min, entry.min);
    const later = entry.diesAt > known.diesAt;
    const changed = min !== known.min || later;
    known.min = min;
    if (later) {
      known.diesAt = entry.diesAt;
      this.#diesAt(entry);
    }
    return changed;
  }

  /**
   * Drops what has died by `now` (Unix seconds). Whether the clock has gone back since: then entries may have been
   * dropped that live, and a snapshot is due.
   */
  expire(now: number): boolean {
    const wentBack = now < this.#now - STEP_BACK;
    this.#now = wentBack ? now : Math.max(this.#now, now);
    if (this.#now >= this.#soonest) this.#drop(this.#now);
    return wentBack;
  }

  #drop(now: number): void {
    this.#soonest = Number.POSITIVE_INFINITY;
    for (const [second, names] of this.#deaths) {
      if (second > now) {
        this.#soonest = Math.min(this.#soonest, second);
        continue;
      }
      this.#deaths.delete(second);
      for (const [kind, id] of names) {
        const rule = this.#rules[kind].get(id);
        // Another entry may have prolonged it since.
        if (rule && rule.diesAt <= now) this.#rules[kind].delete(id);
      }
    }
  }

  /** The kind of the first entry that voids a token. */
  voids(token: Coordinates): Kind | undefined {
    return KINDS.find((kind) => this.#matches(kind, token));
  }

  /** How many entries live. */
  get size(): number {
    return KINDS.reduce((sum, kind) => sum + this.#rules[kind].size, 0);
  }

  /** All entries by kind, then by id in the order of their code points. */
  entries(): Entry[] {
    const all: Entry[] = [];
    for (const kind of KINDS) {
      const rules = [...this.#rules[kind]].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      for (const [id, { min, diesAt }] of rules) all.push({ kind, id, min, diesAt });
    }
    return all;
  }

  #diesAt({ kind, id, diesAt }: Entry): void {
    const names = this.#deaths.get(diesAt);
    if (names) names.push([kind, id]);
    else this.#deaths.set(diesAt, [[kind, id]]);
    this.#soonest = Math.min(this.#soonest, diesAt);
  }

  #matches(kind: Kind, { kid, iat, client, sub, sid, jti, rv }: Coordinates): boolean {
    const rules = this.#rules[kind];
    if (rules.size === 0) return false;
    const below = (id: string | undefined, value: number | undefined) => {
      const rule = id === undefined ? undefined : rules.get(id);
      // What does not say how old it is is not newer than any.
      return rule !== undefined && (rule.min === null || value === undefined || value < rule.min);
    };
    switch (kind) {
      case "iss":
        return below("", iat);
      case "kid":
        return below(kid, undefined);
      case "client":
        return below(client, iat);
      case "sub":
        // A token of the user that does not say in which epoch it was made is not newer than any.
        return below(sub, rv ? rv[0] : Number.NEGATIVE_INFINITY);
      case "sid":
        return below(sid, undefined);
      case "fam":
        return below(rv?.[1], rv?.[2]);
      case "jti":
        return below(jti, undefined);
    }
  }
}
