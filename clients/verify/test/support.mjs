// What the suites share: an issuer without a network, a clock that stands still, and a signer that signs anything.
import { createHash, sign } from "node:crypto";
import { createVerifier } from "@signet/verify";
import { ecPair, ed25519Pair, rsaPair } from "../dist/testing/keys.js";

// No suite is about how long a request may take: a machine that stalls for some seconds is not to end one.
const timeout = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (milliseconds) => timeout(20 * milliseconds);

export const ISSUER = "https://issuer.example";
export const AUDIENCE = "https://api.example.com";
export const NOW = 1_800_000_000;

export const b64 = (value) => Buffer.from(value).toString("base64url");
export const sha256 = (value) => createHash("sha256").update(value).digest("base64url");

/** A clock that is set by hand, and whose sleepers wait for real. */
export class ManualClock {
  wall = NOW * 1000;
  mono = 1_000_000;
  now() {
    return { wall: this.wall, mono: this.mono };
  }
  pass(milliseconds) {
    this.wall += milliseconds;
    this.mono += milliseconds;
  }
  async sleep(_, signal) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, 5);
      signal.addEventListener("abort", () => (clearTimeout(timer), resolve()));
    });
  }
  random() {
    return 0;
  }
}

const generate = {
  ES256: () => ecPair(),
  EdDSA: () => ed25519Pair(),
  RS256: () => rsaPair(),
  PS256: () => rsaPair(),
};

/** A key pair for an algorithm. */
export class Key {
  constructor(alg, kid = alg, pair = generate[alg]()) {
    Object.assign(this, { alg, kid, ...pair });
    this.jwk = { ...pair.publicKey.export({ format: "jwk" }), kid, alg, use: "sig" };
  }

  /** The raw signature over some content. */
  signature(content) {
    const padding = this.alg === "PS256" ? { padding: 6, saltLength: 32 } : {};
    const hash = this.alg === "EdDSA" ? null : "sha256";
    return sign(hash, Buffer.from(content), { key: this.privateKey, dsaEncoding: "ieee-p1363", ...padding });
  }

  /** A compact JWS over texts as they are. */
  jws(header, payload) {
    const content = `${b64(header)}.${b64(payload)}`;
    return `${content}.${b64(this.signature(content))}`;
  }
}

export const goodHeader = (key) => ({ alg: key.alg, typ: "at+jwt", kid: key.kid });
export const goodClaims = () => ({
  iss: ISSUER, sub: "user", aud: AUDIENCE, iat: NOW, exp: NOW + 300, nbf: NOW, jti: "1", client_id: "c",
  scope: "openid read", sid: "s", auth_time: NOW, acr: "1", amr: ["pwd"], roles: ["staff"], rv: [0, "f", 0],
});

/** An issuer whose answers are a table, and a verifier of its tokens. */
export class Bench {
  asked = [];
  documents = {};
  clock = new ManualClock();

  constructor(keys = [new Key("ES256")], options = {}) {
    this.keys = keys;
    this.documents["/.well-known/openid-configuration"] = { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` };
    this.documents["/jwks"] = { keys: keys.map(({ jwk }) => jwk) };
    this.verifier = createVerifier({
      issuer: ISSUER, audience: AUDIENCE, feed: "off", clock: this.clock, fetch: (url) => this.fetch(url), ...options,
    });
  }

  get key() {
    return this.keys[0];
  }

  async fetch(url) {
    const { pathname } = new URL(url);
    this.asked.push(String(url));
    await new Promise((resolve) => setImmediate(resolve));
    const document = await this.documents[pathname];
    if (document === undefined) return new Response("", { status: 404 });
    if (document instanceof Error) throw document;
    return document instanceof Response ? document : Response.json(document);
  }

  /** How often a path was asked for. */
  count(path) {
    return this.asked.filter((url) => new URL(url).pathname === path).length;
  }

  /** Signs the good token with changes; `undefined` takes a member away. */
  token({ header = {}, claims = {}, key = this.key } = {}) {
    return key.jws(JSON.stringify({ ...goodHeader(key), ...header }), JSON.stringify({ ...goodClaims(), ...claims }));
  }

  /** Why a token is refused; `null` if it is not. */
  async reason(token) {
    try {
      await this.verifier.verify(token);
      return null;
    } catch (error) {
      if (error.name !== "Rejected") throw error;
      return error.reason;
    }
  }
}

/** Asks until the answer is yes. The limit is for what will never be: machines stall. */
export async function until(holds, what, milliseconds = 60_000) {
  const end = Date.now() + milliseconds;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
