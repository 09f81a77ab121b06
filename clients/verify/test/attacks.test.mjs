// Tokens that some verifier once accepted. All are signed with a genuine key where that makes the attack stronger.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, test } from "node:test";
import { rsaPair } from "../dist/testing/keys.js";
import { AUDIENCE, b64, Bench, goodClaims, goodHeader, ISSUER, Key, NOW } from "./support.mjs";

const good = JSON.stringify(goodClaims());

describe("the header", () => {
  test("the good token is accepted, with every algorithm of a key", async () => {
    const bench = new Bench(["ES256", "RS256", "PS256", "EdDSA"].map((alg) => new Key(alg)));
    for (const key of bench.keys) assert.equal(await bench.reason(bench.token({ key })), null, key.alg);
  });

  test("alg none in every spelling, and algorithms of other families, are refused", async () => {
    const bench = new Bench();
    const spellings = [
      "none", "None", "NONE", "nOnE", "", " none", "none\0", null, 1, ["ES256"], { a: 1 }, true, "es256", "ES256 ", "ES384",
      "ES256K", "RS256", "PS256", "EdDSA", "HS256", "HS384", "HS512", "RSA1_5", "dir", "PBES2-HS256+A128KW", "ESP256", undefined,
    ];
    for (const alg of spellings) {
      assert.equal(await bench.reason(bench.token({ header: { alg } })), "algorithm", String(alg));
      const content = `${b64(JSON.stringify({ ...goodHeader(bench.key), alg }))}.${b64(good)}`;
      assert.equal(await bench.reason(`${content}.`), "encoding");
      assert.equal(await bench.reason(content), "parts");
    }
  });

  test("a key verifies under its own algorithm only, and only its own signatures", async () => {
    const bench = new Bench(["ES256", "RS256", "PS256", "EdDSA"].map((alg) => new Key(alg)));
    for (const key of bench.keys) {
      for (const other of bench.keys.filter((one) => one !== key)) {
        assert.equal(await bench.reason(bench.token({ key, header: { alg: other.alg } })), "algorithm");
        const stolen = await bench.reason(bench.token({ key, header: goodHeader(other) }));
        assert.ok(["signature", "signature_form"].includes(stolen), `${key.alg} as ${other.alg}: ${stolen}`);
      }
    }
  });

  test("the public key is no HMAC secret in any encoding", async () => {
    const bench = new Bench([new Key("ES256"), new Key("RS256")]);
    for (const key of bench.keys) {
      const pem = key.publicKey.export({ format: "pem", type: "spki" });
      const der = key.publicKey.export({ format: "der", type: "spki" });
      const secrets = [
        "", pem, ` ${pem}`, pem.trimEnd(), pem.replaceAll("\n", "\r\n"), der, b64(der), JSON.stringify(key.jwk),
        ` ${JSON.stringify(key.jwk)}`, JSON.stringify(bench.documents["/jwks"]), key.jwk.x ?? key.jwk.n, key.kid,
      ];
      for (const secret of secrets) {
        for (const alg of ["HS256", key.alg]) {
          const content = `${b64(JSON.stringify({ ...goodHeader(key), alg }))}.${b64(good)}`;
          const mac = createHmac("sha256", secret).update(content).digest("base64url");
          const reason = await bench.reason(`${content}.${mac}`);
          assert.ok(["algorithm", "signature", "signature_form"].includes(reason), `${alg}: ${reason}`);
        }
      }
    }
  });

  test("keys brought along, extensions and encodings are refused and nothing is fetched", async () => {
    const bench = new Bench();
    const evil = new Key("ES256");
    await bench.reason(bench.token());
    const before = bench.asked.length;
    for (const [name, value] of [
      ["jwk", evil.jwk], ["jwk", {}], ["jku", "https://evil.example/jwks"], ["x5u", "https://evil.example/pem"], ["x5c", ["MIIB"]],
      ["x5c", []], ["crit", ["exp"]], ["crit", []], ["crit", ["b64"]], ["crit", "x"], ["b64", false], ["b64", true], ["zip", "DEF"],
      ["enc", "A256GCM"],
    ]) {
      assert.equal(await bench.reason(bench.token({ header: { [name]: value } })), "header_member", name);
      assert.equal(await bench.reason(bench.token({ key: evil, header: { [name]: value } })), "header_member", name);
    }
    assert.equal(await bench.reason(bench.token({ key: evil })), "signature");
    assert.equal(bench.asked.length, before);
  });

  test("kid is a name and nothing more", async () => {
    const bench = new Bench();
    for (const kid of [
      "", "' OR '1'='1", "x' UNION SELECT 'AAAA' --", "../../../../dev/null", "/proc/self/environ", "|/bin/id", "https://evil.example/k",
      "0", "*", "ES256 ", " ES256", "ES256\0", "es256", "__proto__", "constructor", "x".repeat(4000),
    ]) assert.equal(await bench.reason(bench.token({ header: { kid } })), "kid_unknown", kid);
    for (const kid of [null, 1, true, [], {}, ["ES256"]]) {
      assert.equal(await bench.reason(bench.token({ header: { kid } })), "header_form");
    }
    assert.ok(bench.asked.every((url) => url.startsWith(ISSUER)));
    // Without a name only the single key can be meant.
    assert.equal(await bench.reason(bench.token({ header: { kid: undefined } })), null);
    const two = new Bench([new Key("ES256", "a"), new Key("ES256", "b")]);
    assert.equal(await two.reason(two.token({ header: { kid: undefined } })), "kid_missing");
  });

  test("the type is at+jwt", async () => {
    const bench = new Bench();
    for (const typ of ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+JWT"]) {
      assert.equal(await bench.reason(bench.token({ header: { typ } })), null, typ);
    }
    for (const typ of ["JWT", "jwt", "logout+jwt", "dpop+jwt", "", "at+jwt ", "application/application/at+jwt", "at+jwt/x", "text/at+jwt", null, 1, ["at+jwt"], undefined]) {
      assert.equal(await bench.reason(bench.token({ header: { typ } })), "typ", String(typ));
    }
  });

  test("repeated members are refused in header and payload", async () => {
    const bench = new Bench();
    const header = JSON.stringify(goodHeader(bench.key));
    const twice = (text, member) => text.replace(/}$/, `,${member}}`);
    for (const member of ['"alg":"ES256"', '"kid":"ES256"', '"\\u0061lg":"none"', '"x":{"a":1,"a":1}']) {
      assert.equal(await bench.reason(bench.key.jws(twice(header, member), good)), "header_form", member);
    }
    for (const member of ['"sub":"admin"', '"\\u0073ub":"admin"', '"exp":9999999999', '"x":[{"a":1,"a":1}]']) {
      assert.equal(await bench.reason(bench.key.jws(header, twice(good, member))), "payload_form", member);
    }
  });

  test("other serialisations, encrypted tokens, padding and megabytes of dots are refused before they are parsed", async () => {
    const bench = new Bench();
    const token = bench.token();
    const [header, payload, signature] = token.split(".");
    for (const [bad, reason] of [
      [JSON.stringify({ protected: header, payload, signature }), "opaque"],
      [JSON.stringify({ payload, signatures: [{ protected: header, signature }] }), "opaque"],
      [`${header}.${payload}.${signature}.`, "parts"], [`${header}.a.b.c.d`, "parts"], [`${header}..${signature}`, "encoding"],
      [`${header}=.${payload}.${signature}`, "header_form"], [`${header}.${payload}=.${signature}`, "encoding"],
      [`${header}.${payload}.${signature}==`, "encoding"], [`${token} `, "encoding"], [` ${token}`, "opaque"], [`${header}.${payload}.${signature}\n`, "encoding"],
      ["", "opaque"], ["..", "opaque"], [".".repeat(1 << 20), "too_long"], [`ey${".".repeat(1 << 20)}`, "too_long"],
      [`ey${".".repeat(8000)}`, "parts"], [`${"a".repeat(8193)}`, "too_long"], ["ey.", "parts"],
    ]) assert.equal(await bench.reason(bad), reason, bad.slice(0, 60));
    assert.equal(await bench.reason(bench.key.jws("[]", good)), "opaque");
    assert.equal(await bench.reason(bench.key.jws(JSON.stringify(goodHeader(bench.key)), "[]")), "payload_form");
    assert.equal(await bench.reason(bench.key.jws(JSON.stringify(goodHeader(bench.key)), `\ufeff${good}`)), "payload_form");
  });
});

