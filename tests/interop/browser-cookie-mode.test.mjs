// Cookie mode in a real browser: applications that use clients/spa against hosts on root domains of their own, over TLS.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { fillIn, LOGIN, raise, SHOP, signedIn, signedOut, signInAt } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";

let stage;
let shop; // the application's origin
before(async () => {
  stage = await raise({ gate: true });
  shop = await stage.application("shop", SHOP, LOGIN);
});
after(() => stage?.close());

let profile;
let user;
const profiles = [];
beforeEach(async () => {
  stage.gate.reset();
  user = await stage.person();
  profile = await open();
});
afterEach(async () => {
  const faults = profiles.flatMap((one) => one.faults);
  await Promise.all(profiles.splice(0).map((one) => one.close()));
  assert.deepEqual(faults, []);
});

async function open(options) {
  const one = await stage.profile(options);
  profiles.push(one);
  return one;
}

const home = () => `${shop}/`;
/** An application that has sent the browser to sign in. */
async function atTheForm() {
  const page = await profile.page(home());
  await signedOut(page);
  await page.click("#sign-in");
  await page.locator("#login-form").waitFor();
  stage.gate.reset();
  return page;
}
const signIn = (where = profile) => signInAt(where, home(), user);
const REFRESH_COOKIE = /^__Host-Http-refresh-[\w-]{8}$/;
const refreshCookies = async (where = profile) =>
  (await where.context.cookies()).filter(({ name }) => REFRESH_COOKIE.test(name));
const refreshes = () => stage.gate.at("/refresh").filter(({ method }) => method === "POST");
const families = async () => (await stage.sessionsOf(user)).flatMap((session) => session.refresh_tokens);
const renew = (page) => page.evaluate(() => globalThis.app.client.getAccessToken({ refresh: true }).then(() => "renewed", (error) => error.kind));
const changes = (page, type) => page.evaluate((wanted) => globalThis.app.changes.filter((change) => change.type === wanted), type);

/** What a server that is overloaded answers. */
const busy = (exchange) => exchange.answer(503, {
  "retry-after": "1", "content-type": "application/json", "access-control-allow-origin": shop,
  "access-control-allow-credentials": "true", vary: "Origin",
}, '{"error":"temporarily_unavailable"}');

/** Everything that a script of the page could read later, or another script after it. */
const kept = (page) => page.evaluate(async () => ({
  cookie: document.cookie,
  local: { ...localStorage },
  session: { ...sessionStorage },
  databases: await indexedDB.databases(),
  caches: await caches.keys(),
  name: globalThis.name,
  history: history.state,
  address: location.search + location.hash,
}));
const NOTHING = { cookie: "", local: {}, session: {}, databases: [], caches: [], name: "", history: null, address: "" };

/** Tabs that know nothing of each other: no locks, no channel. The server has to be right without them. */
const alone = () => {
  Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
  delete globalThis.BroadcastChannel;
};

