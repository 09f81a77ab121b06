// Every page that people can come to, and how: for suites that look at all of them.
import { BLOG, fillIn, LOGIN, OTHER, PASSWORD, SHOP, signedIn, WIKI } from "./stage.mjs";

/** Other people's devices, as they name themselves. */
export const DEVICES = {
  phone: "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
  office: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0",
};

/** An authorization request (RFC 6749 §4.1.1) of the partner, whom users are asked about. */
export function authorizeUrl(stage, change = {}) {
  const fields = {
    response_type: "code", client_id: "partner", redirect_uri: `${stage.sites.origin(SHOP)}/back`, scope: "openid profile email read",
    state: "state-1", nonce: "nonce-1", code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256", ...change,
  };
  return `${stage.issuer}/authorize?${new URLSearchParams(fields)}`;
}

/** Whether a browser is signed in at the login host. */
export async function isSignedIn(stage, profile) {
  const page = await profile.page(authorizeUrl(stage, { prompt: "none" }));
  const error = new URL(page.url()).searchParams.get("error");
  await page.close();
  return error !== "login_required";
}

/** A link or an address inside an attribute. */
const quoted = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");

/**
 * Applications that the pages speak of. What they say of themselves may be anything.
 *
 * - `shop`, `blog`: in cookie mode. `partner`: asks, has a page that begins a sign-in, takes answers in forms as well.
 * - `board`: ours, with a page for frames and one to come back to after a logout.
 * - `stranger`: registered itself.
 */
export async function makeApplications(stage, words = {}) {
  const [shop, wiki] = [SHOP, WIKI].map((site) => stage.sites.origin(site));
  await stage.application("shop", SHOP, LOGIN, { client_name: "Example Shop" });
  await stage.application("blog", BLOG, OTHER, { client_name: "Example Blog" });
  for (const site of [SHOP, WIKI]) stage.sites.page(site, "/back", "<!DOCTYPE html><title>back</title><h1 id=back>Back</h1>");
  stage.sites.page(SHOP, "/logo.svg", LOGO, { "content-type": "image/svg+xml" });
  // OpenID Connect Core §4: the server's page sends people here, and the client begins a sign-in of its own.
  stage.sites.page(SHOP, "/begin", `<!DOCTYPE html><title>begin</title><meta http-equiv="refresh" content="0;url=${quoted(authorizeUrl(stage))}">`);
  stage.sites.page(WIKI, "/out", "<!DOCTYPE html><title>out</title>");
  stage.sites.page(WIKI, "/bye", '<!DOCTYPE html><title>bye</title><h1 id="bye">Bye</h1>');
  await stage.signet("api", "create", "https://orders.example.com", "--name", words.client_name ?? "Orders");
  await stage.register("partner", {
    client_name: "Example Partner",
    token_endpoint_auth_method: "none",
    redirect_uris: [`${shop}/back`],
    post_logout_redirect_uris: [`${shop}/back`],
    initiate_login_uri: `${shop}/begin`,
    grant_types: ["authorization_code", "refresh_token"],
    scope: "openid profile email offline_access read",
    audience: ["https://api.example.com", "https://orders.example.com"],
    logo_uri: `${shop}/logo.svg`,
    policy_uri: `${shop}/privacy`,
    tos_uri: `${shop}/terms`,
    ...words,
  });
  await stage.register("board", {
    client_name: "Example Board",
    token_endpoint_auth_method: "none",
    redirect_uris: [`${wiki}/back`],
    post_logout_redirect_uris: [`${wiki}/bye`],
    frontchannel_logout_uri: `${wiki}/out`,
    scope: "openid",
    ...words,
  }, "--first-party");
  stage.stranger = await stage.registerItself({
    client_name: "Example Stranger",
    token_endpoint_auth_method: "none",
    redirect_uris: [`${shop}/back`],
    scope: "openid profile",
    ...words,
  });
}

const LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48"><rect width="48" height="48" rx="10" fill="#1f4e79"/></svg>';

