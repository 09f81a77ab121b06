// A browser without a browser: tabs over common locks, channels and cookies, in a time that passes only when told to,
// and stand-ins for the server in both modes, which rotate refresh tokens and end a family when one comes back too late.
import { cookieClient, tokenClient } from "@signet/spa";

export const HOST = "https://auth.example.com";
export const APP = "https://app.example.com/shop";
export const API = "https://api.example.com";
const RETRY_WINDOW = 30_000;

/** Lets everything happen that needs no time. */
async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export const b64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
export const jwt = (claims) => `${b64({ alg: "RS256" })}.${b64(claims)}.c2ln`;

/** Time, and what a browser has once for all tabs. */
export class World {
  now = 1_800_000_000_000;
  mono = 5_000;
  random = 0.5;
  latency = 20;
  lockLatency = 1;
  channels = new Set();
  locks = new Map();
  session = new Map();
  #timers = new Map();
  #next = 1;

  setTimeout(run, milliseconds = 0) {
    if (milliseconds > 2 ** 31 - 1) throw new Error("a timer that would fire at once");
    this.#timers.set(this.#next, { at: this.mono + Math.max(0, milliseconds), run });
    return this.#next++;
  }
  clearTimeout(timer) {
    this.#timers.delete(timer);
  }
  get timers() {
    return [...this.#timers.values()].map(({ at }) => at - this.mono).sort((a, b) => a - b);
  }
  wait(milliseconds) {
    return new Promise((resolve) => this.setTimeout(resolve, milliseconds));
  }

  /** Time passes, with everything that falls into it. */
  async pass(milliseconds) {
    const end = this.mono + milliseconds;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [id, { at, run }] = due;
      this.#timers.delete(id);
      this.now += at - this.mono;
      this.mono = at;
      run();
      await settle();
    }
    this.now += end - this.mono;
    this.mono = end;
  }
  /** The machine sleeps: only the wall clock goes on. */
  sleepMachine(milliseconds) {
    this.now += milliseconds;
  }
  /** Lets time pass until a promise has settled. */
  async until(promise, limit = 120_000) {
    let done = false;
    const watched = promise.finally(() => { done = true; });
    watched.catch(() => undefined);
    for (const end = this.mono + limit; !done && this.mono < end;) await this.pass(5);
    if (!done) throw new Error("not in time");
    return watched;
  }

  request(name, { signal }, run, tab) {
    const queue = this.locks.get(name) ?? [];
    this.locks.set(name, queue);
    return new Promise((resolve, reject) => {
      const entry = { tab, held: false };
      const release = () => {
        queue.splice(queue.indexOf(entry), 1);
        queue[0]?.grant();
      };
      entry.release = release;
      entry.grant = () => {
        entry.held = true;
        this.setTimeout(() => {
          if (entry.dead) return;
          Promise.resolve().then(run).then(resolve, reject).finally(() => { if (!entry.dead) release(); });
        }, this.lockLatency);
      };
      signal.addEventListener("abort", () => {
        if (entry.held) return;
        release();
        reject(new DOMException("aborted", "AbortError"));
      });
      queue.push(entry);
      if (queue.length === 1) entry.grant();
    });
  }
}

/** One tab: an environment, and what was seen in it. */
export class Tab extends EventTarget {
  visibility = "visible";
  visited = [];
  changes = [];
  alive = true;

