// Express 4 and 5, and handlers of fetch requests: who gets in, and what the others are told.
import assert from "node:assert/strict";
import http from "node:http";
import { describe, test } from "node:test";
import { createVerifier, expressAuth, expressMetadata, expressRefusals, metadataResponse, withAuth } from "@signet/verify";
import { TestIssuer } from "@signet/verify/testing";
import express5 from "express";
import express4 from "express4";
import { Bench, until } from "./support.mjs";

const resource = "https://api.example.com/v1";
const resourceMetadata = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/v1"';
const invalidToken = `Bearer error="invalid_token", error_description="The access token is malformed, expired, revoked or not meant for this resource.", ${resourceMetadata}`;

for (const [name, express] of [["Express 4", express4], ["Express 5", express5]]) {
  describe(name, () => {
    const setUp = async (t) => {
      const issuer = await TestIssuer.start({ heartbeatSeconds: 60 });
      const verifier = createVerifier({ issuer: issuer.url, audience: issuer.audience, resource, description: { scopes: ["read", "write"], name: "Orders" } });
      const app = express();
      app.get(verifier.metadataPath, expressMetadata(verifier));
      app.get("/open", (_, res) => res.json({}));
      app.get("/me", expressAuth(verifier), (req, res) => res.json({ sub: req.auth.subject }));
      app.post("/write", expressAuth(verifier, { scopes: ["read", "write"] }), (_, res) => res.json({}));
      app.get("/fresh", expressAuth(verifier, { maxAge: 60, acr: ["gold"] }), (_, res) => res.json({}));
      app.get("/inside", expressAuth(verifier), (req, _res, next) => {
        try { req.auth.requireScope("admin"); } catch (error) { next(error); }
      });
      app.use(expressRefusals());
      const server = await new Promise((resolve) => { const one = app.listen(0, "127.0.0.1", () => resolve(one)); });
      t.after(async () => {
        server.closeAllConnections();
        server.close();
        await verifier.close();
        await issuer.close();
      });
      const base = `http://127.0.0.1:${server.address().port}`;
      const call = async (path, token, init = {}) => {
        const response = await fetch(base + path, { ...init, headers: { ...(token && { authorization: `Bearer ${token}` }), ...init.headers } });
        return { status: response.status, challenge: response.headers.get("www-authenticate"), body: await response.json(), headers: response.headers };
      };
      return { issuer, verifier, call, base };
    };

    test("lets good tokens in, and tells the others in the words of RFC 6750", async (t) => {
      const { issuer, call, base } = await setUp(t);
      const token = await issuer.mint();
      assert.deepEqual((await call("/me", token)).body, { sub: "alice" });
      assert.equal((await call("/open")).status, 200);

      const none = await call("/me");
      assert.deepEqual([none.status, none.challenge, none.body], [401, `Bearer ${resourceMetadata}`, {}]);
      assert.equal(none.headers.get("cache-control"), "no-store");
      assert.deepEqual([(await call("/me", undefined, { headers: { authorization: "Basic YTpi" } })).challenge], [`Bearer ${resourceMetadata}`]);

      const bad = await call("/me", `${token.slice(0, -4)}AAAA`);
      assert.deepEqual([bad.status, bad.challenge, bad.body.error], [401, invalidToken, "invalid_token"]);
      assert.equal((await call("/me", await issuer.mint({ aud: "other" }))).challenge, invalidToken, "one answer for all");
      for (const authorization of ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", 'Bearer "a"', "Bearer =a"]) {
        const answer = await call("/me", undefined, { headers: { authorization } });
        assert.deepEqual([answer.status, answer.body.error], [400, "invalid_request"], authorization);
      }
      assert.equal((await call(`/me?access_token=${token}`)).status, 401, "not in the query");

      const port = new URL(base).port;
      const twice = await new Promise((resolve, reject) => {
        const headers = { authorization: [`Bearer ${token}`, "Bearer other"] };
        const request = http.get({ port, host: "127.0.0.1", path: "/me", headers }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        });
        request.on("error", reject);
      });
      assert.equal(twice, 400, "two Authorization headers");
    });

    test("asks for scopes (RFC 6750) and for a better authentication (RFC 9470)", async (t) => {
      const { issuer, call } = await setUp(t);
      const read = await call("/write", await issuer.mint(), { method: "POST" });
      assert.deepEqual([read.status, read.body.error], [403, "insufficient_scope"]);
      assert.match(read.challenge, /error="insufficient_scope", .*scope="read write"/);
      assert.equal((await call("/write", await issuer.mint({ scope: "write read" }), { method: "POST" })).status, 200);
      assert.equal((await call("/write", await issuer.mint({ scope: "readwrite" }), { method: "POST" })).status, 403);

      const now = Math.floor(Date.now() / 1000);
      for (const claims of [{ acr: "gold", auth_time: now - 62 }, { acr: "silver" }, {}, { acr: "gold", auth_time: undefined }]) {
        const old = await call("/fresh", await issuer.mint(claims));
        assert.deepEqual([old.status, old.body.error], [401, "insufficient_user_authentication"]);
        assert.match(old.challenge, /acr_values="gold", max_age="60"/);
      }
      assert.equal((await call("/fresh", await issuer.mint({ acr: "gold", auth_time: now - 30 }))).status, 200);
      assert.deepEqual([(await call("/inside", await issuer.mint())).body.error], ["insufficient_scope"]);
    });

    test("refuses a revoked token as soon as it is told of it, while another user's still passes", async (t) => {
      const { issuer, call } = await setUp(t);
      const [alice, bob] = [await issuer.mint(), await issuer.mint({ sub: "bob", sid: "b", rv: [0, "b", 0] })];
      assert.equal((await call("/me", alice)).status, 200);
      const asked = { ...issuer.requests };
      issuer.logOutAll("alice");
      await until(async () => (await call("/me", alice)).status === 401, "the batch", 30_000);
      assert.deepEqual(issuer.requests, asked, "it was pushed: nobody asked, and no heartbeat told of it");
      assert.equal((await call("/me", bob)).status, 200);
    });

    test("answers 503 and not 401 while the issuer cannot be asked", async (t) => {
      const { issuer, call } = await setUp(t);
      issuer.failing.add("*");
      const answer = await call("/me", await issuer.mint());
      assert.deepEqual([answer.status, answer.challenge, answer.body.error], [503, null, "temporarily_unavailable"]);
      assert.ok(Number(answer.headers.get("retry-after")) > 0);
    });

    test("serves the metadata that its challenges name (RFC 9728)", async (t) => {
      const { issuer, call, verifier } = await setUp(t);
      assert.equal(verifier.metadataPath, "/.well-known/oauth-protected-resource/v1");
      assert.deepEqual((await call(verifier.metadataPath)).body, {
        resource, authorization_servers: [issuer.url], bearer_methods_supported: ["header"], scopes_supported: ["read", "write"], resource_name: "Orders",
      });
    });
  });
}

