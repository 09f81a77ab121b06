// signet-verify behind Debian's nginx, with the configuration that docs/recipes/nginx.conf documents.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { request } from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";
import { signIn } from "./lib/code_flow.mjs";
import { sidecarFails, startApi, startNginx, startSidecar } from "./lib/sidecar.mjs";
import { millisecondsUntil, withinASecond } from "./lib/wait.mjs";
import { audience, basic, issuer, logOutAll, post, users } from "./lib/server.mjs";

let api;
let sidecar;
let nginx;
let tokens;
before(async () => {
  api = await startApi();
  sidecar = await startSidecar();
  nginx = await startNginx({ sidecar, api });
  tokens = await signIn();
});
after(async () => {
  await nginx?.stop();
  await sidecar?.stop();
  api?.stop();
});
beforeEach(() => { api.seen.length = 0; });

const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
const bearer = (token) => ({ authorization: `Bearer ${token}` });

async function ask(path, { headers = {}, ...rest } = {}) {
  const response = await fetch(nginx.url + path, { headers, ...rest });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text.startsWith("{") ? JSON.parse(text) : text };
}

function refusedBefore(answer, status) {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.equal(answer.headers.get("cache-control"), "no-store");
  assert.deepEqual(api.seen, [], "the API was not to hear of it");
}

describe("nginx with auth_request", () => {
  test("a good token passes, and the API is told whose it is", async () => {
    const { status, body } = await ask("/orders?page=2", { headers: bearer(tokens.access_token) });
    assert.equal(status, 200);
    const token = claims(tokens.access_token);
    assert.equal(body.url, "/orders?page=2");
    assert.equal(body.headers["x-auth-subject"], token.sub);
    assert.equal(body.headers["x-auth-client"], "demo-spa");
    assert.equal(body.headers["x-auth-scope"], token.scope);
    assert.equal(body.headers["x-auth-session"], token.sid);
  });

  test("identity that a client sends is replaced or taken away", async () => {
    const { body: service } = await post("/token", { grant_type: "client_credentials", scope: "read" },
      basic("demo-service", "demo-service-secret"));
    const forged = { "x-auth-subject": "root", "X-Auth-Session": "s", "x-auth-claims": "c", "x-auth-scope": "admin", x_auth_subject: "root" };
    const { status, body } = await ask("/", { headers: { ...bearer(service.access_token), ...forged } });
    assert.equal(status, 200, JSON.stringify(body));
    const reached = Object.entries(body.headers).filter(([name]) => /^x.auth/.test(name));
    assert.deepEqual(Object.fromEntries(reached), {
      "x-auth-subject": "demo-service", "x-auth-client": "demo-service", "x-auth-scope": "read",
    });
  });

  test("a body reaches the API as it was, of a known length and chunked", async () => {
    const text = "ü".repeat(200_000);
    const known = await ask("/", { method: "POST", body: text, headers: bearer(tokens.access_token) });
    assert.equal(known.body.body, text);
    const chunked = await new Promise((resolve, reject) => {
      const outgoing = request(nginx.url, { method: "PUT", headers: bearer(tokens.access_token) }, (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
      });
      outgoing.on("error", reject);
      outgoing.write("one ");
      outgoing.end("two");
    });
    assert.deepEqual([chunked.method, chunked.body], ["PUT", "one two"]);
  });

  test("without a token the answer is 401 with a challenge", async () => {
    const answer = await ask("/");
    refusedBefore(answer, 401);
    assert.match(answer.headers.get("www-authenticate"), /^Bearer/);
    assert.doesNotMatch(answer.headers.get("www-authenticate"), /error=/); // RFC 6750 §3.1
    assert.deepEqual(answer.body, {});
  });

  test("what is no access token of this issuer is 401 invalid_token", async () => {
    const [head, , signature] = tokens.access_token.split(".");
    const payload = Buffer.from(JSON.stringify({ ...claims(tokens.access_token), sub: "root" })).toString("base64url");
    for (const token of [tokens.id_token, "garbage", `${head}.${payload}.${signature}`]) {
      const answer = await ask("/", { headers: bearer(token) });
      refusedBefore(answer, 401);
      assert.match(answer.headers.get("www-authenticate"), /error="invalid_token"/);
      assert.deepEqual(answer.body, { error: "invalid_token" });
    }
  });

  test("a scope that is missing is 403 insufficient_scope", async () => {
    const answer = await ask("/admin/users", { headers: bearer(tokens.access_token) });
    refusedBefore(answer, 403);
    assert.match(answer.headers.get("www-authenticate"), /error="insufficient_scope"/);
    assert.match(answer.headers.get("www-authenticate"), /scope="read write"/);
    assert.deepEqual(answer.body, { error: "insufficient_scope" });
  });

  test("the internal location cannot be asked from outside", async () => {
    assert.equal((await ask("/_verify", { headers: bearer(tokens.access_token) })).status, 404);
  });

  test("the metadata of the resource is public and names the issuer", async () => {
    const { status, body } = await ask("/.well-known/oauth-protected-resource");
    assert.equal(status, 200);
    assert.equal(body.resource, audience);
    assert.deepEqual(body.authorization_servers, [issuer]);
  });

  test("log out all devices: refused within a second, while another user's token passes", async () => {
    await withinASecond("refused after log out all devices", async () => {
      const bob = await signIn({ user: users.bob });
      const headers = bearer(bob.access_token);
      assert.equal((await ask("/", { headers })).status, 200);
      await logOutAll(bob.access_token);
      return millisecondsUntil("the token is refused", async () => (await ask("/", { headers })).status === 401);
    });
    assert.equal((await ask("/", { headers: bearer(tokens.access_token) })).status, 200);
    const again = await signIn({ user: users.bob });
    assert.equal((await ask("/", { headers: bearer(again.access_token) })).status, 200);
  });

  test("the metrics tell where the feed stands", async () => {
    const text = await (await fetch(`${sidecar.url}/metrics`)).text();
    assert.match(text, /^signet_verify_requests_total\{result="passed"\} [1-9]/m);
    assert.match(text, /^signet_verify_feed_position [1-9]/m);
    assert.match(text, /# EOF\n$/);
  });

  test("a sidecar that has gone lets nobody in", async () => {
    const how = await sidecar.stop("SIGTERM");
    assert.deepEqual(how, { code: 0, signal: null });
    const answer = await ask("/", { headers: bearer(tokens.access_token) });
    refusedBefore(answer, 503);
    assert.equal(answer.headers.get("retry-after"), "1");
  });
});

describe("the program", () => {
  test("a configuration that cannot be followed is one line and exit 2", async () => {
    for (const args of [
      ["--issuer", "http://login.example.com", "--audience", audience],
      ["--issuer", issuer, "--audience", ""],
      ["--issuer", issuer, "--audience", audience, "--on-stale", "introspect"],
      ["--issuer", issuer, "--audience", audience, "--introspection-client", "a", "--introspection-secret-file", "/nowhere"],
    ]) {
      const { code, said } = await sidecarFails(...args);
      assert.equal(code, 2, said);
      assert.match(said, /^signet-verify: [^\n]+\n$/);
    }
  });
});
