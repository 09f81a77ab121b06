/** Refusals: the answers of a resource server that does not let a request in (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3). */
import { ALGORITHMS } from "./jose/key_set.js";

/** The scheme a token is presented with, or was to be presented with (RFC 6750 §2.1, RFC 9449 §7.1). */
export type Scheme = "Bearer" | "DPoP";

/**
 * What to answer instead of serving the request. It says no more than the specifications ask for: which check failed
 * is in {@link Refusal.reason}, for the log alone.
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
  /** The HTTP status: 400, 401, 403 or 503. */
  readonly status: number;
  /** The error code, such as `invalid_token`; `undefined` where no credentials were presented. */
  readonly error: string | undefined;
  /** The header lines of the answer, in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The JSON of the answer. */
  readonly body: { readonly error?: string; readonly error_description?: string };
  /** Why, for the log: nothing of the token. */
  readonly reason: string;

  constructor(status: number, reason: string, fault: Fault | undefined, headers: Record<string, string>) {
    super(`${status}: ${reason}`);
    this.status = status;
    this.reason = reason;
    this.error = fault?.code;
    this.body = fault ? { error: fault.code, error_description: fault.description } : {};
    this.headers = { "cache-control": "no-store", "content-type": "application/json", ...headers };
  }

  /** The answer for a fetch handler. */
  toResponse(): Response {
    return new Response(JSON.stringify(this.body), { status: this.status, headers: this.headers });
  }
}

interface Fault {
  readonly status: number;
  readonly code: string;
  readonly description: string;
  readonly more?: readonly (readonly [string, string])[];
}

/** What a resource server says about itself in its challenges. */
export class Challenges {
  readonly #schemes: readonly Scheme[];
  readonly #resourceMetadata: string | undefined;

  constructor(schemes: readonly Scheme[], resourceMetadata: string | undefined) {
    this.#schemes = schemes;
    this.#resourceMetadata = resourceMetadata;
  }

  /** No credentials, or of a scheme that is none of ours (RFC 6750 §3.1: no error code). */
  absent(): Refusal {
    return this.#refuse(401, "Bearer", undefined, "no access token was presented");
  }

  /** RFC 6750 §3.1: the request is malformed. */
  invalidRequest(reason: string): Refusal {
    return this.#fault("Bearer", { status: 400, code: "invalid_request", description: reason }, reason);
  }

  /** RFC 6750 §3.1: one answer for every token that is not good, so that nobody learns why. */
  invalidToken(scheme: Scheme, reason: string): Refusal {
    const description = "The access token is malformed, expired, revoked or not meant for this resource.";
    return this.#fault(scheme, { status: 401, code: "invalid_token", description }, reason);
  }

  /** RFC 9449 §7.1: the proof does not go with the request, the token or the time. */
  invalidProof(reason: string): Refusal {
    const description = "The DPoP proof is missing, malformed, or not one for this request and token.";
    return this.#fault("DPoP", { status: 401, code: "invalid_dpop_proof", description }, reason);
  }

  /** RFC 6750 §3.1: the token is good and does not go far enough. */
  insufficientScope(scheme: Scheme, scopes: readonly string[]): Refusal {
    const description = "The request needs a scope that the access token does not have.";
    const more = [["scope", scopes.join(" ")]] as const;
    return this.#fault(scheme, { status: 403, code: "insufficient_scope", description, more }, "a scope is missing");
  }

  /** RFC 9470 §3: the user has to authenticate again, or otherwise. `maxAge` in seconds. */
  stepUp(scheme: Scheme, acr: readonly string[], maxAge: number | undefined): Refusal {
    const more: [string, string][] = [];
    if (acr.length > 0) more.push(["acr_values", acr.join(" ")]);
    if (maxAge !== undefined) more.push(["max_age", String(Math.trunc(maxAge))]);
    const description = "The request needs a more recent or a different authentication of the user.";
    const fault = { status: 401, code: "insufficient_user_authentication", description, more };
    return this.#fault(scheme, fault, "the authentication of the user is too old or of another class");
  }

  /** It cannot be said now whether the token is good. Not 401: the client would throw a good token away. */
  unavailable(reason: string): Refusal {
    const description = "The access token cannot be checked at the moment.";
    const fault = { status: 503, code: "temporarily_unavailable", description };
    return new Refusal(503, reason, fault, { "retry-after": "2" });
  }

  #fault(used: Scheme, fault: Fault, reason: string): Refusal {
    return this.#refuse(fault.status, used, fault, reason);
  }

  /** One challenge for each scheme (RFC 9449 §7.1); the error stands in that of the scheme that was used. */
  #refuse(status: number, used: Scheme, fault: Fault | undefined, reason: string): Refusal {
    const place = this.#schemes.includes(used) ? used : this.#schemes[0];
    const challenges = this.#schemes.map((scheme) => {
      const parameters = this.#parameters(scheme, scheme === place ? fault : undefined);
      return `${scheme} ${parameters}`.trimEnd();
    });
    return new Refusal(status, reason, fault, { "www-authenticate": challenges.join(", ") });
  }

  #parameters(scheme: Scheme, fault: Fault | undefined): string {
    const all: (readonly [string, string])[] = [];
    if (fault) all.push(["error", fault.code], ["error_description", fault.description], ...(fault.more ?? []));
    if (scheme === "DPoP") all.push(["algs", ALGORITHMS.join(" ")]);
    if (this.#resourceMetadata !== undefined) all.push(["resource_metadata", this.#resourceMetadata]);
    return all.map(([name, value]) => `${name}="${quotable(value)}"`).join(", ");
  }
}

/**
 * RFC 6750 §3: printable ASCII without quotation mark and backslash; what else is configured is left out, since it
 * could end the parameter or the header line.
 */
function quotable(value: string): string {
  return value.replace(/[^ -~]|["\\]/g, "");
}
