// jose 6 as a resource server and a relying party that know nothing but the address of the key set.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, describe, test } from "node:test";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import { signIn } from "./lib/code_flow.mjs";
import { audience, basic, issuer, post, signet } from "./lib/server.mjs";

const keys = (options) => createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), options);
const access = { issuer, audience, typ: "at+jwt", algorithms: ["ES256"], requiredClaims: ["sub", "client_id", "exp", "iat", "jti"] };
const identity = { issuer, audience: "demo-spa", algorithms: ["RS256"], requiredClaims: ["sub", "exp", "iat", "nonce"] };

async function serviceToken() {
  const { status, body } = await post("/token", { grant_type: "client_credentials", scope: "read" }, basic("demo-service", "demo-service-secret"));
  assert.equal(status, 200);
  return body.access_token;
}

describe("jose", () => {
  let tokens;
  before(async () => { tokens = await signIn(); });

  test("verifies an access token (RFC 9068) and an ID token with the key set alone", async () => {
    const set = keys();
    const { payload, protectedHeader } = await jwtVerify(tokens.access_token, set, access);
    assert.equal(protectedHeader.typ, "at+jwt");
    assert.equal(payload.client_id, "demo-spa");
    assert.ok(payload.scope.split(" ").includes("read"));
    const id = await jwtVerify(tokens.id_token, set, identity);
    assert.equal(id.payload.nonce, tokens.nonce);
    assert.equal(id.payload.sub, payload.sub);
    const half = createHash("sha256").update(tokens.access_token).digest().subarray(0, 16).toString("base64url");
    assert.equal(id.payload.at_hash, half);
  });

  test("takes neither token for the other, nor for another audience or issuer", async () => {
    const set = keys();
    for (const [token, options] of [
      [tokens.id_token, { ...access, algorithms: ["RS256"] }],
      [tokens.access_token, { ...identity, algorithms: ["ES256"] }],
      [tokens.access_token, { ...access, audience: "https://other.example.com" }],
      [tokens.access_token, { ...access, issuer: `${issuer}/` }],
    ]) {
      await assert.rejects(jwtVerify(token, set, options), errors.JWTClaimValidationFailed);
    }
  });

  test("notices a changed claim", async () => {
    const [header, payload, signature] = tokens.access_token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url"));
    const changed = Buffer.from(JSON.stringify({ ...claims, scope: "read write" })).toString("base64url");
    await assert.rejects(jwtVerify(`${header}.${changed}.${signature}`, keys(), access), errors.JWSSignatureVerificationFailed);
  });

  test("the key set holds public keys only, may be cached, and is not sent twice", async () => {
    const url = `${issuer}/.well-known/jwks.json`;
    const response = await fetch(url);
    assert.match(response.headers.get("cache-control"), /public, max-age=\d+/);
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    for (const key of (await response.json()).keys) {
      assert.equal(key.use, "sig");
      for (const secret of ["d", "p", "q", "dp", "dq", "qi", "k"]) assert.equal(key[secret], undefined);
    }
    const again = await fetch(url, { headers: { "if-none-match": response.headers.get("etag") } });
    assert.equal(again.status, 304);
  });

  test("keys rotate while tokens are verified, and no verification fails", async () => {
    const old = keys();
    const before = await serviceToken();
    await jwtVerify(before, old, access);
    const published = async () => (await (await fetch(`${issuer}/.well-known/jwks.json`)).json()).keys.length;
    const had = await published();

    let verified = 0;
    let rotating = true;
    const verifying = (async () => {
      while (rotating) {
        const token = await serviceToken();
        await jwtVerify(token, old, access); // fetched before the rotation
        await jwtVerify(token, keys(), access); // fetched now
        await jwtVerify(before, keys(), access);
        verified += 1;
      }
    })();
    try {
      await signet("keys", "rotate");
      await until(async () => (await published()) > had, "the successors are published");
      const round = verified;
      await until(async () => verified > round + 5, "tokens are verified after the rotation");
    } finally {
      rotating = false;
      await verifying;
    }
  });

  test("in an emergency the old keys are gone at once, and new tokens verify", async () => {
    const before = await serviceToken();
    await jwtVerify(before, keys(), access);
    await signet("keys", "rotate", "--emergency");
    await until(async () => {
      try {
        await jwtVerify(before, keys(), access);
        return false;
      } catch (error) {
        assert.ok(error instanceof errors.JWKSNoMatchingKey, String(error));
        return true;
      }
    }, "the old keys are no longer published");
    await jwtVerify(await serviceToken(), keys(), access);
    const tokens = await signIn();
    await jwtVerify(tokens.id_token, keys(), identity);
  });
});

/** Asks again until the answer is yes; a minute is far beyond every promise. */
async function until(holds, what) {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `not within a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
