/** An access token that has been verified: its claims, typed, and the questions a handler asks of it. */
import type { Challenges, Scheme } from "./challenge.js";
import type { Coordinates } from "./feed/live.js";
import { isObject, isStrings, type JsonObject } from "./jose/strict_json.js";

/** What a token needs in order to answer questions about time, and to refuse. */
export interface Context {
  readonly challenges: Challenges;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** A verified access token (RFC 9068 §2.2). It is shared by all requests that present it, and frozen. */
export class Token {
  /** `sub`: the user, or the client where it acts for itself. `undefined` only where introspection did not tell. */
  readonly subject: string | undefined;
  /** `client_id`, or `azp` where the issuer does not follow RFC 9068: the client the token was issued to. */
  readonly clientId: string | undefined;
  /** `aud`: all resources the token is for, this one among them. */
  readonly audience: readonly string[];
  /** The values of `scope`; some issuers call it `scp`. */
  readonly scopes: readonly string[];
  /** `sid`: the login session the token goes back to. */
  readonly session: string | undefined;
  /** `jti`: the name of this one token. */
  readonly id: string | undefined;
  /** `exp`, `iat` and `auth_time` in Unix seconds. */
  readonly expiresAt: number | undefined;
  readonly issuedAt: number | undefined;
  readonly authTime: number | undefined;
  /** `acr`: the class of the user's authentication. */
  readonly acr: string | undefined;
  /** `amr`: how the user authenticated (RFC 8176). */
  readonly amr: readonly string[];
  /** `roles` (RFC 9068 §2.2.3.1). */
  readonly roles: readonly string[];
  /** `cnf.jkt`: the thumbprint of the key whose holder alone may use the token (RFC 9449 §6.1). */
  readonly boundTo: string | undefined;
  /** All claims, as they were signed. */
  readonly claims: Readonly<JsonObject>;
  /** The name of the key that signed it; `undefined` for an opaque token. */
  readonly kid: string | undefined;
  readonly #context: Context;
  readonly #scheme: Scheme;

  /** @internal */
  constructor(claims: JsonObject, kid: string | undefined, context: Context) {
    this.subject = text(claims["sub"]);
    this.clientId = text(claims["client_id"]) ?? text(claims["azp"]);
    this.audience = list(claims["aud"]);
    this.scopes = words(claims["scope"] === undefined ? list(claims["scp"]).join(" ") : text(claims["scope"]));
    this.session = text(claims["sid"]);
    this.id = text(claims["jti"]);
    this.expiresAt = number(claims["exp"]);
    this.issuedAt = number(claims["iat"]);
    this.authTime = number(claims["auth_time"]);
    this.acr = text(claims["acr"]);
    this.amr = list(claims["amr"]);
    this.roles = list(claims["roles"]);
    const cnf = claims["cnf"];
    this.boundTo = isObject(cnf) ? text(cnf["jkt"]) : undefined;
    this.claims = freeze(claims);
    this.kid = kid;
    this.#context = context;
    this.#scheme = this.boundTo === undefined ? "Bearer" : "DPoP";
    Object.freeze(this);
  }

  /** Whether the token has a scope. */
  hasScope(scope: string): boolean {
    return this.scopes.includes(scope);
  }

  /** Refuses with 403 `insufficient_scope` unless the token has all of the scopes. @throws {Refusal} */
  requireScope(...scopes: string[]): void {
    if (scopes.every((scope) => this.hasScope(scope))) return;
    throw this.#context.challenges.insufficientScope(this.#scheme, scopes);
  }

  /**
   * Refuses with 401 `insufficient_user_authentication` (RFC 9470) unless the user signed in at most `seconds` ago.
   * A token that does not say when counts as too old. @throws {Refusal}
   */
  requireFresh(seconds: number): void {
    this.requireAuthentication([], seconds);
  }

  /** The same unless the user's authentication was of one of these classes. @throws {Refusal} */
  requireAcr(...classes: string[]): void {
    this.requireAuthentication(classes, undefined);
  }

  /** Both of them, so that the challenge names both. @throws {Refusal} */
  requireAuthentication(classes: readonly string[], maxAge: number | undefined): void {
    const ofClass = classes.length === 0 || (this.acr !== undefined && classes.includes(this.acr));
    const now = this.#context.now() / 1000;
    const fresh = maxAge === undefined || (this.authTime !== undefined && now - this.authTime <= maxAge);
    if (!ofClass || !fresh) throw this.#context.challenges.stepUp(this.#scheme, classes, maxAge);
  }

  /** Where the token stands in the revocation feed. @internal */
  coordinates(): Coordinates {
    return {
      kid: this.kid,
      iat: this.issuedAt,
      client: text(this.claims["client_id"]),
      sub: this.subject,
      sid: this.session,
      jti: this.id,
      rv: this.claims["rv"] as [number, string, number] | undefined,
    };
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function list(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (!Array.isArray(value)) return [];
  return Object.freeze(isStrings(value) ? [...value] : value.filter((item) => typeof item === "string"));
}

function words(value: string | undefined): readonly string[] {
  return Object.freeze((value ?? "").split(" ").filter((word) => word !== ""));
}

/** One request must not change what the next one reads. Nesting has been bounded by the reader. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}
