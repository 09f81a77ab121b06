/**
 * An issuer for tests: mints tokens, serves discovery, keys, introspection and the revocation feed on a loopback port,
 * and fails on demand. Nothing of it is for production.
 */
import { type KeyObject, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CompactSign } from "jose";
import { sha256 } from "../jose/base64url.js";
import type { Entry } from "../feed/entry.js";
import type { JsonObject } from "../jose/strict_json.js";
import { TestFeed } from "./feed.js";
import { ecPair } from "./keys.js";

export type { Entry } from "../feed/entry.js";
export { TestFeed } from "./feed.js";

/** How a test issuer is made. */
export interface TestIssuerOptions {
  /** The audience of its tokens. Default `https://api.example.com`. */
  readonly audience?: string;
  /** Whether it has a revocation feed. Default true. */
  readonly feed?: boolean;
  /** Seconds between heartbeats. Default 1. */
  readonly heartbeatSeconds?: number;
  /** Its clock, in Unix milliseconds. */
  readonly now?: () => number;
}

/** The secret of the client `test`, which may introspect. */
export const CREDENTIALS = { clientId: "test", clientSecret: "test secret: %" };

interface SigningKey {
  kid: string;
  privateKey: KeyObject;
  jwk: JsonObject;
}

/** An issuer on a loopback port. */
export class TestIssuer {
  /** How often each path was asked for. */
  readonly requests: Record<string, number> = {};
  /** Paths that answer 503. */
  readonly failing = new Set<string>();
  /** Whether streams are refused with 404. */
  streamless = false;
  /** Whether the feed is silent: no heartbeat, no batch. */
  silent = false;
  /** The feed; a test may make messages of its own with it. */
  feed: TestFeed;
  readonly #options: TestIssuerOptions;
  readonly #server: Server;
  readonly #opaque = new Map<string, JsonObject>();
  readonly #streams = new Set<ServerResponse>();
  readonly #timer: NodeJS.Timeout;
  #keys: SigningKey[] = [];

  private constructor(server: Server, options: TestIssuerOptions) {
    this.#server = server;
    this.#options = options;
    this.feed = new TestFeed(this.url, () => this.#now());
    server.on("request", (request, response) => void this.#answer(request, response));
    this.#timer = setInterval(() => this.#beat(), 1_000 * (options.heartbeatSeconds ?? 1));
  }

  /** Starts one. */
  static async start(options: TestIssuerOptions = {}): Promise<TestIssuer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const issuer = new TestIssuer(server, options);
    issuer.rotate();
    return issuer;
  }

  /** Its identifier. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get audience(): string {
    return this.#options.audience ?? "https://api.example.com";
  }

  /** Ends it, with all connections. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Cuts all streams; followers come back. */
  cut(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  /** Mints an access token (RFC 9068). `undefined` takes a claim or a header member away. */
  async mint(claims: JsonObject = {}, header: JsonObject = {}): Promise<string> {
    const [key] = this.#keys;
    if (!key) throw new Error("no key");
    const payload = Buffer.from(JSON.stringify({ ...this.claims(), ...claims }));
    const signer = new CompactSign(payload);
    signer.setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: key.kid, ...header });
    return signer.sign(key.privateKey);
  }

  /** Mints a token that tells nothing by itself. */
  mintOpaque(claims: JsonObject = {}): string {
    const token = `opaque-${randomUUID()}`;
    this.#opaque.set(token, { ...this.claims(), ...claims });
    return token;
  }