describe("what the browser keeps", () => {
  test("a page that loads is signed in silently, and nothing that a script can read holds a token", async () => {
    const page = await signIn();
    assert.deepEqual(await kept(page), NOTHING);
    stage.gate.reset();
    await page.reload();
    await signedIn(page);
    assert.deepEqual(await kept(page), NOTHING);
    assert.deepEqual(stage.gate.seen.filter(({ method }) => method !== "OPTIONS").map(({ method, path, status }) => `${method} ${path} ${status}`), ["POST /refresh 200"]);
    await page.goto(stage.issuer);
    assert.equal(await page.evaluate(() => document.cookie), "", "nor can one of the server's own pages");
  });

  test("the refresh cookie is bound to its host, for https, unreadable, strict, and goes with the browser", async () => {
    await signIn();
    const [cookie, ...more] = await refreshCookies();
    assert.deepEqual(more, []);
    assert.deepEqual(
      { domain: cookie.domain, path: cookie.path, httpOnly: cookie.httpOnly, secure: cookie.secure, sameSite: cookie.sameSite },
      { domain: LOGIN, path: "/", httpOnly: true, secure: true, sameSite: "Strict" },
    );
    assert.equal(cookie.expires, -1, "nobody asked to stay signed in");
    for (const { name, value, httpOnly, secure, sameSite } of await profile.context.cookies()) {
      assert.match(name, /^__Host-/);
      assert.ok(httpOnly && secure && /Lax|Strict/.test(sameSite), name);
      assert.ok(name.length + value.length <= 4096, name);
    }
  });

  test("no response that a browser gets holds a refresh token, outside of the cookie", async () => {
    const page = await signIn();
    assert.equal(await renew(page), "renewed");
    await page.reload();
    await signedIn(page);
    const cookies = stage.gate.seen.flatMap(({ answer }) => answer?.["set-cookie"] ?? []).map((line) => line.split(/[=;]/));
    const secrets = new Set(cookies.filter(([name]) => REFRESH_COOKIE.test(name)).map(([, value]) => value));
    assert.ok(secrets.size >= 2, "the cookie has rotated");
    assert.ok(stage.gate.seen.length > 8);
    for (const { method, path, url, answer, body } of stage.gate.seen) {
      const text = `${url}\n${answer?.location ?? ""}\n${body ?? ""}`;
      assert.doesNotMatch(text, /"refresh_token"\s*:|srt_/, `${method} ${path}`);
      for (const secret of secrets) assert.ok(!text.includes(secret), `${method} ${path} holds the refresh token`);
    }
    await page.click("#sign-out");
    await signedOut(page);
    assert.deepEqual(await refreshCookies(), []);
  });

  test("asking who is signed in changes nothing", async () => {
    const page = await signIn();
    const before = await profile.context.cookies();
    const who = await page.evaluate(async (host) => {
      const answer = await fetch(`${host}/session?client_id=shop`, { credentials: "include", headers: { "X-Signet-Request": "1" } });
      return { status: answer.status, session: (await answer.json()).session };
    }, stage.issuer);
    assert.equal(who.status, 200);
    assert.equal(typeof who.session.sub, "string");
    assert.deepEqual(await profile.context.cookies(), before);
  });
});

