// clients/verify in front of an Express application: a signed token is verified without a call, and still dies within a
// second of "log out all devices".
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { signIn } from "./lib/code_flow.mjs";
import { audience, basic, issuer, logOutAll, post, users } from "./lib/server.mjs";

// From that package's own folder: scripts/interop builds it there.
const require = createRequire(new URL("../../clients/verify/package.json", import.meta.url));
const { createVerifier, expressAuth, expressRefusals } = await import(pathToFileURL(require.resolve("@signet/verify")));
const express = require("express");

const introspection = { clientId: "demo-api", clientSecret: "demo-api-secret" };

describe("clients/verify", () => {
  let verifier;
  let server;
  let base;

  before(async () => {
    verifier = createVerifier({ issuer, audience, introspection, feed: "required" });
    const app = express();
    app.get("/me", expressAuth(verifier), (req, res) => res.json({ sub: req.auth.subject }));
    app.get("/admin", expressAuth(verifier, { scopes: ["admin"] }), (_req, res) => res.json({}));
    app.get("/fresh", expressAuth(verifier, { maxAge: 300 }), (_req, res) => res.json({}));
    app.use(expressRefusals());
    await new Promise((resolve) => { server = app.listen(0, "127.0.0.1", resolve); });
    base = `http://127.0.0.1:${server.address().port}`;
    await verifier.ready();
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await verifier.close();
  });

  const call = async (token, path = "/me") => {
    const response = await fetch(base + path, { headers: token ? { authorization: `Bearer ${token}` } : {} });
    return { status: response.status, challenge: response.headers.get("www-authenticate"), body: await response.json() };
  };

  test("verifies access tokens of users and of services, and refuses ID tokens", async () => {
    const tokens = await signIn();
    assert.equal((await call(tokens.access_token)).status, 200);
    assert.equal((await call(tokens.access_token, "/fresh")).status, 200);
    assert.equal((await call(tokens.access_token, "/admin")).status, 403);
    assert.equal((await call(tokens.id_token)).status, 401);
    assert.deepEqual((await call()).challenge, "Bearer");
    const service = await post("/token", { grant_type: "client_credentials", scope: "read" }, basic("demo-service", "demo-service-secret"));
    assert.equal((await call(service.body.access_token)).status, 200);
    assert.equal(verifier.status().feed, "fresh");
  });

  test("a refresh token is no access token, whatever introspection says of it", async () => {
    const { refresh_token } = await signIn();
    assert.equal((await call(refresh_token)).status, 401);
  });

  test("refuses a token within a second of logging out all devices, while another user's still passes", async (t) => {
    const [alice, bob] = [await signIn(), await signIn({ user: users.bob })];
    for (const { access_token } of [alice, bob]) assert.equal((await call(access_token)).status, 200);

    await logOutAll(alice.access_token);
    const from = performance.now();
    let answer = await call(alice.access_token);
    while (answer.status === 200 && performance.now() - from < 5_000) answer = await call(alice.access_token);
    const passed = performance.now() - from;
    t.diagnostic(`refused ${passed.toFixed(0)} ms after the answer`);
    assert.equal(answer.status, 401);
    assert.match(answer.challenge, /error="invalid_token"/);
    assert.ok(passed < 1_000, `${passed} ms`);

    assert.equal((await call(bob.access_token)).status, 200);
    assert.equal((await call((await signIn()).access_token)).status, 200, "signed in again");
  });

  test("refuses a token that was revoked by itself (RFC 7009)", async () => {
    const { access_token } = await signIn();
    const other = await signIn();
    assert.equal((await call(access_token)).status, 200);
    const revoked = await post("/revoke", { token: access_token, client_id: "demo-spa" });
    assert.equal(revoked.status, 200);
    const n = Number(revoked.headers.get("revocation-batch") ?? Number.NaN);
    const from = performance.now();
    while ((await call(access_token)).status === 200) assert.ok(performance.now() - from < 1_000, "within a second");
    if (!Number.isNaN(n)) assert.ok(verifier.status().batch >= n, "its batch has been heard");
    assert.equal((await call(other.access_token)).status, 200);
  });
});
