/** The claims of an access token (RFC 7519 §4, RFC 9068 §2.2): the rules they must meet. */
import { Rejected } from "./rejected.js";
import { isObject, isStrings, type JsonObject } from "./strict_json.js";

/** The most that `exp` may be overrun, in seconds: beyond it, leeway is a longer lifetime. */
export const LONGEST_EXP_LEEWAY = 30;

/**
 * How far ahead `iat` and `nbf` may lie, in seconds. It is no option: entries of the revocation feed that name a time
 * count on no verifier granting more.
 */
export const FUTURE_LEEWAY = 10;

/** What every token must have. */
const REQUIRED = ["iss", "sub", "aud", "exp", "iat"];

/** What RFC 9068 §2.2 asks for beyond that. */
const REQUIRED_OF_AT_JWT = ["client_id", "jti"];

/** Must be strings where they occur: who reads another type as absent reads it as "no restriction". */
const STRINGS = ["iss", "sub", "jti", "client_id", "scope", "sid", "acr", "nonce", "azp"];

/** 9999-12-31T23:59:59Z: later times are no dates. */
const LAST_SECOND = 253_402_300_799;

/** What a token must be. */
export interface Expected {
  readonly issuer: string;
  /** One of which the token must name. */
  readonly audience: readonly string[];
  /** Unix seconds, with a fraction. */
  readonly now: number;
  /** Seconds, 0 to {@link LONGEST_EXP_LEEWAY}. */
  readonly expLeeway: number;
}

/** Checks the claims of a token whose signature has been verified. @throws {Rejected} */
export function checkClaims(claims: JsonObject, expected: Expected, isAtJwt: boolean): void {
  const required = isAtJwt ? [...REQUIRED, ...REQUIRED_OF_AT_JWT] : REQUIRED;
  const missing = required.find((name) => !Object.hasOwn(claims, name));
  if (missing !== undefined) throw new Rejected("claim_missing", missing);
  checkTypes(claims);
  if (claims["iss"] !== expected.issuer) throw new Rejected("issuer");
  checkAudience(claims["aud"], expected.audience);
  checkTimes(claims, expected);
}

/** The same for what introspection tells of a token (RFC 7662 §2.2), where most members may be missing. @throws {Rejected} */
export function checkIntrospected(claims: JsonObject, expected: Expected): void {
  checkTypes(claims);
  if (claims["iss"] !== undefined && claims["iss"] !== expected.issuer) throw new Rejected("issuer");
  checkAudience(claims["aud"], expected.audience);
  checkTimes(claims, expected);
}

function checkTypes(claims: JsonObject): void {
  const wrong = STRINGS.find((name) => Object.hasOwn(claims, name) && typeof claims[name] !== "string");
  if (wrong !== undefined) throw new Rejected("claim_type", wrong);
  const check = (name: string, holds: (value: unknown) => boolean) => {
    if (Object.hasOwn(claims, name) && !holds(claims[name])) throw new Rejected("claim_type", name);
  };
  check("amr", isStrings);
  check("roles", Array.isArray);
  check("cnf", isObject);
  check("rv", isRv);
}

/** `[epoch, family, generation]`: docs/revocation-feed.md §1. */
function isRv(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [epoch, family, generation]: unknown[] = value;
  return isCount(epoch) && typeof family === "string" && isCount(generation);
}

/** An integer from 0 to 2^53−1. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** RFC 7519 §4.1.3: a string or a list of strings. */
function checkAudience(aud: unknown, expected: readonly string[]): void {
  const named = typeof aud === "string" ? [aud] : (aud ?? []);
  if (!isStrings(named)) throw new Rejected("claim_type", "aud");
  if (!named.some((name) => expected.includes(name))) throw new Rejected("audience");
}

function checkTimes(claims: JsonObject, { now, expLeeway }: Expected): void {
  const [exp, nbf, iat] = [time(claims, "exp"), time(claims, "nbf"), time(claims, "iat")];
  time(claims, "auth_time");
  // RFC 7519 §4.1.4: on or after `exp` the token is dead.
  if (exp !== undefined && exp + expLeeway <= now) throw new Rejected("expired");
  if (nbf !== undefined && nbf > now + FUTURE_LEEWAY) throw new Rejected("not_yet_valid");
  if (iat !== undefined && iat > now + FUTURE_LEEWAY) throw new Rejected("issued_ahead");
}

/** A NumericDate (RFC 7519 §2). */
function time(claims: JsonObject, name: string): number | undefined {
  if (!Object.hasOwn(claims, name)) return undefined;
  const value = claims[name];
  if (typeof value !== "number" || !(value >= 0 && value <= LAST_SECOND)) throw new Rejected("claim_type", name);
  return value;
}
