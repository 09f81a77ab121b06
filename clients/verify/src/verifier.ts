/** The verifier: issuer and audience are all it takes. */
import { Cache } from "./cache.js";
import { Challenges, type Scheme } from "./challenge.js";
import { type Clock, SYSTEM_CLOCK } from "./clock.js";
import { BadProof, type DpopPolicy, Proofs } from "./dpop.js";
import { FeedClient, type FeedState } from "./feed/client.js";
import { LONGEST as LONGEST_MESSAGE } from "./feed/message.js";
import { Discovery } from "./http/discovery.js";
import { type Fetch, safeUrl } from "./http/fetch.js";
import { Introspection, type IntrospectionCredentials } from "./http/introspection.js";
import { KeySource } from "./http/key_source.js";
import { sha256 } from "./jose/base64url.js";
import { checkClaims, type Expected, LONGEST_EXP_LEEWAY } from "./jose/claims.js";
import * as jws from "./jose/jws.js";
import { Rejected, Unavailable } from "./jose/rejected.js";
import { metadataDocument, metadataUrl, type ResourceDescription } from "./metadata.js";
import { parseAuthorization, type RequestParts, partsOf } from "./request.js";
import { type Context, Token } from "./token.js";

/**
 * What to do while the feed is more than 30 s stale: ask the issuer about each token, go on with what is known (as a
 * verifier without a feed does all the time), or answer 503.
 */
export type StalePolicy = "introspect" | "open" | "closed";

/** How tokens are verified. */
export interface VerifierOptions {
  /** The issuer's identifier, exactly as its tokens and its discovery document spell it. https, or http on loopback. */
  readonly issuer: string;
  /** This resource server's audience; of several, a token must name one. */
  readonly audience: string | readonly string[];
  /** A client that may introspect: for opaque tokens, and for the policy `introspect`. */
  readonly introspection?: IntrospectionCredentials;
  /** Default: `introspect` with credentials for it, otherwise `open`. */
  readonly onStale?: StalePolicy;
  /** Default: `off`, which refuses tokens that are bound to a key. */
  readonly dpop?: DpopPolicy;
  /** `auto` (default) follows the feed if the issuer has one; `required` counts an issuer without as unreachable. */
  readonly feed?: "auto" | "required" | "off";
  /** How far `exp` may be overrun, in seconds, 0 to 30. Default 0. */
  readonly leeway?: number;
  /** The header's `typ`. Default `at+jwt` (RFC 9068). Others let ID tokens pass where the issuer types both alike. */
  readonly typ?: readonly string[];
  /** How many verified tokens are kept. Default 10,000. */
  readonly cacheSize?: number;
  /** The longest snapshot of the feed, in bytes. Default 256 MiB. */
  readonly longestSnapshot?: number;
  /** The address of this resource (RFC 9728): challenges then say where its metadata is. */
  readonly resource?: string;
  /** What the metadata document tells beyond that. */
  readonly description?: ResourceDescription;
  /** The origin that clients see, where a proxy in front hides it. DPoP proofs are about it. */
  readonly origin?: string;
  /** The `fetch` to ask the issuer with. */
  readonly fetch?: Fetch;
  /** Time and chance, for tests. */
  readonly clock?: Clock;
}

/** What a request needs beyond a good token. */
export interface Need {
  /** All of these. */
  readonly scopes?: readonly string[];
  /** The user signed in at most so many seconds ago (RFC 9470). */
  readonly maxAge?: number;
  /** The user's authentication was of one of these classes (RFC 9470). */
  readonly acr?: readonly string[];
  /** Another policy than the verifier's. */
  readonly onStale?: StalePolicy;
}

