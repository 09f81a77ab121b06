// DPoP (RFC 9449 §4.3, §7): proofs go with one request, one token, one key, once.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { calculateJwkThumbprint } from "jose";
import { Bench, Key, NOW, sha256 } from "./support.mjs";

const URL_ = "https://api.example.com/orders";

async function setUp(dpop = "accept", options = {}) {
  const bench = new Bench(undefined, { dpop, ...options });
  const holder = new Key("ES256", "holder");
  const { kid, use, alg, ...jwk } = holder.jwk;
  const jkt = await calculateJwkThumbprint(jwk);
  const bound = bench.token({ claims: { cnf: { jkt } } });
  let count = 0;
  const proof = ({ header = {}, claims = {}, key = holder, token = bound } = {}) => key.jws(
    JSON.stringify({ typ: "dpop+jwt", alg: "ES256", jwk, ...header }),
    JSON.stringify({ jti: `proof-${(count += 1)}`, htm: "POST", htu: URL_, iat: NOW, ath: sha256(token), ...claims }),
  );
  const call = async (authorization, dpopLines, more = {}) => {
    try {
      await bench.verifier.authorize({ method: "POST", url: URL_, authorization: [authorization].flat(), dpop: dpopLines, ...more });
      return [200, undefined];
    } catch (refusal) {
      if (refusal.name !== "Refusal") throw refusal;
      return [refusal.status, refusal.error, refusal];
    }
  };
  return { bench, holder, jwk, jkt, bound, proof, call };
}

