// The account's pages in a browser without scripts: what a person sees, and what ends when they say so.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { fillIn, PASSWORD, raise } from "./lib/stage.mjs";
import { authorizeUrl, DEVICES, isSignedIn, makeApplications, signInAtPartner, useElsewhere } from "./lib/views.mjs";

let stage;
before(async () => {
  stage = await raise();
  await makeApplications(stage);
});
after(() => stage?.close());

let user;
let here;
let page;
const profiles = [];
beforeEach(async () => {
  user = await stage.person();
  here = await open();
  page = await here.page();
  await signInAtPartner(stage, page, user);
});
afterEach(async () => {
  const faults = profiles.flatMap((one) => one.faults);
  await Promise.all(profiles.splice(0).map((one) => one.close()));
  assert.deepEqual(faults, []);
});

async function open(options) {
  const one = await stage.profile({ javaScriptEnabled: false, ...options });
  profiles.push(one);
  return one;
}

/** Another device of the same person. */
async function device(userAgent, password = PASSWORD) {
  const profile = await open({ userAgent });
  await signInAtPartner(stage, await profile.page(), user, { password });
  return profile;
}
const account = (path = "") => page.goto(`${stage.issuer}/account${path}`);
const card = (text) => page.locator("#sessions-list > li", { hasText: text });
const done = async (pattern) => assert.match(await page.textContent("#account-done"), pattern);

/** Without a script that shows it, a new password may be asked for twice. */
async function choose(password) {
  await page.fill("#new-password", password);
  if (await page.locator("#again-password").isVisible()) await page.fill("#again-password", password);
}

test("whoever is not signed in is led through the sign-in and back to the page", async () => {
  const stranger = await open();
  const other = await stranger.page(`${stage.issuer}/account/sessions`);
  await fillIn(other, user);
  await other.locator("#sessions-list").waitFor();
  assert.equal(other.url(), `${stage.issuer}/account/sessions`);
});

test("the list names every device, marks this one, and signs out the one that is chosen", async () => {
  const phone = await useElsewhere(stage, user, DEVICES.phone);
  profiles.push(phone);
  const office = await device(DEVICES.office);
  await account("/sessions");
  assert.equal(await page.locator("#sessions-list > li").count(), 3);
  assert.equal(await page.locator("#session-current").count(), 1);
  assert.match(await page.locator("#sessions-list > li", { has: page.locator("#session-current") }).textContent(), /Chrome on Linux/);
  assert.match(await card("Safari on iOS").textContent(), /Apps[^]*Example Shop/);
  await card("Windows").locator("button").click();
  await done(/signed out/i);
  assert.equal(await page.locator("#sessions-list > li").count(), 2);
  assert.deepEqual([await isSignedIn(stage, here), await isSignedIn(stage, phone), await isSignedIn(stage, office)], [true, true, false]);
  const agents = (await stage.sessionsOf(user)).map(({ user_agent: agent }) => agent);
  assert.ok(!agents.some((agent) => agent.includes("Windows")));
});

test("all other devices can be signed out at once, and this one stays", async () => {
  const others = [await device(DEVICES.phone), await device(DEVICES.office)];
  await account("/sessions");
  await page.click("#sign-out-others");
  await done(/signed out/i);
  assert.deepEqual([await isSignedIn(stage, here), ...await Promise.all(others.map((one) => isSignedIn(stage, one)))], [true, false, false]);
  assert.equal((await stage.sessionsOf(user)).length, 1);
});

test("everything can be ended, here too", async () => {
  const phone = await device(DEVICES.phone);
  await account("/sessions");
  await page.click("#sign-out-all");
  await page.locator("#logged-out").waitFor();
  assert.deepEqual([await isSignedIn(stage, here), await isSignedIn(stage, phone)], [false, false]);
  assert.deepEqual(await stage.sessionsOf(user), []);
});

