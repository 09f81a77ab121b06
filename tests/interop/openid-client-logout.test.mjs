// openid-client 6 and jose: signing out at the relying party ends the session at the server, and every other relying
// party is told.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as client from "openid-client";
import { Browser, hiddenFields } from "./lib/browser.mjs";
import { openParty } from "./lib/party.mjs";
import { callback, issuer, logOutAll, register, scope, signet } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks];
const after_logout = "http://127.0.0.1:45871/bye";

describe("logout of relying parties", () => {
  let party;
  let config;
  let keys;
  before(async () => {
    party = await openParty();
    const { client_id: id, client_secret: secret } = await register({
      redirect_uris: ["http://127.0.0.1/callback"],
      post_logout_redirect_uris: [after_logout],
      backchannel_logout_uri: `${party.origin}/backchannel`,
      backchannel_logout_session_required: true,
      grant_types: ["authorization_code", "refresh_token"],
      scope,
      audience: ["https://api.example.com"],
    });
    config = await client.discovery(new URL(issuer), id, {}, client.ClientSecretBasic(secret), { execute });
    keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  });
  after(() => party.close());

  async function signIn(browser) {
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: callback, scope,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: "S256",
    });
    const { answer } = await browser.authorize(url);
    return client.authorizationCodeGrant(config, answer, { pkceCodeVerifier, idTokenExpected: true });
  }

  /** Asks whether somebody is signed in, without showing anything. */
  const silent = async () => client.buildAuthorizationUrl(config, {
    redirect_uri: callback, scope: "openid", prompt: "none", code_challenge_method: "S256",
    code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()),
  });

  /** What the operator sees of a session's notices, once the relying party's answers have been noted. */
  const delivered = (sid) => until(`the notices of ${sid} are delivered`, async () => {
    const report = await signet("logout", "report", "--session", sid);
    return report.notices.length > 0 && report.notices.every(({ state }) => state === "delivered") && report;
  });

  /** The claims of the newest logout token, verified as OpenID Connect Back-Channel Logout §2.6 says. */
  async function told(count) {
    const { path, type, form } = (await party.told(count)).at(-1);
    assert.equal(path, "/backchannel");
    assert.match(type, /^application\/x-www-form-urlencoded/);
    assert.deepEqual([...form.keys()], ["logout_token"]);
    const { payload } = await jwtVerify(form.get("logout_token"), keys, {
      issuer, audience: config.clientMetadata().client_id, typ: "logout+jwt", algorithms: ["RS256"],
    });
    assert.deepEqual(payload.events, { "http://schemas.openid.net/event/backchannel-logout": {} });
    assert.equal(payload.nonce, undefined);
    return payload;
  }

  test("RP-initiated: back at the relying party with state, told by the back channel, signed out", async () => {
    const browser = new Browser();
    const tokens = await signIn(browser);
    const url = client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token, post_logout_redirect_uri: after_logout, state: "s".repeat(128),
    });
    const response = await browser.request(url);
    const location = response.headers.get("location");
    assert.equal(location, `${after_logout}?state=${"s".repeat(128)}`, `${response.status} ${await response.text()}`);
    const notice = await told(1);
    assert.equal(notice.sid, tokens.claims().sid);
    assert.equal(notice.sub, tokens.claims().sub);
    const { answer } = await browser.authorize(await silent());
    assert.equal(answer.searchParams.get("error"), "login_required");
  });

  test("log out all devices reaches the relying party once for each session", async () => {
    const sessions = [await signIn(new Browser()), await signIn(new Browser())];
    const before_that = party.posts.length;
    await logOutAll(sessions[0].access_token);
    await party.told(before_that + 2);
    const sids = [];
    for (const post of party.posts.slice(before_that)) {
      sids.push((await jwtVerify(post.form.get("logout_token"), keys, { typ: "logout+jwt" })).payload.sid);
    }
    assert.deepEqual(sids.sort(), sessions.map((tokens) => tokens.claims().sid).sort());
    // Each by itself: what was delivered before says nothing of these.
    for (const sid of sids) {
      const { notices } = await delivered(sid);
      assert.deepEqual(notices.map(({ client_id: id }) => id), [config.clientMetadata().client_id]);
    }
  });

  test("without a hint the person is asked first, and is not sent anywhere unproven", async () => {
    const browser = new Browser();
    await signIn(browser);
    const url = new URL(config.serverMetadata().end_session_endpoint);
    url.search = new URLSearchParams({ post_logout_redirect_uri: "https://evil.example/bye" });
    const response = await browser.request(url);
    const html = await response.text();
    assert.deepEqual([response.status, response.headers.get("location")], [200, null]);
    assert.match(html, /<form id="logout-form" method="post"[^]*<button id="logout-confirm"/);
    assert.doesNotMatch(html, /evil\.example/);
    const yes = await browser.request(url.origin + url.pathname, { ...hiddenFields(html), action: "logout" });
    assert.deepEqual([yes.status, yes.headers.get("location")], [303, "/logged-out"]);
    assert.match(await (await browser.request(`${issuer}/logged-out`)).text(), /<div id="logged-out">/);
    const { answer } = await browser.authorize(await silent());
    assert.equal(answer.searchParams.get("error"), "login_required");
  });
});
