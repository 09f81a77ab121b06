// Token mode: the code flow, what is checked of its answers, refreshing, the store, signing out.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { SignetError } from "@signet/spa";
import { codeFlow, HOST, json, jwt, Tab, TokenServer, World } from "./support.mjs";

const code = (wanted) => (error) => error instanceof SignetError && error.code === wanted;
const shared = () => {
  let held = null;
  return { get: () => held, set: async (stored) => { held = stored; }, remove: async () => { held = null; } };
};

describe("signing in", () => {
  test("asks with PKCE, state and nonce, each new every time", async () => {
    const { world, server, tab, asked } = await codeFlow(
      { signIn: { prompt: "login", maxAge: 60, loginHint: "alice", acrValues: "gold" } }, { scope: "openid read", resource: "https://api.example.com" });
    assert.equal(tab.visited[0].split("?")[0], `${HOST}/authorize`);
    const { state, nonce, code_challenge: challenge, ...rest } = Object.fromEntries(asked);
    assert.deepEqual(rest, {
      response_type: "code", client_id: "shop", redirect_uri: "https://app.example.com/back", scope: "openid read", resource: "https://api.example.com",
      code_challenge_method: "S256", prompt: "login", max_age: "60", login_hint: "alice", acr_values: "gold",
    });
    assert.ok(state.length >= 43 && nonce.length >= 43 && challenge.length === 43 && state !== nonce);
    await world.until(tab.client.ready());
    const sent = new URLSearchParams(server.asked.at(-1).text);
    const verifier = sent.get("code_verifier");
    assert.match(verifier, /^[A-Za-z0-9._~-]{43,128}$/);
    assert.equal(createHash("sha256").update(verifier).digest("base64url"), challenge);
    assert.deepEqual([sent.get("code"), sent.get("redirect_uri"), sent.get("resource")], ["c1", "https://app.example.com/back", "https://api.example.com"]);
    const other = await codeFlow();
    for (const name of ["state", "nonce", "code_challenge"]) assert.notEqual(other.asked.get(name), asked.get(name));
  });

  test("turns the answer into a session, and leaves nothing in address or storage", async () => {
    const { world, server, tab, client } = await codeFlow({ signIn: { returnTo: "/deep?page=2#top" } });
    const session = await world.until(client.ready());
    assert.deepEqual([session.sub, session.name, session.sid], ["alice", "Alice", "s1"]);
    assert.equal(await client.getAccessToken(), "at1");
    assert.equal(tab.href, "https://app.example.com/deep?page=2#top");
    assert.deepEqual(tab.kept, { router: 1 });
    assert.equal(tab.environment.sessionStorage.values.size, 0);
    assert.deepEqual(tab.seen, ["signed-in"]);
    assert.equal(await client.ready(), session);
    assert.equal(server.count("/token"), 1);
    assert.ok(server.asked.every(({ request }) => request.credentials === "omit" && request.redirect === "error"));
  });

  test("leads back to this origin only", async () => {
    const { tab } = await codeFlow({ signIn: { returnTo: "https://evil.test/x?y" } });
    await tab.world.until(tab.client.ready());
    assert.equal(tab.href, "https://app.example.com/x?y");
  });

  for (const [name, change, wanted] of [
    ["another state", { state: "other" }, "wrong_state"],
    ["another issuer", { iss: "https://evil.test" }, "wrong_issuer"],
    ["no issuer", { iss: "" }, "wrong_issuer"],
    ["an error", { code: "", error: "access_denied", error_description: "no" }, "access_denied"],
  ]) {
    test(`an answer with ${name} is thrown away before anything is sent`, async () => {
      const { world, server, tab, client } = await codeFlow({}, {}, change);
      assert.equal(await world.until(client.ready()), null);
      assert.equal(client.returnError.code, wanted);
      assert.equal(server.count("/token"), 0);
      assert.equal(new URL(tab.href).search, "");
      assert.equal(tab.environment.sessionStorage.values.size, 0);
      await assert.rejects(client.signIn({ prompt: "none" }), code(wanted));
    });
  }

  test("an answer that this tab did not ask for is thrown away, and one is used once", async () => {
    const { world, server, tab, client } = await codeFlow();
    const answer = tab.href;
    await world.until(client.ready());
    tab.href = answer;
    const again = tab.token();
    await world.until(again.ready());
    assert.equal(again.returnError.code, "wrong_state");
    const fresh = new Tab(world, server, { href: answer }).token();
    await world.until(fresh.ready());
    assert.equal(fresh.returnError.code, "wrong_state");
    assert.equal(server.count("/token"), 1);
  });

  test("parameters of the application's own pages are left alone", async () => {
    const world = new World();
    for (const href of ["https://app.example.com/orders?state=open&code=7", "https://app.example.com/back?state=open", "https://app.example.com/back?code=7"]) {
      const tab = new Tab(world, new TokenServer(world), { href });
      assert.equal(await world.until(tab.token().ready()), null);
      assert.equal(tab.href, href);
    }
  });

  for (const [name, id] of [
    ["of another issuer", { iss: "https://evil.test" }], ["for another client", { aud: "other" }], ["for another client as well", { aud: ["shop", "other"] }],
    ["with another nonce", { nonce: "other" }], ["without a nonce", { nonce: undefined }], ["that has expired", { exp: 1_799_999_000 }], ["without an end", { exp: undefined }],
  ]) {
    test(`an ID token ${name} is refused`, async () => {
      const { world, server, client } = await codeFlow();
      server.id = server.idToken(id);
      assert.equal(await world.until(client.ready()), null);
      assert.equal(client.returnError.code, "bad_id_token");
      await assert.rejects(client.getAccessToken(), code("login_required"));
    });
  }

  test("no ID token, or one that is none, is refused; an audience in a list is fine, and a clock wrong by minutes", async () => {
    for (const id of ["", "x.y.z", jwt("text")]) {
      const { world, server, client } = await codeFlow();
      server.id = id;
      assert.equal(await world.until(client.ready()), null);
      assert.equal(client.returnError.code, "bad_id_token");
    }
    const { world, server, client } = await codeFlow();
    server.id = server.idToken({ aud: ["shop"], exp: Math.floor(world.now / 1000) - 200 });
    assert.equal((await world.until(client.ready())).sub, "alice");
  });

  test("metadata of another issuer is refused", async () => {
    const world = new World();
    const server = new TokenServer(world);
    server.metadata = { ...server.metadata, issuer: "https://evil.test" };
    const tab = new Tab(world, server);
    await assert.rejects(world.until(tab.token().signIn()), code("wrong_issuer"));
    assert.deepEqual(tab.visited, []);
  });
});

