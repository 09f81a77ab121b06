/** The keys of an issuer (RFC 7517 §5), each bound to one algorithm when it is read. */
import { type CryptoKey, importJWK, type JWK } from "jose";
import { decode } from "./base64url.js";
import { Rejected } from "./rejected.js";
import { isObject, type JsonObject, strictObject } from "./strict_json.js";

/** The algorithms a token may be signed with. Symmetric ones cannot be named. */
export const ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"] as const;

/** A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1). */
export type Algorithm = (typeof ALGORITHMS)[number];

/** The most keys that are read of one set. */
const MOST_KEYS = 256;

/** The members that only a private key has (RFC 7518 §6.2.2 and §6.3.2): who publishes one has lost it. */
const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/** A public key that verifies one algorithm. */
export interface PublicKey {
  readonly algorithm: Algorithm;
  readonly key: CryptoKey;
  /** The length of its signatures in bytes. */
  readonly signatureLength: number;
}

/** The keys of an issuer by their `kid`. */
export class KeySet {
  readonly #keys: ReadonlyMap<string, PublicKey>;

  readonly #nameless: readonly PublicKey[];

  private constructor(keys: ReadonlyMap<string, PublicKey>, nameless: readonly PublicKey[]) {
    this.#keys = keys;
    this.#nameless = nameless;
  }

  /**
   * Reads a JWKS; `undefined` if it is none. Keys that cannot verify a token (for encryption, of another type, too
   * weak, private) are left out, since a set may hold keys for others. Of two keys with one name the first counts.
   */
  static async read(bytes: Uint8Array): Promise<KeySet | undefined> {
    const set = strictObject(bytes)?.["keys"];
    if (!Array.isArray(set)) return undefined;
    const keys = new Map<string, PublicKey>();
    const nameless: PublicKey[] = [];
    for (const jwk of set.slice(0, MOST_KEYS)) {
      const key = isObject(jwk) ? await publicKey(jwk) : undefined;
      if (!key) continue;
      const kid: unknown = jwk.kid;
      if (kid === undefined) nameless.push(key);
      else if (typeof kid === "string" && !keys.has(kid)) keys.set(kid, key);
    }
    return new KeySet(keys, nameless);
  }

  /** The key of a name. A token may go without `kid` where the set holds a single usable key. @throws {Rejected} */
  find(kid: string | undefined): PublicKey | undefined {
    if (kid !== undefined) return this.#keys.get(kid);
    const [only, ...others] = [...this.#keys.values(), ...this.#nameless];
    if (others.length > 0) throw new Rejected("kid_missing");
    return only;
  }

  /** The keys of other names than these. */
  without(names: ReadonlySet<string>): KeySet {
    return new KeySet(new Map([...this.#keys].filter(([kid]) => !names.has(kid))), this.#nameless);
  }

  /** How many keys it has. */
  get size(): number {
    return this.#keys.size + this.#nameless.length;
  }
}

/** Reads a public JWK that verifies signatures; `undefined` for any other, and for one that is not sound. */
export async function publicKey(jwk: JsonObject): Promise<PublicKey | undefined> {
  if (PRIVATE.some((name) => Object.hasOwn(jwk, name))) return undefined;
  if (jwk["use"] !== undefined && jwk["use"] !== "sig") return undefined;
  const operations = jwk["key_ops"];
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) return undefined;
  const shape = shapeOf(jwk);
  if (!shape) return undefined;
  try {
    // Only the public members go on: whatever else the document says is not asked for.
    const key = await importJWK(shape.members, shape.algorithm);
    if (!("type" in key) || key.type !== "public") return undefined;
    return { algorithm: shape.algorithm, key: key as CryptoKey, signatureLength: shape.signatureLength };
  } catch {
    return undefined;
  }
}

interface Shape {
  algorithm: Algorithm;
  members: JWK;
  signatureLength: number;
}

/** The key's type decides what it may sign with; `alg` can only choose within (RFC 8725 §3.1). */
function shapeOf(jwk: JsonObject): Shape | undefined {
  const { kty, crv, alg, x, y, n, e } = jwk;
  if (kty === "EC" && crv === "P-256" && is(alg, "ES256")) {
    if (!isBytes(x, 32) || !isBytes(y, 32)) return undefined;
    return { algorithm: "ES256", members: { kty, crv, x, y }, signatureLength: 64 };
  }
  if (kty === "OKP" && crv === "Ed25519" && is(alg, "EdDSA")) {
    if (!isBytes(x, 32)) return undefined;
    return { algorithm: "EdDSA", members: { kty, crv, x }, signatureLength: 64 };
  }
  if (kty === "RSA" && (is(alg, "RS256") || alg === "PS256")) {
    if (typeof n !== "string" || typeof e !== "string") return undefined;
    const modulus = decode(n);
    if (!modulus || !isSoundRsa(modulus, decode(e))) return undefined;
    const algorithm = alg === "PS256" ? "PS256" : "RS256";
    return { algorithm, members: { kty, n, e }, signatureLength: modulus.length };
  }
  return undefined;
}

function is(alg: unknown, expected: Algorithm): boolean {
  return alg === undefined || alg === expected;
}

function isBytes(value: unknown, length: number): value is string {
  return typeof value === "string" && decode(value)?.length === length;
}

/** 2048 to 4096 bits (RFC 7518 §3.3), and an exponent that is odd, more than 1 and of at most 4 bytes. */
function isSoundRsa(modulus: Uint8Array, exponent: Uint8Array | undefined): boolean {
  const [first = 0] = modulus;
  if (first === 0 || !exponent) return false;
  const bits = modulus.length * 8 - Math.clz32(first) + 24;
  const value = exponent.reduce((sum, byte) => sum * 256 + byte, 0);
  return bits >= 2048 && bits <= 4096 && exponent.length <= 4 && value > 2 && value % 2 === 1;
}