describe("a fetch handler", () => {
  test("gets the token, and the others get the refusal", async () => {
    const bench = new Bench(undefined, { resource });
    const handler = withAuth(bench.verifier, { scopes: ["read"] }, (request, token, context) => {
      token.requireScope(context?.scope ?? "read");
      return Response.json({ sub: token.subject, method: request.method });
    });
    const request = (authorization) => new Request(`${resource}/orders`, { headers: authorization ? { authorization } : {} });
    assert.deepEqual(await (await handler(request(`Bearer ${bench.token()}`))).json(), { sub: "user", method: "GET" });
    const none = await handler(request());
    assert.deepEqual([none.status, none.headers.get("www-authenticate"), await none.json()], [401, `Bearer ${resourceMetadata}`, {}]);
    const inside = await handler(request(`Bearer ${bench.token()}`), { scope: "admin" });
    assert.deepEqual([inside.status, (await inside.json()).error], [403, "insufficient_scope"]);
    const twice = request(`Bearer ${bench.token()}`);
    twice.headers.append("authorization", "Bearer other");
    assert.equal((await handler(twice)).status, 400);
    assert.equal((await handler(request(`Bearer ${".".repeat(1 << 20)}`))).status, 401);
    assert.deepEqual((await metadataResponse(bench.verifier).json()).resource, resource);
  });

  test("that throws something else throws it", async () => {
    const bench = new Bench();
    const handler = withAuth(bench.verifier, {}, () => { throw new Error("mine"); });
    const headers = { authorization: `Bearer ${bench.token()}` };
    await assert.rejects(handler(new Request(resource, { headers })), /mine/);
  });

  test("what is configured cannot leave its quotation marks", async () => {
    const bench = new Bench();
    const evil = 'x" , Basic realm="\\\r\nSet-Cookie: aé';
    const handler = withAuth(bench.verifier, { scopes: [evil] }, () => new Response());
    const answer = await handler(new Request(resource, { headers: { authorization: `Bearer ${bench.token()}` } }));
    assert.match(answer.headers.get("www-authenticate"), /scope="x , Basic realm=Set-Cookie: a"$/);
  });
});