describe("refreshing", () => {
  test("uses the newest refresh token, and keeps it where an answer has none", async () => {
    const { world, server, client } = await codeFlow();
    await world.until(client.ready());
    assert.equal(await world.until(client.getAccessToken({ refresh: true })), "at2");
    server.more = { refresh_token: undefined };
    await world.until(client.getAccessToken({ refresh: true }));
    await world.until(client.getAccessToken({ refresh: true }));
    const sent = server.asked.filter(({ path }) => path === "/token").slice(1).map(({ text }) => Object.fromEntries(new URLSearchParams(text)));
    assert.deepEqual(sent.map((fields) => fields.refresh_token), ["f0.0", "f0.1", "f0.1"]);
    assert.ok(sent.every((fields) => fields.grant_type === "refresh_token" && fields.client_id === "shop"));
    assert.equal(client.session.name, "Alice");
  });

  test("sends the same token again when the answer was lost", async () => {
    const { world, server, tab, client } = await codeFlow();
    await world.until(client.ready());
    server.faults = ["lost"];
    await assert.rejects(world.until(client.getAccessToken({ refresh: true })), code("no_answer"));
    await world.pass(5_000);
    await world.until(client.getAccessToken({ refresh: true }));
    assert.ok(!tab.seen.includes("signed-out"));
  });

  test("invalid_grant is signed out, and the token is never sent again", async () => {
    const { world, server, tab, client } = await codeFlow();
    await world.until(client.ready());
    server.families.get("f0").ended = true;
    await assert.rejects(world.until(client.getAccessToken({ refresh: true })), code("invalid_grant"));
    assert.deepEqual(tab.seen, ["signed-in", "signed-out"]);
    await assert.rejects(client.getAccessToken(), code("login_required"));
    await world.pass(3_600_000);
    assert.equal(server.count("/token"), 2);
  });

  test("does not change who is signed in", async () => {
    const { world, server, client } = await codeFlow();
    await world.until(client.ready());
    server.more = { id_token: server.idToken({ sub: "mallory" }) };
    await assert.rejects(world.until(client.getAccessToken({ refresh: true })), code("bad_id_token"));
    assert.equal(client.session.sub, "alice");
  });

  test("without a refresh token the session ends with the access token", async () => {
    const { world, server, tab, client } = await codeFlow();
    const grant = server.grant.bind(server);
    server.grant = (more) => grant({ ...more, refresh_token: undefined });
    await world.until(client.ready());
    await world.pass(601_000);
    await assert.rejects(client.getAccessToken(), code("login_required"));
    assert.deepEqual(tab.seen, ["signed-in", "signed-out"]);
    assert.equal(server.count("/token"), 1);
  });
});

