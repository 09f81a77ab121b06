// The verifier against an issuer that answers slowly, wrongly or not at all.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createVerifier } from "@signet/verify";
import { Bench, goodClaims, ISSUER, Key, NOW, until } from "./support.mjs";

const unavailable = (error) => error.name === "Unavailable";

describe("the options", () => {
  const good = { issuer: ISSUER, audience: "a" };
  test("that contradict themselves are refused at the start", () => {
    for (const change of [
      { issuer: "http://issuer.example" }, { issuer: "issuer" }, { issuer: `${ISSUER}/?a=b` }, { issuer: `${ISSUER}#f` }, { issuer: "https://u:p@issuer.example" },
      { issuer: "http://127.0.0.1.evil.example" }, { issuer: "http://localhost.evil.example" }, { audience: "" }, { audience: [] },
      { onStale: "introspect" }, { leeway: -1 }, { leeway: Number.NaN }, { typ: [] }, { introspection: { clientId: "", clientSecret: "x" } },
      { resource: "http://api.example.com" }, { origin: "x" },
    ]) assert.throws(() => createVerifier({ ...good, ...change }), TypeError, JSON.stringify(change));
    for (const issuer of [ISSUER, "http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", `${ISSUER}/tenant`]) createVerifier({ ...good, issuer });
  });
});

describe("discovery and keys", () => {
  test("fifty first requests at once are one question each", async () => {
    const bench = new Bench();
    const tokens = Array.from({ length: 50 }, (_, index) => bench.token({ claims: { jti: String(index) } }));
    assert.deepEqual([...new Set(await Promise.all(tokens.map((token) => bench.reason(token))))], [null]);
    assert.equal(bench.asked.length, 2);
  });

  test("an issuer that differs by a byte is refused", async () => {
    for (const issuer of [`${ISSUER}/`, ISSUER.toUpperCase(), undefined, [ISSUER]]) {
      const bench = new Bench();
      bench.documents["/.well-known/openid-configuration"].issuer = issuer;
      await assert.rejects(bench.reason(bench.token()), unavailable);
    }
  });

  test("RFC 8414's place is tried where OpenID Connect's has nothing, and both with a path", async () => {
    const bench = new Bench();
    bench.documents["/.well-known/oauth-authorization-server"] = bench.documents["/.well-known/openid-configuration"];
    delete bench.documents["/.well-known/openid-configuration"];
    assert.equal(await bench.reason(bench.token()), null);

    const issuer = `${ISSUER}/tenant`;
    const tenant = new Bench([bench.key], { issuer });
    tenant.documents["/.well-known/oauth-authorization-server/tenant"] = { issuer, jwks_uri: `${ISSUER}/jwks` };
    assert.equal(await tenant.reason(tenant.token({ claims: { iss: issuer } })), null);
    assert.deepEqual(tenant.asked.map((url) => new URL(url).pathname).slice(0, 2), ["/tenant/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/tenant"]);
  });

  test("redirects, plain http, endless and malformed answers are no answers", async () => {
    const endless = () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) }));
    const redirect = () => new Response(null, { status: 302, headers: { location: "https://evil.example" } });
    for (const [path, answer] of [
      ["/.well-known/openid-configuration", redirect], ["/.well-known/openid-configuration", endless], ["/jwks", redirect], ["/jwks", endless],
      ["/jwks", () => ({ keys: {} })], ["/jwks", () => new Response("[]")], ["/jwks", () => new Response('{"keys":[],"keys":[]}')],
      ["/jwks", () => new Response("", { status: 500 })], ["/jwks", () => new Error("refused")],
      ["/.well-known/openid-configuration", () => ({ issuer: ISSUER, jwks_uri: "http://issuer.example/jwks" })],
      ["/.well-known/openid-configuration", () => ({ issuer: ISSUER, jwks_uri: "file:///etc/passwd" })],
      ["/.well-known/openid-configuration", () => ({ issuer: ISSUER })],
    ]) {
      const bench = new Bench();
      bench.documents[path] = answer();
      await assert.rejects(bench.reason(bench.token()), unavailable, path);
      assert.ok(bench.asked.every((url) => url.startsWith(ISSUER)));
    }
  });

  test("an issuer that is down is asked once a second, and serves again when it is back", async () => {
    const bench = new Bench();
    const { "/jwks": jwks } = bench.documents;
    bench.documents["/jwks"] = new Error("down");
    for (let index = 0; index < 10; index += 1) await assert.rejects(bench.reason(bench.token()), unavailable);
    assert.equal(bench.count("/jwks"), 1);
    bench.documents["/jwks"] = jwks;
    bench.clock.pass(1_000);
    assert.equal(await bench.reason(bench.token()), null);
  });

  test("an unknown kid makes the set be read again, at most once in 30 s", async () => {
    const bench = new Bench();
    assert.equal(await bench.reason(bench.token()), null);
    const next = new Key("ES256", "next");
    const strangers = Array.from({ length: 20 }, (_, index) => bench.token({ header: { kid: `k${index}` } }));
    await Promise.all(strangers.map((token) => bench.reason(token)));
    assert.equal(bench.count("/jwks"), 2);
    bench.documents["/jwks"].keys.push(next.jwk);
    assert.equal(await bench.reason(bench.token({ key: next })), "kid_unknown");
    bench.clock.pass(29_999);
    assert.equal(await bench.reason(bench.token({ key: next })), "kid_unknown");
    bench.clock.pass(1);
    assert.equal(await bench.reason(bench.token({ key: next })), null);
    assert.equal(bench.count("/jwks"), 3);
  });

  test("a key published while an older answer is under way is looked for after it", async () => {
    const bench = new Bench();
    const token = (jti, key) => bench.token({ key, claims: { jti, exp: NOW + 3_000 } });
    assert.equal(await bench.reason(token("1")), null);
    const before = { keys: [...bench.documents["/jwks"].keys] };
    let arrive;
    bench.documents["/jwks"] = new Promise((resolve) => (arrive = () => resolve(before)));
    bench.clock.pass(300_000);
    assert.equal(await bench.reason(token("2")), null, "the set is only old");
    await until(() => bench.count("/jwks") === 2, "the set is asked for");
    const next = new Key("ES256", "next");
    const reasons = ["3", "4"].map((jti) => bench.reason(token(jti, next)));
    bench.documents["/jwks"] = { keys: [...before.keys, next.jwk] };
    arrive();
    assert.deepEqual(await Promise.all(reasons), [null, null]);
    assert.equal(bench.count("/jwks"), 3, "one read for all who ask for it");
  });

  test("an old set is read again in the background, and served while that fails", async () => {
    const bench = new Bench();
    const token = (jti) => bench.token({ claims: { jti, exp: NOW + 90_000 } });
    assert.equal(await bench.reason(token("1")), null);
    bench.documents["/jwks"] = new Error("down");
    bench.clock.pass(300_000);
    for (const jti of ["2", "3", "4"]) assert.equal(await bench.reason(token(jti)), null);
    assert.equal(bench.count("/jwks"), 2);
    bench.clock.pass(86_100_000);
    await assert.rejects(bench.reason(token("5")), unavailable, "a day is enough");
  });

  test("a key that leaves the set takes the tokens with it that are kept in memory", async () => {
    const bench = new Bench();
    const token = bench.token({ claims: { exp: NOW + 3_000 } });
    assert.equal(await bench.reason(token), null);
    bench.documents["/jwks"] = { keys: [new Key("ES256", "other").jwk] };
    bench.clock.pass(300_000);
    assert.equal(await bench.reason(token), null, "the set is read in the background");
    await until(async () => (await bench.reason(token)) === "kid_unknown", "the set has been read");
  });

  test("the memory for verified tokens is bounded", async () => {
    const bench = new Bench(undefined, { cacheSize: 3 });
    for (let index = 0; index < 10; index += 1) await bench.reason(bench.token({ claims: { jti: String(index) } }));
    assert.equal(bench.verifier.status().cached, 3);
  });
});

