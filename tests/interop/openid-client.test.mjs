// openid-client 6, a certified relying party library, through every flow it has in common with this server.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as client from "openid-client";
import { Browser } from "./lib/browser.mjs";
import { audience, callApi, callback, issuer, refusedByApi, register, scope, users } from "./lib/server.mjs";

// Plain http is right for a server on loopback; signatures of ID tokens are checked although TLS would do without.
const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks];
const discover = (id, authentication) => client.discovery(new URL(issuer), id, undefined, authentication, { execute });

let spa;
let web;
before(async () => {
  spa = await discover("demo-spa", client.None());
  web = await discover("demo-web", client.ClientSecretBasic("demo-web-secret"));
});

/** The authorization code flow with PKCE, state and nonce. */
async function signIn(config, { browser = new Browser(), extra = {}, ...options } = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: callback,
    scope,
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    ...extra,
  });
  const { answer, met } = await browser.authorize(url, options);
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  return { answer, checks, met, redeem: () => client.authorizationCodeGrant(config, answer, checks) };
}

describe("openid-client", () => {
  test("reads the metadata at both well-known places", async () => {
    assert.equal(spa.serverMetadata().issuer, issuer);
    assert.ok(spa.serverMetadata().supportsPKCE("S256"));
    const other = await client.discovery(new URL(issuer), "demo-spa", undefined, client.None(), {
      execute, algorithm: "oauth2",
    });
    assert.equal(other.serverMetadata().token_endpoint, spa.serverMetadata().token_endpoint);
  });

  for (const [name, config] of [["a public client", () => spa], ["a confidential client", () => web]]) {
    test(`signs a person in as ${name} and reads the claims`, async () => {
      const { redeem, met } = await signIn(config());
      const tokens = await redeem();
      assert.equal(met[0], "login");
      assert.equal(tokens.token_type, "bearer");
      assert.ok(tokens.expires_in > 500);
      const claims = tokens.claims();
      assert.equal(claims.iss, issuer);
      assert.equal(claims.aud, config().clientMetadata().client_id);
      const person = await client.fetchUserInfo(config(), tokens.access_token, claims.sub);
      assert.equal(person.preferred_username, "alice");
      assert.equal(person.email, "alice@example.com");
      assert.equal(person.name, "Alice Anna Example");
    });

    test(`revokes a refresh token as ${name}: refresh and access token are dead`, async () => {
      const tokens = await (await signIn(config())).redeem();
      await client.tokenRevocation(config(), tokens.refresh_token);
      await assert.rejects(client.refreshTokenGrant(config(), tokens.refresh_token), { error: "invalid_grant" });
      await refusedByApi(tokens.access_token);
      await assert.rejects(client.fetchUserInfo(config(), tokens.access_token, tokens.claims().sub), (error) => {
        assert.ok(error instanceof client.WWWAuthenticateChallengeError);
        assert.equal(error.cause[0].parameters.error, "invalid_token");
        return true;
      });
    });
  }

  test("refreshes as a public client: a new token each time, the same one on a retry", async () => {
    const tokens = await (await signIn(spa)).redeem();
    const next = await client.refreshTokenGrant(spa, tokens.refresh_token);
    assert.notEqual(next.refresh_token, tokens.refresh_token);
    const again = await client.refreshTokenGrant(spa, tokens.refresh_token);
    assert.equal(again.refresh_token, next.refresh_token);
    const third = await client.refreshTokenGrant(spa, next.refresh_token);
    assert.notEqual(third.refresh_token, next.refresh_token);
    assert.equal(await callApi(third.access_token), 200);
  });

  test("refreshes as a confidential client: its secret guards the token, so the token stays", async () => {
    const tokens = await (await signIn(web)).redeem();
    for (let round = 0; round < 3; round += 1) {
      const next = await client.refreshTokenGrant(web, tokens.refresh_token);
      assert.equal(next.refresh_token ?? tokens.refresh_token, tokens.refresh_token);
      assert.notEqual(next.access_token, tokens.access_token);
      assert.equal(await callApi(next.access_token), 200);
    }
    await assert.rejects(client.refreshTokenGrant(spa, tokens.refresh_token), { error: "invalid_grant" });
  });

  test("sends the secret in the body for a client that is registered so, and for no other", async () => {
    const { client_id: id, client_secret: secret } = await register({
      client_name: "Posts its secret",
      token_endpoint_auth_method: "client_secret_post",
      redirect_uris: ["http://127.0.0.1/callback"],
      grant_types: ["authorization_code", "refresh_token"],
      scope,
      id_token_on_refresh: true,
    });
    const config = await discover(id, client.ClientSecretPost(secret));
    const tokens = await (await signIn(config)).redeem();
    const next = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(next.claims().sub, tokens.claims().sub);
    assert.equal(next.claims().auth_time, tokens.claims().auth_time);

    const other = await discover("demo-service", client.ClientSecretPost("demo-service-secret"));
    await assert.rejects(client.clientCredentialsGrant(other, { scope: "read" }), { error: "invalid_client" });
  });

  test("gives a service a token of its own, without a refresh token", async () => {
    const config = await discover("demo-service", client.ClientSecretBasic("demo-service-secret"));
    const tokens = await client.clientCredentialsGrant(config, { scope: "read" });
    assert.equal(tokens.scope ?? "read", "read");
    assert.equal(tokens.refresh_token, undefined);
    assert.equal(await callApi(tokens.access_token), 200);
    await assert.rejects(client.clientCredentialsGrant(config, { scope: "root" }), { error: "invalid_scope" });
  });

  test("introspects a token as the API it is for", async () => {
    const api = await discover("demo-api", client.ClientSecretBasic("demo-api-secret"));
    const tokens = await (await signIn(spa)).redeem();
    const answer = await client.tokenIntrospection(api, tokens.access_token);
    assert.equal(answer.active, true);
    assert.equal(answer.username, "alice");
    assert.equal(answer.client_id, "demo-spa");
    assert.equal(answer.aud, audience);
    await client.tokenRevocation(spa, tokens.refresh_token);
    assert.deepEqual(await client.tokenIntrospection(api, tokens.access_token), { active: false });
  });

  test("does not accept a wrong secret", async () => {
    const config = await discover("demo-service", client.ClientSecretBasic("wrong"));
    await assert.rejects(client.clientCredentialsGrant(config, { scope: "read" }), (error) => {
      assert.equal(error.status ?? error.cause?.status, 401);
      return true;
    });
  });

  test("a person who does not consent sends access_denied back", async () => {
    const { answer, checks } = await signIn(web, { extra: { prompt: "consent" }, consent: "deny", user: users.bob });
    assert.equal(answer.searchParams.get("state"), checks.expectedState);
    await assert.rejects(client.authorizationCodeGrant(web, answer, checks), (error) => {
      assert.ok(error instanceof client.AuthorizationResponseError);
      assert.equal(error.error, "access_denied");
      return true;
    });
  });

  test("prompt=none answers silently with a session, and login_required without", async () => {
    const browser = new Browser();
    await (await signIn(spa, { browser })).redeem();
    const silent = await signIn(spa, { browser, extra: { prompt: "none" } });
    assert.deepEqual(silent.met, []);
    assert.ok((await silent.redeem()).id_token);
    const nobody = await signIn(spa, { extra: { prompt: "none" } });
    await assert.rejects(nobody.redeem(), { error: "login_required" });
  });

  test("max_age=0 asks for the password again, and the library sees a fresh auth_time", async () => {
    const browser = new Browser();
    await (await signIn(spa, { browser })).redeem();
    const asked = Math.floor(Date.now() / 1000);
    const again = await signIn(spa, { browser, extra: { max_age: "0" } });
    assert.deepEqual(again.met.slice(0, 1), ["login"]);
    const tokens = await client.authorizationCodeGrant(spa, again.answer, { ...again.checks, maxAge: 60 });
    assert.ok(tokens.claims().auth_time >= asked);
  });
});
