// One tab in cookie mode: restoring, renewing, failing, signing in and out.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cookieClient, SignetError } from "@signet/spa";
import { API, APP, bearer, CookieServer, HOST, json, jwt, signedIn, Tab, World } from "./support.mjs";

const unavailable = (error) => error instanceof SignetError && error.kind === "unavailable";
const signedOut = (error) => error instanceof SignetError && error.kind === "signed-out";
const failing = (status, headers = {}, body = { error: "temporarily_unavailable" }) => json(status, body, headers);

describe("restoring", () => {
  test("asks once, with the request the gate asks for, and shows who is signed in", async () => {
    const { server, tab, client } = await signedIn({}, { scope: "read", resource: API });
    const [{ request, text }] = server.asked;
    assert.equal(request.url, `${HOST}/refresh`);
    assert.equal(request.method, "POST");
    assert.equal(request.credentials, "include");
    assert.equal(request.cache, "no-store");
    assert.equal(request.mode, "cors");
    assert.equal(request.redirect, "error");
    assert.equal(request.headers.get("content-type"), "application/json");
    assert.equal(request.headers.get("x-signet-request"), "1");
    assert.deepEqual(JSON.parse(text), { client_id: "shop", scope: "read", resource: API });
    assert.equal(client.session.sub, "alice");
    assert.equal(await client.getAccessToken(), "at1");
    assert.deepEqual(tab.seen, ["signed-in"]);
    assert.equal(server.asked.length, 1);
  });

  test("nobody signed in is null, without an event, and no request is repeated", async () => {
    const world = new World();
    const server = new CookieServer(world);
    const tab = new Tab(world, server);
    const client = tab.cookie();
    assert.equal(await world.until(client.ready()), null);
    assert.deepEqual(tab.seen, []);
    await assert.rejects(client.getAccessToken(), signedOut);
    await world.pass(3_600_000);
    assert.equal(server.count("/refresh"), 1);
  });

  test("a server that is down is not a sign-out: ready() says so, and the session comes by itself", async () => {
    const world = new World();
    const server = new CookieServer(world);
    server.signIn();
    server.faults = ["down", failing(503)];
    const tab = new Tab(world, server);
    const client = tab.cookie();
    await assert.rejects(world.until(client.ready()), unavailable);
    await world.pass(10_000);
    assert.equal(client.session?.sub, "alice");
    assert.deepEqual(tab.seen, ["unavailable", "unavailable", "signed-in"]);
  });

  test("callers at the same time share one request", async () => {
    const world = new World();
    const server = new CookieServer(world);
    server.signIn();
    const client = new Tab(world, server).cookie();
    const tokens = await world.until(Promise.all([client.ready(), ...Array.from({ length: 20 }, () => client.getAccessToken())]));
    assert.deepEqual([...new Set(tokens.slice(1))], ["at1"]);
    assert.equal(server.asked.length, 1);
  });

  test("the claims of an ID token are part of the session, and stay when an answer does not repeat them", async () => {
    const world = new World();
    const server = new CookieServer(world);
    server.signIn();
    const original = server.grant.bind(server);
    server.grant = (more) => original({ ...more, ...(server.accessTokens === 0 && { id_token: jwt({ sub: "alice", name: "Ålice" }) }) });
    const client = new Tab(world, server).cookie();
    assert.equal((await world.until(client.ready())).name, "Ålice");
    await world.until(client.getAccessToken({ refresh: true }));
    assert.equal(client.session.name, "Ålice");
    assert.equal(client.session.sid, "s1");
  });
});

