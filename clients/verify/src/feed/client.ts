/** Follows an issuer's feed over HTTP: docs/revocation-feed.md §4 and §5. What it hears goes to a pure follower. */
import type { Clock } from "../clock.js";
import { type Fetch, request, start } from "../http/fetch.js";
import { type FeedConfiguration, readConfiguration } from "./configuration.js";
import type { Kind } from "./entry.js";
import { readEvents } from "./event_stream.js";
import { Follower, type Next } from "./follower.js";
import type { Coordinates } from "./live.js";
import { digest, LONGEST, Refused } from "./message.js";

/** Staleness in milliseconds up to which the feed is fresh, and up to which the state alone decides. */
const FRESH = 3_000;
const SOFT = 30_000;
/** Between two readings of the configuration for an unknown key, in milliseconds. */
const CONFIGURATION_PAUSE = 30_000;
/** Until an issuer without a feed is asked again, in milliseconds. */
const NO_FEED_PAUSE = 60_000;
/** For how long batches are asked for one by one where the stream does not come through, in milliseconds. */
const POLLING = 300_000;
const LONGEST_BACKOFF = 15_000;

/**
 * `none`: the issuer has no feed. `fresh` and `soft`: the state decides. `hard`: the policy does; so it is before the
 * first snapshot.
 */
export type FeedState = "off" | "none" | "fresh" | "soft" | "hard";

/** How a feed is followed. */
export interface FeedOptions {
  readonly issuer: string;
  readonly fetch: Fetch;
  readonly clock: Clock;
  /** Whether an issuer without a feed is taken for one whose feed cannot be reached. */
  readonly required: boolean;
  /** The longest snapshot in bytes. */
  readonly longestSnapshot: number;
  /** Called with the names of all signing keys taken out of use, when there is one more. */
  readonly onKid: (names: ReadonlySet<string>) => void;
}

/** Keeps a {@link Follower} up to date until it is closed. */
export class FeedClient {
  readonly #options: FeedOptions;
  readonly #follower = new Follower();
  readonly #closing = new AbortController();
  #configuration: FeedConfiguration | undefined;
  #configuredAt = Number.NEGATIVE_INFINITY;
  #none = false;
  #running: Promise<void> | undefined;
  #attempted = false;
  readonly #firstWord: Promise<void>;
  #settle: () => void = () => undefined;
  /** Whether the next thing to take is a snapshot. */
  #lost = false;
  #failures = 0;
  #pollUntil = Number.NEGATIVE_INFINITY;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#firstWord = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Begins to follow, once. Resolves when the first message came or the first attempt failed. */
  start(): Promise<void> {
    this.#running ??= this.#run();
    return this.#firstWord;
  }

  /** Whether that has been. */
  get attempted(): boolean {
    return this.#attempted;
  }

