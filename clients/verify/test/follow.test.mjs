// The verifier follows a feed over HTTP: stream, batches one by one, cuts, gaps, and each policy while it is stale.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createVerifier } from "@signet/verify";
import { CREDENTIALS, TestIssuer } from "@signet/verify/testing";
import { until } from "./support.mjs";

const reasonOf = (verifier, token, options) => verifier.verify(token, options).then(() => null, (error) => error.reason ?? error.name);
/** From here on sleeping means patience: with the first word of the feed, and with a stream on which nothing comes. */
const PATIENCE = 2_000;
/**
 * Clocks that can be set forward, as if so much time had passed. Patience is stretched, since no test is about its end:
 * a machine that stalls is not to look like a feed that has nothing to say.
 */
const skewable = () => {
  const clock = { ahead: 0, wall: 0 };
  clock.now = () => ({ wall: Date.now() + clock.ahead + clock.wall, mono: performance.now() + clock.ahead });
  clock.sleep = (milliseconds, signal) => new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds < PATIENCE ? milliseconds : 60_000 + milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()));
  });
  clock.random = () => 0.05;
  return clock;
};

async function setUp(t, options = {}, issuerOptions = {}) {
  const clock = skewable();
  const issuer = await TestIssuer.start({ heartbeatSeconds: 0.1, now: () => Date.now() + clock.ahead, ...issuerOptions });
  const make = (more = {}) => createVerifier({ issuer: issuer.url, audience: issuer.audience, clock, ...options, ...more });
  const verifier = make();
  const all = [verifier];
  t.after(async () => {
    await Promise.all(all.map((one) => one.close()));
    await issuer.close();
  });
  return { issuer, clock, verifier, make: (more) => (all.push(make(more)), all.at(-1)) };
}

