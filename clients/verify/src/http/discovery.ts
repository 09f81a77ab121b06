/** Discovery (OpenID Connect Discovery §4, RFC 8414 §3): where an issuer's keys and introspection are. */
import { isObject, type JsonObject, strictObject } from "../jose/strict_json.js";
import { DOCUMENT, type Fetch, request, safeUrl } from "./fetch.js";

/** What a verifier needs of the document. */
export interface Discovered {
  readonly jwksUri: URL;
  readonly introspectionEndpoint: URL | undefined;
}

/** For how long the document is used before it is read again, in milliseconds. */
const KEPT = 3_600_000;
/** For how long nobody asks again after a failure, in milliseconds. */
const PAUSE = 1_000;

/** The discovery document of one issuer: read once, by one request for all who wait. */
export class Discovery {
  readonly #issuer: string;
  readonly #fetch: Fetch;
  readonly #mono: () => number;
  #known: { document: Discovered; at: number } | undefined;
  #failed: { error: unknown; at: number } | undefined;
  #underway: Promise<Discovered> | undefined;

  constructor(issuer: string, fetch: Fetch, mono: () => number) {
    this.#issuer = issuer;
    this.#fetch = fetch;
    this.#mono = mono;
  }

  /** The document. An old one is better than none. */
  async get(): Promise<Discovered> {
    const now = this.#mono();
    if (this.#known && now - this.#known.at < KEPT) return this.#known.document;
    if (this.#failed && now - this.#failed.at < PAUSE) {
      if (this.#known) return this.#known.document;
      throw this.#failed.error;
    }
    this.#underway ??= this.#read().finally(() => {
      this.#underway = undefined;
    });
    try {
      return await this.#underway;
    } catch (error) {
      if (this.#known) return this.#known.document;
      throw error;
    }
  }

  async #read(): Promise<Discovered> {
    try {
      const document = await this.#ask();
      this.#known = { document, at: this.#mono() };
      this.#failed = undefined;
      return document;
    } catch (error) {
      this.#failed = { error, at: this.#mono() };
      throw error;
    }
  }

  async #ask(): Promise<Discovered> {
    let status = 0;
    for (const url of documentUrls(this.#issuer)) {
      const answer = await request(this.#fetch, url, { headers: { accept: "application/json" } }, DOCUMENT);
      status = answer.status;
      if (status === 200) return readDocument(strictObject(answer.body), this.#issuer);
      if (status !== 404) break;
    }
    throw new Error(`discovery answered ${status}`);
  }
}

/** OpenID Connect appends the well-known part to the issuer, RFC 8414 §3.1 puts it before the path. */
function documentUrls(issuer: string): URL[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, "");
  return [
    new URL(`${origin}${path}/.well-known/openid-configuration`),
    new URL(`${origin}/.well-known/oauth-authorization-server${path}`),
  ];
}

function readDocument(document: JsonObject | undefined, issuer: string): Discovered {
  // RFC 8414 §3.3: or the document is that of another issuer.
  if (!isObject(document) || document["issuer"] !== issuer) throw new Error("discovery is about another issuer");
  const jwksUri = safeUrl(document["jwks_uri"]);
  if (!jwksUri) throw new Error("discovery has no usable jwks_uri");
  return { jwksUri, introspectionEndpoint: safeUrl(document["introspection_endpoint"]) };
}
