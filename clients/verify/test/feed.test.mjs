// The pure part of the feed: messages, folds, the follower. docs/revocation-feed.md §1, §2, §5.
import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { describe, test } from "node:test";
import { readEntry } from "../dist/feed/entry.js";
import { Follower } from "../dist/feed/follower.js";
import { Live } from "../dist/feed/live.js";
import { digest, FeedKeys, GENESIS } from "../dist/feed/message.js";
import { ed25519Pair } from "../dist/testing/keys.js";
import { b64, ISSUER } from "./support.mjs";

const T = 1_800_000_000_000;
const DIES = T / 1000 + 960;
const entry = (kind, id, min = null, diesAt = DIES) => ({ kind, id, min, diesAt });
const heartbeat = (n, head, at) => ({ type: "heartbeat", n, at, head });
const snapshot = (n, head, at, entries = []) => ({ type: "snapshot", n, at, head, entries });
const batch = (n, prev, at, entries = [entry("jti", `j${n}`)]) => ({ type: "batch", n, at, prev, entries });
const at = (wall, mono = wall - T) => ({ wall, mono });

describe("an entry", () => {
  test("is an array of four", () => {
    for (const good of [
      ["iss", "", 1000, 2000], ["kid", "k1", null, 2000], ["client", "app", 0, 2000], ["sub", "u", 2 ** 53 - 1, 2000],
      ["sid", "s", null, 2000], ["fam", "f", null, 2000], ["fam", "f", 3, 2000], ["jti", "j", null, 2 ** 53 - 1], ["sid", "é".repeat(127), null, 1],
    ]) assert.ok(readEntry(good), JSON.stringify(good));
  });

  test("of another shape is malformed", () => {
    for (const bad of [
      ["device", "d", null, 1], ["SID", "s", null, 1], [1, "s", null, 1], ["sid", 7, null, 1], ["sid", null, null, 1], ["sid", "", null, 1],
      ["iss", "x", 1, 1], ["iss", "", null, 1], ["client", "c", null, 1], ["sub", "u", null, 1], ["sid", "s", 1, 1], ["kid", "k", 0, 1],
      ["jti", "j", 1, 1], ["fam", "f", -1, 1], ["fam", "f", 1.5, 1], ["fam", "f", "1", 1], ["fam", "f", 2 ** 53, 1], ["sid", "s", null, -1],
      ["sid", "s", null], ["sid", "s", null, 1, 1], ["sid", "s", null, null], [], {}, null, "sid", ["sid", "é".repeat(128), null, 1], ["constructor", "x", null, 1],
    ]) assert.equal(readEntry(bad), undefined, JSON.stringify(bad));
  });
});

describe("folding", () => {
  test("any order with duplicates gives the same state", () => {
    const entries = [
      entry("fam", "f", 3, 100), entry("fam", "f", 5, 90), entry("fam", "f", null, 80), entry("fam", "g", 1, 100), entry("fam", "g", 2, 100),
      entry("sub", "u", 7, 50), entry("sub", "u", 6, 60), entry("iss", "", 10, 10), entry("sid", "f", null, 1), entry("sid", "é", null, 2),
    ];
    const fold = (list) => {
      const live = new Live();
      for (const one of list) live.fold(one);
      return live.entries();
    };
    const expected = [
      entry("iss", "", 10, 10), entry("sub", "u", 7, 60), entry("sid", "f", null, 1), entry("sid", "é", null, 2),
      entry("fam", "f", null, 100), entry("fam", "g", 2, 100),
    ];
    let seed = 1;
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    for (let round = 0; round < 200; round += 1) {
      const list = [...entries, ...entries.filter(() => random() < 0.5)].map((one) => [random(), one]).sort(([a], [b]) => a - b);
      assert.deepEqual(fold(list.map(([, one]) => one)), expected);
    }
  });

  test("tells whether anything changed", () => {
    const live = new Live();
    assert.equal(live.fold(entry("fam", "f", 3, 100)), true);
    assert.equal(live.fold(entry("fam", "f", 3, 100)), false);
    assert.equal(live.fold(entry("fam", "f", 2, 99)), false);
    assert.equal(live.fold(entry("fam", "f", null, 99)), true);
    assert.equal(live.fold(entry("fam", "f", 9, 101)), true);
    assert.equal(live.fold(entry("fam", "f", 9, 101)), false);
  });

  test("an entry dies at dies_at, of which the latest counts, and not before", () => {
    const live = new Live();
    live.fold(entry("sid", "a", null, 100));
    live.fold(entry("sid", "b", null, 100));
    live.fold(entry("sid", "b", null, 200));
    live.expire(99.999);
    assert.equal(live.size, 2);
    live.expire(100);
    assert.deepEqual(live.entries(), [entry("sid", "b", null, 200)]);
    live.expire(200);
    assert.equal(live.size, 0);
  });
});