describe("renewing", () => {
  test("ahead of time: a tenth of the life before the end, and up to a quarter of that sooner", async () => {
    for (const [random, at] of [[0, 540_000], [0.999, 525_000]]) {
      const world = new World();
      world.random = random;
      const { server } = await signedIn({ world });
      await world.pass(at - 1_000);
      assert.equal(server.count("/refresh"), 1, `too early with ${random}`);
      await world.pass(2_000);
      assert.equal(server.count("/refresh"), 2, `too late with ${random}`);
    }
  });

  test("at least 30 s before the end, but never before half of the life is over", async () => {
    for (const [lifetime, early, late] of [[100, 65_000, 70_500], [20, 7_000, 10_500]]) {
      const world = new World();
      const server = new CookieServer(world);
      server.signIn();
      server.lifetime = lifetime;
      await signedIn({ world, server });
      await world.pass(early);
      assert.equal(server.count("/refresh"), 1);
      await world.pass(late - early);
      assert.equal(server.count("/refresh"), 2);
    }
  });

  test("a life of 60 days does not overflow a timer, one of no time does not spin", async () => {
    const { world, server, client } = await signedIn();
    server.lifetime = 60 * 86_400;
    await world.pass(600_000);
    assert.equal(server.count("/refresh"), 2);
    await world.pass(50 * 86_400_000);
    assert.equal(server.count("/refresh"), 2);
    await world.pass(10 * 86_400_000);
    assert.equal(server.count("/refresh"), 3);
    server.lifetime = -5;
    await world.until(client.getAccessToken({ refresh: true }));
    const before = server.count("/refresh");
    await world.pass(10_000);
    assert.ok(server.count("/refresh") - before < 40);
  });

  test("not while hidden; at once when it is shown again", async () => {
    const { world, server, tab, client } = await signedIn();
    tab.show("hidden");
    await world.pass(7_200_000);
    assert.equal(server.count("/refresh"), 1);
    tab.show("visible");
    await world.pass(1_000);
    assert.equal(server.count("/refresh"), 2);
    assert.equal(await client.getAccessToken(), "at2");
  });

  test("a call in a hidden tab renews all the same", async () => {
    const { world, tab, client } = await signedIn();
    tab.show("hidden");
    await world.pass(7_200_000);
    assert.equal(await world.until(client.getAccessToken()), "at2");
  });

  test("a call shortly before the end goes on with the token there is", async () => {
    const { world, server, tab, client } = await signedIn();
    tab.show("hidden");
    await world.pass(585_000);
    assert.equal(await client.getAccessToken(), "at1");
    await world.pass(100);
    assert.equal(await client.getAccessToken(), "at2");
    assert.equal(server.count("/refresh"), 2);
  });

  test("after the machine has slept, whichever clock stood still", async () => {
    const { world, server, tab, client } = await signedIn();
    world.sleepMachine(3_600_000);
    tab.fire("focus");
    await world.pass(100);
    assert.equal(server.count("/refresh"), 2);
    world.now -= 86_400_000; // the clock is set back a day: the token still ends in time
    await world.pass(601_000);
    assert.equal(await world.until(client.getAccessToken()), "at3");
  });

  test("a clock that is wrong by a day, or set forward, costs a request at most", async () => {
    const world = new World();
    world.now -= 86_400_000;
    const { server, client } = await signedIn({ world });
    assert.equal(await client.getAccessToken(), "at1");
    world.now += 86_400_000;
    assert.equal(await world.until(client.getAccessToken()), "at2");
    await world.pass(500_000);
    assert.equal(server.count("/refresh"), 2);
  });

  test("a page out of the back-forward cache asks whether the session still lives", async () => {
    const { world, server, tab, client } = await signedIn();
    server.family.ended = true;
    tab.fire("pageshow", { persisted: false });
    await world.pass(1_000);
    assert.equal(server.count("/refresh"), 1);
    tab.fire("pageshow", { persisted: true });
    await world.pass(1_000);
    assert.equal(client.session, null);
  });

  test("the same answer again does not announce another sign-in; another user does", async () => {
    const { world, server, tab, client } = await signedIn();
    await world.until(client.getAccessToken({ refresh: true }));
    server.claims = { ...server.claims, sub: "bob", sid: "s2" };
    await world.until(client.getAccessToken({ refresh: true }));
    assert.deepEqual(tab.seen, ["signed-in", "refreshed", "signed-in"]);
    assert.equal(client.session.sub, "bob");
  });
});