describe("following", () => {
  test("a revocation arrives at once, kills what is kept in memory, and spares the others", async (t) => {
    const { issuer, verifier } = await setUp(t, {}, { heartbeatSeconds: 60 });
    await verifier.ready();
    const asked = { ...issuer.requests };
    const [alice, bob] = [await issuer.mint(), await issuer.mint({ sub: "bob", sid: "session-2", rv: [0, "family-2", 0] })];
    for (const token of [alice, alice, bob]) assert.equal(await reasonOf(verifier, token), null);
    assert.equal(verifier.status().fromCache, 1);
    const n = issuer.logOutAll("alice");
    await until(() => verifier.status().batch >= n, "the batch", 30_000);
    assert.deepEqual(issuer.requests, asked, "it was pushed: nobody asked, and no heartbeat told of it");
    assert.equal(await reasonOf(verifier, alice), "revoked");
    assert.equal(await reasonOf(verifier, bob), null);
    assert.equal(await reasonOf(verifier, await issuer.mint({ rv: [1, "family-3", 0] })), null, "signed in again in the same second");
    assert.equal(verifier.status().rejected.revoked, 1);
  });

  test("what was revoked before the verifier began is known to its first request", async (t) => {
    const { issuer, verifier } = await setUp(t);
    issuer.logOutAll("alice");
    assert.equal(await reasonOf(verifier, await issuer.mint()), "revoked");
    await until(() => verifier.status().feed === "fresh", "freshness");
  });

  test("a connection that is cut is made again, from where it was", async (t) => {
    const { issuer, verifier } = await setUp(t);
    await verifier.ready();
    issuer.revoke({ kind: "jti", id: "x", min: null, diesAt: 9_999_999_999 });
    await until(() => verifier.status().batch === 1, "batch 1");
    issuer.cut();
    const token = await issuer.mint();
    issuer.logOutAll("alice");
    await until(async () => (await reasonOf(verifier, token)) === "revoked", "the batch that was missed");
    assert.equal(issuer.requests["/revocation/snapshot"], undefined, "no snapshot was needed");
  });

  test("a gap and a broken chain are closed by a snapshot", async (t) => {
    const { issuer, verifier } = await setUp(t);
    await verifier.ready();
    const dies = Math.floor(Date.now() / 1000) + 960;
    issuer.silent = true;
    issuer.logOutAll("alice");
    issuer.silent = false;
    issuer.revoke({ kind: "sid", id: "s", min: null, diesAt: dies });
    await until(() => verifier.status().batch === 2, "the gap is closed");
    assert.equal(await reasonOf(verifier, await issuer.mint()), "revoked");
    assert.ok(issuer.requests["/revocation/snapshot"] >= 1);
    const snapshots = issuer.requests["/revocation/snapshot"];
    await until(() => issuer.requests["/revocation/stream"] >= 2, "the next stream");
    issuer.push("batch", issuer.feed.sign("revocation-batch+jwt", { n: 3, prev: issuer.feed.jwks.keys[0].x, entries: [["sid", "session-9", null, dies]] }));
    await until(() => issuer.requests["/revocation/snapshot"] > snapshots, "a snapshot for the broken chain");
    assert.equal(await reasonOf(verifier, await issuer.mint({ sub: "bob", sid: "session-9" })), "revoked", "its entries count all the same");
    await until(() => verifier.status().feed === "fresh", "freshness");
    assert.equal(verifier.status().batch, 2);
  });

  test("messages that are not genuine count for nothing", async (t) => {
    const { issuer, verifier } = await setUp(t);
    await verifier.ready();
    const other = await TestIssuer.start();
    t.after(() => other.close());
    const entries = [["sub", "alice", 1, 9_999_999_999]];
    const good = issuer.feed.sign("revocation-batch+jwt", { n: 1, prev: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", entries });
    for (const bad of [
      `${good.slice(0, -4)}AAAA`, other.feed.sign("revocation-batch+jwt", { iss: issuer.url, n: 1, prev: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", entries }),
      issuer.feed.sign("revocation-batch+jwt", { iss: other.url, n: 1, prev: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", entries }),
      issuer.feed.sign("revocation-batch+jwt", { n: 1, prev: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", entries: [...entries, ["new", "x", null, 1]] }), "x",
    ]) {
      issuer.push("batch", bad);
      await until(() => verifier.status().feed === "fresh", "it recovers");
    }
    assert.equal(await reasonOf(verifier, await issuer.mint()), null);
    assert.equal(verifier.status().entries, 0);
  });

  test("where no stream is to be had, batches are asked for one by one", async (t) => {
    const { issuer, verifier } = await setUp(t);
    issuer.streamless = true;
    await verifier.ready().catch(() => undefined);
    const token = await issuer.mint();
    await until(() => verifier.status().feed === "fresh", "the snapshot");
    assert.equal(await reasonOf(verifier, token), null);
    issuer.logOutAll("alice");
    const snapshots = issuer.requests["/revocation/snapshot"];
    await until(async () => (await reasonOf(verifier, token)) === "revoked", "the batch");
    assert.ok(issuer.requests["/revocation/batches/1"] > 0);
    assert.equal(issuer.requests["/revocation/snapshot"], snapshots, "the batch told of it");
    issuer.feed.forget();
    issuer.revoke({ kind: "sid", id: "s", min: null, diesAt: 9_999_999_999 }, { kind: "sid", id: "t", min: null, diesAt: 9_999_999_999 });
    await until(() => verifier.status().batch === 2, "the next batch");
  });

  test("a signing key taken out of use is known before the key set is old", async (t) => {
    const { issuer, verifier } = await setUp(t);
    await verifier.ready();
    const old = await issuer.mint();
    assert.equal(await reasonOf(verifier, old), null);
    const [{ kid }] = issuer.jwks.keys;
    issuer.rotate({ emergency: true });
    issuer.revoke({ kind: "kid", id: kid, min: null, diesAt: Math.floor(Date.now() / 1000) + 960 });
    await until(async () => ["revoked", "kid_unknown"].includes(await reasonOf(verifier, old)), "the old key");
    await until(() => issuer.requests["/jwks"] >= 2, "the key set is read again");
    assert.equal(await reasonOf(verifier, await issuer.mint()), null);
  });

  test("a signing key taken out of use stays so, whatever the key set says and after its entry has died", async (t) => {
    const { issuer, clock, verifier } = await setUp(t, { onStale: "open" });
    await verifier.ready();
    const exp = Math.floor(Date.now() / 1000) + 1_000_000;
    // Whoever has stolen the key dates its tokens as they like, and need not name it where there is no other.
    const stolen = [await issuer.mint({ exp }), await issuer.mint({ exp }, { kid: undefined })];
    for (const token of stolen) assert.equal(await reasonOf(verifier, token), null);
    issuer.failing.add("/jwks");
    issuer.revoke({ kind: "kid", id: issuer.jwks.keys[0].kid, min: null, diesAt: Math.floor(Date.now() / 1000) + 960 });
    await until(() => verifier.status().entries === 1, "the entry");
    for (const [cached, seconds] of [[false, 0], [false, 2_000], [true, 2_000]]) {
      clock.ahead += seconds * 1_000;
      if (cached) {
        issuer.failing.delete("/jwks");
        const before = issuer.requests["/jwks"];
        await until(async () => (await reasonOf(verifier, stolen[1]), issuer.requests["/jwks"] > before), "the key set is read");
      }
      await until(() => verifier.status().entries === (seconds === 0 ? 1 : 0), "the entry has died");
      assert.equal(await reasonOf(verifier, stolen[0]), "revoked");
      assert.notEqual(await reasonOf(verifier, stolen[1]), null);
    }
    issuer.rotate();
    clock.ahead += 60_000;
    assert.equal(await reasonOf(verifier, await issuer.mint({ exp })), null, "another key is good");
    assert.equal(await reasonOf(verifier, stolen[0]), "revoked");
  });

  test("a snapshot that fails is owed until it is taken", async (t) => {
    const { issuer, clock, verifier } = await setUp(t, { onStale: "open" });
    await verifier.ready();
    const token = await issuer.mint();
    issuer.logOutAll("alice");
    await until(() => verifier.status().entries === 1, "the entry");
    // While the clock is ahead, what lives is dropped; the position stays, so that no message shows what is missing.
    clock.wall = 2_000_000;
    await until(() => verifier.status().entries === 0, "the entry has died");
    issuer.failing.add("/revocation/snapshot");
    clock.wall = 0;
    await until(() => issuer.requests["/revocation/snapshot"] > 2, "snapshots that fail");
    assert.equal(await reasonOf(verifier, token), null);
    issuer.failing.delete("/revocation/snapshot");
    await until(async () => (await reasonOf(verifier, token)) === "revoked", "the snapshot");
  });

  test("an issuer without a feed is verified without one, unless the feed is required", async (t) => {
    const { issuer, verifier, make } = await setUp(t, {}, { feed: false });
    assert.equal(await reasonOf(verifier, await issuer.mint()), null);
    assert.equal(verifier.status().feed, "none");
    const required = make({ feed: "required", onStale: "closed" });
    assert.equal(await reasonOf(required, await issuer.mint()), "Unavailable");
    await assert.rejects(required.ready(), (error) => error.name === "Unavailable");
  });

  test("fifty first requests at once are one question each", async (t) => {
    const { issuer, verifier } = await setUp(t);
    const tokens = await Promise.all(Array.from({ length: 50 }, () => issuer.mint()));
    assert.deepEqual([...new Set(await Promise.all(tokens.map((token) => reasonOf(verifier, token))))], [null]);
    assert.deepEqual(issuer.requests, { "/.well-known/openid-configuration": 1, "/jwks": 1, "/.well-known/revocation-configuration": 1, "/revocation/stream": 1 });
  });
});

describe("while the feed is stale", () => {
  test("each policy does what it says, and entries known are applied under every one", async (t) => {
    const { issuer, clock, verifier, make } = await setUp(t, { introspection: CREDENTIALS });
    const open = make({ onStale: "open" });
    const closed = make({ onStale: "closed" });
    const three = [verifier, open, closed];
    await Promise.all(three.map((one) => one.ready()));
    const dead = await issuer.mint({ sub: "dead" });
    issuer.logOutAll("dead");
    await until(() => three.every((one) => one.status().batch === 1), "batch 1");
    const [alice, bob] = [await issuer.mint(), await issuer.mint({ sub: "bob" })];
    assert.equal(await reasonOf(closed, alice), null, "closed is open while the feed is fresh");

    // The feed is cut: nothing of it is heard from now on.
    for (const path of ["/revocation/stream", "/revocation/snapshot", "/revocation/batches/2"]) issuer.failing.add(path);
    issuer.silent = true;
    issuer.cut();
    issuer.feed.publish([{ kind: "sub", id: "bob", min: 1, diesAt: 9_999_999_999 }]);
    clock.ahead = 10_000;
    assert.equal(verifier.status().feed, "soft");
    for (const one of three) assert.equal(await reasonOf(one, alice), null, "the state decides up to 30 s");
    assert.equal(issuer.requests["/introspect"], undefined);

    clock.ahead = 31_000;
    assert.equal(verifier.status().feed, "hard");
    const answers = async (token) => Promise.all(three.map((one) => reasonOf(one, token)));
    assert.deepEqual(await answers(alice), [null, null, "Unavailable"]);
    assert.deepEqual(await answers(bob), ["inactive", null, "Unavailable"], "introspection knows what the state does not");
    assert.deepEqual(await answers(dead), ["revoked", "revoked", "revoked"]);
    assert.equal(await reasonOf(open, alice, { onStale: "closed" }), "Unavailable", "a route may decide otherwise");

    // The whole server is down: where introspection has no answer, introspect is closed.
    issuer.failing.add("*");
    clock.ahead = 40_000;
    assert.deepEqual(await answers(alice), ["Unavailable", null, "Unavailable"]);
    assert.deepEqual(await answers(dead), ["revoked", "revoked", "revoked"]);

    // And back.
    issuer.failing.clear();
    issuer.silent = false;
    await until(() => three.every((one) => one.status().feed === "fresh" && one.status().batch === 2), "fresh again");
    assert.deepEqual(await answers(alice), [null, null, null]);
    assert.deepEqual(await answers(bob), ["revoked", "revoked", "revoked"]);
  });

  test("a verifier with credentials asks by default, one without goes on", async (t) => {
    const { issuer, make } = await setUp(t);
    issuer.failing.add("/.well-known/revocation-configuration");
    const [asking, alone] = [make({ introspection: CREDENTIALS }), make()];
    const token = await issuer.mint();
    assert.equal(await reasonOf(asking, token), null);
    assert.equal(issuer.requests["/introspect"], 1);
    assert.equal(await reasonOf(alone, token), null);
    assert.equal(issuer.requests["/introspect"], 1);
    assert.equal(asking.status().feed, "hard", "a feed never heard is infinitely stale");
  });

  test("a server that rolled back un-revokes nothing and is not believed until it is past what it had said", async (t) => {
    const { issuer, clock, verifier } = await setUp(t, { onStale: "closed" });
    await verifier.ready();
    const [alice, bob] = [await issuer.mint(), await issuer.mint({ sub: "bob" })];
    issuer.logOutAll("alice");
    await until(() => verifier.status().batch === 1, "batch 1");
    issuer.feed.rollBack();
    issuer.cut();
    await until(() => issuer.requests["/revocation/stream"] >= 2, "the next stream");
    clock.ahead = 31_000;
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(verifier.status().feed, "hard", "its heartbeats are credited nothing");
    assert.equal(await reasonOf(verifier, alice), "revoked");
    assert.equal(await reasonOf(verifier, bob), "Unavailable");
    issuer.logOutAll("carol");
    issuer.logOutAll("dave");
    await until(() => verifier.status().feed === "fresh", "it is past");
    assert.equal(verifier.status().batch, 2);
    assert.equal(verifier.status().entries, 3);
    assert.equal(await reasonOf(verifier, alice), "revoked");
    assert.equal(await reasonOf(verifier, bob), null);
  });

  test("clocks that are 30 s apart do not make a feed stale", async (t) => {
    for (const ahead of [-9_000, 29_000]) {
      await t.test(`${ahead} ms`, async (t) => {
        const { issuer, clock, verifier } = await setUp(t, {}, { now: Date.now });
        clock.ahead = ahead;
        const now = Math.floor(Date.now() / 1000);
        assert.equal(await reasonOf(verifier, await issuer.mint({ iat: now, exp: now + 600 })), null);
        await until(() => verifier.status().feed === "fresh", "freshness");
      });
    }
  });
});
