// openid-client 6: clients that prove themselves and sign their requests with keys of their own, and what OpenID Connect
// adds to the code flow.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import * as client from "openid-client";
import { Browser } from "./lib/browser.mjs";
import { openParty } from "./lib/party.mjs";
import { callApi, callback, issuer, register, scope } from "./lib/server.mjs";

const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks];
const discover = (id, metadata, authentication) =>
  client.discovery(new URL(issuer), id, metadata, authentication, { execute });
const base = {
  redirect_uris: ["http://127.0.0.1/callback"],
  grant_types: ["authorization_code", "refresh_token"],
  scope,
  audience: ["https://api.example.com"],
};

async function keyPair(kid, alg = "ES256") {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } };
}

/** The code flow; `build` makes the address from the parameters. */
async function signIn(config, { extra = {}, browser = new Browser(), build = client.buildAuthorizationUrl } = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const url = await build(config, {
    redirect_uri: callback,
    scope,
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    ...extra,
  });
  const { answer } = await browser.authorize(url);
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  return client.authorizationCodeGrant(config, answer, checks);
}

describe("openid-client with keys", () => {
  let party;
  let key;
  let web;
  before(async () => {
    party = await openParty();
    key = await keyPair("rp-1");
    const jwksUri = party.publish("/jwks.json", { keys: [key.jwk] });
    web = await register({
      ...base, scope: `${scope} phone`, token_endpoint_auth_method: "private_key_jwt", jwks_uri: jwksUri,
      request_uris: [`${party.origin}/request.jwt`],
    });
  });
  after(() => party.close());
  const withKey = (id, pair) => discover(id, {}, client.PrivateKeyJwt({ key: pair.privateKey, kid: pair.kid }));

  test("private_key_jwt with keys fetched from jwks_uri: code, refresh, revocation", async () => {
    const config = await withKey(web.client_id, key);
    const tokens = await signIn(config);
    assert.equal(await callApi(tokens.access_token), 200);
    const next = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.ok(next.access_token);
    await client.tokenRevocation(config, tokens.refresh_token);
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
  });

  test("private_key_jwt with keys by value, RS256 and PS256 too", async () => {
    for (const alg of ["ES256", "RS256", "PS256"]) {
      const pair = await keyPair(`value-${alg}`, alg);
      const { client_id: id } = await register({
        ...base, token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [pair.jwk] },
      });
      assert.ok((await signIn(await withKey(id, pair))).id_token);
      const other = await keyPair(pair.kid, alg);
      await assert.rejects(
        client.refreshTokenGrant(await withKey(id, other), "srt_nothing"),
        { error: "invalid_client" },
      );
    }
  });

  test("client_secret_jwt", async () => {
    const { client_id: id, client_secret: secret } = await register({
      ...base, token_endpoint_auth_method: "client_secret_jwt",
    });
    const config = await discover(id, {}, client.ClientSecretJwt(secret));
    assert.ok((await signIn(config)).refresh_token);
    const wrong = await discover(id, {}, client.ClientSecretJwt(`${secret}x`));
    await assert.rejects(client.refreshTokenGrant(wrong, "srt_nothing"), { error: "invalid_client" });
  });

  test("a signed request by value (RFC 9101 §5.1)", async () => {
    const config = await withKey(web.client_id, key);
    const build = (of, fields) => client.buildAuthorizationUrlWithJAR(of, fields, { key: key.privateKey, kid: key.kid });
    assert.ok((await signIn(config, { build })).id_token);
  });

  test("a signed request by reference (RFC 9101 §5.2)", async () => {
    const config = await withKey(web.client_id, key);
    const build = async (of, fields) => {
      const signed = await new SignJWT({ ...fields, client_id: web.client_id, response_type: "code" })
        .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: "oauth-authz-req+jwt" })
        .setIssuer(web.client_id).setAudience(issuer).setIssuedAt().setExpirationTime("2 minutes").sign(key.privateKey);
      const reference = party.publish("/request.jwt", signed, "application/oauth-authz-req+jwt");
      const url = new URL(of.serverMetadata().authorization_endpoint);
      url.search = new URLSearchParams({
        client_id: web.client_id, request_uri: reference, response_type: "code", scope,
      });
      return url;
    };
    assert.ok((await signIn(config, { build })).id_token);
  });

  test("the answer by form_post", async () => {
    const config = await withKey(web.client_id, key);
    assert.ok((await signIn(config, { extra: { response_mode: "form_post" } })).id_token);
  });

  test("the claims parameter: in the ID token and at the UserInfo endpoint, nothing unasked", async () => {
    const config = await withKey(web.client_id, key);
    const claims = JSON.stringify({
      userinfo: { name: { essential: true }, phone_number: null }, id_token: { email: null, acr: { values: ["1"] } },
    });
    const tokens = await signIn(config, { extra: { claims, scope: "openid" } });
    const identity = tokens.claims();
    assert.equal(identity.email, "alice@example.com");
    assert.equal(identity.acr, "1");
    assert.equal(identity.name, undefined);
    const person = await client.fetchUserInfo(config, tokens.access_token, identity.sub);
    assert.equal(person.name, "Alice Anna Example");
    assert.ok(person.phone_number);
    assert.equal(person.email, undefined);
  });

  test("signed answers of the UserInfo endpoint", async () => {
    const { client_id: id, client_secret: secret } = await register({ ...base, userinfo_signed_response_alg: "RS256" });
    const metadata = { client_secret: secret, userinfo_signed_response_alg: "RS256" };
    const config = await discover(id, metadata, client.ClientSecretBasic(secret));
    const tokens = await signIn(config);
    const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
    assert.equal(person.preferred_username, "alice");
    assert.equal(person.aud, id);
  });

  test("pairwise subjects: each sector knows another sub, each client always the same", async () => {
    const subjects = [];
    for (const host of ["one", "two"]) {
      const { client_id: id, client_secret: secret } = await register({
        ...base, subject_type: "pairwise", redirect_uris: [`http://${host}.localhost:45871/callback`],
      });
      const config = await discover(id, {}, client.ClientSecretBasic(secret));
      const extra = { redirect_uri: `http://${host}.localhost:45871/callback` };
      const browser = new Browser();
      const tokens = await signIn(config, { extra, browser });
      const again = await signIn(config, { extra: { ...extra, prompt: "none", id_token_hint: tokens.id_token }, browser });
      assert.equal(again.claims().sub, tokens.claims().sub);
      const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
      assert.equal(person.sub, tokens.claims().sub);
      subjects.push(tokens.claims().sub);
    }
    assert.notEqual(subjects[0], subjects[1]);
  });
});
