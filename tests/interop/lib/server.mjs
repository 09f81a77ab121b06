// What the suites know of the server under test. `scripts/interop` starts it and sets these variables.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { millisecondsUntil, withinASecond } from "./wait.mjs";

const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run scripts/interop`);
  return value;
};

/** The issuer, which is the address of the public listener. */
export const issuer = need("INTEROP_ISSUER");
/** The binary that runs it. */
export const binary = need("INTEROP_BINARY");
/** A loopback address with a port that is not registered: any port is right there (RFC 8252 §7.3). */
export const callback = "http://127.0.0.1:45871/callback";
/** The audience of the demo clients' access tokens. */
export const audience = "https://api.example.com";
export const users = {
  alice: { name: "alice", password: "correct-horse-battery-staple" },
  bob: { name: "bob", password: "hunter2-hunter2-hunter2" },
};
export const scope = "openid profile email offline_access read";

/** Runs a command of the server's own program against its store (SIGNET_DIR) and reads the JSON it prints. */
export async function signet(...args) {
  const { stdout } = await promisify(execFile)(binary, [...args, "--json"]);
  return JSON.parse(stdout);
}

/** POST of a form, as the plainest of clients does it. */
export async function post(path, fields, headers = {}) {
  const response = await fetch(issuer + path, { method: "POST", body: new URLSearchParams(fields), headers });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null };
}

/** A Basic `Authorization` header (RFC 6749 §2.3.1). */
export function basic(id, secret) {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` };
}

/** What introspection says about a token (RFC 7662). */
export async function introspect(token) {
  const answer = await post("/introspect", { token }, basic("demo-api", "demo-api-secret"));
  if (answer.status !== 200) throw new Error(`introspection answered ${answer.status}`);
  return answer.body;
}

/** Whether the demo's protected API takes an access token. */
export async function callApi(token) {
  const response = await fetch(`${issuer}/demo/api/me`, { headers: { authorization: `Bearer ${token}` } });
  await response.arrayBuffer();
  return response.status;
}

/**
 * Waits until the demo's protected API refuses an access token. It verifies tokens by itself and hears of a revocation
 * from the feed, so that this may take a moment, but no second.
 */
export async function refusedByApi(token) {
  let revoked = token;
  await withinASecond("the API refuses a revoked token", async () => {
    revoked ??= await revokedToken();
    const took = await millisecondsUntil("the API refuses a revoked token", async () => (await callApi(revoked)) === 401);
    revoked = null;
    return took;
  });
}

/** A token that the API took before it was revoked. */
async function revokedToken() {
  const service = basic("demo-service", "demo-service-secret");
  const { body: { access_token: token } } = await post("/token", { grant_type: "client_credentials", scope: "read" }, service);
  const status = await callApi(token);
  if (status !== 200) throw new Error(`the API answers ${status} to a good token`);
  await post("/revoke", { token }, service);
  return token;
}

/** Logs a user out of all devices, by the user's own token. */
export async function logOutAll(token) {
  const response = await fetch(`${issuer}/demo/api/logout-all`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });
  if (response.status !== 200) throw new Error(`log out all devices answered ${response.status}`);
  return response.json();
}

/** Registers a client (RFC 7591 §2) from the command line: `{client_id, client_secret}`. */
export async function register(metadata) {
  const dir = await mkdtemp(join(tmpdir(), "signet-interop-"));
  try {
    const file = join(dir, "metadata.json");
    await writeFile(file, JSON.stringify(metadata));
    return await signet("client", "create", "--metadata", file);
  } finally {
    await rm(dir, { recursive: true });
  }
}