describe("many tabs", () => {
  for (const [how, prepare] of [["that talk to each other", null], ["that know nothing of each other", alone]]) {
    test(`ten tabs ${how}, restored at once, are all signed in and have one family`, async () => {
      // The first refresh does not reach the server, so that it is the tabs that race for it.
      profile.expect(/status of 503/);
      const first = await atTheForm();
      stage.gate.next("/refresh", busy, Infinity);
      await fillIn(first, user);
      await first.locator("#status", { hasText: "Unavailable" }).waitFor();
      await first.close();
      if (prepare) await profile.context.addInitScript(prepare);
      stage.gate.reset();
      // Tabs that can talk are to be there together: who comes later may not have heard what the others know.
      let loaded;
      const allLoaded = new Promise((resolve) => { loaded = resolve; });
      if (!prepare) stage.gate.next("/refresh", async (exchange) => { await allLoaded; await exchange.pass(); });
      const tabs = await Promise.all(Array.from({ length: 10 }, () => profile.page(home())));
      loaded();
      await Promise.all(tabs.map(signedIn));
      assert.deepEqual(refreshes().filter(({ status }) => status !== 200), []);
      const successors = refreshes().flatMap(({ answer }) => answer["set-cookie"] ?? []).map((line) => line.split(";")[0]);
      assert.equal(new Set(successors).size, 1);
      if (prepare) assert.equal(refreshes().length, 10);
      else assert.ok(refreshes().length < 10, `${refreshes().length} requests`);
      assert.equal((await families()).length, 1);
      // Whichever answer came last, its cookie works.
      assert.equal(await renew(tabs[0]), "renewed");
      for (const tab of tabs) assert.deepEqual(await changes(tab, "signed-out"), []);
    });
  }

  test("two tabs that renew at the same moment, again and again, stay signed in", async () => {
    await profile.context.addInitScript(alone);
    const one = await signIn();
    const two = await profile.page(home());
    await signedIn(two);
    for (let round = 0; round < 8; round += 1) {
      assert.deepEqual(await Promise.all([renew(one), renew(two)]), ["renewed", "renewed"]);
    }
    assert.equal((await families()).length, 1);
  });

  test("ten tabs that start to sign in at once do not take each other's sign-in away", async () => {
    await signIn();
    await profile.context.clearCookies({ name: REFRESH_COOKIE });
    const tabs = await Promise.all(Array.from({ length: 10 }, () => profile.page(`${shop}/auto`)));
    await Promise.all(tabs.map(signedIn));
    for (const tab of tabs) {
      // A tab that was told of the session by another may keep the count of its own attempts.
      assert.deepEqual({ ...await kept(tab), session: {} }, NOTHING);
    }
  });

  test("signing out in one tab is seen in the other without a request", async () => {
    const one = await signIn();
    const two = await profile.page(home());
    await signedIn(two);
    stage.gate.reset();
    await one.click("#sign-out");
    await Promise.all([signedOut(one), signedOut(two)]);
    assert.deepEqual((await changes(two, "signed-out")).map(({ reason, elsewhere }) => ({ reason, elsewhere })), [{ reason: "logout", elsewhere: true }]);
    assert.deepEqual(refreshes(), []);
    assert.deepEqual(await stage.sessionsOf(user), []);
    assert.deepEqual(await refreshCookies(), []);
  });

  test("signing out everywhere ends the other device, which says so once", async () => {
    const here = await signIn();
    const elsewhere = await open();
    const there = await signIn(elsewhere);
    assert.equal((await stage.sessionsOf(user)).length, 2);
    await here.click("#everywhere");
    await signedOut(here);
    assert.deepEqual(await stage.sessionsOf(user), []);
    assert.equal(await renew(there), "signed-out");
    await signedOut(there);
    assert.equal((await changes(there, "signed-out")).length, 1);
    assert.deepEqual(await refreshCookies(elsewhere), []);
  });
});

describe("bad connections", () => {
  test("a page that is left while it refreshes loses the new cookie, and is signed in when it comes back", async () => {
    let release;
    const released = new Promise((resolve) => { release = resolve; });
    const page = await atTheForm();
    const committed = new Promise((resolve) => stage.gate.next("/refresh", async (exchange) => {
      await exchange.commit();
      resolve(exchange.entry);
      await released;
      await exchange.pass();
    }));
    await fillIn(page, user);
    const { answer } = await committed;
    const [before] = await refreshCookies();
    assert.ok(!answer["set-cookie"][0].includes(before.value), "the server has rotated");
    await page.goto("about:blank");
    release();
    assert.equal((await refreshCookies())[0].value, before.value);
    await page.goto(home());
    await signedIn(page);
    const [after] = await refreshCookies();
    assert.ok(answer["set-cookie"][0].includes(after.value), "the same successor again");
    assert.equal((await families()).length, 1);
  });

  test("a reply that is lost after the server committed costs nothing", async () => {
    profile.expect(/net::ERR_/);
    const page = await atTheForm();
    // Chromium itself asks once more on another connection, so that one loss would not be seen.
    stage.gate.next("/refresh", (exchange) => exchange.lose(), 3);
    await fillIn(page, user);
    await signedIn(page);
    const answers = refreshes().filter(({ status }) => status === 200).map(({ answer }) => answer["set-cookie"]?.[0].split(";")[0]);
    assert.ok(answers.length >= 4, `${answers.length} answers`);
    assert.equal(new Set(answers).size, 1, "each got the same successor");
    assert.deepEqual(await changes(page, "signed-out"), []);
    assert.equal((await families()).length, 1);
  });

  test("a server that is busy does not sign anybody out, and the page recovers by itself", async () => {
    profile.expect(/status of 503/);
    const page = await signIn();
    const [before] = await refreshCookies();
    stage.gate.next("/refresh", busy, Infinity);
    assert.equal(await renew(page), "unavailable");
    assert.notEqual(await page.evaluate(() => globalThis.app.client.session), null);
    assert.deepEqual(await changes(page, "signed-out"), []);
    assert.equal((await refreshCookies())[0].value, before.value);

    stage.gate.reset();
    stage.gate.next("/refresh", busy, Infinity);
    await page.reload();
    await page.locator("#status", { hasText: "Unavailable" }).waitFor();
    stage.gate.reset();
    await signedIn(page);
  });

  test("a server that is gone does not sign anybody out", async () => {
    profile.expect(/net::ERR_/);
    const page = await signIn();
    await profile.context.setOffline(true);
    assert.equal(await renew(page), "unavailable");
    assert.deepEqual(await changes(page, "signed-out"), []);
    await profile.context.setOffline(false);
    assert.equal(await renew(page), "renewed");
    assert.equal((await families()).length, 1);
  });
});