describe("the signature", () => {
  test("ES256: zero, short, long and DER signatures are refused", async () => {
    const bench = new Bench();
    const content = bench.token().split(".").slice(0, 2).join(".");
    const raw = bench.key.signature(content);
    const [r, s] = [raw.subarray(0, 32), raw.subarray(32)];
    const zero = Buffer.alloc(32);
    const order = Buffer.from("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE", "base64url");
    const integer = (scalar) => Buffer.concat([Buffer.from([2, 33, 0]), scalar]);
    const der = Buffer.concat([Buffer.from([0x30, 70]), integer(r), integer(s)]);
    for (const [parts, reason] of [
      [[zero, zero], "signature_form"], [[r, zero], "signature_form"], [[zero, s], "signature_form"], [[raw.subarray(0, 63)], "signature_form"],
      [[raw.subarray(0, 32)], "signature_form"], [[raw, Buffer.alloc(1)], "signature_form"], [[Buffer.alloc(1), raw], "signature_form"],
      [[der], "signature_form"], [[order, order], "signature"], [[r, order], "signature"], [[s, r], "signature"], [[Buffer.alloc(64, 0xff)], "signature"],
    ]) assert.equal(await bench.reason(`${content}.${b64(Buffer.concat(parts))}`), reason);
    assert.equal(await bench.reason(`${content}.${b64(raw)}`), null);
  });

  test("RSA and Ed25519: zero signatures and such of another length are refused", async () => {
    const bench = new Bench(["RS256", "PS256", "EdDSA"].map((alg) => new Key(alg)));
    for (const key of bench.keys) {
      const content = bench.token({ key }).split(".").slice(0, 2).join(".");
      const raw = key.signature(content);
      const altered = Buffer.from(raw);
      altered[0] ^= 1;
      for (const bad of [Buffer.alloc(1), Buffer.alloc(raw.length), Buffer.alloc(raw.length, 1), raw.subarray(1), Buffer.concat([raw, Buffer.alloc(1)]), altered]) {
        assert.match(await bench.reason(`${content}.${b64(bad)}`), /^signature/, key.alg);
      }
    }
  });

  test("each flipped character of a token is refused", async () => {
    const bench = new Bench();
    const token = bench.token();
    for (let index = 0; index < token.length; index += 1) {
      const other = token[index] === "A" ? "B" : "A";
      assert.notEqual(await bench.reason(token.slice(0, index) + other + token.slice(index + 1)), null, String(index));
    }
  });
});

