// The pages and the demo in a real browser: Debian's Chromium, driven by playwright-core, looked at by axe-core.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { graveFindings } from "./lib/axe.mjs";
import { launch } from "./lib/chromium.mjs";
import { issuer, post, register, scope, signet, users } from "./lib/server.mjs";
import { withinASecond } from "./lib/wait.mjs";

const require = createRequire(import.meta.url);
const LONG = Boolean(process.env.INTEROP_LONG);

let chrome;
let client; // a plain relying party on loopback: it shows whatever it receives
let callback;
before(async () => {
  chrome = await launch();
  client = createServer((request, response) => response.end(`received ${request.url}`));
  await new Promise((resolve) => client.listen(0, "127.0.0.1", resolve));
  callback = `http://127.0.0.1:${client.address().port}/callback`;
});
after(async () => {
  await chrome?.close();
  client?.close();
});

let context;
let faults; // what no page may cause: policy violations and uncaught errors
beforeEach(() => open());
afterEach(async () => {
  await context.close();
  assert.deepEqual(faults, []);
});

/** A browser profile of its own. */
async function open(options = {}) {
  await context?.close();
  context = await chrome.newContext(options);
  context.setDefaultTimeout(60_000);
  faults = [];
  context.on("console", (message) => {
    if (/content.security.policy/i.test(message.text())) faults.push(message.text());
  });
  context.on("weberror", (fault) => faults.push(String(fault.error())));
  if (options.javaScriptEnabled !== false) {
    await context.exposeFunction("reportViolation", (what) => faults.push(what));
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`));
    });
  }
}

const logged = (page, text) => page.locator("#demo-log .what", { hasText: text }).first().waitFor();
const status = async (page, text) => page.locator("#demo-status", { hasText: text }).waitFor();

async function fillIn(page, user = users.alice) {
  await page.fill("#username", user.name);
  await page.fill("#password", user.password);
  await page.click("#login-submit");
}

/** Signs in at the demo page. Whether consent is asked for depends on what was allowed before. */
async function signIn(user = users.alice) {
  const page = await context.newPage();
  await page.goto(`${issuer}/demo`);
  await page.click("#demo-signin:enabled");
  await fillIn(page, user);
  const approve = page.locator("#consent-approve");
  await approve.or(page.locator("#in:not([hidden])")).first().waitFor();
  if (await approve.isVisible()) await approve.click();
  await status(page, `Signed in as ${user.name === "alice" ? "Alice" : "Bob"}`);
  return page;
}

function authorizeUrl(change = {}) {
  const fields = {
    response_type: "code", client_id: "demo-spa", redirect_uri: callback, scope, state: "state-1", nonce: "nonce-1",
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256", ...change,
  };
  return `${issuer}/authorize?${new URLSearchParams(fields)}`;
}

/** axe-core finds nothing. */
const accessible = async (page, name) => assert.deepEqual(await graveFindings(page, name), []);

describe("pages", () => {
  test("a person signs in, consents, and arrives at the client, without scripts", async () => {
    await open({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(authorizeUrl({ prompt: "consent" }));
    await page.fill("#username", "alice");
    await page.fill("#password", "wrong");
    await page.click("#login-submit");
    await page.locator("#login-error").waitFor();
    assert.equal(await page.inputValue("#username"), "alice");
    await fillIn(page);
    await page.click("#consent-approve");
    await page.waitForURL(`${callback}?*`);
    const answer = new URL(page.url()).searchParams;
    assert.equal(answer.get("state"), "state-1");
    assert.equal(answer.get("iss"), issuer);
    const { status: code, body } = await post("/token", {
      grant_type: "authorization_code", client_id: "demo-spa", redirect_uri: callback, code: answer.get("code"),
      code_verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    });
    assert.equal(code, 200, JSON.stringify(body));
  });

  test("cancel and deny lead back with access_denied", async () => {
    const page = await context.newPage();
    await page.goto(authorizeUrl());
    await page.click("#login-cancel");
    await page.waitForURL(`${callback}?*error=access_denied*`);
    await page.goto(authorizeUrl({ prompt: "consent" }));
    await fillIn(page);
    await page.click("#consent-deny");
    await page.waitForURL(`${callback}?*error=access_denied*`);
  });

  test("two sign-ins side by side do not collide", async () => {
    const [one, two] = [await context.newPage(), await context.newPage()];
    await one.goto(authorizeUrl({ state: "one" }));
    await two.goto(authorizeUrl({ state: "two" }));
    await fillIn(one);
    await one.locator("#consent-approve").or(one.getByText("received")).first().waitFor();
    if (await one.locator("#consent-approve").isVisible()) await one.click("#consent-approve");
    await one.waitForURL(`${callback}?*state=one*`);
    await fillIn(two, users.bob);
    await two.locator("#consent-approve").or(two.getByText("received")).first().waitFor();
    if (await two.locator("#consent-approve").isVisible()) await two.click("#consent-approve");
    await two.waitForURL(`${callback}?*state=two*`);
    assert.match(new URL(two.url()).search, /code=/);
  });

  test("a wrong redirect URI stays here and says what is registered", async () => {
    const page = await context.newPage();
    const response = await page.goto(authorizeUrl({ redirect_uri: "http://localhost/callbak" }));
    assert.equal(response.status(), 400);
    assert.equal(await page.textContent("#oauth-error"), "invalid_request");
    assert.match(await page.textContent("main"), /http:\/\/localhost\/callbak/);
    await accessible(page, "error");
  });

  test("signing out asks first, ends the session, and the next request asks for the password", async () => {
    const page = await context.newPage();
    await page.goto(authorizeUrl());
    await fillIn(page);
    await page.locator("#consent-approve").or(page.getByText("received")).first().waitFor();
    await page.goto(`${issuer}/logout`);
    await accessible(page, "logout");
    await page.click("#logout-cancel");
    await page.goto(`${issuer}/logout`);
    await page.click("#logout-confirm");
    await page.locator("#logged-out").waitFor();
    await accessible(page, "logged out");
    await page.goto(authorizeUrl());
    await page.locator("#login-form").waitFor();
    await page.goto(`${issuer}/logout`);
    await page.locator("#message").waitFor();
    await accessible(page, "message");
  });

  test("start, sign-in and consent are accessible", async () => {
    const page = await context.newPage();
    await page.goto(issuer);
    await accessible(page, "start");
    await page.goto(authorizeUrl({ prompt: "consent" }));
    await accessible(page, "login");
    await page.click("#login-submit");
    await page.locator("#login-error").waitFor();
    await accessible(page, "login with a problem");
    await fillIn(page);
    await page.locator("#consent-form").waitFor();
    await accessible(page, "consent");
  });
});

describe("demo", () => {
  test("signs in, shows claims with checked signatures, calls the API and refreshes", async () => {
    const page = await signIn();
    assert.equal(new URL(page.url()).search, "");
    await page.locator("#id-signature", { hasText: "RS256 signature checked" }).waitFor();
    await page.locator("#access-signature", { hasText: "ES256 signature checked" }).waitFor();
    assert.match(await page.textContent("#demo-id-claims"), /Alice Anna Example/);
    assert.match(await page.textContent("#demo-access-claims"), /https:\/\/api\.example\.com/);
    await page.click("#demo-api");
    await logged(page, "API call: 200");
    await page.click("#demo-refresh:enabled");
    await logged(page, "Refresh: new tokens");
    assert.equal(await page.textContent("#demo-generation"), "once");
    await accessible(page, "demo");
    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert.equal(stored, JSON.stringify([{}, {}, ""]));
  });

  test("shares the session with a second tab, and 32 refreshes from both yield one token", async () => {
    const page = await signIn();
    const [second] = await Promise.all([context.waitForEvent("page"), page.click("#demo-second-tab")]);
    await status(second, "Signed in as Alice");
    await page.click("#demo-race:enabled");
    await logged(page, "32 refreshes from 2 tabs: 32 answered 200, 1 distinct refresh token");
    await logged(second, "Another tab starts a race: 16 refreshes from here");
    const shown = await page.textContent("#demo-refresh-token");
    await second.locator("#demo-refresh-token", { hasText: shown }).waitFor();
    await second.click("#demo-refresh:enabled");
    await logged(second, "Refresh: new tokens");
  });

  test("logging out all devices is seen in under a second, in every tab", async () => {
    let page;
    await withinASecond("the page saw the refusal", async () => {
      await open();
      page = await signIn(users.bob);
      const [second] = await Promise.all([context.waitForEvent("page"), page.click("#demo-second-tab")]);
      await status(second, "Signed in as Bob");
      await page.click("#demo-logout-all:enabled");
      await logged(page, "The API refused the access token");
      await logged(page, "A refresh after log-out: 400 invalid_grant");
      const line = await page.locator("#demo-log .what", { hasText: "The API refused" }).textContent();
      await status(second, "Signed out in another tab");
      return Number(/(\d+) ms/.exec(line)[1]);
    });
    await page.click("#demo-signin:enabled");
    await page.locator("#login-form").waitFor();
  });

  test("logging out from the command line reaches the open page", async () => {
    const page = await signIn(users.bob);
    await signet("user", "logout-all", "bob");
    // The API hears of it from the feed: the first call may still pass.
    const refused = page.locator("#demo-log .what", { hasText: "API call: 401 invalid_token" }).first();
    for (const began = Date.now(); Date.now() - began < 30_000 && !(await refused.isVisible());) {
      await page.click("#demo-api:enabled");
    }
    await refused.waitFor();
    await page.click("#demo-refresh:enabled");
    await status(page, "Signed out: the server refused the refresh token");
  });

  test("revoking ends the app's session", async () => {
    const page = await signIn();
    await page.click("#demo-revoke:enabled");
    await logged(page, "A refresh with the revoked token: 400 invalid_grant");
    await logged(page, "API call: 401 invalid_token");
    await status(page, "Signed out: the refresh token was revoked");
  });

  test("a thief who is quick gets the owner's token and no second line", async () => {
    const page = await signIn();
    await page.click("#demo-steal:enabled");
    await page.click("#demo-owner:enabled");
    await logged(page, "Refresh: new tokens");
    await page.click("#demo-thief:enabled");
    await page.locator("#demo-verdict strong", { hasText: "The server decides: Retry" }).waitFor();
    await accessible(page, "demo with a verdict");
  });

  test("a thief who is first leaves the owner with the same token, as a retry", async () => {
    const page = await signIn();
    await page.click("#demo-steal:enabled");
    await page.click("#demo-thief:enabled");
    await page.locator("#demo-verdict strong", { hasText: "The thief was first" }).waitFor();
    await page.click("#demo-owner:enabled");
    await page.locator("#demo-verdict strong", { hasText: "The server decides: Retry" }).waitFor();
    assert.match(await page.textContent("#demo-verdict"), /the very token that the thief holds/);
  });

  test("within the retry window a burst has one newest token, however old the copy", async () => {
    const page = await signIn();
    await page.click("#demo-steal:enabled");
    for (const times of ["once", "2 times"]) {
      await page.click("#demo-owner:enabled");
      await page.locator("#demo-generation", { hasText: times }).waitFor();
    }
    const newest = await page.textContent("#demo-refresh-token");
    await page.click("#demo-thief:enabled");
    await page.locator("#demo-verdict strong", { hasText: "The server decides: Retry" }).waitFor();
    await page.locator("#thief-loot", { hasText: newest }).waitFor();
  });

  test("the whole scene ends with the theft found", { skip: !LONG && "takes a minute: --long" }, async () => {
    const page = await signIn();
    await page.click("#demo-scene:enabled");
    await page.locator("#demo-verdict strong", { hasText: "Theft found" }).waitFor({ timeout: 90_000 });
    await status(page, "Signed out");
  });
});

describe("oidc-client-ts in a page of another origin", () => {
  let site;
  before(async () => {
    const library = await readFile(join(require.resolve("oidc-client-ts/package.json"), "../dist/browser/oidc-client-ts.min.js"));
    site = createServer((request, response) => {
      const script = request.url === "/oidc.js";
      response.setHeader("content-type", script ? "text/javascript" : "text/html");
      response.end(script ? library : "<!DOCTYPE html><title>Shop</title><script src=/oidc.js></script>");
    });
    await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  });
  after(() => site?.close());

  test("signs in, refreshes and revokes across origins; an origin that is not registered reads nothing", async () => {
    const origin = `http://127.0.0.1:${site.address().port}`;
    const { client_id: id } = await register({
      client_name: "Shop",
      token_endpoint_auth_method: "none",
      redirect_uris: [`${origin}/back`],
      grant_types: ["authorization_code", "refresh_token"],
      scope,
      allowed_origins: [origin],
    });
    const page = await context.newPage();
    const manager = ([authority, client_id, wanted]) => {
      window.manager = new window.oidc.UserManager({
        authority, client_id, redirect_uri: `${location.origin}/back`, scope: wanted, loadUserInfo: true,
        automaticSilentRenew: false, revokeTokenTypes: ["refresh_token"],
      });
    };
    const settings = [issuer, id, scope];
    await page.goto(`${origin}/`);
    await page.evaluate(manager, settings);
    await Promise.all([page.waitForURL(`${issuer}/login*`), page.evaluate(() => { void window.manager.signinRedirect(); })]);
    await fillIn(page);
    await page.click("#consent-approve");
    await page.waitForURL(`${origin}/back?*`);
    await page.evaluate(manager, settings);
    const first = await page.evaluate(() => window.manager.signinRedirectCallback());
    assert.equal(first.profile.preferred_username, "alice");
    const second = await page.evaluate(() => window.manager.signinSilent());
    assert.notEqual(second.refresh_token, first.refresh_token);
    await page.evaluate(() => window.manager.revokeTokens());
    const refresh = (fields) => page.evaluate(async ([url, body]) => {
      try {
        const response = await fetch(url, { method: "POST", body: new URLSearchParams(body) });
        return (await response.json()).error;
      } catch (fault) {
        return String(fault);
      }
    }, [`${issuer}/token`, { grant_type: "refresh_token", refresh_token: second.refresh_token, ...fields }]);
    assert.equal(await refresh({ client_id: id }), "invalid_grant"); // an error can be read as well
    assert.match(await refresh({ client_id: "demo-spa" }), /Failed to fetch/); // another client's origins are other ones
  });
});
