// Every page that people can come to, and how: for suites that look at all of them.
import { BLOG, fillIn, LOGIN, OTHER, PASSWORD, SHOP, signedIn } from "./stage.mjs";

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

/** Applications that the pages speak of. What they say of themselves may be anything. */
export async function makeApplications(stage, words = {}) {
  const shop = stage.sites.origin(SHOP);
  await stage.application("shop", SHOP, LOGIN, { client_name: "Example Shop" });
  await stage.application("blog", BLOG, OTHER, { client_name: "Example Blog" });
  stage.sites.page(SHOP, "/back", "<!DOCTYPE html><title>back</title><h1 id=back>Back</h1>");
  await stage.register("partner", {
    client_name: "Example Partner",
    token_endpoint_auth_method: "none",
    redirect_uris: [`${shop}/back`],
    grant_types: ["authorization_code", "refresh_token"],
    scope: "openid profile email offline_access read",
    policy_uri: `${shop}/privacy`,
    tos_uri: `${shop}/terms`,
    ...words,
  });
}

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

/**
 * The pages, each with a way to it: those for somebody who is not signed in, and those for somebody who is (the last one
 * signs out). `open` may be called again and again.
 */
export function views(stage, user, password = PASSWORD) {
  const at = (path) => (page) => page.goto(stage.issuer + path);
  const nobody = [
    ["index", at("/")],
    ["login", (page) => page.goto(authorizeUrl(stage, { prompt: "login" }))],
    ["login-problem", async (page) => {
      await page.goto(authorizeUrl(stage, { login_hint: user }));
      await page.fill("#password", "not the password");
      await page.click("#login-submit");
      await page.locator("#login-error").waitFor();
    }],
    ["error", (page) => page.goto(authorizeUrl(stage, { redirect_uri: `${stage.sites.origin(SHOP)}/bakc` }))],
    ["message", at("/logout")],
    ["account-login", at("/account")],
    ["start-refused", at("/session/start?client_id=shop&return_to=https://elsewhere.example/")],
    ["callback-refused", at("/session/callback?code=made-up&state=made-up")],
    ["other-host", (page) => page.goto(`${stage.origin(OTHER)}/account`)],
    ["demo", at("/demo")],
  ];
  const somebody = [
    ["consent", (page) => signInAtPartner(stage, page, user, { consent: false, password })],
    ["confirm", (page) => page.goto(authorizeUrl(stage, { prompt: "login" }))],
    ["account", at("/account")],
    ["account-password", at("/account/password")],
    ["account-sessions", at("/account/sessions")],
    ["account-applications", at("/account/applications")],
    ["account-activity", at("/account/activity")],
    ["demo-app", async (page) => {
      await page.goto(`${stage.issuer}/demo/app`);
      await page.click("#app-signin:enabled");
      await page.locator("#app-status", { hasText: "Signed in" }).waitFor();
    }],
    ["logout", at("/logout")],
    ["logged-out", async (page) => {
      await page.goto(`${stage.issuer}/logout`);
      await page.click("#logout-confirm");
      await page.locator("#logged-out").waitFor();
    }],
  ];
  return { nobody, somebody };
}