describe("the keys", () => {
  test("weak, private, foreign and malformed keys are left out of the set", async () => {
    const weak = new Key("RS256", "weak", rsaPair(1024));
    const exponent = new Key("RS256", "exponent", rsaPair(2048, 3));
    const ec = new Key("ES256", "good");
    const changed = (kid, change) => Object.assign(new Key("ES256", kid), change(new Key("ES256", kid)));
    const keys = [
      weak, ec,
      changed("private", (key) => ({ jwk: { ...key.jwk, d: "AAAA" } })),
      changed("enc", (key) => ({ jwk: { ...key.jwk, use: "enc" } })),
      changed("ops", (key) => ({ jwk: { ...key.jwk, key_ops: ["sign"] } })),
      changed("off-curve", (key) => ({ jwk: { ...key.jwk, y: key.jwk.x } })),
      changed("short", (key) => ({ jwk: { ...key.jwk, x: b64(Buffer.alloc(31)) } })),
      changed("curve", (key) => ({ jwk: { ...key.jwk, crv: "P-384" } })),
      changed("alg", (key) => ({ jwk: { ...key.jwk, alg: "RS256" } })),
      changed("oct", (key) => ({ jwk: { kty: "oct", k: "AAAA", alg: "HS256", kid: key.kid } })),
    ];
    const bench = new Bench(keys);
    for (const key of keys) {
      const expected = key === ec ? null : "kid_unknown";
      assert.equal(await bench.reason(bench.token({ key })), expected, key.kid);
    }
    const three = new Bench([exponent]);
    assert.equal(await three.reason(three.token()), null);
  });

  test("of two keys with one name the first counts", async () => {
    const [first, second] = [new Key("ES256", "same"), new Key("ES256", "same")];
    const bench = new Bench([first, second]);
    assert.equal(await bench.reason(bench.token({ key: first })), null);
    assert.equal(await bench.reason(bench.token({ key: second })), "signature");
  });
});

