// A stage for browsers: `signet dev --tls` on two root domains and a third, applications and hostile neighbours beside
// it, and Chromium, for which all of *.test is this machine. Everything on free ports, with a store of its own.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { launch } from "./chromium.mjs";
import { openGate } from "./gate.mjs";
import { freePort } from "./ports.mjs";
import { openSites } from "./sites.mjs";
import { certificate, trustingHome } from "./tls.mjs";
import { until } from "./wait.mjs";

const run = promisify(execFile);
const binary = process.env.INTEROP_BINARY;

/** Where the server is, where applications are, and who lives next door. */
export const LOGIN = "login.main.test";
export const OTHER = "auth.other.test";
export const THIRD = "auth.third.test";
export const SHOP = "app.main.test";
export const BLOG = "app.other.test";
export const WIKI = "app.third.test";
/** Another site altogether, and one that shares the root domain with the server. */
export const EVIL = "evil.test";
export const SIBLING = "evil.main.test";
const SITES = [SHOP, BLOG, WIKI, EVIL, SIBLING];

export const PASSWORD = "a long enough password";
const SCOPE = "openid profile email read";

/** A new database beside the one that `scripts/interop` names; nothing where the store is SQLite. */
async function freshDatabase() {
  const url = process.env.INTEROP_DATABASE;
  if (!url) return [];
  const own = new URL(url);
  own.pathname = "/interop_stage";
  const sql = ["DROP DATABASE IF EXISTS interop_stage WITH (FORCE)", "CREATE DATABASE interop_stage"];
  await run("psql", ["--quiet", "--no-psqlrc", "-d", url, ...sql.flatMap((one) => ["-c", one])]);
  return ["--database", String(own)];
}