/** Signs in through the partner's request; consents if that is asked and wanted. */
export async function signInAtPartner(stage, page, user, { consent = true, password = PASSWORD } = {}) {
  await page.goto(authorizeUrl(stage, { prompt: "consent" }));
  if (await page.locator("#login-form").isVisible()) await fillIn(page, user, password);
  await page.locator("#consent-form").waitFor();
  if (!consent) return;
  await page.click("#consent-approve");
  await page.locator("#back").waitFor();
}

/** Another device of a person, which uses an application; how it names itself. */
export async function useElsewhere(stage, user, userAgent) {
  const profile = await stage.profile({ userAgent });
  const page = await profile.page();
  await signInAtPartner(stage, page, user);
  await page.goto(`${stage.sites.origin(SHOP)}/auto`);
  await signedIn(page);
  return profile;
}

/** What only one of many pages that look alike needs to be pictured for. */
const ALIKE = { picture: false };

/**
 * The pages, each with a way to it: those for somebody who is not signed in, and those for somebody who is (what signs out
 * signs in again itself). `open` may be called again and again.
 */
export function views(stage, user, password = PASSWORD) {
  const [shop, wiki] = [SHOP, WIKI].map((site) => stage.sites.origin(site));
  const at = (path) => (page) => page.goto(stage.issuer + path);
  const endSession = (fields) => at(`/end_session?${new URLSearchParams(fields)}`);
  const bySignIn = async (page, change) => {
    await page.goto(authorizeUrl(stage, change));
    if (await page.locator("#login-form").isVisible()) await fillIn(page, user, password);
  };
  const signIn = (page) => signInAtPartner(stage, page, user, { password });
  /** Uses the board, so that there is a frame to show, and says yes to signing out. */
  const signOut = (path, { frames = false, everywhere = false } = {}) => async (page) => {
    await signIn(page);
    if (frames) {
      await bySignIn(page, { client_id: "board", redirect_uri: `${wiki}/back`, scope: "openid" });
      await page.locator("#back").waitFor();
    }
    await page.goto(stage.issuer + path);
    if (everywhere) await page.check("#everywhere");
    await page.click("#logout-confirm");
    await page.locator("#logged-out").waitFor();
  };
  /** A page that leaves by itself, as it is before its script does that. */
  const held = (script, open) => async (page) => {
    await page.route(`**/assets/${script}`, (route) => route.fulfill({ contentType: "text/javascript", body: "" }));
    await open(page);
    await page.unroute(`**/assets/${script}`);
  };
  /** What no form of ours sends. */
  const post = (type, value) => async (page) => {
    await page.setContent(`<!DOCTYPE html><form method="post" enctype="${type}" action="${stage.issuer}/login">
      <input name="a" value="${value}"><button>Post</button></form>`);
    await Promise.all([page.waitForURL(`${stage.issuer}/login`), page.click("button")]);
    await page.locator("#oauth-error").waitFor();
  };
  const board = new URLSearchParams({ client_id: "board", post_logout_redirect_uri: `${wiki}/bye` });
  const nobody = [
    ["index", at("/")],
    ["login", (page) => page.goto(authorizeUrl(stage, { prompt: "login" }))],
    ["login-stranger", (page) => page.goto(authorizeUrl(stage, { client_id: stage.stranger, scope: "openid profile" }))],
    ["login-problem", async (page) => {
      await page.goto(authorizeUrl(stage, { login_hint: user }));
      await page.fill("#password", "not the password");
      await page.click("#login-submit");
      await page.locator("#login-error").waitFor();
    }],
    ["error", (page) => page.goto(authorizeUrl(stage, { redirect_uri: `${shop}/bakc` }))],
    ["error-client", (page) => page.goto(authorizeUrl(stage, { client_id: "nobody" })), ALIKE],
    ["error-too-large", post("application/x-www-form-urlencoded", "x".repeat(100_000)), ALIKE],
    ["error-media-type", post("text/plain", "b"), ALIKE],
    ["error-logout", endSession({ client_id: "partner", post_logout_redirect_uri: `${shop}/elsewhere` }), ALIKE],
    ["message", at("/logout")],
    ["message-form-expired", async (page) => {
      await page.goto(authorizeUrl(stage, { prompt: "login" }));
      await page.evaluate(() => { document.querySelector("[name=csrf]").value = "x".repeat(43); });
      await fillIn(page, user, password);
      await page.locator("#message").waitFor();
    }, ALIKE],
    ["message-not-found", at("/no-such-page"), ALIKE],
    ["message-not-navigated", async (page) => {
      await page.setExtraHTTPHeaders({ "sec-purpose": "prefetch" });
      await page.goto(`${stage.issuer}/session/start?client_id=shop&return_to=${shop}/`);
      await page.setExtraHTTPHeaders({});
    }, ALIKE],
    ["message-unknown-host", async (page) => {
      const path = `/session/start?client_id=shop&return_to=${shop}/`;
      // The server has no certificate for the name that a browser would ask it by.
      const { status, headers, text } = await stage.ask(path, { headers: { host: "elsewhere.example" } });
      await page.route(stage.issuer + path, (route) => route.fulfill({ status, headers, body: text }));
      await page.goto(stage.issuer + path);
      await page.unroute(stage.issuer + path);
    }, ALIKE],
    ["start-refused", at("/session/start?client_id=shop&return_to=https://elsewhere.example/")],
    ["callback-refused", at("/session/callback?code=made-up&state=made-up")],
    ["other-host", (page) => page.goto(`${stage.origin(OTHER)}/account`)],
    ["demo-signed-out", at("/demo"), ALIKE],
    ["account-login", at("/account"), ALIKE],
  ];
  const somebody = [
    ["consent", (page) => signInAtPartner(stage, page, user, { consent: false, password })],
    ["consent-claims", (page) => page.goto(authorizeUrl(stage, { prompt: "consent", scope: "openid",
      claims: JSON.stringify({ userinfo: { birthdate: null, phone_number: null, zoneinfo: null } }) })), ALIKE],
    ["consent-stranger", (page) => page.goto(authorizeUrl(stage, { client_id: stage.stranger, scope: "openid profile", prompt: "consent" }))],
    ["confirm", (page) => page.goto(authorizeUrl(stage, { prompt: "login" }))],
    ["form-post", held("form-post.js", async (page) => {
      await page.goto(authorizeUrl(stage, { response_mode: "form_post" }));
      await page.locator("#form-post").waitFor();
    })],
    ["account", at("/account")],
    ["account-error", async (page) => {
      await page.goto(`${stage.issuer}/account/password`);
      await page.fill("#current-password", "not the password");
      await page.fill("#new-password", "an even longer password");
      await page.click("#password-submit");
      await page.locator("#account-error").waitFor();
    }, ALIKE],
    ["account-done", async (page) => {
      await page.goto(`${stage.issuer}/account`);
      await page.click("#profile-submit");
      await page.locator("#account-done").waitFor();
    }, ALIKE],
    ["account-password", at("/account/password")],
    ["account-sessions", at("/account/sessions")],
    ["account-applications", at("/account/applications")],
    ["account-activity", at("/account/activity")],
    ["demo-app", async (page) => {
      await page.goto(`${stage.issuer}/demo/app`);
      await page.click("#app-signin:enabled");
      await page.locator("#app-status", { hasText: "Signed in" }).waitFor();
    }],
    ["demo", async (page) => {
      await page.goto(`${stage.issuer}/demo`);
      await page.click("#demo-signin:enabled");
      const approve = page.locator("#consent-approve");
      await approve.or(page.locator("#in:not([hidden])")).first().waitFor();
      if (await approve.isVisible()) await approve.click();
      for (const button of ["api", "refresh", "steal", "thief"]) await page.click(`#demo-${button}:enabled`);
      await page.locator("#demo-verdict strong").waitFor();
      await page.locator("#access-signature", { hasText: "checked" }).waitFor();
    }],
    ["logout", at("/logout")],
    ["end-session", endSession({ client_id: "partner", post_logout_redirect_uri: `${shop}/back` })],
    ["logged-out", signOut("/logout")],
    ["logged-out-everywhere", signOut("/logout", { everywhere: true }), ALIKE],
    ["logged-out-frames", signOut("/logout", { frames: true }), ALIKE],
    ["logged-out-asked", signOut("/end_session"), ALIKE],
    ["logged-out-continue", held("logged-out.js", signOut(`/end_session?${board}`, { frames: true }))],
  ];
  return { nobody, somebody };
}
