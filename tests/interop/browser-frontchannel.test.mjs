// Logout at relying parties in a real browser: the question, the way back, and the pages of relying parties in frames
// (OpenID Connect RP-Initiated Logout 1.0, OpenID Connect Front-Channel Logout 1.0).
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { graveFindings } from "./lib/axe.mjs";
import { BLOG, EVIL, fillIn, raise, SHOP, WIKI } from "./lib/stage.mjs";
import { authorizeUrl } from "./lib/views.mjs";
import { until } from "./lib/wait.mjs";

/** Where relying parties are: one on the server's own site, two on sites of their own. The last has no page for frames. */
const HOSTS = { shop: SHOP, blog: BLOG, wiki: WIKI };
/** What the challenge of `authorizeUrl` is made of (RFC 7636 Appendix B). */
const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const STATE = "aB3-._~ &=%";

let stage;
const at = (party, path = "") => stage.sites.origin(HOSTS[party]) + path;
before(async () => {
  stage = await raise();
  const register = (id, more) => stage.register(id, {
    client_name: `Example ${id}`,
    token_endpoint_auth_method: "none",
    redirect_uris: [at(id, "/back")],
    post_logout_redirect_uris: [at(id, "/bye")],
    scope: "openid",
    ...more,
  }, "--first-party");
  await register("shop", { frontchannel_logout_uri: at("shop", "/out?app=shop"), frontchannel_logout_session_required: true });
  await register("blog", { frontchannel_logout_uri: at("blog", "/out"), frontchannel_logout_session_required: true });
  await register("wiki");
});
after(() => stage?.close());

let user;
let profile;
let page;
const profiles = [];
beforeEach(async () => {
  furnish();
  user = await stage.person();
  profile = await open();
  page = await profile.page();
  stage.sites.visits.length = 0;
});
afterEach(async () => {
  const faults = profiles.flatMap((one) => one.faults);
  await Promise.all(profiles.splice(0).map((one) => one.close()));
  assert.deepEqual(faults, []);
});

async function open(options) {
  const one = await stage.profile({ reducedMotion: "reduce", ...options });
  profiles.push(one);
  return one;
}

/** The relying parties' pages, as they are where a test does not want them otherwise. */
function furnish() {
  for (const [party, host] of Object.entries(HOSTS)) {
    stage.sites.page(host, "/back", `<!DOCTYPE html><title>back</title><h1 id="back">Back</h1>
      <script>localStorage.setItem("party", "open")</script>`, {
      "set-cookie": `party=open; Path=/; Secure; HttpOnly; SameSite=${party === "shop" ? "Lax" : "None"}`,
    });
    stage.sites.page(host, "/bye", '<!DOCTYPE html><title>bye</title><h1 id="bye">Bye</h1>');
  }
  // On the server's own site a frame has its cookies and its storage. On another one Chromium may keep both from it, as
  // other browsers do, so that nothing but the `sid` in its address can be relied on there.
  stage.sites.page(SHOP, "/out", '<!DOCTYPE html><title>out</title><script>localStorage.removeItem("party")</script>', {
    "set-cookie": "party=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax",
  });
  stage.sites.page(BLOG, "/out", "<!DOCTYPE html><title>out</title>");
}

const authorize = (party, more) => authorizeUrl(stage, { client_id: party, redirect_uri: at(party, "/back"), scope: "openid", ...more });
const endSession = (fields) => `${stage.issuer}/end_session?${new URLSearchParams(fields)}`;
const isFrameOf = (party) => (url) => url.origin === at(party) && url.pathname === "/out";

/** Signs in at a relying party, whose page is then shown. */
async function signIn(where, party) {
  await where.goto(authorize(party));
  if (await where.locator("#login-form").isVisible()) await fillIn(where, user);
  await where.locator("#back").waitFor();
}