describe("introspection", () => {
  const introspection = { clientId: "api", clientSecret: "s:%ä" };
  const make = (answer, options = {}) => {
    const bench = new Bench(undefined, { introspection, ...options });
    bench.documents["/.well-known/openid-configuration"].introspection_endpoint = `${ISSUER}/introspect`;
    bench.documents["/introspect"] = answer;
    return bench;
  };
  const active = (changes = {}) => ({ ...goodClaims(), active: true, token_type: "Bearer", ...changes });

  test("an opaque token is what the issuer says of it", async () => {
    const bench = make(active({ scope: "read" }));
    assert.deepEqual((await bench.verifier.verify("opaque")).scopes, ["read"]);
    for (const [answer, reason] of [
      [{ active: false }, "inactive"], [active({ aud: "other" }), "audience"], [active({ aud: undefined }), "audience"], [active({ iss: "https://other" }), "issuer"],
      [active({ exp: NOW }), "expired"], [active({ exp: "9999999999" }), "claim_type"], [active({ token_type: "refresh_token" }), "token_type"],
      [active({ token_type: ["Bearer"] }), "token_type"], [active({ scope: ["read"] }), "claim_type"], [active({ iss: undefined }), null],
      [active({ exp: undefined, iat: undefined }), null],
    ]) assert.equal(await make(answer).reason("opaque"), reason, JSON.stringify(answer));
  });

  test("no answer, and an answer that does not say active, is none", async () => {
    for (const answer of [new Response("", { status: 500 }), new Response("", { status: 401 }), {}, { active: "true" }, { active: 1 }, new Response("[]"), new Response('{"active":false,"active":true}'), new Error("down")]) {
      await assert.rejects(make(answer).reason("opaque"), unavailable);
    }
  });

  test("without credentials an opaque token is refused", async () => {
    assert.equal(await new Bench().reason("opaque"), "opaque");
  });

  test("answers are kept for a second, and there is one question in flight per token", async () => {
    const bench = make(active());
    await Promise.all(Array.from({ length: 20 }, () => bench.verifier.verify("opaque")));
    bench.clock.pass(999);
    await bench.verifier.verify("opaque");
    assert.equal(bench.count("/introspect"), 1);
    bench.documents["/introspect"] = { active: false };
    bench.clock.pass(1);
    assert.equal(await bench.reason("opaque"), "inactive");
    assert.equal(bench.count("/introspect"), 2);
  });

  test("the credentials are form-encoded, and no token that looks like a JWT is asked about", async () => {
    const bench = make(active());
    let authorization;
    const fetch = bench.fetch.bind(bench);
    bench.fetch = (url) => fetch(url);
    const verifier = createVerifier({
      issuer: ISSUER, audience: goodClaims().aud, feed: "off", introspection, clock: bench.clock,
      fetch: (url, init) => {
        authorization ??= new Headers(init.headers).get("authorization") ?? undefined;
        return fetch(url);
      },
    });
    await verifier.verify("opaque");
    assert.equal(Buffer.from(authorization.slice(6), "base64").toString(), "api:s%3A%25%C3%A4");
    const before = bench.count("/introspect");
    await assert.rejects(verifier.verify("eyJhbGciOiJub25lIn0.e30."));
    await assert.rejects(verifier.verify(`ey${".".repeat(100)}`));
    assert.equal(bench.count("/introspect"), before);
  });
});
