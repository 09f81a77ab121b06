// The OAuth half of the demo: the authorization code flow with PKCE as a browser application does it
// (RFC 6749 §4.1, RFC 7636, RFC 9207, OpenID Connect Core §3.1), and nothing about the page.

const utf8 = new TextEncoder();
const TRANSACTION = "signet-demo-transaction";

/** A request that never throws: `{status, body, ms}`, with status 0 when there was no answer. */
export async function call(url, options = {}) {
  const began = performance.now();
  try {
    const answer = await fetch(url, { cache: "no-store", credentials: "omit", ...options });
    const text = await answer.text();
    let body = text;
    try { body = text ? JSON.parse(text) : null; } catch { /* not JSON: shown as text */ }
    return { status: answer.status, body, ms: performance.now() - began };
  } catch (fault) {
    return { status: 0, body: String(fault), ms: performance.now() - began };
  }
}

/** The server's metadata (RFC 8414), read from the origin that served this page. */
export async function discover() {
  const { status, body } = await call("/.well-known/openid-configuration");
  if (status !== 200 || !body?.issuer) throw new Error(`The server's metadata could not be read (${status}).`);
  return body;
}

/** Leaves for the authorization endpoint. What has to be remembered stays in this tab's session storage. */
export async function beginSignIn(server, client, extra = {}) {
  const transaction = { state: random(), nonce: random(), verifier: random() };
  sessionStorage.setItem(TRANSACTION, JSON.stringify(transaction));
  const query = new URLSearchParams({
    response_type: "code",
    client_id: client.id,
    redirect_uri: client.redirectUri,
    scope: client.scope,
    state: transaction.state,
    nonce: transaction.nonce,
    code_challenge: base64url(await crypto.subtle.digest("SHA-256", utf8.encode(transaction.verifier))),
    code_challenge_method: "S256",
    ...extra,
  });
  location.assign(`${server.authorization_endpoint}?${query}`);
}

/** Turns the answer in the address bar into tokens. Throws an `Error` with plain words when it must not be used. */
export async function finishSignIn(server, client, query) {
  const transaction = JSON.parse(sessionStorage.getItem(TRANSACTION) ?? "null");
  sessionStorage.removeItem(TRANSACTION); // one answer per question
  if (!transaction) throw new Error("This tab did not ask for a sign-in, so the answer was thrown away.");
  if (query.get("state") !== transaction.state) throw new Error("The state does not match: the answer was thrown away.");
  // RFC 9207 §2.4: an answer of another issuer must not reach this issuer's token endpoint.
  if (query.get("iss") !== server.issuer) throw new Error("The answer names another issuer: it was thrown away.");
  if (query.has("error")) throw new Error(`${query.get("error")}: ${query.get("error_description") ?? "no details"}`);

  const answer = await token(server, {
    grant_type: "authorization_code",
    code: query.get("code") ?? "",
    redirect_uri: client.redirectUri,
    client_id: client.id,
    code_verifier: transaction.verifier,
  });
  if (answer.status !== 200) throw new Error(`The code was not accepted: ${problem(answer)}`);
  const claims = decode(answer.body.id_token)?.claims;
  const audience = [claims?.aud].flat();
  if (claims?.iss !== server.issuer || !audience.includes(client.id) || claims.nonce !== transaction.nonce) {
    throw new Error("The ID token is not the answer to this sign-in: it was thrown away.");
  }
  return answer;
}

/** One refresh (RFC 6749 §6). */
export function refresh(server, client, refreshToken) {
  return token(server, { grant_type: "refresh_token", refresh_token: refreshToken, client_id: client.id });
}

/** Revokes a refresh token (RFC 7009). */
export function revoke(server, client, refreshToken) {
  const fields = { token: refreshToken, token_type_hint: "refresh_token", client_id: client.id };
  return call(server.revocation_endpoint, { method: "POST", body: new URLSearchParams(fields) });
}

/** The header and claims of a JWT, unverified; `null` if it is not one. */
export function decode(jwt) {
  try {
    const [header, claims] = jwt.split(".").slice(0, 2).map((part) => JSON.parse(new TextDecoder().decode(bytes(part))));
    return { header, claims };
  } catch {
    return null;
  }
}

/** Whether the signature of a JWT is by a key of the published set; `null` if this browser cannot tell. */
export async function verify(server, jwt) {
  try {
    const { header } = decode(jwt);
    const set = await call(server.jwks_uri);
    const jwk = set.body.keys.find((key) => key.kid === header.kid);
    const how = ALGORITHMS[header.alg];
    if (!jwk || !how) return null;
    const key = await crypto.subtle.importKey("jwk", jwk, how, false, ["verify"]);
    const end = jwt.lastIndexOf(".");
    return await crypto.subtle.verify(how, key, bytes(jwt.slice(end + 1)), utf8.encode(jwt.slice(0, end)));
  } catch {
    return null;
  }
}

/** An error answer in a few words. */
export function problem({ status, body }) {
  if (status === 0) return "no answer";
  return body?.error ? `${status} ${body.error}` : String(status);
}

const ALGORITHMS = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
};

function token(server, fields) {
  return call(server.token_endpoint, { method: "POST", body: new URLSearchParams(fields) });
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64url(data) {
  return btoa(String.fromCharCode(...new Uint8Array(data))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function bytes(text) {
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
}