describe("failing", () => {
  for (const [name, fault] of [
    ["no answer", "down"], ["an answer that was lost", "lost"], ["500", failing(500)], ["503", failing(503)], ["429", failing(429)],
    ["a page of a captive portal", new Response("<h1>Log in to the café</h1>")],
    ["a token of another type", json(200, { access_token: "x", token_type: "DPoP", expires_in: 600, session: { sub: "alice" } })],
    ["401 of a proxy", new Response("<h1>401</h1>", { status: 401 })],
  ]) {
    test(`${name} keeps the session, and the next attempt succeeds`, async () => {
      const { world, server, tab, client } = await signedIn();
      server.faults = [fault];
      await assert.rejects(world.until(client.getAccessToken({ refresh: true })), SignetError);
      assert.equal(client.session.sub, "alice");
      assert.equal(await client.getAccessToken(), "at1");
      await world.pass(5_000);
      await world.until(client.getAccessToken({ refresh: true }));
      assert.ok(!tab.seen.includes("signed-out"));
      assert.ok(!server.family.reuse);
    });
  }

  test("429 is a matter of time, as 503 is, and tried again without a call", async () => {
    const { world, server, tab, client } = await signedIn();
    server.faults = [failing(429)];
    await assert.rejects(world.until(client.getAccessToken({ refresh: true })), unavailable);
    await world.pass(600_000);
    assert.equal(tab.seen.at(-1), "refreshed");
  });

  test("no answer for ten seconds is none", async () => {
    const { world, server, client } = await signedIn();
    server.faults = [() => new Promise(() => undefined)];
    const began = world.mono;
    await assert.rejects(world.until(client.getAccessToken({ refresh: true })), unavailable);
    assert.ok(Math.abs(world.mono - began - 10_000) < 100);
  });

  test("a storm: attempts grow apart with jitter, and end after a while", async () => {
    const { world, server, tab } = await signedIn();
    server.faults = Array.from({ length: 500 }, () => failing(503));
    await world.pass(530_000);
    await world.pass(6 * 3_600_000);
    const times = server.asked.slice(1).map(({ at }) => at);
    assert.equal(times.length, 11, "the attempts are counted");
    const gaps = times.slice(1).map((at, i) => at - times[i]);
    assert.ok(gaps[0] >= 500 && gaps[0] < 1_200, String(gaps));
    assert.ok(gaps.every((gap) => gap <= 61_000), String(gaps));
    assert.ok(gaps[5] > 8 * gaps[1], String(gaps));
    // Somebody looks at the page again: one attempt, and it goes on if that succeeds.
    server.faults = [];
    tab.fire("focus");
    await world.pass(100);
    assert.equal(tab.client.session.sub, "alice");
    assert.equal(tab.seen.at(-1), "refreshed");
  });

  test("while it waits nothing is asked, however many calls come; a token that lives is given out", async () => {
    const { world, server, client } = await signedIn();
    server.faults = [failing(503, { "Retry-After": "60" })];
    await assert.rejects(world.until(client.getAccessToken({ refresh: true })), (error) => error.retryAfter === 60_000);
    for (let call = 0; call < 50; call += 1) await assert.rejects(world.until(client.getAccessToken({ refresh: true })), unavailable);
    assert.equal(await client.getAccessToken(), "at1");
    await world.pass(59_000);
    assert.equal(server.count("/refresh"), 2);
  });

  test("Retry-After in seconds and as a date, and no longer than five minutes", async () => {
    const at = (world, milliseconds) => new Date(world.now + milliseconds).toUTCString();
    for (const [value, least, most] of [
      [() => "20", 20_000, 21_000], [(world) => at(world, 30_000), 29_000, 31_000], [() => "86400", 300_000, 301_000],
      [(world) => at(world, -30_000), 500, 1_001], [() => "soon", 500, 1_001], [() => "0", 500, 1_001],
    ]) {
      const { world, server, tab, client } = await signedIn();
      server.faults = [failing(503, { "Retry-After": value(world) })];
      await assert.rejects(world.until(client.getAccessToken({ refresh: true })), unavailable);
      const { retryIn } = tab.changes.at(-1);
      assert.ok(retryIn >= least && retryIn <= most, `${value(world)}: ${retryIn}`);
    }
  });

  test("a connection that is back is used at once", async () => {
    const { world, server, tab, client } = await signedIn();
    server.faults = Array.from({ length: 9 }, () => "down");
    await world.pass(600_000);
    server.faults = [];
    const before = server.asked.length;
    tab.fire("focus");
    await world.pass(100);
    assert.equal(server.asked.length, before);
    tab.fire("online");
    await world.pass(100);
    assert.equal(server.asked.length, before + 1);
    assert.equal(await client.getAccessToken(), "at2");
  });

  test("403 and 400 are mistakes: the session stays, and nothing is repeated by itself", async () => {
    for (const status of [400, 403]) {
      const { world, server, client } = await signedIn();
      server.faults = [failing(status, {}, { error: status === 400 ? "invalid_request" : "access_denied", error_description: "unknown host" })];
      await assert.rejects(
        world.until(client.getAccessToken({ refresh: true })),
        (error) => error.kind === "refused" && error.message === "unknown host",
      );
      assert.equal(client.session.sub, "alice");
      await world.pass(3_600_000);
      assert.equal(server.count("/refresh"), 2);
    }
  });
});

