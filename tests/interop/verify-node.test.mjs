// clients/verify in front of an Express application: a signed token is verified without a call, and still dies within a
// second of "log out all devices".
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { signIn } from "./lib/code_flow.mjs";
import { audience, basic, issuer, logOutAll, post, users } from "./lib/server.mjs";
import { millisecondsUntil, until, withinASecond } from "./lib/wait.mjs";

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

  const refused = (token) => millisecondsUntil("the token is refused", async () => (await call(token)).status === 401);

  test("verifies access tokens of users and of services, and refuses ID tokens", async () => {
    const tokens = await signIn();
    assert.equal((await call(tokens.access_token)).status, 200);
    assert.equal((await call(tokens.access_token, "/fresh")).status, 200);
    assert.equal((await call(tokens.access_token, "/admin")).status, 403);
    assert.equal((await call(tokens.id_token)).status, 401);
    assert.deepEqual((await call()).challenge, "Bearer");
    const service = await post("/token", { grant_type: "client_credentials", scope: "read" }, basic("demo-service", "demo-service-secret"));
    assert.equal((await call(service.body.access_token)).status, 200);
    await until("the feed is fresh", () => verifier.status().feed === "fresh");
  });

  test("a refresh token is no access token, whatever introspection says of it", async () => {
    const { refresh_token } = await signIn();
    assert.equal((await call(refresh_token)).status, 401);
  });

  test("refuses a token within a second of logging out all devices, while another user's still passes", async () => {
    const bob = await signIn({ user: users.bob });
    await withinASecond("refused after log out all devices", async () => {
      const alice = await signIn();
      for (const { access_token } of [alice, bob]) assert.equal((await call(access_token)).status, 200);
      await logOutAll(alice.access_token);
      const took = await refused(alice.access_token);
      assert.match((await call(alice.access_token)).challenge, /error="invalid_token"/);
      return took;
    });
    assert.equal((await call(bob.access_token)).status, 200);
    assert.equal((await call((await signIn()).access_token)).status, 200, "signed in again");
  });

  test("refuses a token that was revoked by itself (RFC 7009)", async () => {
    const other = await signIn();
    await withinASecond("refused after its revocation", async () => {
      const { access_token } = await signIn();
      assert.equal((await call(access_token)).status, 200);
      const revoked = await post("/revoke", { token: access_token, client_id: "demo-spa" });
      assert.equal(revoked.status, 200);
      const took = await refused(access_token);
      const n = Number(revoked.headers.get("revocation-batch") ?? Number.NaN);
      if (!Number.isNaN(n)) assert.ok(verifier.status().batch >= n, "its batch has been heard");
      return took;
    });
    assert.equal((await call(other.access_token)).status, 200);
  });
});