  constructor(world, server, { href = APP, locks = true, channel = true, apis = [API] } = {}) {
    super();
    const tab = this;
    Object.assign(this, { world, server, href, apis });
    this.environment = {
      Date: { now: () => world.now },
      performance: { now: () => world.mono },
      Math: { random: () => world.random },
      setTimeout: (run, milliseconds) => world.setTimeout(() => tab.alive && run(), milliseconds),
      clearTimeout: (timer) => world.clearTimeout(timer),
      fetch: (input, init) => tab.#fetch(input, init),
      location: { get href() { return tab.href; }, assign: (url) => tab.visited.push(url) },
      history: { state: { router: 1 }, replaceState(state, _, url) { tab.href = new URL(url, tab.href).href; tab.kept = state; } },
      document: { get visibilityState() { return tab.visibility; }, get baseURI() { return tab.href; } },
      sessionStorage: {
        values: new Map(),
        getItem(key) { return this.values.get(key) ?? null; },
        setItem(key, value) { this.values.set(key, String(value)); },
        removeItem(key) { this.values.delete(key); },
      },
      navigator: locks ? { locks: { request: (name, options, run) => world.request(name, options, run, tab) } } : {},
      crypto,
      addEventListener: (type, listener) => tab.addEventListener(type, listener),
      removeEventListener: (type, listener) => tab.removeEventListener(type, listener),
      reportError: (error) => { tab.reported = error; },
      ...(channel && { BroadcastChannel: tab.#channels() }),
    };
  }

  #channels() {
    const tab = this;
    const { world } = this;
    return class {
      onmessage = null;
      constructor(name) {
        Object.assign(this, { name, tab });
        world.channels.add(this);
      }
      postMessage(data) {
        const text = structuredClone(data);
        for (const other of world.channels) {
          if (other === this || other.name !== this.name) continue;
          world.setTimeout(() => other.tab.alive && world.channels.has(other) && other.onmessage?.({ data: text }), world.channelLatency ?? 1);
        }
      }
      close() {
        world.channels.delete(this);
      }
    };
  }

  async #fetch(input, init) {
    const request = new Request(typeof input === "string" ? new URL(input, this.href) : input, init);
    const answering = this.server.answer(request, this);
    const response = await Promise.race([
      answering,
      new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason))),
    ]);
    if (!this.alive) return new Promise(() => undefined);
    return response;
  }

  cookie(options = {}) {
    return this.watch(cookieClient({ host: HOST, clientId: "shop", apis: this.apis, environment: this.environment, ...options }));
  }
  token(options = {}) {
    return this.watch(tokenClient({
      issuer: HOST, clientId: "shop", redirectUri: "https://app.example.com/back", apis: this.apis, environment: this.environment, ...options,
    }));
  }
  watch(client) {
    client.onChange((change) => this.changes.push(change));
    this.client = client;
    return client;
  }
  /** The kinds of changes so far. */
  get seen() {
    return this.changes.map(({ type }) => type);
  }
  fire(type, more = {}) {
    this.dispatchEvent(Object.assign(new Event(type), more));
  }
  show(visibility) {
    this.visibility = visibility;
    this.fire("visibilitychange");
  }
  /** The tab is closed, or crashes: its locks are free, nothing of it runs any more. */
  die() {
    this.alive = false;
    for (const queue of this.world.locks.values()) {
      for (const entry of queue.filter(({ tab }) => tab === this)) {
        entry.dead = true;
        entry.release();
      }
    }
  }
}

const json = (status, body, headers = {}) => Response.json(body, { status, headers });

/** What both stand-ins do: count, fail on order, and be slow. */
class Server {
  asked = [];
  /** Answers to give instead, in order: a `Response`, "lost" (done, but the answer never arrives), or "down". */
  faults = [];
  api = () => json(200, { ok: true });
  accessTokens = 0;
  lifetime = 600;
  claims = { sub: "alice", sid: "s1", auth_time: 1_799_999_000, acr: "1", amr: ["pwd"] };

  constructor(world) {
    this.world = world;
  }
  count(path) {
    return this.asked.filter((one) => one.path === path).length;
  }
  async answer(request) {
    const url = new URL(request.url);
    const text = await request.clone().text();
    this.asked.push({ path: url.pathname, origin: url.origin, request, text, at: this.world.mono });
    await this.world.wait(this.world.latency);
    if (url.origin !== HOST) return this.api(request, text);
    const fault = url.pathname.startsWith("/.well-known") ? undefined : this.faults.shift();
    if (fault === "down") throw new TypeError("Failed to fetch");
    if (typeof fault === "function") return fault(() => this.protocol(url.pathname, request, text));
    if (fault instanceof Response) return fault;
    const [response, arrive] = this.protocol(url.pathname, request, text);
    if (fault === "lost") throw new TypeError("Failed to fetch");
    await this.world.wait(this.world.latency);
    arrive?.();
    return response;
  }
  grant(more = {}) {
    this.accessTokens += 1;
    return { access_token: `at${this.accessTokens}`, token_type: "Bearer", expires_in: this.lifetime, scope: "read", ...more };
  }
}

/** The family of refresh tokens: the current generation, and what may come again. */
class Family {
  generation = 0;
  rotatedAt = -Infinity;
  ended = false;

