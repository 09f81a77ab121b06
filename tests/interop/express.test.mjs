// express with express-oauth2-jwt-bearer: a resource server as thousands are, with the server's discovery alone.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import express from "express";
import { auth, requiredScopes } from "express-oauth2-jwt-bearer";
import { audience, basic, issuer, post } from "./lib/server.mjs";

describe("express-oauth2-jwt-bearer", () => {
  let server;
  let origin;
  before(async () => {
    const app = express();
    app.use(auth({ issuerBaseURL: issuer, audience, tokenSigningAlg: "ES256", strict: true }));
    app.get("/orders", requiredScopes("read"), (request, response) => response.json(request.auth.payload));
    app.get("/admin", requiredScopes("write"), (_, response) => response.json({}));
    app.use((error, _request, response, _next) => {
      response.status(error.status ?? 500).set(error.headers).json({ error: error.code });
    });
    server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    origin = `http://127.0.0.1:${server.address().port}`;
  });
  after(() => server.close());
  const ask = (path, token) => fetch(origin + path, { headers: token ? { authorization: `Bearer ${token}` } : {} });
  const service = async () => {
    const fields = { grant_type: "client_credentials", scope: "read" };
    return (await post("/token", fields, basic("demo-service", "demo-service-secret"))).body.access_token;
  };

  test("takes the server's access tokens, found by discovery, with their type (RFC 9068)", async () => {
    const response = await ask("/orders", await service());
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal((await response.json()).client_id, "demo-service");
  });

  test("refuses none, a changed one, one without the scope, and one that is opaque", async () => {
    assert.equal((await ask("/orders")).status, 401);
    const token = await service();
    const [head, body, signature] = token.split(".");
    const flipped = signature[4] === "A" ? "B" : "A";
    const changed = `${signature.slice(0, 4)}${flipped}${signature.slice(5)}`;
    assert.equal((await ask("/orders", `${head}.${body}.${changed}`)).status, 401);
    assert.equal((await ask("/admin", token)).status, 403);
    assert.equal((await ask("/orders", `sat_${"A".repeat(43)}`)).status, 401);
  });
});
