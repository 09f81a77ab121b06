/** What a verifier needs of a request, and the credentials in it (RFC 6750 §2.1, RFC 9449 §7.1). */
import type { Challenges, Scheme } from "./challenge.js";
import type { DpopPolicy } from "./dpop.js";
import { LONGEST_TOKEN } from "./jose/jws.js";

/** A request of any framework. */
export interface RequestParts {
  readonly method: string;
  /** The absolute address, as the client sees it: DPoP proofs are about it. */
  readonly url: string;
  /** The `Authorization` header lines, each on its own. */
  readonly authorization: readonly string[];
  /** The `DPoP` header lines, each on its own. */
  readonly dpop: readonly string[];
}

/** The parts of a fetch request. Repeated lines arrive joined by a comma, which no token and no proof contains. */
export function partsOf(request: Request | RequestParts): RequestParts {
  if (!("headers" in request)) return request;
  const lines = (name: string) => {
    const value = request.headers.get(name);
    return value === null ? [] : [value];
  };
  return { method: request.method, url: request.url, authorization: lines("authorization"), dpop: lines("dpop") };
}

/** The token and its scheme. Tokens in the query or the body are not looked for. @throws {Refusal} */
export function parseAuthorization(
  { authorization }: RequestParts,
  challenges: Challenges,
  dpop: DpopPolicy,
): { scheme: Scheme; token: string } {
  const [line, ...others] = authorization;
  if (others.length > 0) throw challenges.invalidRequest("The request has more than one Authorization header.");
  const scheme = schemeOf(line ?? "");
  if (line === undefined || scheme === undefined || (scheme === "DPoP" && dpop === "off")) throw challenges.absent();
  const token = line.slice(scheme.length).replace(/^ +/, "");
  if (token.length > LONGEST_TOKEN) throw challenges.invalidToken(scheme, "too_long");
  if (!B64TOKEN.test(token)) throw challenges.invalidRequest("The Authorization header is malformed.");
  if (scheme === "Bearer" && dpop === "require") throw challenges.invalidToken(scheme, "not bound to a key");
  return { scheme, token };
}

/** RFC 6750 §2.1. */
const B64TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

function schemeOf(line: string): Scheme | undefined {
  if (/^bearer(?: |$)/i.test(line)) return "Bearer";
  return /^dpop(?: |$)/i.test(line) ? "DPoP" : undefined;
}