  /** The claims that a token has unless told otherwise: those of a user with the scope `read`. */
  claims(): JsonObject {
    const now = Math.floor(this.#now() / 1000);
    return {
      iss: this.url,
      sub: "alice",
      aud: this.audience,
      client_id: "app",
      iat: now,
      exp: now + 600,
      jti: randomUUID(),
      scope: "read",
      sid: "session-1",
      auth_time: now,
      rv: [0, "family-1", 0],
    };
  }

  /** Publishes entries, and pushes them to those who follow. The number of the batch. */
  revoke(...entries: readonly Entry[]): number {
    const n = this.feed.publish(entries);
    this.push("batch", this.feed.batch(n) ?? "");
    return n;
  }

  /** Logs a user out of all devices: tokens of epochs below `epoch` are dead. */
  logOutAll(sub: string, epoch = 1): number {
    return this.revoke({ kind: "sub", id: sub, min: epoch, diesAt: Math.floor(this.#now() / 1000) + 960 });
  }

  /** Sends any event to those who follow. */
  push(name: string, data: string): void {
    if (this.silent) return;
    for (const stream of this.#streams) stream.write(`event: ${name}\ndata: ${data}\n\n`);
  }

  /** Takes a new signing key; in an emergency the old ones are no longer published. */
  rotate({ emergency = false } = {}): void {
    const { privateKey, publicKey } = ecPair();
    const kid = randomUUID();
    const jwk = { ...publicKey.export({ format: "jwk" }), kid, use: "sig", alg: "ES256" };
    this.#keys = [{ kid, privateKey, jwk }, ...(emergency ? [] : this.#keys)];
  }

  /** The published keys. */
  get jwks(): { keys: JsonObject[] } {
    return { keys: this.#keys.map(({ jwk }) => jwk) };
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  #beat(): void {
    this.push("heartbeat", this.feed.heartbeat());
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    this.requests[url.pathname] = (this.requests[url.pathname] ?? 0) + 1;
    if (this.failing.has(url.pathname) || this.failing.has("*")) return void response.writeHead(503).end();
    const document = this.#document(url.pathname);
    if (document) return json(response, document);
    if (url.pathname === "/introspect") return json(response, await this.#introspect(request));
    if (this.#options.feed === false || !this.#feed(url, response)) response.writeHead(404).end();
  }

  #document(path: string): JsonObject | undefined {
    const at = (suffix: string) => this.url + suffix;
    if (path === "/.well-known/openid-configuration") {
      return { issuer: this.url, jwks_uri: at("/jwks"), introspection_endpoint: at("/introspect") };
    }
    if (path === "/jwks") return this.jwks;
    if (path !== "/.well-known/revocation-configuration" || this.#options.feed === false) return undefined;
    return {
      issuer: this.url,
      revocation_feed_version: 1,
      snapshot_endpoint: at("/revocation/snapshot"),
      batch_endpoint: at("/revocation/batches/{n}"),
      stream_endpoint: at("/revocation/stream"),
      jwks: this.feed.jwks,
      heartbeat_seconds: this.#options.heartbeatSeconds ?? 1,
    };
  }

  /** Whether the path is one of the feed's. */
  #feed(url: URL, response: ServerResponse): boolean {
    if (url.pathname === "/revocation/snapshot") return text(response, this.feed.snapshot());
    if (url.pathname === "/revocation/stream" && !this.streamless) return this.#stream(url, response);
    const n = Number(/^\/revocation\/batches\/(\d+)$/.exec(url.pathname)?.[1] ?? Number.NaN);
    const batch = this.feed.batch(n);
    if (batch !== undefined) return text(response, batch);
    if (n === this.feed.n + 1) {
      // Held for a while, as a batch may come.
      setTimeout(() => text(response, this.feed.batch(n) ?? this.feed.heartbeat()), 100);
      return true;
    }
    if (n <= this.feed.n) response.writeHead(410).end();
    return n <= this.feed.n;
  }

  #stream(url: URL, response: ServerResponse): boolean {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const from = url.searchParams.get("from");
    const event = (name: string, data: string) => response.write(`event: ${name}\ndata: ${data}\n\n`);
    if (from === null) event("snapshot", this.feed.snapshot());
    for (let n = Number(from ?? this.feed.n) + 1; n <= this.feed.n; n += 1) event("batch", this.feed.batch(n) ?? "");
    event("heartbeat", this.feed.heartbeat());
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
    return true;
  }

  async #introspect(request: IncomingMessage): Promise<JsonObject> {
    let body = "";
    for await (const chunk of request) body += chunk;
    const pair = [CREDENTIALS.clientId, CREDENTIALS.clientSecret].map((one) => new URLSearchParams({ "": one }).toString().slice(1));
    const expected = `Basic ${Buffer.from(pair.join(":")).toString("base64")}`;
    const token = new URLSearchParams(body).get("token") ?? "";
    const claims = this.#opaque.get(token) ?? ownClaims(token, this.url);
    if (!claims || sha256(request.headers.authorization ?? "") !== sha256(expected)) return { active: false };
    const { kid, iat, sub, sid, jti, client_id: client, rv } = claims as Record<string, never>;
    const dead = this.feed.live.voids({ kid, iat, client, sub, sid, jti, rv }) !== undefined;
    return dead ? { active: false } : { active: true, token_type: "Bearer", ...claims };
  }
}

/** The claims of a token of ours. Its signature is not looked at: nobody else has the address of this issuer. */
function ownClaims(token: string, issuer: string): JsonObject | undefined {
  try {
    const claims: JsonObject = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    return claims["iss"] === issuer ? claims : undefined;
  } catch {
    return undefined;
  }
}

function json(response: ServerResponse, value: JsonObject): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function text(response: ServerResponse, value: string): boolean {
  response.writeHead(200, { "content-type": "application/jose" }).end(value);
  return true;
}