describe("signing out", () => {
  test("login_required clears, with one event, after one more question", async () => {
    const { world, server, tab, client } = await signedIn();
    server.family.ended = true;
    const results = await world.until(Promise.allSettled(Array.from({ length: 5 }, () => client.getAccessToken({ refresh: true }))));
    assert.ok(results.every(({ reason }) => signedOut(reason)));
    assert.equal(client.session, null);
    assert.deepEqual(tab.seen, ["signed-in", "signed-out"]);
    assert.equal(tab.changes[1].reason, "login_required");
    assert.equal(server.count("/refresh"), 3);
    await world.pass(3_600_000);
    tab.fire("focus");
    await world.pass(1_000);
    assert.equal(server.count("/refresh"), 3);
    assert.deepEqual(tab.seen, ["signed-in", "signed-out"]);
  });

  test("a login_required that was a race does not sign out", async () => {
    const { world, server, tab, client } = await signedIn();
    server.faults = [failing(401, {}, { error: "login_required" })];
    assert.equal(await world.until(client.getAccessToken({ refresh: true })), "at2");
    assert.deepEqual(tab.seen, ["signed-in", "refreshed"]);
  });

  test("logout asks the server, clears, and tells once", async () => {
    const { world, server, tab, client } = await signedIn();
    await world.until(client.logout());
    assert.equal(server.asked.at(-1).path, "/session/logout");
    assert.deepEqual(JSON.parse(server.asked.at(-1).text), { client_id: "shop" });
    assert.equal(client.session, null);
    assert.deepEqual(tab.changes[1], { type: "signed-out", reason: "logout", elsewhere: false });
    assert.equal(tab.changes.length, 2);
  });

  test("everywhere is its own endpoint; where the session is gone already, it says so", async () => {
    const { world, server, client } = await signedIn();
    await world.until(client.logout({ everywhere: true }));
    assert.equal(server.asked.at(-1).path, "/session/logout_all");
    const other = await signedIn();
    other.server.family.ended = true;
    await assert.rejects(other.world.until(other.client.logout({ everywhere: true })), signedOut);
    assert.equal(other.client.session, null);
    assert.deepEqual(other.tab.seen, ["signed-in", "signed-out"]);
  });

  test("a logout that the server did not confirm is none", async () => {
    for (const fault of ["down", failing(503), failing(403)]) {
      const { world, server, tab, client } = await signedIn();
      server.faults = [fault];
      await assert.rejects(world.until(client.logout()), SignetError);
      assert.equal(client.session.sub, "alice");
      assert.deepEqual(tab.seen, ["signed-in"]);
    }
  });

  test("a refresh that was under way does not bring the session back", async () => {
    const { world, server, tab, client } = await signedIn();
    let late;
    server.faults = [(go) => new Promise((resolve) => { late = () => resolve(go()[0]); })];
    const refreshing = client.getAccessToken({ refresh: true });
    await world.pass(100);
    await world.until(client.logout());
    late();
    await assert.rejects(world.until(refreshing), signedOut);
    assert.equal(client.session, null);
    assert.deepEqual(tab.seen, ["signed-in", "signed-out"]);
  });

  test("a client that is closed while it reads a 401 does not begin anew", async () => {
    const { world, server, client } = await signedIn();
    server.api = () => bearer('error="invalid_token"');
    const calling = client.fetch(`${API}/a`);
    await world.pass(1);
    client.close();
    assert.equal((await world.until(calling)).status, 401);
    await world.pass(3_600_000);
    assert.equal(client.session, null);
    assert.equal(server.count("/refresh"), 1);
    assert.equal(world.timers.length, 0);
  });

  test("a closed client does nothing more", async () => {
    const { world, server, tab, client } = await signedIn();
    client.close();
    tab.fire("focus");
    await world.pass(3_600_000);
    assert.equal(server.count("/refresh"), 1);
    assert.equal(world.timers.length, 0);
    assert.equal(world.channels.size, 0);
    assert.deepEqual(tab.seen, ["signed-in"]);
  });
});

