// openid-client 6 at registered APIs (RFC 8707): one with tokens that anybody can verify, one with tokens that only the
// server can read; and a client that registers itself.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as client from "openid-client";
import { Browser } from "./lib/browser.mjs";
import { callback, issuer, register, signet } from "./lib/server.mjs";

const execute = [client.allowInsecureRequests];
const orders = "https://orders.example.com/";
const vault = "https://vault.example.com/";

async function signIn(config, resources, scope) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: callback, scope,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: "S256",
  });
  for (const resource of resources) url.searchParams.append("resource", resource);
  const { answer } = await new Browser().authorize(url);
  return { answer, pkceCodeVerifier };
}

describe("openid-client at several APIs", () => {
  let config;
  let guard;
  before(async () => {
    await signet("api", "create", orders, "--scope", "orders:read");
    await signet("api", "create", vault, "--scope", "vault:open", "--format", "opaque", "--lifetime", "120");
    const party = await register({
      redirect_uris: ["http://127.0.0.1/callback"],
      grant_types: ["authorization_code", "refresh_token"],
      scope: "openid offline_access orders:read vault:open",
      audience: [orders, vault],
    });
    const api = await register({
      grant_types: ["client_credentials"], response_types: [], introspect: true, audience: [vault],
    });
    const discover = ({ client_id: id, client_secret: secret }) =>
      client.discovery(new URL(issuer), id, {}, client.ClientSecretBasic(secret), { execute });
    config = await discover(party);
    guard = await discover(api);
  });

  test("each API gets a token of its own kind, with its own scope", async () => {
    const scope = "openid offline_access orders:read vault:open";
    const { answer, pkceCodeVerifier } = await signIn(config, [orders, vault], scope);
    const first = await client.authorizationCodeGrant(config, answer, { pkceCodeVerifier }, { resource: orders });
    assert.equal(first.access_token.split(".").length, 3);
    const claims = JSON.parse(Buffer.from(first.access_token.split(".")[1], "base64url"));
    assert.equal(claims.aud, orders);
    assert.ok(!claims.scope.includes("vault:open"), claims.scope);

    const second = await client.refreshTokenGrant(config, first.refresh_token, { resource: vault });
    assert.match(second.access_token, /^sat_/);
    assert.ok(second.expires_in <= 120);
    const seen = await client.tokenIntrospection(guard, second.access_token);
    assert.equal(seen.active, true);
    assert.equal(seen.aud, vault);
    assert.equal(seen.username, "alice");
    assert.ok(!seen.scope.includes("orders:read"), seen.scope);
    assert.deepEqual(await client.tokenIntrospection(guard, first.access_token), { active: false });

    await client.tokenRevocation(config, first.refresh_token);
    assert.deepEqual(await client.tokenIntrospection(guard, second.access_token), { active: false });
  });

  test("an API that is not the client's is invalid_target", async () => {
    const { answer, pkceCodeVerifier } = await signIn(config, ["https://other.example.com/"], "openid");
    await assert.rejects(
      client.authorizationCodeGrant(config, answer, { pkceCodeVerifier }), { error: "invalid_target" },
    );
  });
});

describe("a client that registers itself (RFC 7591, RFC 7592)", () => {
  test("with an initial access token: registers, signs a person in, reads and deletes itself", async () => {
    const { token } = await signet("initial-access-token", "create", "--name", "interop", "--uses", "1");
    const endpoint = new URL(issuer);
    const metadata = {
      client_name: "Registers itself",
      redirect_uris: ["http://127.0.0.1/callback"],
      initiate_login_uri: "https://app.example.com/start",
      token_endpoint_auth_method: "client_secret_post",
    };
    const options = { execute, initialAccessToken: token };
    const config = await client.dynamicClientRegistration(endpoint, metadata, undefined, options);
    const registered = config.clientMetadata();
    assert.equal(registered.initiate_login_uri, metadata.initiate_login_uri);
    assert.equal(registered.client_secret_expires_at, 0);
    await assert.rejects(client.dynamicClientRegistration(endpoint, metadata, undefined, options));

    const { answer, pkceCodeVerifier } = await signIn(config, [], "openid offline_access");
    const tokens = await client.authorizationCodeGrant(config, answer, { pkceCodeVerifier, idTokenExpected: true });
    assert.equal(tokens.claims().aud, registered.client_id);

    const manage = (method) => fetch(registered.registration_client_uri, {
      method, headers: { authorization: `Bearer ${registered.registration_access_token}` },
    });
    const read = await manage("GET");
    assert.equal((await read.json()).initiate_login_uri, metadata.initiate_login_uri);
    assert.equal((await manage("DELETE")).status, 204);
    assert.equal((await manage("GET")).status, 401);
    await assert.rejects(client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
  });
});