describe("without a store", () => {
  test("every tab has its own session: tokens are not shared, failures neither, a logout is", async () => {
    const one = await codeFlow();
    await one.world.until(one.client.ready());
    const two = await codeFlow({ world: one.world, server: one.server });
    await one.world.until(two.client.ready());
    assert.equal(await one.client.getAccessToken(), "at1");
    assert.equal(await two.client.getAccessToken(), "at2");
    one.server.families.get("f0").ended = true;
    await assert.rejects(one.world.until(one.client.getAccessToken({ refresh: true })), SignetError);
    await one.world.pass(100);
    assert.equal(two.client.session.sub, "alice");
    const three = await codeFlow({ world: one.world, server: one.server });
    await one.world.until(three.client.ready());
    await one.world.until(three.client.logout());
    await one.world.pass(1_000);
    assert.equal(two.client.session, null);
    assert.deepEqual(two.tab.changes.at(-1), { type: "signed-out", reason: "logout", elsewhere: true });
    assert.ok(one.server.families.get("f1").ended, "the other tab's refresh token is revoked as well");
  });

  test("a reload is a new sign-in", async () => {
    const { world, server, tab, client } = await codeFlow();
    await world.until(client.ready());
    client.close();
    assert.equal(await world.until(tab.token().ready()), null);
    assert.equal(server.count("/token"), 1);
  });
});