/** What a verifier reports about itself. */
export interface Status {
  readonly feed: FeedState;
  /** The newest batch of which this verifier has all before it: compare `Revocation-Batch`. */
  readonly batch: number | undefined;
  /** Milliseconds since the state was known to be complete. */
  readonly staleness: number;
  /** Revocations in memory. */
  readonly entries: number;
  /** Verified tokens in memory. */
  readonly cached: number;
  /** Tokens since the start: accepted, accepted from memory, and refused by cause. */
  readonly accepted: number;
  readonly fromCache: number;
  readonly rejected: Readonly<Record<string, number>>;
}

/** For how long the first request waits for the first word of the feed, in milliseconds. */
const FIRST_WORD = 3_000;

/** Makes a verifier. Throws where the options contradict themselves. Nothing is asked before the first token comes. */
export function createVerifier(options: VerifierOptions): Verifier {
  return new Verifier(options);
}

/** Verifies access tokens of one issuer. One per process is enough, and follows the feed once. */
export class Verifier {
  readonly #options: VerifierOptions;
  readonly #clock: Clock;
  readonly #audience: readonly string[];
  readonly #typ: readonly string[];
  readonly #dpop: DpopPolicy;
  readonly #onStale: StalePolicy;
  readonly #keys: KeySource;
  readonly #introspection: Introspection | undefined;
  readonly #feed: FeedClient | undefined;
  readonly #proofs = new Proofs();
  readonly #challenges: Challenges;
  readonly #context: Context;
  readonly #cache: Cache<{ token: Token; keys: number }>;
  readonly #rejected: Record<string, number> = {};
  #accepted = 0;
  #fromCache = 0;