describe("the claims", () => {
  test("every claim with every JSON type", async () => {
    const bench = new Bench();
    const values = [
      null, true, false, 0, -1, 1.5, NOW, 1e300, "", "user", ISSUER, AUDIENCE, String(NOW), [], [ISSUER], [AUDIENCE], [AUDIENCE, 1], [[AUDIENCE]],
      [NOW], {}, { [AUDIENCE]: 1 }, { $gt: 0 }, [0, "f", 0], [0, "f"], ["0", "f", 0], [0, "f", -1], [0, "f", 0.5], [0, "f", 0, 0],
    ];
    const isTime = (value) => typeof value === "number" && value >= 0 && value <= NOW;
    const accepts = {
      iss: (value) => value === ISSUER,
      aud: (value) => [JSON.stringify(AUDIENCE), JSON.stringify([AUDIENCE])].includes(JSON.stringify(value)),
      // NOW itself has just expired; the others have long ago, or are no dates.
      exp: () => false,
      iat: isTime,
      nbf: isTime,
      auth_time: isTime,
      amr: (value) => Array.isArray(value) && value.every((one) => typeof one === "string"),
      roles: Array.isArray,
      rv: (value) => ["[0,\"f\",0]"].includes(JSON.stringify(value)),
    };
    for (const claim of Object.keys(goodClaims())) {
      for (const value of values) {
        const expected = (accepts[claim] ?? ((one) => typeof one === "string"))(value);
        const reason = await bench.reason(bench.token({ claims: { [claim]: value } }));
        assert.equal(reason === null, expected, `${claim}: ${JSON.stringify(value)} gave ${reason}`);
      }
      const absent = await bench.reason(bench.token({ claims: { [claim]: undefined } }));
      const required = ["iss", "sub", "aud", "exp", "iat", "client_id", "jti"].includes(claim);
      assert.equal(absent, required ? "claim_missing" : null, claim);
    }
  });

  test("issuer and audience are exact", async () => {
    const bench = new Bench();
    for (const iss of [`${ISSUER}/`, ISSUER.toUpperCase(), ` ${ISSUER}`, `${ISSUER}.evil`]) {
      assert.equal(await bench.reason(bench.token({ claims: { iss } })), "issuer", iss);
    }
    for (const aud of [`${AUDIENCE}/`, AUDIENCE.toUpperCase(), "api", ["x", "y"], `${AUDIENCE} other`, []]) {
      assert.equal(await bench.reason(bench.token({ claims: { aud } })), "audience", String(aud));
    }
    assert.equal(await bench.reason(bench.token({ claims: { aud: ["x", AUDIENCE] } })), null);
  });

  test("times have exact edges, and leeway is explicit and bounded", async () => {
    const bench = new Bench();
    const reason = (claims, on = bench) => on.reason(on.token({ claims }));
    assert.equal(await reason({ exp: NOW + 1 }), null);
    assert.equal(await reason({ exp: NOW + 0.5 }), null);
    assert.equal(await reason({ exp: NOW }), "expired");
    assert.equal(await reason({ iat: NOW + 10, nbf: NOW + 10 }), null);
    assert.equal(await reason({ iat: NOW + 11 }), "issued_ahead");
    assert.equal(await reason({ nbf: NOW + 11 }), "not_yet_valid");
    const lenient = new Bench([bench.key], { leeway: 30 });
    assert.equal(await reason({ exp: NOW - 29 }, lenient), null);
    assert.equal(await reason({ exp: NOW - 30 }, lenient), "expired");
    assert.throws(() => new Bench([bench.key], { leeway: 31 }), /leeway/);
  });

  test("a token kept in memory ends when it expires", async () => {
    const bench = new Bench();
    const token = bench.token({ claims: { exp: NOW + 20 } });
    assert.equal(await bench.reason(token), null);
    bench.clock.pass(19_999);
    assert.equal(await bench.reason(token), null);
    assert.equal(bench.verifier.status().fromCache, 1);
    bench.clock.pass(1);
    assert.equal(await bench.reason(token), "expired");
  });

  test("claims are typed and cannot be changed by one request for the next", async () => {
    const bench = new Bench();
    const token = await bench.verifier.verify(bench.token({ claims: { roles: ["staff", 1], nested: { a: [1] } } }));
    assert.deepEqual(
      [token.subject, token.clientId, token.audience, token.scopes, token.session, token.id, token.authTime, token.acr, token.amr, token.roles],
      ["user", "c", [AUDIENCE], ["openid", "read"], "s", "1", NOW, "1", ["pwd"], ["staff"]],
    );
    assert.throws(() => token.claims.nested.a.push(2), TypeError);
    assert.throws(() => token.scopes.push("admin"), TypeError);
    assert.throws(() => { token.subject = "admin"; }, TypeError);
  });

  test("refusals tell nothing of the token", async () => {
    const bench = new Bench();
    const canary = "canary-7f3a";
    for (const change of [{ claims: { sub: [canary] } }, { claims: { iss: canary } }, { claims: { aud: canary } }, { header: { kid: canary } }, { header: { typ: canary } }, { header: { alg: canary } }]) {
      const error = await bench.verifier.verify(bench.token(change)).catch((one) => one);
      assert.ok(!`${error.stack} ${JSON.stringify(error)}`.includes(canary));
    }
  });
});
