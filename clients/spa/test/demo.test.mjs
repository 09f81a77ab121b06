// The demo application of the server, in a page that is made of stand-ins: what it tells its user.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import { bundle } from "./bundle.mjs";
import { CookieServer, HOST, json, Tab, World } from "./support.mjs";

const source = await readFile(new URL("../../../src/http/pages/demo/app.js", import.meta.url), "utf8");

/** The page, loaded from a server that answers its first question so. */
async function load(answer) {
  const world = new World();
  const server = new CookieServer(world);
  server.faults = [answer];
  const { environment } = new Tab(world, server, { href: `${HOST}/demo/app` });
  const elements = new Map();
  const element = () => ({ dataset: {}, textContent: "", lines: [], addEventListener() {}, append(...parts) { this.lines.push(...parts); }, prepend(...parts) { this.lines.unshift(...parts); } });
  const at = (id) => elements.get(id) ?? elements.set(id, element()).get(id);
  const document = { ...environment.document, visibilityState: "visible", baseURI: `${HOST}/demo/app`, cookie: "", getElementById: at, createElement: element };
  const location = { href: `${HOST}/demo/app`, origin: HOST, host: new URL(HOST).host };
  const storage = { length: 0, getItem: () => null, setItem() {}, removeItem() {} };
  const code = await bundle(source.replace("/assets/demo-spa.js", "@signet/spa"), { format: "iife" });
  // What of the client's environment the language has already, it takes from the language.
  const { Date: _date, Math: _math, ...browser } = environment;
  runInContext(code, createContext({ ...browser, document, location, localStorage: storage, sessionStorage: storage, URL, URLSearchParams, Headers, Request, AbortController }));
  await world.pass(2_000);
  const text = ({ textContent, lines = [] }) => textContent + lines.map(text).join(" ");
  return { status: at("app-status").textContent, log: text(at("app-log")) };
}

test("a refusal is told as one, and nothing is promised", async () => {
  const { status, log } = await load(json(403, { error: "access_denied" }));
  assert.equal(status, "The server refuses this app: access_denied");
  assert.match(log, /access_denied/);
  assert.doesNotMatch(log, /trying again/);
});

test("no answer is told as one", async () => {
  const { status, log } = await load(json(503, { error: "temporarily_unavailable" }));
  assert.match(status, /^The server does not answer/);
  assert.match(log, /trying again/);
});