describe("judging", () => {
  const token = { kid: "k", iat: 1000, client: "c", sub: "u", sid: "s", jti: "j", rv: [5, "f", 3] };
  const judge = (one, coordinates = token) => {
    const live = new Live();
    live.fold(one);
    return live.voids(coordinates);
  };

  test("each kind voids what its row of the table says, and its neighbour not", () => {
    for (const [voiding, sparing] of [
      [entry("iss", "", 1001), entry("iss", "", 1000)], [entry("kid", "k"), entry("kid", "K")],
      [entry("client", "c", 1001), entry("client", "c", 1000)], [entry("sub", "u", 6), entry("sub", "u", 5)],
      [entry("sid", "s"), entry("sid", "t")], [entry("fam", "f", 4), entry("fam", "f", 3)], [entry("fam", "f"), entry("fam", "g")],
      [entry("jti", "j"), entry("jti", "i")],
    ]) {
      assert.equal(judge(voiding), voiding.kind);
      assert.equal(judge(sparing), undefined, JSON.stringify(sparing));
    }
    for (const kind of ["client", "sub"]) assert.equal(judge(entry(kind, "other", 2 ** 53 - 1)), undefined);
  });

  test("an opaque token of which nobody says when it was issued is not newer than any", () => {
    for (const one of [entry("iss", "", 1), entry("client", "c", 1)]) assert.equal(judge(one, { ...token, iat: undefined }), one.kind);
  });

  test("a token without rv is voided by any entry of its user, and by none of a family", () => {
    const service = { ...token, rv: undefined };
    assert.equal(judge(entry("sub", "u", 0), service), "sub");
    assert.equal(judge(entry("sub", "u", 0)), undefined);
    assert.equal(judge(entry("fam", "f"), service), undefined);
  });

  test("what a token does not have is not looked up", () => {
    for (const kind of ["kid", "sid", "jti", "fam"]) assert.equal(judge(entry(kind, "undefined"), {}), undefined);
    for (const kind of ["client", "sub"]) assert.equal(judge(entry(kind, "undefined", 9), {}), undefined);
  });
});