/** The ID token of the sign-in that a page has just come from, and the session that it names. */
async function idToken(where, party) {
  const answer = await where.evaluate(async ([url, fields]) => {
    const response = await fetch(url, { method: "POST", body: new URLSearchParams(fields) });
    return response.json();
  }, [`${stage.issuer}/token`, {
    grant_type: "authorization_code", client_id: party, redirect_uri: at(party, "/back"),
    code: new URL(where.url()).searchParams.get("code"), code_verifier: VERIFIER,
  }]);
  assert.ok(answer.id_token, JSON.stringify(answer));
  const { sid } = JSON.parse(Buffer.from(answer.id_token.split(".")[1], "base64url"));
  return { hint: answer.id_token, sid };
}

/** Whether the browser is signed in at the server; asked by a relying party that no frame belongs to. */
async function isSignedIn(where = profile) {
  const asking = await where.page(authorize("wiki", { prompt: "none" }));
  const error = new URL(asking.url()).searchParams.get("error");
  await asking.close();
  return error !== "login_required";
}

/** Which relying parties' frames have been loaded, with what their addresses say. */
function told() {
  const asked = stage.sites.visits.map(({ host, url }) => ({ host, url: new URL(url, "https://sites.test") }));
  const frames = asked.filter(({ url }) => url.pathname === "/out");
  return frames.map(({ host, url }) => ({ host, ...Object.fromEntries(url.searchParams) })).sort((a, b) => a.host.localeCompare(b.host));
}
const order = () => stage.sites.visits.map(({ host, url }) => `${host} ${new URL(url, "https://sites.test").pathname}`);
const partyCookie = async (party, where = profile) => (await where.context.cookies(at(party))).find(({ name }) => name === "party")?.value;
const isBye = (party) => (url) => url.origin === at(party) && url.pathname === "/bye";

/** No serious finding of axe-core, and no poor contrast in the dark. */
async function accessible(where, name) {
  const found = await graveFindings(where, name);
  await where.emulateMedia({ colorScheme: "dark" });
  found.push(...await graveFindings(where, `${name}, dark`, ["color-contrast"]));
  await where.emulateMedia({ colorScheme: "light" });
  assert.deepEqual(found, []);
}

describe("a relying party that proves who asks", () => {
  test("ends the session without a question, every party's page is loaded, and the browser comes back with state", async () => {
    await signIn(page, "blog");
    await signIn(page, "wiki");
    await signIn(page, "shop");
    const { hint, sid } = await idToken(page, "shop");
    assert.equal(await partyCookie("shop"), "open");
    const response = await page.goto(endSession({ id_token_hint: hint, post_logout_redirect_uri: at("shop", "/bye"), state: STATE }), { waitUntil: "commit" });
    const policy = response.headers()["content-security-policy"];
    assert.ok(policy.includes(`frame-src ${at("shop")} ${at("blog")};`), policy);
    await page.waitForURL(isBye("shop"));
    assert.deepEqual([...new URL(page.url()).searchParams], [["state", STATE]]);
    assert.deepEqual(told(), [{ host: SHOP, app: "shop", iss: stage.issuer, sid }, { host: BLOG, iss: stage.issuer, sid }]);
    // What the frame of the same site did counts for the party's own pages.
    assert.equal(await partyCookie("shop"), undefined);
    assert.equal(await page.evaluate(() => localStorage.getItem("party")), null);
    assert.deepEqual(await stage.sessionsOf(user), []);
    assert.ok(!await isSignedIn());
    // The page with the frames is no step of the way back.
    await page.goBack();
    assert.equal(new URL(page.url()).pathname, "/back");
  });

  test("the browser goes on when the slowest of them has been told, and not before", async () => {
    await profile.context.route(isFrameOf("blog"), async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 800));
      await route.continue();
    });
    await signIn(page, "blog");
    await signIn(page, "shop");
    const { hint } = await idToken(page, "shop");
    await page.goto(endSession({ id_token_hint: hint, post_logout_redirect_uri: at("shop", "/bye") }), { waitUntil: "commit" });
    await page.waitForURL(isBye("shop"));
    const ways = order();
    assert.ok(ways.indexOf(`${BLOG} /out`) >= 0 && ways.indexOf(`${BLOG} /out`) < ways.indexOf(`${SHOP} /bye`), ways.join("\n"));
  });

  test("one whose page never comes holds nobody up for longer than three seconds", async () => {
    await profile.context.route(isFrameOf("blog"), () => {});
    await signIn(page, "blog");
    await signIn(page, "shop");
    const { hint } = await idToken(page, "shop");
    const began = performance.now();
    await page.goto(endSession({ id_token_hint: hint, post_logout_redirect_uri: at("shop", "/bye") }), { waitUntil: "commit" });
    await page.waitForURL(isBye("shop"));
    const waited = performance.now() - began;
    assert.ok(waited > 2_500 && waited < 9_000, `${Math.round(waited)} ms`);
    assert.deepEqual(told().map(({ host }) => host), [SHOP]);
    assert.ok(!await isSignedIn());
  });

  test("one whose page does not let itself be framed holds nobody up at all", async () => {
    profile.expect(/Refused to display/);
    stage.sites.page(BLOG, "/out", "<!DOCTYPE html><title>out</title>", { "x-frame-options": "DENY" });
    await signIn(page, "blog");
    const { hint } = await idToken(page, "blog");
    const began = performance.now();
    await page.goto(endSession({ id_token_hint: hint, post_logout_redirect_uri: at("blog", "/bye") }), { waitUntil: "commit" });
    await page.waitForURL(isBye("blog"));
    assert.ok(performance.now() - began < 2_500, "it did not wait");
    assert.ok(!await isSignedIn());
  });

  test("a form from another site, with which no cookie comes, does the same", async () => {
    await signIn(page, "blog");
    const { hint, sid } = await idToken(page, "blog");
    await page.goto(stage.sites.page(BLOG, "/leave", `<!DOCTYPE html><title>leave</title>
      <form method="post" action="${stage.issuer}/end_session"><input type="hidden" name="id_token_hint" value="${hint}">
      <input type="hidden" name="post_logout_redirect_uri" value="${at("blog", "/bye")}"><button>Leave</button></form>`));
    await page.click("button");
    await page.waitForURL(isBye("blog"));
    assert.deepEqual(told(), [{ host: BLOG, iss: stage.issuer, sid }]);
    assert.ok(!await isSignedIn());
  });
});

