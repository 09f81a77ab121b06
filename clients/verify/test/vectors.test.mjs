// docs/vectors/revocation-feed.json: every vector of the specification. Its README says what the members mean.
import assert from "node:assert/strict";
import { createPrivateKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { readEntry } from "../dist/feed/entry.js";
import { Follower } from "../dist/feed/follower.js";
import { Live } from "../dist/feed/live.js";
import { digest, FeedKeys, Refused } from "../dist/feed/message.js";
import { Token } from "../dist/token.js";
import { b64 } from "./support.mjs";

const vectors = JSON.parse(readFileSync(new URL("../../../docs/vectors/revocation-feed.json", import.meta.url)));
const keys = FeedKeys.read(vectors.keys.jwks);
const open = (compact) => keys.open(compact, vectors.issuer);
const messages = new Map(vectors.messages.map((one) => [one.name, one]));
const toArray = ({ kind, id, min, diesAt }) => [kind, id, min, diesAt];
const sorted = (entries) => entries.map((one) => JSON.stringify(one)).sort();

const folded = (entries, now) => {
  const live = new Live();
  live.expire(now);
  for (const entry of entries) {
    const read = readEntry(entry);
    assert.ok(read, JSON.stringify(entry));
    live.fold(read);
  }
  return live;
};

test("the vectors are those of version 1, and there are some of each kind", () => {
  assert.match(vectors.specification, /version 1$/);
  for (const member of ["digests", "messages", "folds", "judgements", "followers", "rejections"]) assert.ok(vectors[member].length > 0, member);
});

describe("digests", () => {
  for (const one of vectors.digests) test(JSON.stringify(one.text), () => assert.equal(digest(one.text), one.digest));
});

describe("messages", () => {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const key = createPrivateKey({ key: Buffer.concat([prefix, Buffer.from(vectors.keys.seed, "base64url")]), format: "der", type: "pkcs8" });
  for (const one of vectors.messages) {
    test(one.name, () => {
      const content = `${b64(one.header)}.${b64(one.payload)}`;
      assert.equal(one.compact, `${content}.${b64(sign(null, Buffer.from(content), key))}`);
      assert.equal(digest(one.compact), one.digest);
      const message = open(one.compact);
      const payload = JSON.parse(one.payload);
      assert.equal(JSON.parse(one.header).typ, `revocation-${message.type}+jwt`);
      for (const member of ["n", "at", "head", "prev"]) if (member in message) assert.equal(message[member], payload[member], member);
      if (message.entries) assert.deepEqual(message.entries.map(toArray), payload.entries);
    });
  }
});

describe("folds", () => {
  for (const one of vectors.folds) {
    test(one.name, () => {
      for (const order of one.orders) {
        const live = folded(order, one.now);
        live.expire(one.now);
        assert.deepEqual(sorted(live.entries().map(toArray)), sorted(one.state));
      }
    });
  }
});

describe("judgements", () => {
  const context = { challenges: undefined, now: () => 0 };
  for (const one of vectors.judgements) {
    test(one.name, () => {
      const token = new Token({ ...one.token.claims }, one.token.header.kid, context);
      assert.equal(folded(one.state, one.now).voids(token.coordinates()) ?? null, one.voided_by);
    });
  }
});

describe("followers", () => {
  const classOf = (staleness) => (staleness <= 3_000 ? "fresh" : staleness <= 30_000 ? "soft" : "hard");
  for (const story of vectors.followers) {
    test(story.name, () => {
      const follower = new Follower();
      for (const [index, step] of story.steps.entries()) {
        const now = { wall: step.local, mono: step.mono };
        if (step.receive !== null) {
          const { compact } = messages.get(step.receive);
          assert.equal(follower.receive(open(compact), digest(compact), now), step.next, `step ${index}`);
        }
        follower.voids({}, now);
        const staleness = follower.staleness(now);
        assert.deepEqual(
          {
            position: follower.position ?? null,
            staleness: Number.isFinite(staleness) ? staleness : null,
            class: classOf(staleness),
            live: follower.live.size,
          },
          { position: step.position, staleness: step.staleness, class: step.class, live: step.live },
          `step ${index}`,
        );
      }
    });
  }
});

describe("rejections", () => {
  for (const one of vectors.rejections) {
    test(one.name, () => assert.throws(() => open(one.compact), (error) => error instanceof Refused && error.word === one.reason));
  }
});
