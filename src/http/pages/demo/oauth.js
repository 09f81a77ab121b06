// What the demo's scenes do behind the back of the client: refreshes with tokens of their own choice (RFC 6749 §6), calls
// whose refusal is the point, and a look into the tokens. Applications need none of it.

const utf8 = new TextEncoder();

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

/** One refresh (RFC 6749 §6). */
export function refresh(server, client, refreshToken) {
  const fields = { grant_type: "refresh_token", refresh_token: refreshToken, client_id: client.id };
  return call(server.token_endpoint, { method: "POST", body: new URLSearchParams(fields) });
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

function bytes(text) {
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
}