describe("a relying party that proves nothing", () => {
  test("the person is asked, may stay, and comes back after a yes by the form's own redirect", async () => {
    await signIn(page, "wiki");
    const url = endSession({ client_id: "wiki", post_logout_redirect_uri: at("wiki", "/bye"), state: STATE });
    await page.goto(url);
    assert.match(await page.textContent("main"), new RegExp(`Example wiki asks to sign you out[^]*signed in as ${user}`));
    await accessible(page, "end_session");
    await page.click("#logout-cancel");
    await page.locator("#logout-confirm").waitFor({ state: "detached" });
    assert.ok(await isSignedIn());
    await page.goto(url);
    // Chromium holds the redirect after a form to form-action.
    await page.click("#logout-confirm");
    await page.waitForURL(isBye("wiki"));
    assert.equal(new URL(page.url()).searchParams.get("state"), STATE);
    assert.deepEqual(told(), []);
    assert.ok(!await isSignedIn());
  });

  test("where the script does not come, a link is the way on, past the frames", async () => {
    profile.expect(/net::ERR_FAILED/);
    await profile.context.route((url) => url.pathname === "/assets/logged-out.js", (route) => route.abort());
    await signIn(page, "shop");
    await page.goto(endSession({ client_id: "shop", post_logout_redirect_uri: at("shop", "/bye"), state: STATE }));
    await page.click("#logout-confirm");
    await page.locator("#logged-out").waitFor();
    await until("the frame has come", () => told().length === 1);
    assert.ok(!await page.locator("iframe.frontchannel").isVisible());
    await accessible(page, "logged-out with a way on");
    await page.click("#continue");
    await page.waitForURL(isBye("shop"));
    assert.equal(new URL(page.url()).searchParams.get("state"), STATE);
    assert.equal(await partyCookie("shop"), undefined);
  });

  test("without scripts the page goes on by itself", async () => {
    const plain = await open({ javaScriptEnabled: false });
    const other = await plain.page();
    await signIn(other, "shop");
    await other.goto(endSession({ client_id: "shop", post_logout_redirect_uri: at("shop", "/bye"), state: STATE }));
    await other.click("#logout-confirm");
    await other.waitForURL(isBye("shop"));
    assert.equal(new URL(other.url()).searchParams.get("state"), STATE);
    assert.deepEqual(told().map(({ host }) => host), [SHOP]);
    assert.equal(await partyCookie("shop", plain), undefined);
    assert.ok(!await isSignedIn(plain));
  });

  test("an address that is not registered is a page, and nothing ends", async () => {
    profile.expect(/status of 400/);
    await signIn(page, "shop");
    const response = await page.goto(endSession({ client_id: "shop", post_logout_redirect_uri: at("shop", "/elsewhere") }));
    assert.equal(response.status(), 400);
    assert.equal(await page.textContent("#oauth-error"), "invalid_request");
    await accessible(page, "end_session refused");
    assert.ok(await isSignedIn());
    assert.deepEqual(told(), []);
    assert.equal(await partyCookie("shop"), "open");
  });
});