describe("the follower", () => {
  const started = (n = 5, head = "h5") => {
    const follower = new Follower();
    assert.equal(follower.receive(snapshot(n, head, T), "", at(T)), "continue");
    return follower;
  };

  test("begins without a position, infinitely stale, and asks for a snapshot", () => {
    const follower = new Follower();
    assert.equal(follower.staleness(at(T)), Number.POSITIVE_INFINITY);
    assert.equal(follower.receive(heartbeat(0, GENESIS, T), "", at(T)), "take_snapshot");
    assert.equal(follower.receive(batch(1, GENESIS, T), "d1", at(T)), "take_snapshot");
    assert.equal(follower.staleness(at(T)), Number.POSITIVE_INFINITY);
    assert.equal(follower.voids({ jti: "j1" }, at(T)), "jti", "a genuine revocation is never wrong");
  });

  test("follows batches that continue the chain", () => {
    const follower = started();
    assert.equal(follower.receive(batch(6, "h5", T + 1000), "h6", at(T + 1000)), "continue");
    assert.deepEqual(follower.position, { n: 6, digest: "h6" });
    assert.equal(follower.receive(heartbeat(6, "h6", T + 2000), "", at(T + 2000)), "continue");
    assert.equal(follower.staleness(at(T + 2500)), 500);
  });

  test("a gap and a broken chain ask for a snapshot, credit nothing, and their entries count", () => {
    for (const message of [batch(7, "h6", T + 9000), batch(6, "other", T + 9000)]) {
      const follower = started();
      assert.equal(follower.receive(message, "d", at(T + 9000)), "take_snapshot");
      assert.deepEqual(follower.position, { n: 5, digest: "h5" });
      assert.equal(follower.staleness(at(T + 9000)), 9000);
      assert.equal(follower.voids({ jti: `j${message.n}` }, at(T + 9000)), "jti");
    }
  });

  test("a replay moves nothing", () => {
    const follower = started();
    follower.receive(batch(6, "h5", T + 1000), "h6", at(T + 1000));
    assert.equal(follower.receive(batch(6, "h5", T + 1000), "h6", at(T + 5000)), "continue");
    assert.equal(follower.receive(heartbeat(5, "h5", T), "", at(T + 5000)), "continue");
    assert.equal(follower.receive(heartbeat(6, "h6", T + 500), "", at(T + 5000)), "continue");
    assert.deepEqual(follower.position, { n: 6, digest: "h6" });
    assert.equal(follower.staleness(at(T + 5000)), 4000);
  });

  test("a heartbeat beyond the position, or with another digest, asks for a snapshot", () => {
    assert.equal(started().receive(heartbeat(6, "h6", T + 1), "", at(T + 1)), "take_snapshot");
    assert.equal(started().receive(heartbeat(5, "other", T + 1), "", at(T + 1)), "take_snapshot");
    assert.equal(started().receive(heartbeat(4, "h4", T + 1), "", at(T + 1)), "continue");
  });

  test("a server that rolled back is credited nothing, and nothing is un-revoked", () => {
    const follower = started();
    follower.receive(batch(6, "h5", T), "h6", at(T));
    assert.equal(follower.receive(snapshot(4, "h4", T + 5000), "", at(T + 5000)), "rolled_back");
    assert.deepEqual(follower.position, { n: 6, digest: "h6" });
    assert.equal(follower.staleness(at(T + 5000)), 5000);
    assert.equal(follower.voids({ jti: "j6" }, at(T + 5000)), "jti");
  });

  test("a snapshot that does not name an entry leaves it alive until it dies", () => {
    const follower = started();
    follower.receive(batch(6, "h5", T), "h6", at(T));
    follower.receive(snapshot(7, "h7", T + 1), "", at(T + 1));
    assert.equal(follower.voids({ jti: "j6" }, at(DIES * 1000 - 1)), "jti");
    assert.equal(follower.voids({ jti: "j6" }, at(DIES * 1000)), undefined);
  });

  test("a clock that is 30 s off in either direction is no staleness, 31 s is one", () => {
    for (const [off, expected] of [[30_000, 0], [-30_000, 0], [31_000, 1000], [-31_000, 0]]) {
      const follower = new Follower();
      follower.receive(snapshot(0, GENESIS, T), "", at(T + off, 0));
      assert.equal(follower.staleness(at(T + off, 0)), expected, String(off));
      assert.equal(follower.staleness(at(T + off + 4000, 4000)), Math.max(4000, expected + 4000), String(off));
    }
  });

  test("a message replayed from an earlier time cannot pass as fresh", () => {
    const follower = started();
    // A minute later a stored heartbeat arrives, and keeps arriving.
    for (let second = 60; second < 70; second += 1) follower.receive(heartbeat(5, "h5", T + 1000), "", at(T + second * 1000));
    assert.equal(follower.staleness(at(T + 70_000)), 69_000);
  });

  test("the wall clock set back does not make a dead feed fresh", () => {
    const follower = started();
    assert.equal(follower.staleness(at(T - 3_600_000, 40_000)), 40_000);
  });

  test("its version changes with each change, and the other one with each new key entry", () => {
    const follower = started();
    const before = follower.version;
    follower.receive(batch(6, "h5", T, [entry("sid", "s"), entry("kid", "k")]), "h6", at(T));
    assert.equal(follower.version, before + 2);
    assert.equal(follower.removedKeys.size, 1);
    follower.receive(batch(6, "h5", T, [entry("sid", "s"), entry("kid", "k")]), "h6", at(T));
    assert.equal(follower.version, before + 2);
    assert.equal(follower.removedKeys.size, 1);
  });
});

