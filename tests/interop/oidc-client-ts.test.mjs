// oidc-client-ts 3, the library of most single-page applications; its protocol half runs without a page.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InMemoryWebStorage, OidcClient, WebStorageStateStore } from "oidc-client-ts";
import { Browser } from "./lib/browser.mjs";
import { callApi, callback, issuer, refusedByApi, scope } from "./lib/server.mjs";

const make = () => new OidcClient({
  authority: issuer,
  client_id: "demo-spa",
  redirect_uri: callback,
  scope,
  loadUserInfo: true,
  stateStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
});

async function signIn(client, extra = {}) {
  const request = await client.createSigninRequest({ ...extra });
  const { answer } = await new Browser().authorize(request.url);
  return client.processSigninResponse(String(answer));
}

describe("oidc-client-ts", () => {
  test("signs in, merges the claims of userinfo, refreshes and revokes", async () => {
    const client = make();
    const signedIn = await signIn(client, { nonce: "n-once" });
    assert.equal(signedIn.profile.preferred_username, "alice");
    assert.equal(signedIn.profile.iss, issuer);
    assert.equal(await callApi(signedIn.access_token), 200);

    const next = await client.useRefreshToken({ state: { ...signedIn, scope } });
    assert.notEqual(next.refresh_token, signedIn.refresh_token);
    assert.equal(await callApi(next.access_token), 200);

    await client.revokeToken(next.refresh_token, "refresh_token");
    await refusedByApi(next.access_token);
    const revoked = client.useRefreshToken({ state: { ...next, profile: signedIn.profile, scope } });
    await assert.rejects(revoked, { error: "invalid_grant" });
  });

  test("reads an error in the answer", async () => {
    await assert.rejects(signIn(make(), { prompt: "none" }), { error: "login_required" });
  });
});
