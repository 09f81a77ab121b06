// oauth4webapi 3: the strictest reader of answers there is. Each answer goes through the library's own processing.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as oauth from "oauth4webapi";
import { Browser } from "./lib/browser.mjs";
import { callApi, callback, issuer, refusedByApi, scope, signet } from "./lib/server.mjs";

const insecure = { [oauth.allowInsecureRequests]: true };
const spa = { client_id: "demo-spa" };
const nobody = oauth.None();

let server;
before(async () => {
  const url = new URL(issuer);
  server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure));
});

async function ask(change = {}) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const url = new URL(server.authorization_endpoint);
  const fields = {
    client_id: spa.client_id,
    redirect_uri: callback,
    response_type: "code",
    scope,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...change,
  };
  for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, value);
  const { answer } = await new Browser().authorize(url);
  return { answer, verifier, state, nonce };
}

const redeem = (params, verifier) =>
  oauth.authorizationCodeGrantRequest(server, spa, nobody, params, callback, verifier, insecure);
const refresh = async (token) =>
  oauth.processRefreshTokenResponse(server, spa, await oauth.refreshTokenGrantRequest(server, spa, nobody, token, insecure));

async function signIn() {
  const { answer, verifier, state, nonce } = await ask();
  const params = oauth.validateAuthResponse(server, spa, answer, state);
  const response = await redeem(params, verifier);
  const tokens = await oauth.processAuthorizationCodeResponse(server, spa, response, {
    expectedNonce: nonce, requireIdToken: true,
  });
  await oauth.validateApplicationLevelSignature(server, response, insecure);
  return { tokens, params, verifier };
}

