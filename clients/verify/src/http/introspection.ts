/** Introspection (RFC 7662): asking the issuer about a token. */
import { Cache } from "../cache.js";
import { sha256 } from "../jose/base64url.js";
import { checkIntrospected, type Expected } from "../jose/claims.js";
import { Rejected, Unavailable } from "../jose/rejected.js";
import { type JsonObject, strictObject } from "../jose/strict_json.js";
import type { Discovery } from "./discovery.js";
import { type Fetch, request } from "./fetch.js";

/** Who asks. */
export interface IntrospectionCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** For how long an answer is kept, in milliseconds. */
const KEPT = 1_000;
const MOST_ANSWERS = 10_000;
/** The most questions in flight: beyond it, a flood of made-up tokens is not passed on. */
const MOST_QUESTIONS = 100;
const BOUNDS = { timeout: 5_000, longest: 64 * 1024 };

/** Asks one issuer about tokens, with answers kept for a second and one question in flight per token. */
export class Introspection {
  readonly #discovery: Discovery;
  readonly #fetch: Fetch;
  readonly #authorization: string;
  readonly #mono: () => number;
  readonly #answers = new Cache<JsonObject | null>(MOST_ANSWERS);
  readonly #underway = new Map<string, Promise<JsonObject | null>>();

  constructor(discovery: Discovery, fetch: Fetch, credentials: IntrospectionCredentials, mono: () => number) {
    this.#discovery = discovery;
    this.#fetch = fetch;
    // RFC 6749 §2.3.1: form-encoded before they are joined, or a colon would move.
    const pair = [credentials.clientId, credentials.clientSecret].map(formEncoded).join(":");
    this.#authorization = `Basic ${Buffer.from(pair).toString("base64")}`;
    this.#mono = mono;
  }

  /** The claims of an active token that is for us. @throws {Rejected} @throws {Unavailable} */
  async ask(token: string, expected: Expected): Promise<JsonObject> {
    const key = sha256(token);
    const kept = this.#answers.get(key, this.#mono());
    const claims = kept === undefined ? await this.#single(key, token) : kept;
    if (!claims) throw new Rejected("inactive");
    const type = claims["token_type"];
    // A refresh token may be active too, and is no access token.
    if (type !== undefined && !(typeof type === "string" && /^(bearer|dpop|n_a)$/i.test(type))) {
      throw new Rejected("token_type");
    }
    checkIntrospected(claims, expected);
    return claims;
  }

  #single(key: string, token: string): Promise<JsonObject | null> {
    const known = this.#underway.get(key);
    if (known) return known;
    if (this.#underway.size >= MOST_QUESTIONS) throw new Unavailable("too many questions to the issuer");
    const asking = this.#question(token)
      .then((answer) => {
        this.#answers.set(key, answer, this.#mono() + KEPT);
        return answer;
      })
      .finally(() => this.#underway.delete(key));
    this.#underway.set(key, asking);
    return asking;
  }

  /** `null`: not active. */
  async #question(token: string): Promise<JsonObject | null> {
    const answer = await this.#post(token).catch(() => undefined);
    const members = answer?.status === 200 ? strictObject(answer.body) : undefined;
    if (!members || typeof members["active"] !== "boolean") throw new Unavailable("introspection has no answer");
    return members["active"] ? members : null;
  }

  async #post(token: string) {
    const { introspectionEndpoint } = await this.#discovery.get();
    if (!introspectionEndpoint) throw new Error("the issuer has no introspection");
    const init: RequestInit = {
      method: "POST",
      body: new URLSearchParams({ token, token_type_hint: "access_token" }).toString(),
      headers: {
        accept: "application/json",
        authorization: this.#authorization,
        "content-type": "application/x-www-form-urlencoded",
      },
    };
    return request(this.#fetch, introspectionEndpoint, init, BOUNDS);
  }
}

function formEncoded(value: string): string {
  return new URLSearchParams({ "": value }).toString().slice(1);
}