test("signing out this device shows that it is signed out, and leaves the others", async () => {
  const phone = await device(DEVICES.phone);
  await account("/sessions");
  await page.locator("#sessions-list > li", { has: page.locator("#session-current") }).locator("button").click();
  await page.locator("#logged-out").waitFor();
  assert.deepEqual([await isSignedIn(stage, here), await isSignedIn(stage, phone)], [false, true]);
});

test("an application whose access is taken back has nothing any more, and has to ask again", async () => {
  await account("/applications");
  const app = page.locator("#applications-list > li", { hasText: "Example Partner" });
  assert.match(await app.textContent(), /See your e-mail address/);
  await app.locator("button").click();
  await page.locator("#account-done").waitFor();
  await page.locator("#applications-none").waitFor();
  const [session] = await stage.sessionsOf(user);
  assert.deepEqual(session.refresh_tokens, []);
  await page.goto(authorizeUrl(stage, { prompt: "none" }));
  assert.equal(new URL(page.url()).searchParams.get("error"), "consent_required");
});

test("an application is opened from the list: it begins a sign-in of its own at the server that it is told of", async () => {
  await account("/applications");
  const app = page.locator("#applications-list > li", { hasText: "Example Partner" });
  stage.sites.visits.length = 0;
  await app.locator('a[id^="open-"]').click();
  await page.locator("#back").waitFor();
  assert.match(new URL(page.url()).searchParams.get("code"), /^[\w-]{20,}$/);
  const [begun, ...more] = stage.sites.visits.filter(({ url }) => url.startsWith("/begin"));
  assert.deepEqual(more, []);
  assert.equal(new URL(begun.url, "https://sites.test").searchParams.get("iss"), stage.issuer);
});

test("a new password signs out the other devices, this one stays, and the old one is worth nothing", async () => {
  const phone = await device(DEVICES.phone);
  const fresh = "an even longer password";
  await account("/password");
  await page.fill("#current-password", "not the password");
  await choose(fresh);
  await page.click("#password-submit");
  await page.locator("#account-error").waitFor();
  here.faults.splice(0, Infinity, ...here.faults.filter((fault) => !/status of 401/.test(fault)));
  await page.fill("#current-password", PASSWORD);
  await choose(fresh);
  await page.click("#password-submit");
  await done(/password/i);
  assert.deepEqual([await isSignedIn(stage, here), await isSignedIn(stage, phone)], [true, false]);

  const again = await open({ userAgent: DEVICES.phone, expected: [/status of 40\d/] });
  const other = await again.page(authorizeUrl(stage));
  await fillIn(other, user, PASSWORD);
  await other.locator("#login-error").waitFor();
  await fillIn(other, user, fresh);
  await other.locator("#back").waitFor();

  // The person who wonders why the phone was signed out finds it.
  await other.goto(`${stage.issuer}/account/activity`);
  const activity = await other.textContent("#activity-list");
  assert.match(activity, /Password changed, signed out elsewhere[^]*from Chrome on Linux/);
});

test("the activity says what happened, and why a device was signed out", async () => {
  await device(DEVICES.phone);
  await account("/sessions");
  await card("Safari on iOS").locator("button").click();
  await account("/activity");
  const entries = await page.locator("#activity-list > li").allTextContents();
  assert.ok(entries.some((entry) => /Signed out: Safari on iOS/.test(entry)), entries.join("\n"));
  assert.ok(entries.some((entry) => /sign(ed)?[- ]in/i.test(entry)), entries.join("\n"));
  assert.ok(entries.some((entry) => /Example Partner/.test(entry)), entries.join("\n"));
});

test("what a person calls themselves is what applications are told", async () => {
  await account();
  await page.fill("#profile-form [name=name]", "Carol Q. Example");
  await page.click("#profile-submit");
  await page.locator("#account-done").waitFor();
  assert.equal(await page.inputValue("#profile-form [name=name]"), "Carol Q. Example");
  const shown = await stage.signet("user", "show", user);
  assert.match(JSON.stringify(shown), /Carol Q\. Example/);
});