/** Starts the server, and waits until it is ready. */
async function startServer(dir, port) {
  const admin = await freePort();
  const store = join(dir, "store");
  const args = ["dev", "--dir", store, "--port", String(port), "--admin-port", String(admin), "--tls", "--name", LOGIN,
    "--host", OTHER, "--host", THIRD, ...await freshDatabase()];
  const env = { ...process.env, SIGNET_REGISTRATION__MODE: "token" };
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"], env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => { said += chunk; });
  const ended = once(child, "exit").then(([code]) => { throw new Error(`the server ended with ${code}:\n${said}`); });
  ended.catch(() => {});
  const ready = until("the server is ready", () => fetch(`http://127.0.0.1:${admin}/readyz`).then(({ ok }) => ok));
  await Promise.race([ready, ended]).catch((fault) => {
    child.kill();
    throw fault;
  });
  return {
    store,
    said: () => said,
    async stop() {
      if (child.exitCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/**
 * Builds the stage.
 *
 * - `gate`: the browser reaches the server through a proxy that tests can play tricks with (`stage.gate`); otherwise
 *   directly, with the certificate that the server made.
 * - `port`, `sitesPort`: the server's and the other sites', where pictures show them.
 */
export async function raise({ gate: gated = false, port, sitesPort } = {}) {
  const dir = await mkdtemp(join(tmpdir(), "signet-stage-"));
  port ??= await freePort();
  const names = [LOGIN, OTHER, THIRD, ...SITES];
  const [server, { key, cert }] = await Promise.all([startServer(dir, port), certificate(dir, names)]);
  const authority = join(server.store, "tls", "ca.pem");
  const home = join(dir, "home");
  await mkdir(home);
  await trustingHome(home, [authority, join(dir, "ca.pem")]);
  const sites = await openSites({ key, cert, listenAt: sitesPort });
  const gate = gated ? await openGate({ key, cert, port, ca: await readFile(authority) }) : null;
  const detour = gate ? [LOGIN, OTHER, THIRD].map((name) => `MAP ${name} 127.0.0.1:${gate.port}`) : [];
  const chrome = await launch({
    home, args: [`--host-resolver-rules=${[...detour, "MAP *.test 127.0.0.1"].join(",")}`],
  });

  const origin = (host) => `https://${host}:${port}`;
  const stage = {
    port, gate, sites, chrome,
    issuer: origin(LOGIN),
    origin,
    /** Runs a command of the server's program against its store and reads the JSON it prints. */
    async signet(...args) {
      const { stdout } = await run(binary, [...args, "--json"], { env: { ...process.env, SIGNET_DIR: server.store } });
      return JSON.parse(stdout);
    },
    said: server.said,
    profile: (options) => openProfile(chrome, options),
    async close() {
      await chrome.close();
      gate?.close();
      sites.close();
      await server.stop();
      await rm(dir, { recursive: true });
    },
  };

  /** Registers a client with its metadata (RFC 7591 §2). */
  stage.register = async (id, metadata, ...flags) => {
    const file = join(dir, `${id}.json`);
    await writeFile(file, JSON.stringify(metadata));
    return stage.signet("client", "create", "--id", id, ...flags, "--metadata", file);
  };
  /** Asks the server, not through the browser: `{status, headers, text}`. */
  const ca = await readFile(authority);
  stage.ask = (path, { method = "GET", headers = {}, body } = {}) => new Promise((resolve, reject) => {
    const asking = request({
      host: "127.0.0.1", port, ca, servername: LOGIN, method, path, agent: false,
      headers: { host: `${LOGIN}:${port}`, ...(body && { "content-length": Buffer.byteLength(body) }), ...headers },
    }, async (response) => {
      response.setEncoding("utf8");
      let text = "";
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, headers: response.headers, text });
    });
    asking.on("error", reject);
    asking.end(body);
  });
  /** Registers a client as a client registers itself, and says its id (RFC 7591 §3). */
  stage.registerItself = async (metadata) => {
    const made = await stage.signet("initial-access-token", "create", "--name", "stage");
    const { status, text } = await stage.ask("/register", {
      method: "POST", body: JSON.stringify(metadata),
      headers: { authorization: `Bearer ${made.token}`, "content-type": "application/json" },
    });
    if (status !== 201) throw new Error(`not registered: ${status} ${text}`);
    return JSON.parse(text).client_id;
  };
  /** An application in cookie mode at one of the sites, whose sessions are held at one of the server's hosts. */
  stage.application = async (id, site, host, more = {}) => {
    const here = sites.origin(site);
    await stage.register(id, {
      client_name: `The ${id}`,
      client_class: "cookie",
      token_endpoint_auth_method: "none",
      redirect_uris: [`${origin(host)}/session/callback`],
      return_uris: [`${here}/`, `${here}/auto`],
      grant_types: ["authorization_code", "refresh_token"],
      scope: SCOPE,
      audience: ["https://api.example.com"],
      ...more,
    }, "--first-party");
    sites.application(site, { host: origin(host), client: id });
    return here;
  };
  /** A person who exists for one test. */
  let people = 0;
  stage.person = async (name = `person${people += 1}`, called = `The ${name}`) => {
    const command = execFile(binary, ["user", "create", "--username", name, "--name", called, "--email",
      `${name}@example.com`, "--password-stdin", "--json"], { env: { ...process.env, SIGNET_DIR: server.store } });
    command.stdin.end(`${PASSWORD}\n`);
    const [code] = await once(command, "exit");
    if (code !== 0) throw new Error(`no user ${name}`);
    return name;
  };
  /** What the operator sees of a person: open sessions with their families, and why others ended. */
  stage.sessionsOf = async (name) => (await stage.signet("user", "sessions", name)).sessions;
  stage.auditOf = async (name) => (await stage.signet("audit", "list", "--user", name)).events;
  return stage;
}

/**
 * A browser profile. `faults` collects what no page of ours may cause: policy violations, errors in the console,
 * exceptions nobody catches. `expected` are those that a test means to cause.
 */
export async function openProfile(chrome, { expected = [], ...options } = {}) {
  const context = await chrome.newContext(options);
  context.setDefaultTimeout(60_000);
  const faults = [];
  // Nobody is signed in when a page first asks: 401 is the answer, and Chromium writes it into the console.
  const usual = [/status of 401 .*\/refresh$/, ...expected];
  const note = (text) => {
    if (!usual.some((known) => known.test(text))) faults.push(text);
  };
  context.on("console", (message) => {
    if (message.type() === "error") note(`${message.text()} at ${message.location().url}`);
  });
  context.on("weberror", (fault) => note(`uncaught: ${fault.error()}`));
  return {
    context,
    faults,
    expect: (pattern) => usual.push(pattern),
    page: async (url) => {
      const page = await context.newPage();
      if (url) await page.goto(url);
      return page;
    },
    close: () => context.close(),
  };
}

/** Fills in the sign-in form that the page shows. */
export async function fillIn(page, user, password = PASSWORD) {
  await page.fill("#username", user);
  await page.fill("#password", password);
  await page.click("#login-submit");
}

/** Opens an application and signs in by hand. */
export async function signInAt(profile, address, user) {
  const page = await profile.page(address);
  await page.locator("#status", { hasText: "Signed out" }).waitFor();
  await page.click("#sign-in");
  await fillIn(page, user);
  await signedIn(page);
  return page;
}

export const signedIn = (page, options) => page.locator("#status", { hasText: "Signed in" }).waitFor(options);
export const signedOut = (page) => page.locator("#status", { hasText: "Signed out" }).waitFor();