  constructor(world) {
    this.world = world;
  }
  /** The generation to hold from now on; `null` if the family has ended. */
  present(generation) {
    if (this.ended) return null;
    if (generation === this.generation) {
      this.generation += 1;
      this.rotatedAt = this.world.mono;
    } else if (generation !== this.generation - 1 || this.world.mono - this.rotatedAt > RETRY_WINDOW) {
      this.ended = true;
      this.reuse = true;
      return null;
    }
    return this.generation;
  }
}

/** Cookie mode: the jar is the browser's, all tabs share it. */
export class CookieServer extends Server {
  jar = null;

  signIn() {
    this.family = new Family(this.world);
    this.jar = 0;
  }
  protocol(path, request, text) {
    const { headers } = request;
    const right = request.method === "POST" && request.credentials === "include" && headers.get("x-signet-request") === "1"
      && headers.get("content-type") === "application/json" && JSON.parse(text).client_id === "shop";
    if (!right) return [json(403, { error: "access_denied" })];
    const mine = this.jar;
    const gone = [json(401, { error: "login_required" }), () => { this.jar = null; }];
    if (path === "/session/logout") {
      if (this.family) this.family.ended = true;
      return [json(200, { sessions: 1 }), () => { this.jar = null; }];
    }
    if (path === "/session/logout_all") {
      if (mine === null || this.family.ended) return gone;
      this.family.ended = true;
      return [json(200, { sessions: 2 }), () => { this.jar = null; }];
    }
    const next = mine === null ? null : this.family.present(mine);
    if (next === null) return gone;
    return [json(200, this.grant({ session: this.claims })), () => { this.jar = next; }];
  }
}

/** Token mode. */
export class TokenServer extends Server {
  families = new Map();
  metadata = {
    issuer: HOST, authorization_endpoint: `${HOST}/authorize`, token_endpoint: `${HOST}/token`, revocation_endpoint: `${HOST}/revoke`,
  };

  idToken(change = {}) {
    return jwt({ iss: HOST, aud: "shop", exp: Math.floor(this.world.now / 1000) + 600, nonce: this.nonce, name: "Alice", ...this.claims, ...change });
  }
  protocol(path, request, text) {
    if (path === "/.well-known/openid-configuration") return [json(200, this.metadata)];
    const form = new URLSearchParams(text);
    if (form.get("client_id") !== "shop") return [json(401, { error: "invalid_client" })];
    if (path === "/revoke") {
      const family = this.families.get(form.get("token")?.split(".")[0]);
      if (family) family.ended = true;
      return [new Response("", { status: 200 })];
    }
    if (form.get("grant_type") === "authorization_code") {
      const name = `f${this.families.size}`;
      this.families.set(name, new Family(this.world));
      return [json(200, this.grant({ refresh_token: `${name}.0`, id_token: this.id ?? this.idToken() }))];
    }
    const [name, generation] = form.get("refresh_token").split(".");
    const next = this.families.get(name)?.present(Number(generation)) ?? null;
    if (next === null) return [json(400, { error: "invalid_grant" })];
    return [json(200, this.grant({ refresh_token: `${name}.${next}`, ...this.more }))];
  }
}

/** A tab that is signed in by cookie. */
export async function signedIn(options = {}, clientOptions = {}) {
  const world = options.world ?? new World();
  const server = options.server ?? new CookieServer(world);
  if (!options.server) server.signIn();
  const tab = new Tab(world, server, options);
  const client = tab.cookie(clientOptions);
  await world.until(client.ready());
  return { world, server, tab, client };
}

/** A tab in token mode that has been at the server and came back. */
export async function codeFlow(options = {}, clientOptions = {}, change = {}) {
  const world = options.world ?? new World();
  const server = options.server ?? new TokenServer(world);
  const tab = new Tab(world, server, options);
  const before = tab.token(clientOptions);
  await world.until(before.signIn(options.signIn));
  before.close();
  const asked = new URL(tab.visited.at(-1)).searchParams;
  server.nonce = asked.get("nonce");
  server.challenge = asked.get("code_challenge");
  const query = new URLSearchParams({ code: "c1", state: asked.get("state"), iss: HOST, ...change });
  for (const [name, value] of [...query]) if (value === "") query.delete(name);
  tab.href = `https://app.example.com/back?${query}`;
  tab.changes = [];
  const client = tab.token(clientOptions);
  return { world, server, tab, client, asked };
}

export const bearer = (parameters, status = 401) =>
  new Response("{}", { status, headers: { "WWW-Authenticate": `Bearer ${parameters}` } });
export { json };