describe("DPoP", () => {
  test("a bound token passes with a proof, once", async () => {
    const { bound, proof, call } = await setUp();
    const one = proof();
    assert.equal((await call(`DPoP ${bound}`, [one]))[0], 200);
    assert.deepEqual((await call(`DPoP ${bound}`, [one])).slice(0, 2), [401, "invalid_dpop_proof"]);
    assert.equal((await call(`dpop ${bound}`, [proof()]))[0], 200);
    assert.equal((await call(`DPoP ${bound}`, [proof({ claims: { htu: `${URL_}?q=1#f` } })], { url: `${URL_}?a=b` }))[0], 200);
    assert.equal((await call(`DPoP ${bound}`, [proof({ claims: { htu: "HTTPS://API.example.com:443/orders" } })]))[0], 200);
  });

  test("a proof for anything else is refused", async () => {
    const { bound, proof, call, jwk, holder, bench } = await setUp();
    const evil = new Key("ES256", "evil");
    const { kid, use, alg, ...evilJwk } = evil.jwk;
    const claims = (change) => [proof({ claims: change })];
    const header = (change) => [proof({ header: change })];
    for (const [what, lines] of Object.entries({
      none: [], two: [proof(), proof()], joined: [`${proof()}, ${proof()}`], empty: [""], token: [bound],
      htm: claims({ htm: "GET" }), "htm case": claims({ htm: "post" }), "htm absent": claims({ htm: undefined }), htu: claims({ htu: "https://api.example.com/other" }),
      host: claims({ htu: "https://evil.example/orders" }), scheme: claims({ htu: "http://api.example.com/orders" }), "htu absent": claims({ htu: undefined }),
      "htu type": claims({ htu: [URL_] }), ath: claims({ ath: sha256("other") }), "ath absent": claims({ ath: undefined }),
      old: claims({ iat: NOW - 60 }), ahead: claims({ iat: NOW + 11 }), "iat type": claims({ iat: String(NOW) }), "iat absent": claims({ iat: undefined }),
      "jti absent": claims({ jti: undefined }), "jti empty": claims({ jti: "" }), "jti long": claims({ jti: "x".repeat(257) }), "jti type": claims({ jti: 1 }),
      typ: header({ typ: "JWT" }), "typ absent": header({ typ: undefined }), none_: header({ alg: "none" }), hs: header({ alg: "HS256" }),
      "jwk absent": header({ jwk: undefined }), "jwk private": header({ jwk: { ...jwk, d: "AAAA" } }), "jwk oct": header({ jwk: { kty: "oct", k: "AAAA" } }),
      "another's jwk": header({ jwk: evilJwk }), jku: header({ jku: "https://evil.example" }), crit: header({ crit: ["b64"], b64: false }),
      "another key": [proof({ key: evil, header: { jwk: evilJwk } })], "signed by another": [proof({ key: evil })], tampered: [`${proof().slice(0, -4)}AAAA`],
      "the issuer's key": [proof({ key: bench.key })], long: [proof({ claims: { pad: "x".repeat(8192) } })],
    })) {
      assert.deepEqual((await call(`DPoP ${bound}`, lines)).slice(0, 2), [401, "invalid_dpop_proof"], what);
    }
    assert.equal((await call(`DPoP ${bound}`, [proof()]))[0], 200, `${holder.alg} still passes`);
  });

  test("a bound token is no bearer token, under any policy; nor for verify()", async () => {
    for (const policy of ["off", "accept", "require"]) {
      const { bound, proof, call, bench } = await setUp(policy);
      const [status, error] = await call(`Bearer ${bound}`, [proof()]);
      assert.deepEqual([status, error], [401, "invalid_token"], policy);
      assert.equal(await bench.reason(bound), "binding");
      assert.equal((await bench.verifier.verify(bound, { bound: true })).subject, "user");
    }
  });

  test("tokens bound in ways that cannot be checked are refused", async () => {
    const { bench, call, proof, jkt } = await setUp();
    for (const cnf of [{ "x5t#S256": "abc" }, { jkt, "x5t#S256": "abc" }, { jkt: 1 }, {}]) {
      const token = bench.token({ claims: { cnf } });
      for (const scheme of ["Bearer", "DPoP"]) {
        assert.deepEqual((await call(`${scheme} ${token}`, [proof({ token })])).slice(0, 2), [401, "invalid_token"], JSON.stringify(cnf));
      }
    }
  });

  test("a token that is not bound is no DPoP token, and none at all where binding is required", async () => {
    const { bench, call, proof } = await setUp();
    const token = bench.token();
    assert.deepEqual((await call(`DPoP ${token}`, [proof({ token })])).slice(0, 2), [401, "invalid_token"]);
    assert.equal((await call(`Bearer ${token}`, []))[0], 200);
    const strict = await setUp("require");
    const [status, error, refusal] = await strict.call(`Bearer ${strict.bench.token()}`, []);
    assert.deepEqual([status, error], [401, "invalid_token"]);
    assert.match(refusal.headers["www-authenticate"], /^DPoP error="invalid_token", .*algs="ES256 RS256 PS256 EdDSA"$/);
  });

  test("without DPoP its scheme is none of ours", async () => {
    const { bound, proof, call } = await setUp("off");
    const [status, error, refusal] = await call(`DPoP ${bound}`, [proof()]);
    assert.deepEqual([status, error, refusal.headers["www-authenticate"]], [401, undefined, "Bearer"]);
  });

  test("a replay is refused for as long as the proof could pass", async () => {
    const { bench, bound, proof, call } = await setUp();
    const one = proof({ claims: { iat: NOW + 10 } });
    assert.equal((await call(`DPoP ${bound}`, [one]))[0], 200);
    for (const passed of [30_000, 39_999, 1]) {
      bench.clock.pass(passed);
      assert.equal((await call(`DPoP ${bound}`, [one]))[1], "invalid_dpop_proof");
    }
  });

  test("behind a proxy the proof is about the origin that clients see", async () => {
    const { bound, proof, call } = await setUp("accept", { origin: "https://api.example.com" });
    assert.equal((await call(`DPoP ${bound}`, [proof()], { url: "http://10.0.0.7:8080/orders" }))[0], 200);
  });
});
