// Session fixation and login CSRF: nobody ends up in a session that somebody else chose.
import assert from "node:assert/strict";
import { request as ask } from "node:https";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { fillIn, LOGIN, raise, SHOP, SIBLING, signedIn, signedOut, signInAt } from "./lib/stage.mjs";

let stage;
let shop;
before(async () => {
  stage = await raise({ gate: true });
  shop = await stage.application("shop", SHOP, LOGIN);
});
after(() => stage?.close());

let user;
let mallory;
let victim;
let attacker;
const profiles = [];
beforeEach(async () => {
  stage.gate.reset();
  [user, mallory] = [await stage.person(), await stage.person()];
  [victim, attacker] = [await stage.profile(), await stage.profile()];
  profiles.push(victim, attacker);
});
afterEach(async () => {
  const faults = profiles.flatMap((one) => one.faults);
  await Promise.all(profiles.splice(0).map((one) => one.close()));
  assert.deepEqual(faults, []);
});

const SESSION = "__Host-signet_session";
const BROWSER = "__Host-signet_browser";
const jar = async (profile) => profile.context.cookies();
const cookie = async (profile, name) => (await jar(profile)).find((one) => one.name === name);
const text = (cookies) => cookies.map(({ domain, name, value }) => `${domain} ${name}=${value}`).sort();
/** What an attacker who can write into the victim's cookie jar would do. */
const plant = (profile, name, value) => profile.context.addCookies([
  { name, value, domain: LOGIN, path: "/", secure: true, httpOnly: true, sameSite: "Lax" },
]);
const start = () => `${stage.issuer}/session/start?${new URLSearchParams({ client_id: "shop", return_to: `${shop}/` })}`;

/** Goes through a sign-in up to the callback, and keeps its address from the server. */
async function callbackOf(profile, who) {
  const kept = new Promise((resolve) => stage.gate.next("/session/callback", (exchange) => {
    exchange.answer(200, { "content-type": "text/html" }, '<!DOCTYPE html><title>kept</title><link rel="icon" href="data:,">kept');
    resolve(stage.issuer + exchange.entry.url);
  }));
  const page = await profile.page(start());
  await fillIn(page, who);
  return kept;
}

describe("a session is a new one at each sign-in", () => {
  test("cookies that were there before a sign-in are not those after it, and give nobody a way in", async () => {
    const made = "A".repeat(43);
    await plant(victim, SESSION, made);
    await signInAt(victim, `${shop}/`, user);
    assert.notEqual((await cookie(victim, SESSION)).value, made);

    await plant(attacker, SESSION, made);
    const page = await attacker.page(`${shop}/auto`);
    await page.locator("#status", { hasText: "Came back with login_required" }).waitFor();
  });

  test("a browser that was made to begin in somebody else's transaction gets a session of its own", async () => {
    const page = await attacker.page(start());
    await page.locator("#login-form").waitFor();
    const known = await jar(attacker);
    assert.ok(known.some(({ name }) => name === BROWSER) && known.some(({ name }) => name.startsWith("__Host-signet_transaction-")), String(text(known)));
    await victim.context.addCookies(known);
    await signInAt(victim, `${shop}/`, user);
    // What the attacker knows opens nothing.
    await page.goto(`${shop}/`);
    await signedOut(page);
    await page.goto(`${shop}/auto`);
    await page.locator("#status", { hasText: "Came back with login_required" }).waitFor();
  });

  test("signing in again, as the same person or another, replaces the session and ends the old cookie", async () => {
    const page = await signInAt(victim, `${shop}/`, user);
    const first = await cookie(victim, SESSION);
    await page.evaluate(() => globalThis.app.client.signIn({ prompt: "login" }));
    await fillIn(page, user);
    await signedIn(page);
    const second = await cookie(victim, SESSION);
    assert.notEqual(second.value, first.value);

    await plant(attacker, SESSION, first.value);
    const old = await attacker.page(`${shop}/auto`);
    await old.locator("#status", { hasText: "Came back with login_required" }).waitFor();
  });
});