describe("a message", () => {
  const pair = ed25519Pair();
  const jwk = { ...pair.publicKey.export({ format: "jwk" }), kid: "feed", use: "sig", alg: "EdDSA" };
  const keys = FeedKeys.read({ keys: [jwk] });
  const signed = (header, payload, key = pair.privateKey) => {
    const content = `${b64(typeof header === "string" ? header : JSON.stringify(header))}.${b64(typeof payload === "string" ? payload : JSON.stringify(payload))}`;
    return `${content}.${b64(sign(null, Buffer.from(content), key))}`;
  };
  const header = (typ, more = {}) => ({ alg: "EdDSA", kid: "feed", typ: `revocation-${typ}+jwt`, ...more });
  const payloads = {
    batch: { iss: ISSUER, n: 1, at: T, prev: GENESIS, entries: [["sid", "s", null, DIES]] },
    snapshot: { iss: ISSUER, n: 0, at: T, head: GENESIS, entries: [] },
    heartbeat: { iss: ISSUER, n: 0, at: T, head: GENESIS },
  };
  const open = (compact) => {
    try {
      return keys.open(compact, ISSUER);
    } catch (error) {
      return error.word;
    }
  };

  test("of each type is read, and members that nobody knows are ignored", () => {
    for (const [type, payload] of Object.entries(payloads)) {
      const message = open(signed(header(type), { ...payload, future: { a: [1.5] } }));
      assert.deepEqual([message.type, message.n, message.at], [type, payload.n, T]);
    }
    assert.deepEqual(open(signed(header("batch"), payloads.batch)).entries, [entry("sid", "s")]);
  });

  test("the digest is that of its compact serialisation, and that of batch 0 of nothing", () => {
    assert.equal(GENESIS, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    assert.equal(digest("abc"), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
  });

  test("with another header is refused", () => {
    for (const [bad, word] of [
      [header("batch", { crit: ["x"] }), "header"], [header("batch", { jwk }), "header"], [header("batch", { alg: "ES256" }), "alg"],
      [header("batch", { alg: "none" }), "alg"], [header("batch", { alg: 1 }), "header"], [header("batch", { kid: undefined }), "header"],
      [header("batch", { typ: "at+jwt" }), "typ"], [header("batch", { typ: "constructor" }), "typ"], [header("batch", { typ: "REVOCATION-BATCH+JWT" }), "typ"],
      [header("batch", { kid: "other" }), "kid"], ['{"alg":"EdDSA","kid":"feed","kid":"feed","typ":"revocation-batch+jwt"}', "header"],
      ["[]", "header"],
    ]) assert.equal(open(signed(bad, payloads.batch)), word, JSON.stringify(bad));
  });

  test("with another payload is refused", () => {
    const { batch } = payloads;
    for (const [bad, word] of [
      [{ ...batch, iss: "https://other.example" }, "issuer"], [{ ...batch, iss: [ISSUER] }, "form"], [{ ...batch, n: 0 }, "form"], [{ ...batch, n: "1" }, "form"],
      [{ ...batch, n: 2 ** 53 }, "form"], [{ ...batch, at: -1 }, "form"], [{ ...batch, prev: "x" }, "form"], [{ ...batch, prev: undefined }, "form"],
      [{ ...batch, entries: [] }, "form"], [{ ...batch, entries: {} }, "form"], [{ ...batch, entries: [["sid", "s", null, DIES], ["new", "x", null, 1]] }, "form"],
      [{ ...batch, entries: Array(10_001).fill(["sid", "s", null, DIES]) }, "form"],
      [JSON.stringify(batch).replace('"n":1', '"n":1,"n":1'), "form"], [JSON.stringify(batch).replace('"n":1', '"n":1.0'), "form"],
      [JSON.stringify(batch).replace(String(DIES), "1e9"), "form"], [`${JSON.stringify(batch)}x`, "form"], ["[]", "form"],
    ]) assert.equal(open(signed(header("batch"), bad)), word, JSON.stringify(bad).slice(0, 120));
    assert.equal(open(signed(header("heartbeat"), { ...payloads.heartbeat, head: 1 })), "form");
    assert.equal(open(signed(header("snapshot"), { ...payloads.snapshot, entries: undefined })), "form");
  });

  test("altered, signed by another key, too long or of another serialisation is refused", () => {
    const good = signed(header("batch"), payloads.batch);
    assert.equal(open(signed(header("batch"), payloads.batch, ed25519Pair().privateKey)), "signature");
    const [head, payload, signature] = good.split(".");
    assert.equal(open(`${head}.${b64(JSON.stringify({ ...payloads.batch, n: 2 }))}.${signature}`), "signature");
    for (const bad of [`${good}.`, `${good}=`, `.${payload}.${signature}`, `${head}.${payload}.`, `${head}.${payload}.${b64(Buffer.alloc(63))}`, JSON.stringify({ protected: head, payload, signature })]) {
      assert.match(open(bad), /^(form|header)$/, bad.slice(0, 20));
    }
    assert.equal(open(signed(header("heartbeat"), { ...payloads.heartbeat, pad: "x".repeat(8192) })), "length");
    assert.equal(open(signed(header("batch"), { ...payloads.batch, pad: "x".repeat(4 << 20) })), "length");
    assert.throws(() => keys.open(signed(header("snapshot"), { ...payloads.snapshot, pad: "x".repeat(5 << 20) }), ISSUER, 5 << 20), /length/);
  });

  test("key sets without a usable key, or with two of one name, are none", () => {
    for (const bad of [null, {}, { keys: {} }, { keys: [] }, { keys: [{ ...jwk, kty: "EC" }] }, { keys: [{ ...jwk, x: "AA" }] }, { keys: [{ ...jwk, use: "enc" }] }, { keys: [jwk, jwk] }, { keys: Array(17).fill(jwk) }]) {
      assert.equal(FeedKeys.read(bad), undefined);
    }
    assert.ok(FeedKeys.read({ keys: [{ kty: "RSA" }, jwk] }));
  });
});