  /** Stops; what is known stays known. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#setAttempted();
    await this.#running;
  }

  #setAttempted(): void {
    this.#attempted = true;
    this.#settle();
  }

  /** How far the state can be trusted to be complete. */
  get state(): FeedState {
    if (this.#none) return "none";
    const staleness = this.staleness;
    if (staleness <= FRESH) return "fresh";
    return staleness <= SOFT ? "soft" : "hard";
  }

  /** Milliseconds since the state was known to be complete. */
  get staleness(): number {
    return this.#follower.staleness(this.#options.clock.now());
  }

  /** The newest batch of which this verifier has all before it. */
  get position(): number | undefined {
    return this.#follower.position?.n;
  }

  /** How many entries live. */
  get entries(): number {
    return this.#follower.live.size;
  }

  /** The kind of the entry that voids a token. */
  voids(token: Coordinates): Kind | undefined {
    return this.#follower.voids(token, this.#options.clock.now());
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#follow();
      } catch {
        this.#failures += 1;
      }
      this.#setAttempted();
      await this.#pause(this.#none ? NO_FEED_PAUSE : this.#backoff());
    }
  }

  /** Random from 0 to 1 s, doubling to at most 15 s: the verifiers of a server that restarts do not return at once. */
  #backoff(): number {
    const most = Math.min(LONGEST_BACKOFF, 1_000 * 2 ** Math.max(0, this.#failures - 1));
    return this.#options.clock.random() * most;
  }

  #pause(milliseconds: number): Promise<void> {
    return this.#options.clock.sleep(milliseconds, this.#closing.signal);
  }

  /** One connection. Returns where it ended in an orderly way. */
  async #follow(): Promise<void> {
    const configuration = this.#configuration ?? (await this.#configure());
    if (!configuration) return;
    if (this.#lost) await this.#takeSnapshot();
    if (this.#mono() < this.#pollUntil) await this.#poll();
    else await this.#stream(configuration);
  }

  async #configure(): Promise<FeedConfiguration | undefined> {
    this.#configuredAt = this.#mono();
    const { issuer, fetch, required } = this.#options;
    const read = await readConfiguration(issuer, fetch, this.#closing.signal);
    // A feed that was there does not go away: what was heard stays in force, and grows stale.
    this.#none = read === undefined && this.#configuration === undefined && !required;
    if (read) this.#configuration = read;
    else if (!this.#none) throw new Error("the issuer has no feed");
    return read;
  }

  async #stream(configuration: FeedConfiguration): Promise<void> {
    const patience = new Patience(3_000 * configuration.heartbeatSeconds + 2_000, this.#options.clock);
    const signal = AbortSignal.any([patience.signal, this.#closing.signal]);
    let heard = false;
    try {
      const address = configuration.stream(this.position);
      const response = await start(this.#options.fetch, address, { headers: { accept: "text/event-stream" }, signal });
      if (!(await this.#isStream(response)) || !response.body) return;
      for await (const event of readEvents(response.body, this.#options.longestSnapshot, () => patience.renew())) {
        heard = true;
        if (!["snapshot", "batch", "heartbeat"].includes(event.name)) continue;
        if (!(await this.#receive(event.data))) return await this.#takeSnapshot();
      }
    } catch (error) {
      // Something in between keeps what it should pass on.
      if (patience.signal.aborted && !heard) this.#pollUntil = this.#mono() + POLLING;
      throw error;
    } finally {
      patience.end();
    }
  }

  async #isStream(response: Response): Promise<boolean> {
    const { status } = response;
    const type = response.headers.get("content-type") ?? "";
    if (status === 200 && type.startsWith("text/event-stream")) return true;
    await response.body?.cancel();
    if (status === 410) this.#lost = true;
    // 503: as many followers as the server takes. The others say that there is no stream to be had.
    else if (status < 500 || status === 501 || status === 503) this.#pollUntil = this.#mono() + POLLING;
    else throw new Error(`the stream answered ${status}`);
    return false;
  }

  /** Batch after batch, until it is time to try the stream again. */
  async #poll(): Promise<void> {
    if (this.position === undefined) await this.#takeSnapshot();
    let beyond = 0;
    while (this.#mono() < this.#pollUntil && !this.#closing.signal.aborted) {
      const asked = this.#mono();
      const { configuration, position } = this.#following();
      const answer = await this.#get(configuration.batch(position + 1), LONGEST.batch);
      if (answer.status === 410 || (answer.status === 404 && beyond > 0)) {
        beyond = 0;
        await this.#takeSnapshot();
      } else if (answer.status === 404) {
        // Another node may know more.
        beyond += 1;
        await this.#pause(1_000);
      } else if (answer.status === 200) {
        beyond = 0;
        const before = this.position;
        if (!(await this.#receive(answer.text))) await this.#takeSnapshot();
        // A server or a cache that does not hold the question would be asked without a break.
        if (this.position === before && this.#mono() - asked < 100) await this.#pause(250);
      } else {
        throw new Error(`a batch answered ${answer.status}`);
      }
    }
  }

  #following(): { configuration: FeedConfiguration; position: number } {
    const [configuration, position] = [this.#configuration, this.position];
    if (!configuration || position === undefined) throw new Error("no position");
    return { configuration, position };
  }

  async #takeSnapshot(): Promise<void> {
    if (!this.#configuration) throw new Error("no configuration");
    const answer = await this.#get(this.#configuration.snapshot, this.#options.longestSnapshot);
    if (answer.status !== 200) throw new Error(`the snapshot answered ${answer.status}`);
    // A second time at once would be no different: a server that has rolled back is asked less and less often.
    if (!(await this.#receive(answer.text))) throw new Error("the snapshot does not continue");
  }

  async #get(url: URL, longest: number): Promise<{ status: number; text: string }> {
    const { fetch } = this.#options;
    const heartbeat = (this.#configuration?.heartbeatSeconds ?? 1) * 1_000;
    const timeout = longest > LONGEST.batch ? 60_000 : heartbeat + 10_000;
    const answer = await request(fetch, url, { signal: this.#closing.signal }, { timeout, longest });
    return { status: answer.status, text: Buffer.from(answer.body).toString("latin1") };
  }

  /** Takes a message; whether what follows it is to be taken too. Throws where the message is refused. */
  async #receive(compact: string): Promise<boolean> {
    try {
      const message = await this.#open(compact);
      const removed = this.#follower.removedKeys.size;
      const isBatch = message.type === "batch";
      const next: Next = this.#follower.receive(message, isBatch ? digest(compact) : "", this.#options.clock.now());
      if (this.#follower.removedKeys.size !== removed) this.#options.onKid(this.#follower.removedKeys);
      this.#lost = next !== "continue";
      if (!this.#lost) {
        this.#failures = 0;
        this.#setAttempted();
      }
      return !this.#lost;
    } catch (error) {
      this.#lost = true;
      throw error;
    }
  }

  async #open(compact: string) {
    const { issuer, longestSnapshot } = this.#options;
    const open = () => this.#configuration?.keys.open(compact, issuer, longestSnapshot);
    try {
      const message = open();
      if (message) return message;
    } catch (error) {
      const unknown = error instanceof Refused && error.word === "kid";
      if (!unknown || this.#mono() - this.#configuredAt < CONFIGURATION_PAUSE) throw error;
      await this.#configure();
    }
    const message = open();
    if (!message) throw new Error("no configuration");
    return message;
  }

  #mono(): number {
    return this.#options.clock.now().mono;
  }
}

/** Ends a connection on which nothing comes any more. */
class Patience {
  readonly #connection = new AbortController();
  readonly #milliseconds: number;
  readonly #clock: Clock;
  #watch = new AbortController();

  constructor(milliseconds: number, clock: Clock) {
    this.#milliseconds = milliseconds;
    this.#clock = clock;
    this.renew();
  }

  get signal(): AbortSignal {
    return this.#connection.signal;
  }

  renew(): void {
    this.#watch.abort();
    const watch = new AbortController();
    this.#watch = watch;
    void this.#clock.sleep(this.#milliseconds, watch.signal).then(() => {
      if (!watch.signal.aborted) this.#connection.abort();
    });
  }

  end(): void {
    this.#watch.abort();
    this.#connection.abort();
  }
}