describe("the end of a session", () => {
  test("one that ended on the server is one event in the page, no loop, and no cookie any more", async () => {
    const page = await signIn();
    const [{ id }] = await stage.sessionsOf(user);
    await stage.signet("session", "end", id);
    stage.gate.reset();
    assert.equal(await renew(page), "signed-out");
    await signedOut(page);
    assert.equal(await renew(page), "signed-out");
    for (const type of ["visibilitychange", "focus", "online", "pageshow"]) {
      await page.evaluate((name) => dispatchEvent(new Event(name)), type);
    }
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300)));
    // It asks once more, since another tab's refresh may have overtaken its own, and never again.
    assert.deepEqual(refreshes().map(({ status }) => status), [401, 401]);
    assert.equal((await changes(page, "signed-out")).length, 1);
    assert.deepEqual(await refreshCookies(), []);
    await page.reload();
    await signedOut(page);
  });

  test("a page that comes back from the back-forward cache does not go on showing a session that ended", async () => {
    const page = await signIn();
    const [{ id }] = await stage.sessionsOf(user);
    await stage.signet("session", "end", id);
    await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
    await signedOut(page);
    assert.equal((await changes(page, "signed-out")).length, 1);
  });

  test("a user who is disabled is signed out at the next renewal and cannot come back silently", async () => {
    const page = await signIn();
    await stage.signet("user", "disable", user);
    assert.equal(await renew(page), "signed-out");
    await page.goto(`${shop}/auto`);
    await page.locator("#status", { hasText: "Came back with login_required" }).waitFor();
    assert.equal(new URL(page.url()).search, "");
  });
});

describe("time", () => {
  test("a page in view renews ahead of time, and a hidden one waits until it is looked at", async () => {
    // Playwright's clock is that of all pages of the profile: another tab would renew as well, and instead of the hidden one.
    await (await signIn()).close();
    const page = await profile.page();
    await page.clock.install();
    await page.goto(home());
    await signedIn(page);
    stage.gate.reset();
    await page.clock.fastForward("09:59");
    await until("the page has renewed", async () => (await changes(page, "refreshed")).length === 1);
    assert.equal(refreshes().length, 1);

    const look = (state) => page.evaluate((value) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, value });
      dispatchEvent(new Event("visibilitychange"));
    }, state);
    /** An exchange of the page with the server: what the page had asked before has come to the gate when this ends. */
    const exchange = () => page.evaluate((host) => fetch(`${host}/session?client_id=shop`, {
      credentials: "include", headers: { "X-Signet-Request": "1" },
    }).then(({ status }) => status), stage.issuer);
    await look("hidden");
    await page.clock.fastForward("30:00");
    assert.equal(await exchange(), 200);
    assert.equal(refreshes().length, 1, "nobody looks");
    await look("visible");
    await until("the page has renewed", async () => (await changes(page, "refreshed")).length === 2);
    assert.equal(refreshes().length, 2);
  });
});