  /** @internal */
  constructor(options: VerifierOptions) {
    check(options);
    const { issuer, introspection, dpop = "off" } = options;
    const fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));
    const clock = options.clock ?? SYSTEM_CLOCK;
    const mono = () => clock.now().mono;
    const discovery = new Discovery(issuer, fetch, mono);
    this.#options = options;
    this.#clock = clock;
    this.#audience = [options.audience].flat();
    this.#typ = options.typ ?? ["at+jwt"];
    this.#dpop = dpop;
    this.#onStale = options.onStale ?? (introspection ? "introspect" : "open");
    this.#keys = new KeySource(discovery, fetch, mono);
    this.#introspection = introspection && new Introspection(discovery, fetch, introspection, mono);
    this.#cache = new Cache(options.cacheSize ?? 10_000);
    this.#feed = options.feed === "off" ? undefined : new FeedClient({
      issuer,
      fetch,
      clock,
      required: options.feed === "required",
      longestSnapshot: options.longestSnapshot ?? LONGEST_MESSAGE.snapshot,
      onKid: (names) => void this.#keys.withdraw(names),
    });
    const schemes: Scheme[] = dpop === "off" ? ["Bearer"] : dpop === "require" ? ["DPoP"] : ["Bearer", "DPoP"];
    const { resource } = options;
    this.#challenges = new Challenges(schemes, resource === undefined ? undefined : metadataUrl(resource));
    this.#context = { challenges: this.#challenges, now: () => clock.now().wall };
  }

  /**
   * Verifies a token that came by other ways than a request. Tokens bound to a key are refused unless `bound` says that
   * the caller checks the binding, since without that check a stolen one would pass.
   *
   * @throws {Rejected} @throws {Unavailable}
   */
  async verify(token: string, options: { bound?: boolean; onStale?: StalePolicy } = {}): Promise<Token> {
    try {
      const verified = await this.#check(token, options.onStale);
      if (verified.claims["cnf"] !== undefined && options.bound !== true) throw new Rejected("binding", "cnf");
      this.#accepted += 1;
      return verified;
    } catch (error) {
      this.#count(error);
      throw error;
    }
  }

  /**
   * Decides about a request: verifies its token and the proof that goes with it, and what is needed beyond.
   *
   * @throws {Refusal} with the answer to give
   */
  async authorize(request: Request | RequestParts, need: Need = {}): Promise<Token> {
    const parts = partsOf(request);
    const { scheme, token } = parseAuthorization(parts, this.#challenges, this.#dpop);
    try {
      const verified = await this.#check(token, need.onStale);
      await this.#checkBinding(verified, token, scheme, parts);
      if (need.scopes) verified.requireScope(...need.scopes);
      verified.requireAuthentication(need.acr ?? [], need.maxAge);
      this.#accepted += 1;
      return verified;
    } catch (error) {
      this.#count(error);
      throw this.#refusal(error, scheme);
    }
  }

  /** Resolves when keys and feed have been read, so that the first request waits for nothing. @throws {Unavailable} */
  async ready(): Promise<void> {
    await Promise.all([this.#keys.load(), this.#feed?.start()]);
    if (this.#feed?.state === "hard") throw new Unavailable("the revocation feed cannot be read");
  }

  /** For health checks and metrics. */
  status(): Status {
    return {
      feed: this.#feed?.state ?? "off",
      batch: this.#feed?.position,
      staleness: this.#feed?.staleness ?? Number.POSITIVE_INFINITY,
      entries: this.#feed?.entries ?? 0,
      cached: this.#cache.size,
      accepted: this.#accepted,
      fromCache: this.#fromCache,
      rejected: { ...this.#rejected },
    };
  }

  /** The protected resource metadata (RFC 9728 §2), to be served at {@link Verifier.metadataPath}. */
  metadata(): Record<string, unknown> {
    const { resource, issuer, description = {} } = this.#options;
    if (resource === undefined) throw new TypeError("metadata needs the option `resource`");
    return metadataDocument(resource, issuer, this.#dpop, description);
  }

  /** The path at which clients look for the metadata. */
  get metadataPath(): string {
    const { resource } = this.#options;
    if (resource === undefined) throw new TypeError("metadata needs the option `resource`");
    return new URL(metadataUrl(resource)).pathname;
  }

  /** Stops following the feed. Call it when the server shuts down: the connection keeps the process alive. */
  async close(): Promise<void> {
    await this.#feed?.close();
  }

  async #check(token: string, onStale: StalePolicy = this.#onStale): Promise<Token> {
    if (token.length > jws.LONGEST_TOKEN) throw new Rejected("too_long");
    if (onStale === "introspect" && !this.#introspection) throw new TypeError("introspect needs credentials");
    const started = this.#feed?.start();
    const opaque = !jws.looksLikeJws(token);
    const verified = opaque ? await this.#ask(token) : await this.#verified(token);
    if (started && this.#feed?.attempted === false) await Promise.race([started, this.#firstWord()]);
    const kind = this.#feed?.voids(verified.coordinates());
    if (kind !== undefined) {
      this.#cache.delete(sha256(token));
      throw new Rejected("revoked", kind);
    }
    // The issuer has just said that an opaque token is good.
    if (!opaque && this.#feed?.state === "hard") await this.#decide(token, onStale);
    return verified;
  }

  /** Nobody cancels it: it comes up in the first seconds of a process only. */
  #firstWord(): Promise<void> {
    return this.#clock.sleep(FIRST_WORD, new AbortController().signal);
  }

  /** By signature and claims, from memory where both have been checked before. */
  async #verified(token: string): Promise<Token> {
    const name = sha256(token);
    const expected = this.#expected();
    const known = this.#cache.get(name, expected.now);
    if (known && known.keys === this.#keys.version) {
      this.#keys.touch();
      this.#fromCache += 1;
      return known.token;
    }
    const unverified = jws.open(token);
    const kid = jws.kidOf(unverified.header);
    jws.checkTyp(unverified.header, this.#typ);
    const key = await this.#keys.find(kid);
    const keys = this.#keys.version;
    const claims = await jws.verifySignature(unverified, key);
    checkClaims(claims, expected, isAtJwt(unverified.header["typ"]));
    const verified = new Token(claims, kid, this.#context);
    this.#cache.set(name, { token: verified, keys }, (verified.expiresAt ?? 0) + expected.expLeeway);
    return verified;
  }

  async #ask(token: string): Promise<Token> {
    if (!this.#introspection) throw new Rejected("opaque");
    const claims = await this.#introspection.ask(token, this.#expected());
    return new Token(claims, undefined, this.#context);
  }

  /** The feed is stale beyond what the state alone may decide. */
  async #decide(token: string, policy: StalePolicy): Promise<void> {
    if (policy === "closed") throw new Unavailable("the revocation feed is stale");
    if (policy === "introspect") await this.#ask(token);
  }

  async #checkBinding(verified: Token, token: string, scheme: Scheme, parts: RequestParts): Promise<void> {
    const cnf = verified.claims["cnf"] as Record<string, unknown> | undefined;
    if (scheme === "Bearer") {
      // RFC 9449 §7.2: or a stolen token is used as if it were not bound. Other bindings (RFC 8705) cannot be checked.
      if (cnf !== undefined) throw new Rejected("binding", "cnf");
      return;
    }
    const { boundTo } = verified;
    if (boundTo === undefined || !cnf || Object.keys(cnf).length !== 1) throw new Rejected("binding", "cnf");
    const [proof, ...others] = parts.dpop;
    if (proof === undefined || others.length > 0) throw new BadProof("not exactly one proof");
    const { method } = parts;
    const now = this.#clock.now().wall / 1000;
    await this.#proofs.check(proof, { method, url: this.#seenByClients(parts.url), token, boundTo, now });
  }

  #seenByClients(url: string): string {
    const { origin } = this.#options;
    if (origin === undefined || !URL.canParse(url)) return url;
    const { pathname } = new URL(url);
    return `${new URL(origin).origin}${pathname}`;
  }

  #expected(): Expected {
    const now = this.#clock.now().wall / 1000;
    return { issuer: this.#options.issuer, audience: this.#audience, now, expLeeway: this.#options.leeway ?? 0 };
  }

  #refusal(error: unknown, scheme: Scheme): unknown {
    if (error instanceof Rejected) return this.#challenges.invalidToken(scheme, error.message);
    if (error instanceof BadProof) return this.#challenges.invalidProof(error.message);
    if (error instanceof Unavailable) return this.#challenges.unavailable(error.message);
    return error;
  }

  #count(error: unknown): void {
    const cause = error instanceof Rejected ? error.reason : error instanceof BadProof ? "proof" : "other";
    this.#rejected[cause] = (this.#rejected[cause] ?? 0) + 1;
  }
}

function isAtJwt(typ: unknown): boolean {
  return typeof typ === "string" && /^(?:application\/)?at\+jwt$/i.test(typ);
}

/** What cannot work is said at the start, and not by refusing every request. */
function check(options: VerifierOptions): void {
  const { issuer, audience, leeway = 0, onStale, introspection, typ, origin, resource } = options;
  const fail = (what: string) => {
    throw new TypeError(`createVerifier: ${what}`);
  };
  if (!safeUrl(issuer) || new URL(issuer).search !== "") fail("`issuer` must be an https address, or http on loopback");
  const audiences = [audience].flat();
  if (audiences.length === 0 || audiences.some((one) => typeof one !== "string" || one === "")) fail("`audience` is empty");
  if (!(leeway >= 0 && leeway <= LONGEST_EXP_LEEWAY)) fail(`\`leeway\` must be 0 to ${LONGEST_EXP_LEEWAY} seconds`);
  if (onStale === "introspect" && !introspection) fail("`onStale: \"introspect\"` needs `introspection`");
  if (introspection && (introspection.clientId === "" || introspection.clientSecret === "")) fail("`introspection` is empty");
  if (typ && typ.length === 0) fail("`typ` is empty");
  if (origin !== undefined && !URL.canParse(origin)) fail("`origin` is no address");
  if (resource !== undefined && !safeUrl(resource)) fail("`resource` must be an https address, or http on loopback");
}
