/** DPoP proofs (RFC 9449 §4.3): that who presents a token holds the key it is bound to. */
import { calculateJwkThumbprint, type JWK } from "jose";
import { sha256 } from "./jose/base64url.js";
import { FUTURE_LEEWAY } from "./jose/claims.js";
import * as jws from "./jose/jws.js";
import { publicKey } from "./jose/key_set.js";
import { isObject } from "./jose/strict_json.js";
import { Unavailable } from "./jose/rejected.js";

/** `off`: bound tokens are refused; `accept`: both kinds are taken; `require`: only bound tokens are. */
export type DpopPolicy = "off" | "accept" | "require";

/** How old a proof may be, in seconds. */
const OLDEST = 60;
/** How many proofs are remembered: those of the last minute and a bit. */
const MOST_PROOFS = 100_000;
const LONGEST_JTI = 256;

/** A proof that is none for this request and token. */
export class BadProof extends Error {
  override readonly name = "BadProof";
}

/** What a proof must be about. */
export interface Proven {
  readonly method: string;
  /** The absolute address of the request. */
  readonly url: string;
  readonly token: string;
  /** The thumbprint that the token is bound to. */
  readonly boundTo: string;
  /** Unix seconds. */
  readonly now: number;
}

/** Checks proofs and remembers them until they are too old to be used again. */
export class Proofs {
  /** What was seen, and until when it is remembered. All end in about the order in which they came. */
  readonly #seen = new Map<string, number>();

  /** @throws {BadProof} @throws {Unavailable} where no more proofs can be remembered */
  async check(proof: string, about: Proven): Promise<void> {
    const { claims, thumbprint } = await verified(proof);
    if (thumbprint !== about.boundTo) throw new BadProof("another key");
    if (claims["htm"] !== about.method) throw new BadProof("htm");
    const asked = address(about.url);
    if (asked === undefined || address(claims["htu"]) !== asked) throw new BadProof("htu");
    if (claims["ath"] !== sha256(about.token)) throw new BadProof("ath");
    const iat = claims["iat"];
    if (typeof iat !== "number" || iat > about.now + FUTURE_LEEWAY || iat <= about.now - OLDEST) {
      throw new BadProof("iat");
    }
    const jti = claims["jti"];
    if (typeof jti !== "string" || jti === "" || jti.length > LONGEST_JTI) throw new BadProof("jti");
    // Last, so that only who holds a bound token can fill the memory.
    this.#remember(sha256(`${thumbprint} ${jti}`), iat + OLDEST, about.now);
  }

  #remember(name: string, until: number, now: number): void {
    for (const [old, ends] of this.#seen) {
      if (ends > now) break;
      this.#seen.delete(old);
    }
    const ends = this.#seen.get(name);
    if (ends !== undefined && ends > now) throw new BadProof("replayed");
    // Forgetting a proof would let it be replayed.
    if (this.#seen.size >= MOST_PROOFS) throw new Unavailable("too many DPoP proofs");
    this.#seen.delete(name);
    this.#seen.set(name, until);
  }
}

async function verified(proof: string) {
  try {
    const unverified = jws.open(proof, ["jwk"]);
    jws.checkTyp(unverified.header, ["dpop+jwt"]);
    const jwk = unverified.header["jwk"];
    const key = isObject(jwk) ? await publicKey(jwk) : undefined;
    if (!key) throw new BadProof("jwk");
    const claims = await jws.verifySignature(unverified, key);
    return { claims, thumbprint: await calculateJwkThumbprint(jwk as JWK) };
  } catch (error) {
    throw error instanceof BadProof ? error : new BadProof(error instanceof Error ? error.message : "malformed");
  }
}

/** Without query and fragment, normalised (RFC 9449 §4.3 check 9). */
function address(value: unknown): string | undefined {
  if (typeof value !== "string" || !URL.canParse(value)) return undefined;
  const { protocol, host, pathname } = new URL(value);
  return `${protocol}//${host}${pathname}`;
}
