/**
 * Compact JWS (RFC 7515 §5.2). jose is trusted with the signature and nothing else: it ignores repeated members, takes
 * header members that bring keys along, and reads what it can of a claim of the wrong type. All of that is decided
 * here, and nothing of the payload is parsed before its signature has been verified.
 */
import { compactVerify } from "jose";
import { decode } from "./base64url.js";
import type { PublicKey } from "./key_set.js";
import { Rejected } from "./rejected.js";
import { type JsonObject, strictObject } from "./strict_json.js";

/** The longest token looked at, in characters. */
export const LONGEST_TOKEN = 8 * 1024;

/**
 * Header members that would move the decision about the key, or the meaning of the payload, into the token: extensions
 * (RFC 7515 §4.1.11), unencoded payload (RFC 7797), compression and encryption (RFC 7516 §4.1), and keys brought along
 * or to be fetched (RFC 7515 §4.1.2 to §4.1.6).
 */
const FORBIDDEN = ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"];

/** A token that has been taken apart, and of which nothing has been verified. */
export interface Unverified {
  readonly token: string;
  readonly header: JsonObject;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Takes a token apart.
 *
 * @param allowed header members that are taken although they are forbidden elsewhere: `jwk` in a DPoP proof
 * @throws {Rejected}
 */
export function open(token: string, allowed: readonly string[] = []): Unverified {
  if (token.length > LONGEST_TOKEN) throw new Rejected("too_long");
  const [headerPart, payloadPart, signaturePart] = split(token);
  const headerBytes = decode(headerPart);
  const header = headerBytes && strictObject(headerBytes);
  if (!header) throw new Rejected("header_form");
  const forbidden = FORBIDDEN.find((name) => Object.hasOwn(header, name) && !allowed.includes(name));
  if (forbidden !== undefined) throw new Rejected("header_member", forbidden);
  const signature = decode(signaturePart);
  const payload = decode(payloadPart);
  if (!signature || !payload) throw new Rejected("encoding");
  return { token, header, payload, signature };
}

/** Whether something has the form of a JWS: three parts. Anything else may be an opaque token. */
export function looksLikeJws(token: string): boolean {
  return token.startsWith("ey") && token.indexOf(".") !== -1;
}

/** The header's `kid`. @throws {Rejected} */
export function kidOf(header: JsonObject): string | undefined {
  const kid = header["kid"];
  if (kid !== undefined && typeof kid !== "string") throw new Rejected("header_form");
  return kid;
}

/** RFC 7515 §4.1.9: media types compare without regard to case, and `application/` may be left out. @throws {Rejected} */
export function checkTyp(header: JsonObject, expected: readonly string[]): void {
  const typ = header["typ"];
  if (typeof typ !== "string") throw new Rejected("typ");
  const lower = typ.toLowerCase();
  const rest = lower.startsWith("application/") ? lower.slice("application/".length) : lower;
  const short = rest.includes("/") ? lower : rest;
  if (!expected.some((one) => one.toLowerCase() === short)) throw new Rejected("typ");
}

/** Verifies the signature by a key, under the key's own algorithm, and reads the payload. @throws {Rejected} */
export async function verifySignature(unverified: Unverified, key: PublicKey): Promise<JsonObject> {
  const { header, signature, token } = unverified;
  if (header["alg"] !== key.algorithm) throw new Rejected("algorithm");
  if (!hasForm(signature, key)) throw new Rejected("signature_form");
  try {
    await compactVerify(token, key.key, { algorithms: [key.algorithm] });
  } catch {
    throw new Rejected("signature");
  }
  const payload = strictObject(unverified.payload);
  if (!payload) throw new Rejected("payload_form");
  return payload;
}

/** ES256: 64 bytes (RFC 7518 §3.4), neither half zero, whatever the library below thinks of that. */
function hasForm(signature: Uint8Array, key: PublicKey): boolean {
  if (signature.length !== key.signatureLength) return false;
  const zero = (part: Uint8Array) => part.every((byte) => byte === 0);
  return key.algorithm !== "ES256" || !(zero(signature.subarray(0, 32)) || zero(signature.subarray(32)));
}

/** Looks at no more dots than it must: a megabyte of them has been refused before. */
function split(token: string): [string, string, string] {
  const first = token.indexOf(".");
  const second = token.indexOf(".", first + 1);
  if (first === -1 || second === -1 || token.indexOf(".", second + 1) !== -1) throw new Rejected("parts");
  const parts: [string, string, string] = [token.slice(0, first), token.slice(first + 1, second), token.slice(second + 1)];
  if (parts.some((part) => part === "")) throw new Rejected("encoding");
  return parts;
}
