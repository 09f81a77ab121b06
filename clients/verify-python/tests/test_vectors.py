"""The test vectors of the specification (docs/vectors/README.md): the whole file."""

import json
import os
import pathlib
import unittest

from signet_verify.feed import entry
from signet_verify.feed.entry import Entry
from signet_verify.feed.follower import Follower, Next, classify
from signet_verify.feed.live import Coordinates, Live
from signet_verify.feed.message import BATCH, HEARTBEAT, SNAPSHOT, FeedKeys, Refused, digest

FILE = pathlib.Path(__file__).parents[3] / "docs" / "vectors" / "revocation-feed.json"
NEXT = {Next.CONTINUE: "continue", Next.TAKE_SNAPSHOT: "take_snapshot", Next.ROLLED_BACK: "rolled_back"}


@unittest.skipUnless(FILE.exists() or "CI" in os.environ, "the vectors are in Signet's repository")
class Vectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vectors = json.loads(FILE.read_text())
        cls.issuer = cls.vectors["issuer"]
        cls.keys = FeedKeys(cls.vectors["keys"]["jwks"])
        cls.messages = {message["name"]: message for message in cls.vectors["messages"]}

    def cases(self, name):
        cases = self.vectors[name]
        self.assertTrue(cases)
        for case in cases:
            with self.subTest(case.get("name", case)):
                yield case

    def fold(self, entries, now):
        live = Live()
        live.expire(now)
        for one in entries:
            live.fold(entry.read(one))
        return live

    def test_the_file_has_no_part_that_is_not_run(self):
        known = {
            "specification",
            "issuer",
            "keys",
            "digests",
            "messages",
            "folds",
            "judgements",
            "followers",
            "rejections",
        }
        self.assertEqual(self.vectors.keys(), known)

    def test_digests(self):
        for case in self.cases("digests"):
            self.assertEqual(digest(case["text"]), case["digest"])

    def test_messages_open_and_give_their_members(self):
        kinds = {"Batch": BATCH, "Snapshot": SNAPSHOT, "Heartbeat": HEARTBEAT}
        for case in self.cases("messages"):
            message, payload = self.keys.open(case["compact"], self.issuer), json.loads(case["payload"])
            self.assertEqual(kinds[type(message).__name__], json.loads(case["header"])["typ"])
            self.assertEqual(digest(case["compact"]), case["digest"])
            for name in ("n", "at", "prev", "head", "entries"):
                held = getattr(message, name, None)
                if name == "entries" and held is not None:
                    held = [[one.kind, one.id, one.min, one.dies_at] for one in held]
                # A member that the kind of message does not have is ignored, whatever it holds.
                if held is not None:
                    self.assertEqual(held, payload[name])

    def test_folds(self):
        for case in self.cases("folds"):
            for order in case["orders"]:
                live = self.fold(order, case["now"])
                expected = {Entry(*one) for one in case["state"]}
                self.assertEqual((set(live.entries()), len(live)), (expected, len(expected)))

    def test_judgements(self):
        for case in self.cases("judgements"):
            live = self.fold(case["state"], case["now"])
            token = case["token"]
            coordinates = Coordinates.of(token["claims"], token["header"].get("kid"))
            self.assertEqual(live.voids(coordinates), case["voided_by"])

    def test_followers(self):
        for case in self.cases("followers"):
            follower = Follower()
            for index, step in enumerate(case["steps"]):
                local, mono, follows = step["local"], step["mono"] / 1000, None
                if step["receive"] is not None:
                    compact = self.messages[step["receive"]]["compact"]
                    message = self.keys.open(compact, self.issuer)
                    follows = NEXT[follower.receive(message, digest(compact), local, mono)]
                else:
                    follower.expire(local)
                stale, position = follower.staleness(local, mono), follower.position
                found = {
                    "next": follows,
                    "position": position and {"n": position.n, "digest": position.digest},
                    "staleness": None if stale is None else round(stale * 1000),
                    "class": classify(stale),
                    "live": len(follower.live),
                }
                self.assertEqual(found, {name: step[name] for name in found}, f"step {index}")

    def test_rejections(self):
        for case in self.cases("rejections"):
            with self.assertRaises(Refused) as refusal:
                self.keys.open(case["compact"], self.issuer)
            self.assertEqual(refusal.exception.word, case["reason"])


if __name__ == "__main__":
    unittest.main()