describe("oauth4webapi", () => {
  test("takes the whole code flow, the issuer in the answer and the signature of the ID token", async () => {
    assert.equal(server.authorization_response_iss_parameter_supported, true);
    const { tokens } = await signIn();
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    const person = await oauth.processUserInfoResponse(
      server, spa, claims.sub, await oauth.userInfoRequest(server, spa, tokens.access_token, insecure),
    );
    assert.equal(person.email_verified, true);
    assert.ok((await refresh(tokens.refresh_token)).access_token);
  });

  test("refuses an answer without the issuer, with another one, or with another state (RFC 9207 §2.4)", async () => {
    const { answer, state } = await ask();
    const without = new URL(answer);
    without.searchParams.delete("iss");
    assert.throws(() => oauth.validateAuthResponse(server, spa, without, state), /iss/);
    const foreign = new URL(answer);
    foreign.searchParams.set("iss", "https://other.example.com");
    assert.throws(() => oauth.validateAuthResponse(server, spa, foreign, state), /iss/);
    assert.throws(() => oauth.validateAuthResponse(server, spa, answer, oauth.generateRandomState()), /state/);
  });

  test("reads errors of the authorization endpoint, with state and issuer", async () => {
    for (const [change, code] of [
      [{ scope: "openid root" }, "invalid_scope"],
      [{ response_type: "token" }, "unsupported_response_type"],
      [{ prompt: "none" }, "login_required"],
      [{ code_challenge_method: "plain" }, "invalid_request"],
    ]) {
      const { answer, state } = await ask(change);
      assert.throws(() => oauth.validateAuthResponse(server, spa, answer, state), (error) => {
        assert.ok(error instanceof oauth.AuthorizationResponseError, String(error));
        assert.equal(error.error, code);
        return true;
      });
    }
  });

  test("a code works once, and its tokens die with the second try (RFC 6749 §4.1.2)", async () => {
    const { tokens, params, verifier } = await signIn();
    assert.equal(await callApi(tokens.access_token), 200);
    await rejectsWith(oauth.processAuthorizationCodeResponse(server, spa, await redeem(params, verifier)), "invalid_grant", 400);
    await refusedByApi(tokens.access_token);
    await rejectsWith(refresh(tokens.refresh_token), "invalid_grant", 400);
  });

  test("a code without its verifier is worth nothing (RFC 7636 §4.6)", async () => {
    const { answer, state } = await ask();
    const params = oauth.validateAuthResponse(server, spa, answer, state);
    const response = await redeem(params, oauth.generateRandomCodeVerifier());
    await rejectsWith(oauth.processAuthorizationCodeResponse(server, spa, response), "invalid_grant", 400);
  });

  test("revocation answers as the library expects, for a token that never was too (RFC 7009 §2.2)", async () => {
    const { tokens } = await signIn();
    for (const token of [tokens.refresh_token, tokens.refresh_token, "srt_never_was"]) {
      await oauth.processRevocationResponse(await oauth.revocationRequest(server, spa, nobody, token, insecure));
    }
    await rejectsWith(refresh(tokens.refresh_token), "invalid_grant", 400);
  });

  test("introspection needs a client that may ask", async () => {
    const { tokens } = await signIn();
    const api = { client_id: "demo-api" };
    const ask = async (secret) => oauth.processIntrospectionResponse(server, api,
      await oauth.introspectionRequest(server, api, oauth.ClientSecretBasic(secret), tokens.access_token, insecure));
    assert.equal((await ask("demo-api-secret")).active, true);
    await rejectsWith(ask("wrong"), "invalid_client", 401);
  });

  test("registers itself, signs its request and its own name with one key (RFC 7591, RFC 9101, RFC 7523)", async () => {
    const { token } = await signet("initial-access-token", "create", "--name", "oauth4webapi", "--uses", "1");
    const { publicKey, privateKey } = await oauth.generateKeyPair("ES256");
    const jwk = { ...(await crypto.subtle.exportKey("jwk", publicKey)), kid: "own", use: "sig", alg: "ES256" };
    delete jwk.key_ops;
    delete jwk.ext;
    const own = await oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(server, {
      redirect_uris: ["http://127.0.0.1/callback"],
      token_endpoint_auth_method: "private_key_jwt",
      grant_types: ["authorization_code", "refresh_token"],
      jwks: { keys: [jwk] },
    }, { ...insecure, initialAccessToken: token }));
    const key = { key: privateKey, kid: "own" };
    const verifier = oauth.generateRandomCodeVerifier();
    const request = await oauth.issueRequestObject(server, own, {
      redirect_uri: callback, response_type: "code", scope: "openid email", state: "inside",
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
    }, key);
    const url = new URL(server.authorization_endpoint);
    url.search = new URLSearchParams({ client_id: own.client_id, request });
    const { answer } = await new Browser().authorize(url);
    const params = oauth.validateAuthResponse(server, own, answer, "inside");
    const tokens = await oauth.processAuthorizationCodeResponse(server, own, await oauth.authorizationCodeGrantRequest(
      server, own, oauth.PrivateKeyJwt(key), params, callback, verifier, insecure,
    ), { requireIdToken: true });
    assert.equal(oauth.getValidatedIdTokenClaims(tokens).aud, own.client_id);
  });

  test("a token that is none is challenged (RFC 6750 §3)", async () => {
    const response = await oauth.userInfoRequest(server, spa, "not-a-token", insecure);
    await assert.rejects(oauth.processUserInfoResponse(server, spa, oauth.skipSubjectCheck, response), (error) => {
      assert.ok(error instanceof oauth.WWWAuthenticateChallengeError, String(error));
      assert.equal(error.cause[0].scheme, "bearer");
      assert.equal(error.cause[0].parameters.error, "invalid_token");
      return true;
    });
  });
});

function rejectsWith(promise, code, status) {
  return assert.rejects(promise, (error) => {
    assert.ok(error instanceof oauth.ResponseBodyError || error instanceof oauth.WWWAuthenticateChallengeError, String(error));
    assert.equal(error.status, status);
    if (error.error) assert.equal(error.error, code);
    return true;
  });
}