describe("with a store", () => {
  test("a reload restores the session and its claims", async () => {
    const store = shared();
    const { world, tab, client } = await codeFlow({}, { store });
    await world.until(client.ready());
    assert.deepEqual([store.get().refresh, store.get().session.sub], ["f0.0", "alice"]);
    client.close();
    const session = await world.until(tab.token({ store }).ready());
    assert.equal(session.name, "Alice");
    assert.equal(store.get().refresh, "f0.1");
  });

  test("ten tabs share one family", async () => {
    const store = shared();
    const { world, server, tab, client } = await codeFlow({}, { store });
    await world.until(client.ready());
    const tabs = Array.from({ length: 9 }, () => new Tab(world, server));
    const clients = tabs.map((other) => other.token({ store }));
    const sessions = await world.until(Promise.all(clients.map((other) => other.ready())));
    assert.ok(sessions.every(({ sub }) => sub === "alice"));
    for (let round = 0; round < 5; round += 1) await world.pass(540_000);
    const tokens = await world.until(Promise.all([client, ...clients].map((other) => other.getAccessToken())));
    assert.equal(new Set(tokens).size, 1);
    assert.ok([tab, ...tabs].every(({ seen }) => !seen.includes("signed-out")));
    assert.ok(server.count("/token") <= 8, String(server.count("/token")));
    assert.ok(!server.families.get("f0").reuse);
  });

  test("an invalid_grant for a token that another tab has replaced is asked again with the new one", async () => {
    const store = shared();
    const { world, server, tab, client } = await codeFlow({ locks: false, channel: false }, { store });
    await world.until(client.ready());
    server.faults = [async () => {
      await store.set({ ...store.get(), refresh: "f0.1" });
      server.families.get("f0").present(0);
      return json(400, { error: "invalid_grant" });
    }];
    assert.equal(await world.until(client.getAccessToken({ refresh: true })), "at2");
    assert.ok(!tab.seen.includes("signed-out"));
  });

  test("a sign-out empties it, in this tab alone", async () => {
    const store = shared();
    const { world, server, client } = await codeFlow({}, { store });
    await world.until(client.ready());
    const other = new Tab(world, server).token({ store });
    await world.until(other.ready());
    await world.until(client.logout());
    assert.equal(store.get(), null);
    await store.set({ refresh: "f9.0", session: { sub: "next" } });
    await world.pass(1_000);
    assert.equal(other.session, null);
    assert.equal(store.get().refresh, "f9.0", "what was stored since belongs to the next session");
  });

  test("a sign-in that brings no refresh token does not go on with the one of the session before", async () => {
    const store = shared();
    await store.set({ refresh: "old", session: { sub: "bob" } });
    const { world, server, client } = await codeFlow({}, { store });
    const grant = server.grant.bind(server);
    server.grant = (more) => grant({ ...more, refresh_token: undefined });
    assert.equal((await world.until(client.ready())).sub, "alice");
    assert.equal(store.get(), null);
  });

  test("a forged answer in the address does not end the session there is", async () => {
    const store = shared();
    const { world, tab, client } = await codeFlow({}, { store });
    await world.until(client.ready());
    client.close();
    tab.href = "https://app.example.com/back?code=evil&state=evil&iss=https://auth.example.com";
    const next = tab.token({ store });
    assert.equal((await world.until(next.ready())).sub, "alice");
    assert.equal(next.returnError.code, "wrong_state");
  });

  test("a client that is closed during a refresh leaves the newest token for the others", async () => {
    const store = shared();
    const { world, server, client } = await codeFlow({}, { store });
    await world.until(client.ready());
    let late;
    server.faults = [(go) => new Promise((resolve) => { const [answer] = go(); late = () => resolve(answer); })];
    const refreshing = client.getAccessToken({ refresh: true });
    await world.pass(100);
    client.close();
    late();
    await assert.rejects(world.until(refreshing), SignetError);
    assert.equal(store.get()?.refresh, "f0.1");
    assert.equal(client.session, null);
    assert.equal(world.timers.length, 0);
  });

  test("a client that is closed while it finishes the sign-in does not go on", async () => {
    const store = shared();
    const { world, client } = await codeFlow({}, { store });
    const ready = client.ready();
    await world.pass(1);
    client.close();
    assert.equal(await world.until(ready), null);
    assert.equal(client.session, null);
    assert.equal(store.get()?.refresh, "f0.0");
    assert.equal(world.timers.length, 0);
  });

  test("a store that cannot be emptied does not keep anybody signed in here", async (t) => {
    const store = { ...shared(), remove: async () => { if (broken) throw new Error("store"); } };
    let broken = false;
    const { world, client } = await codeFlow({}, { store });
    await world.until(client.ready());
    broken = true;
    const unhandled = t.mock.fn();
    process.once("unhandledRejection", unhandled);
    await world.until(client.logout());
    await world.pass(100);
    process.off("unhandledRejection", unhandled);
    assert.equal(unhandled.mock.callCount(), 0);
    assert.equal(client.session, null);
  });

  test("a refresh that comes back after a logout does not fill it again", async () => {
    const store = shared();
    const { world, server, client } = await codeFlow({}, { store });
    await world.until(client.ready());
    let late;
    server.faults = [(go) => new Promise((resolve) => { const [answer] = go(); late = () => resolve(answer); })];
    const refreshing = client.getAccessToken({ refresh: true });
    await world.pass(100);
    await world.until(client.logout());
    late();
    await assert.rejects(world.until(refreshing), SignetError);
    assert.equal(store.get(), null);
  });
});

describe("signing out", () => {
  test("revokes the refresh token; everywhere leads on to the page of the server", async () => {
    const { world, server, tab, client } = await codeFlow();
    await world.until(client.ready());
    const [before] = [tab.visited.length];
    await world.until(client.logout({ everywhere: true }));
    const { path, text } = server.asked.at(-1);
    assert.equal(path, "/revoke");
    assert.deepEqual(Object.fromEntries(new URLSearchParams(text)), { token: "f0.0", token_type_hint: "refresh_token", client_id: "shop" });
    assert.deepEqual(tab.visited.slice(before), [`${HOST}/logout`]);
    assert.deepEqual(tab.seen, ["signed-in", "signed-out"]);
    assert.equal(client.session, null);
  });

  test("that was not confirmed leaves everything as it is", async () => {
    const { world, server, tab, client } = await codeFlow();
    await world.until(client.ready());
    server.faults = [json(503, {})];
    await assert.rejects(world.until(client.logout({ everywhere: true })), SignetError);
    assert.equal(client.session.sub, "alice");
    assert.equal(tab.visited.length, 1);
  });
});
