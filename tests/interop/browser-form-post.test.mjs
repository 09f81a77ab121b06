// Answers that come in a form (OAuth 2.0 Form Post Response Mode), and answers to clients whose callback sends the browser
// on to another origin, which Chromium counts as one navigation with the form that it began with.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { BLOG, fillIn, raise, SHOP } from "./lib/stage.mjs";
import { authorizeUrl, makeApplications } from "./lib/views.mjs";

let stage;
let shop;
let blog;
before(async () => {
  stage = await raise();
  await makeApplications(stage);
  [shop, blog] = [SHOP, BLOG].map((site) => stage.sites.origin(site));
  stage.sites.page(BLOG, "/landed", '<!DOCTYPE html><title>landed</title><h1 id="landed">Landed</h1>');
  stage.sites.page(SHOP, "/onward", "", { location: `${blog}/landed` });
  await stage.register("onward", {
    client_name: "Example Onward", token_endpoint_auth_method: "none", redirect_uris: [`${shop}/onward`], scope: "openid",
  });
});
after(() => stage?.close());

let user;
let profile;
const profiles = [];
beforeEach(async () => {
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

/** Signs in for an answer in a form and consents. */
async function ask(where, change) {
  const page = await where.page(authorizeUrl(stage, { response_mode: "form_post", ...change }));
  await fillIn(page, user);
  await page.locator("#consent-form").waitFor();
  return page;
}

/** The form that arrives at the client, by a POST without a query. */
const answerTo = (page) => page.waitForRequest((request) => request.method() === "POST" && request.url() === `${shop}/back`)
  .then((request) => Object.fromEntries(new URLSearchParams(request.postData())));
function isAnswer({ code, ...rest }) {
  assert.match(code, /^[\w-]{20,}$/);
  assert.deepEqual(rest, { state: "state-1", iss: stage.issuer });
}

describe("an answer in a form", () => {
  test("arrives at the client by itself", async () => {
    const page = await ask(profile);
    const [answer] = await Promise.all([answerTo(page), page.click("#consent-approve")]);
    await page.locator("#back").waitFor();
    isAnswer(answer);
    assert.equal(page.url(), `${shop}/back`, "no address holds it");
  });

  test("arrives by a button where there are no scripts", async () => {
    const page = await ask(await open({ javaScriptEnabled: false }));
    await page.click("#consent-approve");
    await page.locator("#form-post").waitFor();
    const [answer] = await Promise.all([answerTo(page), page.click("#form-post-submit")]);
    await page.locator("#back").waitFor();
    isAnswer(answer);
  });

  test("arrives by the button where the script does not come", async () => {
    profile.expect(/net::ERR_FAILED/);
    await profile.context.route((url) => url.pathname === "/assets/form-post.js", (route) => route.abort());
    const page = await ask(profile);
    await page.click("#consent-approve");
    await page.locator("#form-post").waitFor();
    const [answer] = await Promise.all([answerTo(page), page.click("#form-post-submit")]);
    await page.locator("#back").waitFor();
    isAnswer(answer);
  });

  test("arrives by the button where what the script began was stopped", async () => {
    const page = await ask(profile);
    // As when somebody presses Escape: the browser stays where it is.
    await page.route(`${shop}/back`, (route) => route.abort("aborted"), { times: 1 });
    const [first] = await Promise.all([answerTo(page), page.click("#consent-approve")]);
    await page.locator("#form-post").waitFor();
    const [second] = await Promise.all([answerTo(page), page.click("#form-post-submit")]);
    await page.locator("#back").waitFor();
    assert.deepEqual(second, first);
  });

  test("says no in a form as well", async () => {
    const page = await ask(profile);
    const [{ error, ...rest }] = await Promise.all([answerTo(page), page.click("#consent-deny")]);
    await page.locator("#back").waitFor();
    assert.equal(error, "access_denied");
    delete rest.error_description;
    assert.deepEqual(rest, { state: "state-1", iss: stage.issuer });
  });
});

describe("a callback that sends the browser on to another origin", () => {
  const change = (mode) => ({ client_id: "onward", redirect_uri: `${shop}/onward`, scope: "openid", response_mode: mode });
  for (const mode of ["query", "form_post"]) {
    test(`is followed after the forms of the sign-in and of the consent (${mode})`, async () => {
      const page = await ask(profile, change(mode));
      await page.click("#consent-approve");
      await page.locator("#landed").waitFor();
      // Another sign-in, with nothing to consent to: the form is the sign-in's.
      await page.goto(authorizeUrl(stage, { ...change(mode), prompt: "login" }));
      await page.fill("#password", "a long enough password");
      await page.click("#login-submit");
      await page.locator("#landed").waitFor();
      assert.equal(page.url(), `${blog}/landed`);
    });
  }
});