describe("on the server's own page", () => {
  for (const everywhere of [false, true]) {
    test(`signing out${everywhere ? " on all devices" : ""} loads the parties' pages too, out of sight, and stays`, async () => {
      await signIn(page, "shop");
      await signIn(page, "blog");
      const { sid } = await idToken(page, "blog");
      await page.goto(`${stage.issuer}/logout`);
      if (everywhere) await page.check("#everywhere");
      await page.click("#logout-confirm");
      await page.locator("#logged-out").waitFor();
      await until("both frames have come", () => told().length === 2);
      assert.deepEqual(told(), [{ host: SHOP, app: "shop", iss: stage.issuer, sid }, { host: BLOG, iss: stage.issuer, sid }]);
      await until("the party's cookie is gone", async () => await partyCookie("shop") === undefined);
      assert.equal(/on all devices/.test(await page.textContent("#logged-out")), everywhere);
      const frames = page.locator("iframe.frontchannel");
      assert.equal(await frames.count(), 2);
      for (const frame of await frames.all()) assert.ok(!await frame.isVisible());
      assert.equal(await page.locator("#continue").count(), 0);
      await accessible(page, "logged-out with frames");
      assert.equal(page.url(), `${stage.issuer}/logout`);
      assert.deepEqual(await stage.sessionsOf(user), []);
    });
  }

  test("a party's page can lead neither its frame nor the window elsewhere, and opens nothing", async () => {
    profile.expect(/Unsafe attempt to initiate navigation|Blocked opening|frame-src/);
    const evil = stage.sites.origin(EVIL);
    stage.sites.page(BLOG, "/out", `<!DOCTYPE html><title>out</title><script>
      try { top.location = "${evil}/top"; } catch { /* A sandboxed frame may not. */ }
      open("${evil}/popup");
      location = "${evil}/frame";</script>`);
    await signIn(page, "blog");
    await page.goto(`${stage.issuer}/logout`);
    const stopped = page.waitForEvent("console", { predicate: (message) => /frame-src/.test(message.text()) });
    await Promise.all([stopped, page.click("#logout-confirm")]);
    await page.locator("#logged-out").waitFor();
    assert.equal(page.url(), `${stage.issuer}/logout`);
    assert.equal(profile.context.pages().length, 1);
    assert.deepEqual(stage.sites.visits.filter(({ host }) => host === EVIL), []);
    assert.deepEqual(await stage.sessionsOf(user), []);
  });

  for (const [what, button] of [
    ["this device", "#sessions-list > li:has(#session-current) button"],
    ["everything", "#sign-out-all"],
  ]) {
    test(`signing out ${what} in the list of devices loads the parties' pages too`, async () => {
      await signIn(page, "shop");
      await page.goto(`${stage.issuer}/account/sessions`);
      await page.click(button);
      await page.locator("#logged-out").waitFor();
      await page.waitForLoadState("load");
      assert.deepEqual(told().map(({ host }) => host), [SHOP]);
      assert.equal(await partyCookie("shop"), undefined);
    });
  }
});