describe("signing in", () => {
  test("leaves for the start of the session, with what was asked for", async () => {
    const world = new World();
    const tab = new Tab(world, new CookieServer(world), { href: `${APP}?page=2#top` });
    const client = tab.cookie({ scope: "openid read", resource: API });
    await client.signIn();
    await client.signIn({ returnTo: "https://app.example.com/deep", prompt: "login", loginHint: "alice", maxAge: 0, acrValues: "gold silver" });
    const [plain, full] = tab.visited.map((url) => new URL(url));
    assert.equal(plain.origin + plain.pathname, `${HOST}/session/start`);
    assert.deepEqual(Object.fromEntries(plain.searchParams), { client_id: "shop", return_to: APP, scope: "openid read", resource: API });
    assert.deepEqual(Object.fromEntries(full.searchParams), {
      client_id: "shop", return_to: "https://app.example.com/deep", scope: "openid read", resource: API,
      prompt: "login", login_hint: "alice", max_age: "0", acr_values: "gold silver",
    });
  });

  test("an error in the address is taken out of it, and a silent sign-in is not tried again", async () => {
    const world = new World();
    const server = new CookieServer(world);
    const tab = new Tab(world, server, { href: `${APP}?page=2&error=login_required#top` });
    const client = tab.cookie();
    assert.equal(await world.until(client.ready()), null);
    assert.equal(tab.href, `${APP}?page=2#top`);
    assert.deepEqual(tab.kept, { router: 1 });
    assert.equal(client.returnError.code, "login_required");
    await assert.rejects(client.signIn({ prompt: "none" }), (error) => error.code === "login_required");
    assert.deepEqual(tab.visited, []);
    await client.signIn();
    assert.equal(tab.visited.length, 1);
  });

  test("an error is kept from a session that is there all the same", async () => {
    const world = new World();
    const server = new CookieServer(world);
    server.signIn();
    const tab = new Tab(world, server, { href: `${APP}?error=access_denied&error_description=no` });
    const client = tab.cookie();
    assert.equal((await world.until(client.ready())).sub, "alice");
    assert.equal(client.returnError.kind, "refused");
    assert.equal(client.returnError.message, "no");
    assert.equal(tab.href, APP);
  });

  test("a page that signs in by itself and comes back without a session is stopped", async () => {
    const world = new World();
    const server = new CookieServer(world);
    const tab = new Tab(world, server);
    for (let round = 0; round < 3; round += 1) {
      const client = tab.cookie();
      assert.equal(await world.until(client.ready()), null);
      await client.signIn();
      client.close();
      await world.pass(1_000);
    }
    const client = tab.cookie();
    await world.until(client.ready());
    await assert.rejects(client.signIn(), (error) => error.code === "sign_in_loop");
    assert.equal(tab.visited.length, 3);
    await client.signIn(); // a person who presses the button once more may
    server.signIn();
    await world.until(tab.cookie().ready());
    assert.equal(tab.environment.sessionStorage.values.size, 0);
  });

  test("a step-up that brings nothing new is stopped, whatever is refreshed in between", async () => {
    const { world, server, tab, client: first } = await signedIn();
    server.api = () => bearer('error="insufficient_user_authentication", acr_values="gold"');
    let client = first;
    const round = async () => {
      await world.until(client.fetch(`${API}/pay`));
      await client.signIn(tab.changes.at(-1));
      client.close();
      await world.pass(10_000);
      client = tab.cookie();
      await world.until(client.ready());
      await world.until(client.getAccessToken({ refresh: true }));
    };
    for (let turn = 0; turn < 3; turn += 1) await round();
    await assert.rejects(round(), (error) => error.code === "sign_in_loop");
    assert.equal(tab.visited.length, 3);
    for (let turn = 0; turn < 6; turn += 1) {
      await world.pass(61_000);
      await round();
    }
    for (let turn = 0; turn < 6; turn += 1) {
      server.claims = { ...server.claims, auth_time: server.claims.auth_time + 60 };
      await world.until(client.getAccessToken({ refresh: true }));
      await round();
    }
  });

  test("a session that another tab announces is an arrival as well", async () => {
    const world = new World();
    const server = new CookieServer(world);
    const tab = new Tab(world, server);
    const client = tab.cookie();
    await world.until(client.ready());
    await client.signIn();
    assert.equal(tab.environment.sessionStorage.values.size, 1);
    server.signIn();
    await world.until(new Tab(world, server).cookie().ready());
    await world.pass(100);
    assert.equal(client.session.sub, "alice");
    assert.equal(tab.environment.sessionStorage.values.size, 0);
  });

  test("a host or an API that is not an origin is a mistake at once", () => {
    const world = new World();
    const { environment } = new Tab(world, new CookieServer(world));
    for (const host of ["https://auth.example.com/", "https://auth.example.com/x", "auth.example.com", "HTTPS://auth.example.com", "https://auth.example.com:443"]) {
      assert.throws(() => cookieClient({ host, clientId: "shop", environment }), TypeError);
      assert.throws(() => cookieClient({ host: HOST, clientId: "shop", apis: [host], environment }), TypeError);
    }
  });

  test("the host is the page's own origin unless it is said", async () => {
    const world = new World();
    const server = new CookieServer(world);
    const tab = new Tab(world, server, { href: `${HOST}/app` });
    const client = cookieClient({ clientId: "shop", environment: tab.environment });
    await world.until(client.ready());
    assert.equal(server.asked[0].request.url, `${HOST}/refresh`);
  });
});

test("a listener that throws does not keep the others from hearing", async () => {
  const { world, tab, client } = await signedIn();
  const heard = [];
  client.onChange(() => { throw new Error("mine"); });
  const stop = client.onChange(({ type }) => heard.push(type));
  await world.until(client.getAccessToken({ refresh: true }));
  stop();
  await world.until(client.getAccessToken({ refresh: true }));
  assert.deepEqual(heard, ["refreshed"]);
  assert.equal(tab.reported.message, "mine");
});
