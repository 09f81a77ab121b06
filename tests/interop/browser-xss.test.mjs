// Hostile text in every place that is shown (S-112): as text, and never as anything else.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fillIn, LOGIN, OTHER, raise, SHOP } from "./lib/stage.mjs";
import { authorizeUrl, makeApplications, signInAtPartner, views } from "./lib/views.mjs";

/** Each would show itself by an element, by the dialog it opens, or by the policy that stops it. */
const CORPUS = [
  `"><script>alert(1)</script><b id=injected>`,
  `'><img src=x onerror=alert(1) id=injected>`,
  `</title></textarea></style></noscript><svg id=injected onload=alert(1)>`,
  `" autofocus onfocus=alert(1) data-injected="`,
  `{{7*7}}\${7*7}<%=7*7%>{% raw %}<b id=injected>`,
  `<a id=injected href=javascript:alert(1)>x</a>`,
  `--><b id=injected><!--`,
  `&lt;b id=injected&gt;<b id=injected>`,
];
/** All in one, in both orders, so that none hides behind what another closes. */
const ALL = [CORPUS.join(" "), CORPUS.toReversed().join(" ")];
const NAME = `<b id=injected>${CORPUS[0].slice(0, 60)}`;
const AGENT = `Mozilla/5.0 (<b id=injected>; "><script>alert(1)</script>) Chrome/1`;

let stage;
let user;
let profile;
let page;
const dialogs = [];
before(async () => {
  stage = await raise();
  await makeApplications(stage, { client_name: NAME });
  user = "hostile";
  await stage.person(user);
  await stage.signet("user", "update", user, "--name", CORPUS[1]);
  profile = await stage.profile({ userAgent: AGENT, expected: [/status of 4\d\d/] });
  page = await profile.page();
  page.on("dialog", (dialog) => {
    dialogs.push(dialog.message());
    dialog.dismiss();
  });
});
after(async () => {
  await profile?.close();
  await stage?.close();
});

/** Nothing of ours has event handlers in its markup, an element of that name, or computes what it is given. */
async function harmless(name) {
  const found = await page.evaluate(() => [...document.querySelectorAll("*")].filter((element) =>
    element.id === "injected" || element.hasAttribute("data-injected") || [...element.attributes].some((one) => /^on/i.test(one.name)) ||
    /^\s*javascript:/i.test(element.getAttribute("href") ?? element.getAttribute("src") ?? element.getAttribute("action") ?? ""))
    .map((element) => element.outerHTML));
  assert.deepEqual(found, [], name);
  assert.doesNotMatch(await page.title(), /^49|}49/);
  assert.deepEqual(dialogs, [], name);
  assert.deepEqual(profile.faults, [], name);
}

test("no page makes more than text of what clients, people and browsers call themselves", async () => {
  const { nobody, somebody } = views(stage, user);
  for (const [name, open] of nobody) {
    await open(page);
    await harmless(name);
  }
  await signInAtPartner(stage, page, user);
  let shown = 0;
  for (const [name, open] of somebody) {
    await open(page);
    await harmless(name);
    if ((await page.textContent("body")).includes("<b id=injected>")) shown += 1;
  }
  assert.ok(shown >= 3, `the names are shown, as text, on ${shown} pages`);
});

test("nor of what an authorization request says", async () => {
  for (const text of ALL) {
    for (const change of [
      { login_hint: text }, { state: text, prompt: "login" }, { scope: text }, { redirect_uri: text }, { client_id: text },
      { response_type: text }, { redirect_uri: `https://${SHOP}/${text}` }, { prompt: text }, { nonce: text, prompt: "login" },
      { ui_locales: text, prompt: "login" }, { display: text, prompt: "login" }, { acr_values: text, prompt: "login" }, { resource: text },
      { code_challenge_method: text }, { max_age: text }, { request: text }, { claims: text },
    ]) {
      await page.goto(authorizeUrl(stage, change)).catch((error) => assert.match(String(error), /ERR_/));
      await harmless(JSON.stringify(change));
    }
  }
});