describe("an answer works in the browser that asked", () => {
  test("an attacker's callback does nothing in the browser of somebody who is signed in", async () => {
    victim.expect(/status of 400/);
    const url = await callbackOf(attacker, mallory);
    const page = await signInAt(victim, `${shop}/`, user);
    const before = text(await jar(victim));
    const trap = await victim.page();
    const response = await trap.goto(url);
    assert.equal(response.status(), 400);
    assert.deepEqual(text(await jar(victim)), before);
    await page.reload();
    await signedIn(page);
    const [{ user_id: expected }] = await stage.sessionsOf(user);
    assert.equal((await stage.sessionsOf(mallory))[0].refresh_tokens.length, 0);
    assert.equal(await page.evaluate(() => globalThis.app.client.session.sub), expected);
  });

  test("nor in the browser of somebody who is not, or who has begun a sign-in of their own", async () => {
    victim.expect(/status of 400/);
    const url = await callbackOf(attacker, mallory);
    const page = await victim.page();
    assert.equal((await page.goto(url)).status(), 400);
    assert.deepEqual(await jar(victim), []);
    await page.goto(start());
    await page.locator("#login-form").waitFor();
    assert.equal((await page.goto(url)).status(), 400);
    await page.goto(`${shop}/`);
    await signedOut(page);
    assert.deepEqual((await jar(victim)).filter(({ name }) => /refresh|session/.test(name)), []);
  });

  test("a state of another transaction is refused with a good code, and the code is not spent by it", async () => {
    victim.expect(/status of 400/);
    const theirs = new URL(await callbackOf(attacker, mallory));
    const mine = new URL(await callbackOf(victim, user));
    const swapped = new URL(mine);
    swapped.searchParams.set("code", theirs.searchParams.get("code"));
    const page = await victim.page();
    assert.equal((await page.goto(String(swapped))).status(), 400);
    await page.goto(String(mine));
    await signedIn(page);
  });
});

describe("cookies that a neighbour throws", () => {
  test("the browser takes none with the names of ours for the whole domain", async () => {
    const page = await signInAt(victim, `${shop}/`, user);
    const mine = await jar(victim);
    const names = [...new Set(mine.map(({ name }) => name))];
    assert.ok(names.length >= 3, String(names));
    const tossed = names.flatMap((name) => [name, name.toLowerCase(), name.toUpperCase(), ` ${name}`]);
    const attempts = tossed.flatMap((name) => [`${name}=tossed; Domain=main.test; Path=/; Secure`, `${name}=tossed; Domain=main.test; Path=/refresh; Secure; HttpOnly`,
      `=${name}=tossed; Domain=main.test; Path=/; Secure`]);
    const address = stage.sites.page(SIBLING, "/toss", "<!DOCTYPE html><title>toss</title>", { "set-cookie": attempts });
    const sibling = await victim.page(address);
    await sibling.evaluate((lines) => lines.forEach((line) => { document.cookie = line; }), attempts);
    const got = (await jar(victim)).filter(({ value }) => value.includes("tossed"));
    assert.deepEqual(text(got), []);
    await page.reload();
    await signedIn(page);
  });

  test("and what it takes under other names changes nothing", async () => {
    const page = await signInAt(victim, `${shop}/`, user);
    const names = (await jar(victim)).map(({ name }) => name.replace(/^__Host-(Http-)?/, ""));
    const attempts = names.flatMap((name) => [name, `__Secure-${name}`]).map((name) => `${name}=tossed; Domain=main.test; Path=/; Secure`);
    await victim.page(stage.sites.page(SIBLING, "/toss-others", "<!DOCTYPE html><title>toss</title>", { "set-cookie": attempts }));
    assert.ok((await jar(victim)).filter(({ value }) => value === "tossed").length >= attempts.length / 2);
    await page.reload();
    await signedIn(page);
    assert.equal(await page.evaluate(() => globalThis.app.client.getAccessToken({ refresh: true }).then(() => "renewed", (error) => error.kind)), "renewed");
  });

  test("a request with one of our cookies twice is refused, and nothing is touched", async () => {
    const page = await signInAt(victim, `${shop}/`, user);
    const refresh = (await jar(victim)).find(({ name }) => name.startsWith("__Host-Http-refresh-"));
    const body = JSON.stringify({ client_id: "shop" });
    const twice = await new Promise((resolve, reject) => {
      const request = ask({
        // The gate's certificate is checked by the browser; here the bytes are what matters.
        host: "127.0.0.1", port: stage.gate.port, path: "/refresh", method: "POST", rejectUnauthorized: false,
        headers: {
          host: new URL(stage.issuer).host, origin: shop, "content-type": "application/json", "x-signet-request": "1",
          "content-length": body.length, cookie: `${refresh.name}=${"A".repeat(43)}; ${refresh.name}=${refresh.value}`,
        },
      }, (response) => resolve(response));
      request.on("error", reject);
      request.end(body);
    });
    assert.equal(twice.statusCode, 400);
    assert.equal(twice.headers["set-cookie"], undefined);
    await page.reload();
    await signedIn(page);
    assert.equal((await stage.sessionsOf(user))[0].refresh_tokens.length, 1);
  });
});
