/** The state of a verifier that follows the feed, as a pure machine: docs/revocation-feed.md §5. Time is an argument. */
import { type Coordinates, Live } from "./live.js";
import type { Entry, Kind } from "./entry.js";
import type { Message } from "./message.js";

/** What to do after a message. */
export type Next =
  /** Take the next message. */
  | "continue"
  /** There is a gap or a broken chain: take a snapshot. */
  | "take_snapshot"
  /** The server knows less than it once did. Nothing is forgotten, and nothing credited. */
  | "rolled_back";

/** The newest batch of which this verifier has all before it. */
export interface Position {
  readonly n: number;
  readonly digest: string;
}

/** A reading of both clocks, in milliseconds. */
export interface Instant {
  /** Since 1970-01-01 UTC; it may jump. */
  readonly wall: number;
  /** Since some start; it never jumps. */
  readonly mono: number;
}

/** How far a verifier's clock may be off, in milliseconds, before a fresh feed looks stale. */
const MOST_SKEW = 30_000;

/** The smallest difference of the clocks is that of the current and the last window of so many milliseconds. */
const SKEW_WINDOW = 60_000;

/** Folded entries, position, freshness. */
export class Follower {
  readonly #live = new Live();
  #position: Position | undefined;
  #credited: { at: number; mono: number } | undefined;
  readonly #skew = new Skew();
  /** Whether the clock went back since the last message: entries may have been dropped that live. */
  #wentBack = false;
  #version = 0;
  readonly #removedKeys = new Set<string>();

  /** Takes a message whose signature has been verified. `digest` is that of a batch, and unused for the others. */
  receive(message: Message, digest: string, now: Instant): Next {
    this.#expire(now);
    if (message.type !== "heartbeat") this.#fold(message.entries);
    this.#skew.arrived(now.wall - message.at, now.mono);
    const moved = this.#move(message, digest);
    if (moved === "credit") this.#credit(message.at, now.mono);
    const next = moved === "credit" ? "continue" : moved;
    const wentBack = this.#wentBack;
    this.#wentBack = false;
    return wentBack && next === "continue" && message.type !== "snapshot" ? "take_snapshot" : next;
  }

  /** How long ago the state was known to be complete, in milliseconds; infinite if it never was. */
  staleness(now: Instant): number {
    if (!this.#credited) return Number.POSITIVE_INFINITY;
    return Math.max(now.wall - this.#credited.at - this.#skew.value, now.mono - this.#credited.mono, 0);
  }

  /** The kind of the entry that voids a token. */
  voids(token: Coordinates, now: Instant): Kind | undefined {
    this.#expire(now);
    return this.#live.voids(token);
  }

  /** The newest batch of which this verifier has all before it; `undefined` before the first snapshot. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Changes whenever an entry was added or raised: verified tokens are to be judged again. */
  get version(): number {
    return this.#version;
  }

  /** The names of signing keys that were taken out of use. They outlive the entries, for a stolen key dates as it likes. */
  get removedKeys(): ReadonlySet<string> {
    return this.#removedKeys;
  }

  /** The `at` that freshness counts from, in Unix milliseconds. */
  get creditedAt(): number | undefined {
    return this.#credited?.at;
  }

  /** The folded entries. */
  get live(): Live {
    return this.#live;
  }

  #expire(now: Instant): void {
    if (this.#live.expire(Math.floor(now.wall / 1000))) this.#wentBack = true;
  }

  /** A genuine revocation is never wrong, whatever follows from the number of its message. */
  #fold(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (!this.#live.fold(entry)) continue;
      this.#version += 1;
      if (entry.kind === "kid") this.#removedKeys.add(entry.id);
    }
  }

  /** "credit" where the message continues the position, or is it. */
  #move(message: Message, digest: string): Next | "credit" {
    const position = this.#position;
    switch (message.type) {
      case "snapshot":
        if (position && message.n < position.n) return "rolled_back";
        this.#position = { n: message.n, digest: message.head };
        return "credit";
      case "batch":
        if (position && message.n <= position.n) return "continue";
        if (!position || message.n !== position.n + 1 || message.prev !== position.digest) return "take_snapshot";
        this.#position = { n: message.n, digest };
        return "credit";
      case "heartbeat":
        if (!position) return "take_snapshot";
        if (message.n < position.n) return "continue";
        return message.n === position.n && message.head === position.digest ? "credit" : "take_snapshot";
    }
  }

  /** Freshness is the largest `at` credited and the time at which that came. */
  #credit(at: number, mono: number): void {
    if (!this.#credited || at > this.#credited.at) this.#credited = { at, mono };
  }
}

/**
 * The smallest difference between the local clock and the time of a statement at its arrival: what is left is the
 * difference of the clocks. Of the last one to two minutes, so that a clock that was set right is believed.
 */
class Skew {
  #window = Number.NEGATIVE_INFINITY;
  #current = Number.POSITIVE_INFINITY;
  #before = Number.POSITIVE_INFINITY;

  arrived(difference: number, mono: number): void {
    const window = Math.floor(mono / SKEW_WINDOW);
    if (window !== this.#window) {
      this.#before = window === this.#window + 1 ? this.#current : Number.POSITIVE_INFINITY;
      this.#current = Number.POSITIVE_INFINITY;
      this.#window = window;
    }
    this.#current = Math.min(this.#current, difference);
  }

  get value(): number {
    return Math.max(-MOST_SKEW, Math.min(MOST_SKEW, this.#current, this.#before));
  }
}