test("nor of what an answer in a form holds", async () => {
  for (const text of ALL) {
    await page.route("**/assets/form-post.js", (route) => route.fulfill({ contentType: "text/javascript", body: "" }));
    for (const change of [{ state: text }, { state: text, prompt: "none", client_id: "board", redirect_uri: text }]) {
      await page.goto(authorizeUrl(stage, { response_mode: "form_post", prompt: "none", scope: "openid", ...change }));
      await harmless(JSON.stringify(change));
    }
    await page.goto(authorizeUrl(stage, { response_mode: "form_post", prompt: "none", scope: "openid", state: text }));
    assert.equal(await page.inputValue("#form-post [name=state]"), text, "it is sent as it came");
    await page.unroute("**/assets/form-post.js");
  }
});

test("nor of what a sign-in form holds", async () => {
  for (const text of CORPUS.slice(0, 3)) {
    await page.goto(authorizeUrl(stage, { prompt: "login" }));
    await fillIn(page, text, text);
    await page.locator("#login-error").waitFor();
    assert.equal(await page.inputValue("#username"), text);
    await harmless(text);
  }
});

test("nor of what addresses of session pages and of the demo say", async () => {
  for (const text of ALL) {
    const hostile = encodeURIComponent(text);
    for (const path of [
      `/session/start?client_id=${hostile}&return_to=${hostile}`, `/session/start?client_id=shop&return_to=${hostile}&scope=${hostile}&prompt=${hostile}`,
      `/session/callback?error=${hostile}&error_description=${hostile}&state=${hostile}`, `/session/callback?code=${hostile}&state=${hostile}&iss=${hostile}`,
      `/logout?client_id=${hostile}&post_logout_redirect_uri=${hostile}&state=${hostile}&id_token_hint=${hostile}`,
      `/end_session?client_id=${hostile}&post_logout_redirect_uri=${hostile}`, `/logged-out?return_to=${hostile}`, `/${hostile}`,
      `/demo?error=${hostile}&error_description=${hostile}#${hostile}`, `/demo/callback?error=${hostile}&error_description=${hostile}&state=${hostile}`,
      `/demo/app?error=${hostile}&error_description=${hostile}#${hostile}`, `/account?message=${hostile}&error=${hostile}`,
      `/account/sessions?after=${hostile}`, `/account/activity?before=${hostile}&after=${hostile}`,
    ]) {
      await page.goto(stage.issuer + path).catch((error) => assert.match(String(error), /ERR_/));
      await harmless(path);
    }
    await page.goto(`${stage.origin(OTHER)}/${hostile}`);
    await harmless(text);
  }
});

test("addresses that are no web addresses are not taken from clients", async () => {
  const metadata = (change) => ({
    client_name: "Hostile", token_endpoint_auth_method: "none", redirect_uris: [`${stage.sites.origin(SHOP)}/back`], scope: "openid", ...change,
  });
  for (const field of ["policy_uri", "tos_uri", "logo_uri", "client_uri", "initiate_login_uri", "frontchannel_logout_uri", "post_logout_redirect_uris"]) {
    for (const uri of ["javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "data:text/html,<script>alert(1)</script>",
      "vbscript:x", `https://example.com/"><b id=injected>`, "https://example.com/\u0000"]) {
      const value = field.endsWith("s") ? [uri] : uri;
      await assert.rejects(stage.register("hostile", metadata({ [field]: value })), `${field} ${uri}`);
    }
  }
  for (const uri of ["javascript:alert(1)", "data:text/html,x", `${stage.sites.origin(SHOP)}/"><b>`]) {
    await assert.rejects(stage.register("hostile", metadata({ redirect_uris: [uri] })), uri);
    await assert.rejects(stage.register("hostile", metadata({
      client_class: "cookie", redirect_uris: [`${stage.origin(LOGIN)}/session/callback`], return_uris: [uri],
    })), uri);
  }
});
