"""The feed without a network: entries, messages, folding, following (specification §1, §2, §5)."""

import itertools
import json
import random
import unittest

from signet_verify.encoding import base64url
from signet_verify.feed import configuration, entry, sse
from signet_verify.feed.entry import Entry, Malformed
from signet_verify.feed.follower import Follower, Next, Position
from signet_verify.feed.live import Coordinates, Live
from signet_verify.feed.message import (
    BATCH,
    GENESIS,
    HEARTBEAT,
    LONGEST_HEARTBEAT,
    SNAPSHOT,
    Batch,
    FeedKeys,
    Heartbeat,
    Refused,
    Snapshot,
)  # fmt: skip
from signet_verify.testing import FeedKey
from support import ISSUER, NOW, refused

DIES = NOW + 900
TOKEN = Coordinates("key", NOW, "app", "alice", "session", "token", (3, "family", 7))


class Entries(unittest.TestCase):
    def test_an_entry_of_each_kind_is_read(self):
        for value in (
            ["iss", "", 1000, 2000], ["kid", "k", None, 2000], ["client", "app", 0, 2000],
            ["sub", "u", 2**53 - 1, 2000], ["sid", "é" * 127, None, 2000], ["fam", "f", None, 2000],
            ["fam", "f", 3, 2000], ["jti", "j", None, 2**53 - 1],
        ):  # fmt: skip
            self.assertEqual(entry.read(value), Entry(*value))

    def test_an_entry_of_another_shape_makes_the_message_malformed(self):
        for value in (
            [], {}, None, "iss", ["sid", "s", None], ["sid", "s", None, 1, 1], ["device", "d", None, 1],
            ["SID", "s", None, 1], [1, "s", None, 1], ["sid", 7, None, 1], ["sid", "", None, 1], ["iss", "x", 1, 1],
            ["iss", "", None, 1], ["client", "c", None, 1], ["sub", "u", None, 1], ["kid", "k", 1, 1],
            ["sid", "s", 0, 1], ["jti", "j", 0, 1], ["fam", "f", -1, 1], ["fam", "f", 2**53, 1],
            ["fam", "f", 1.0, 1], ["fam", "f", True, 1], ["fam", "f", "1", 1], ["sid", "s", None, None],
            ["sid", "s", None, 1.5], ["sid", "s", None, -1], ["sid", "s", None, 2**53], ["sid", "é" * 128, None, 1],
        ):  # fmt: skip
            refused(Malformed, entry.read, value)

    def test_each_kind_voids_the_tokens_at_its_coordinate_and_no_others(self):
        for given, void, fine in (
            (Entry("iss", "", NOW + 1, DIES), TOKEN, Coordinates(iat=NOW + 1)),
            (Entry("kid", "key", None, DIES), TOKEN, Coordinates(kid="other", iat=NOW)),
            (Entry("client", "app", NOW + 1, DIES), TOKEN, Coordinates(client="app", iat=NOW + 1)),
            (Entry("client", "app", NOW + 1, DIES), TOKEN, Coordinates(client="other", iat=NOW)),
            (Entry("sub", "alice", 4, DIES), TOKEN, Coordinates(sub="alice", rv=(4, "f", 0))),
            (Entry("sub", "alice", 0, DIES), Coordinates(sub="alice"), TOKEN),
            (Entry("sid", "session", None, DIES), TOKEN, Coordinates(sid="other")),
            (Entry("fam", "family", 8, DIES), TOKEN, Coordinates(rv=(3, "family", 8))),
            (Entry("fam", "family", None, DIES), TOKEN, Coordinates(rv=(3, "other", 7))),
            (Entry("jti", "token", None, DIES), TOKEN, Coordinates(jti="other")),
        ):
            live = Live()
            live.fold(given)
            self.assertEqual(live.voids(void), given.kind)
            self.assertIsNone(live.voids(fine), given)

    def test_any_order_with_any_duplicates_folds_to_the_same_state(self):
        entries = [
            Entry("fam", "f", 3, DIES), Entry("fam", "f", 5, DIES - 5), Entry("fam", "f", None, DIES - 9),
            Entry("sid", "s", None, DIES), Entry("sid", "s", None, DIES + 3), Entry("sub", "u", 4, DIES),
        ]  # fmt: skip
        states = set()
        for order in itertools.permutations(entries):
            live = Live()
            for one in (*order, *random.sample(entries, 3)):
                live.fold(one)
            states.add(tuple(live.entries()))
        expected = (
            Entry("sub", "u", 4, DIES),
            Entry("sid", "s", None, DIES + 3),
            Entry("fam", "f", None, DIES),
        )
        self.assertEqual(states, {expected})

    def test_an_entry_is_dropped_when_the_clock_reaches_dies_at_and_not_before(self):
        live = Live()
        live.fold(Entry("sid", "session", None, DIES))
        self.assertFalse(live.fold(Entry("sid", "session", None, DIES - 5)))
        self.assertTrue(live.fold(Entry("sid", "session", None, DIES + 5)))
        live.expire(DIES + 4)
        self.assertEqual((len(live), live.voids(TOKEN)), (1, "sid"))
        live.expire(DIES + 5)
        self.assertEqual((len(live), live.voids(TOKEN)), (0, None))
        self.assertFalse(live.fold(Entry("sid", "session", None, DIES + 5)))
        self.assertFalse(live.expire(DIES))
        self.assertTrue(live.expire(DIES - 1))
        self.assertTrue(live.fold(Entry("sid", "session", None, DIES + 5)))


class Messages(unittest.TestCase):
    def setUp(self):
        self.key = FeedKey()
        self.keys = FeedKeys({"keys": [self.key.jwk()]}, longest_snapshot=5 << 20)

    def payload(self, **more):
        body = {"iss": ISSUER, "n": 1, "at": 5, "prev": GENESIS, "entries": [["sid", "s", None, 9]]} | more
        return {name: value for name, value in body.items() if value is not ...}

    def word(self, compact):
        return refused(Refused, self.keys.open, compact, ISSUER).word

    def test_each_kind_of_message_is_read(self):
        entries = (Entry("sid", "s", None, 9),)
        opened = self.keys.open(self.key.sign(BATCH, self.payload(more={"a": 1})), ISSUER)
        self.assertEqual(opened, Batch(1, 5, GENESIS, entries))
        opened = self.keys.open(self.key.sign(SNAPSHOT, self.payload(head=GENESIS, n=0, entries=[])), ISSUER)
        self.assertEqual(opened, Snapshot(0, 5, GENESIS, ()))
        opened = self.keys.open(
            self.key.sign(HEARTBEAT, {"iss": ISSUER, "n": 0, "at": 0, "head": GENESIS}), ISSUER
        )
        self.assertEqual(opened, Heartbeat(0, 0, GENESIS))

    def test_a_payload_of_another_shape_is_refused(self):
        for more in (
            {"iss": 1}, {"iss": ...}, {"n": 0}, {"n": "1"}, {"n": 1.0}, {"n": True}, {"n": 2**53}, {"n": ...},
            {"at": -1}, {"at": None}, {"at": 1.5}, {"prev": "x"}, {"prev": ...}, {"prev": GENESIS + "="},
            {"prev": None},
            {"entries": []}, {"entries": {}}, {"entries": None}, {"entries": ...}, {"entries": [["sid", "s", None]]},
            {"entries": [["new", "s", None, 9]]}, {"entries": [["sid", "s", None, 9]] * 10_001},
        ):  # fmt: skip
            self.assertEqual(self.word(self.key.sign(BATCH, self.payload(**more))), "form", more)
        self.assertEqual(self.word(self.key.sign(BATCH, self.payload(iss=f"{ISSUER}/"))), "issuer")

    def test_another_header_key_or_signature_is_refused(self):
        good = self.key.sign(BATCH, self.payload())
        _, payload, signature = good.split(".")

        def headed(header):
            text = header if isinstance(header, str) else json.dumps(header)
            content = f"{base64url(text.encode())}.{payload}"
            return f"{content}.{base64url(self.key._key.sign(content.encode()))}"

        base = {"alg": "EdDSA", "kid": "feed", "typ": BATCH}
        for header, word in (
            (base | {"crit": []}, "header"), ({"alg": "EdDSA", "typ": BATCH}, "header"), (base | {"kid": 1}, "header"),
            (base | {"alg": "none"}, "alg"), (base | {"typ": "at+jwt"}, "typ"), (base | {"typ": "JWT"}, "typ"),
            (base | {"kid": "other"}, "kid"), ('{"alg":"EdDSA","alg":"EdDSA","kid":"feed","typ":"x"}', "header"),
            ("[]", "header"), (base | {"typ": HEARTBEAT}, "form"), (base | {"kid": "x" * 2000}, "form"),
        ):  # fmt: skip
            self.assertEqual(self.word(headed(header)), word, header)
        other = FeedKey().sign(BATCH, self.payload())
        self.assertEqual(self.word(other), "signature")
        for compact in (good[:-1], good + "A", good.replace(".", "", 1), f"{good}.{signature}", "", "." * 90):
            self.assertEqual(self.word(compact), "form", compact)

    def test_too_long_is_refused(self):
        self.assertEqual(self.word("x" * (6 << 20)), "length")
        beat = {"iss": ISSUER, "n": 1, "at": 5, "head": GENESIS, "x": "x" * LONGEST_HEARTBEAT}
        self.assertEqual(self.word(self.key.sign(HEARTBEAT, beat)), "length")
        many = [["sid", "s" * 255, None, 9]] * 9_999
        batch = self.payload(entries=many, x="x" * (4 << 20))
        self.assertEqual(self.word(self.key.sign(BATCH, batch)), "length")

    def test_key_sets_that_name_no_feed_key(self):
        jwk = self.key.jwk()
        for jwks in (
            None, {}, {"keys": []}, {"keys": [jwk, jwk]}, {"keys": [jwk | {"kid": ""}]},
            {"keys": [jwk | {"alg": "ES256"}]},
            {"keys": [jwk | {"use": "enc"}]}, {"keys": [jwk | {"crv": "X25519"}]}, {"keys": [jwk | {"x": "AAAA"}]},
        ):  # fmt: skip
            refused(Malformed, FeedKeys, jwks)


class Following(unittest.TestCase):
    """The clock stands at NOW unless a test says otherwise; `at` is then the same."""

    def setUp(self):
        self.follower, self.now, self.mono = Follower(), NOW * 1000, 50.0

    def take(self, message, own="own"):
        return self.follower.receive(message, own, self.now, self.mono)

    def turn(self, seconds):
        self.now += int(seconds * 1000)
        self.mono += seconds

    def staleness(self):
        return self.follower.staleness(self.now, self.mono)

    def entry(self, name="s"):
        return (Entry("sid", name, None, DIES),)

    def test_it_begins_empty_and_infinitely_stale(self):
        self.assertIsNone(self.staleness())
        self.assertIs(self.take(Heartbeat(0, self.now, GENESIS)), Next.TAKE_SNAPSHOT)
        self.assertIs(self.take(Batch(1, self.now, GENESIS, self.entry())), Next.TAKE_SNAPSHOT)
        self.assertIsNone(self.staleness())
        self.assertEqual((self.follower.position, len(self.follower.live)), (None, 1))

    def test_batches_move_the_position_along_the_chain(self):
        self.take(Snapshot(4, self.now, "four", ()))
        self.assertIs(self.take(Batch(5, self.now + 1, "four", self.entry()), "five"), Next.CONTINUE)
        self.assertIs(self.take(Batch(6, self.now + 2, "five", self.entry("t")), "six"), Next.CONTINUE)
        self.assertEqual(self.follower.position, Position(6, "six"))

    def test_a_gap_or_a_broken_chain_asks_for_a_snapshot_and_keeps_the_entries(self):
        self.take(Snapshot(4, self.now, "four", self.entry("a")))
        for batch in (
            Batch(6, self.now, "five", self.entry("b")),
            Batch(5, self.now, "other", self.entry("c")),
        ):
            self.assertIs(self.take(batch), Next.TAKE_SNAPSHOT)
        self.assertEqual(self.follower.position, Position(4, "four"))
        self.assertIs(self.take(Snapshot(6, self.now, "six", ())), Next.CONTINUE)
        # The snapshot names none of the three, and removes none.
        self.assertEqual([one.id for one in self.follower.live.entries()], ["a", "b", "c"])

    def test_a_duplicate_is_folded_and_nothing_more(self):
        self.take(Snapshot(4, self.now, "four", ()))
        self.turn(2)
        self.assertIs(self.take(Batch(3, self.now, "two", self.entry()), "three"), Next.CONTINUE)
        self.assertEqual((self.follower.position, len(self.follower.live)), (Position(4, "four"), 1))
        self.assertEqual(self.staleness(), 2.0)

    def test_a_smaller_snapshot_is_a_rollback_and_credits_nothing(self):
        self.take(Snapshot(4, self.now, "four", self.entry("a")))
        self.turn(10)
        self.assertIs(self.take(Snapshot(3, self.now, "three", self.entry("b"))), Next.ROLLED_BACK)
        self.assertEqual((self.follower.position, self.staleness()), (Position(4, "four"), 10.0))
        self.assertEqual(len(self.follower.live), 2)

    def test_heartbeats_credit_only_what_they_continue(self):
        self.take(Snapshot(4, self.now, "four", ()))
        self.turn(5)
        self.assertIs(self.take(Heartbeat(3, self.now, "three")), Next.CONTINUE)
        self.assertIs(self.take(Heartbeat(5, self.now, "five")), Next.TAKE_SNAPSHOT)
        self.assertIs(self.take(Heartbeat(4, self.now, "other")), Next.TAKE_SNAPSHOT)
        self.assertEqual(self.staleness(), 5.0)
        self.assertIs(self.take(Heartbeat(4, self.now, "four")), Next.CONTINUE)
        self.assertEqual(self.staleness(), 0.0)

    def test_a_replayed_heartbeat_credits_nothing(self):
        self.take(Snapshot(4, self.now, "four", ()))
        beat = Heartbeat(4, self.now, "four")
        for _ in range(40):
            self.turn(1)
            self.take(beat)
        self.assertEqual(self.staleness(), 40.0)

    def test_a_statement_made_long_ago_is_not_fresh_when_it_first_arrives(self):
        self.take(Snapshot(4, self.now - 100_000, "four", ()))
        self.assertEqual(self.staleness(), 70.0)

    def test_a_clock_half_a_minute_off_works(self):
        for skew in (-30, -29, 29, 30):
            follower = Follower()
            follower.receive(Snapshot(1, self.now - skew * 1000, "one", ()), "", self.now, self.mono)
            self.assertEqual(follower.staleness(self.now + 1000, self.mono + 1), 1.0)
        follower = Follower()
        follower.receive(Snapshot(1, self.now - 45_000, "one", ()), "", self.now, self.mono)
        self.assertEqual(follower.staleness(self.now, self.mono), 15.0)

    def test_a_clock_set_right_is_believed_two_minutes_later(self):
        self.take(Snapshot(1, self.now + 20_000, "one", ()))
        self.now += 20_000
        for _ in range(121):
            self.turn(1)
            self.take(Heartbeat(1, self.now, "one"))
        self.assertEqual(self.staleness(), 0.0)

    def test_a_local_clock_that_stands_still_does_not_make_the_feed_fresh(self):
        self.take(Snapshot(1, self.now, "one", ()))
        self.mono += 31
        self.assertEqual(self.staleness(), 31.0)

    def test_a_clock_that_goes_back_asks_for_a_snapshot(self):
        self.take(Snapshot(1, self.now, "one", ()))
        self.turn(3600)
        self.take(Heartbeat(1, self.now, "one"))
        self.now -= 3_600_000
        self.assertIs(self.take(Heartbeat(1, self.now, "one")), Next.TAKE_SNAPSHOT)
        self.assertIs(self.take(Heartbeat(1, self.now + 1, "one")), Next.CONTINUE)
        self.now -= 3_600_000
        self.follower.expire(self.now)
        self.assertIs(self.take(Heartbeat(1, self.now, "one")), Next.TAKE_SNAPSHOT)

    def test_a_new_kid_entry_is_told_once(self):
        kid = (Entry("kid", "k", None, DIES),)
        self.take(Snapshot(1, self.now, "one", kid))
        self.take(Snapshot(1, self.now, "one", kid))
        self.assertEqual(self.follower.keys_revoked, {"k"})


class Configurations(unittest.TestCase):
    def document(self, **more):
        return {
            "issuer": ISSUER, "revocation_feed_version": 1, "snapshot_endpoint": f"{ISSUER}/s",
            "batch_endpoint": f"{ISSUER}/b/{{n}}", "stream_endpoint": f"{ISSUER}/e",
            "jwks": {"keys": [FeedKey().jwk()]}, "heartbeat_seconds": 1,
        } | more  # fmt: skip

    def test_endpoints_are_of_the_issuers_origin(self):
        read = configuration.read(self.document(), ISSUER)
        self.assertEqual(read.batch(7), f"{ISSUER}/b/7")
        self.assertEqual((read.stream(None), read.stream(7)), (f"{ISSUER}/e", f"{ISSUER}/e?from=7"))
        for url in (
            "https://evil.example/s",
            "http://issuer.example/s",
            "http://localhost/s",
            f"{ISSUER}:444/s",
            "/s",
            1,
        ):
            for name in ("snapshot_endpoint", "batch_endpoint", "stream_endpoint"):
                refused(Malformed, configuration.read, self.document(**{name: url}), ISSUER)

    def test_another_issuer_or_version_is_refused(self):
        for more in (
            {"issuer": f"{ISSUER}/"}, {"revocation_feed_version": 2}, {"revocation_feed_version": "1"},
            {"revocation_feed_version": True}, {"heartbeat_seconds": 0}, {"heartbeat_seconds": "1"},
            {"kinds": ["iss", "device"]}, {"jwks": {"keys": []}}, {"batch_endpoint": f"{ISSUER}/b"},
        ):  # fmt: skip
            refused(Malformed, configuration.read, self.document(**more), ISSUER)


class Events(unittest.TestCase):
    def test_any_cut_into_chunks_gives_the_same_events(self):
        text = b"\xef\xbb\xbf: hello\r\nevent: batch\r\nid: 1\r\ndata: a\r\ndata:b\r\n\r\n"
        text += b"event:x\n\ndata: c\r\rdata: cut"
        expected = [sse.Event("batch", "a\nb"), sse.Event("message", "c")]
        for size in range(1, len(text) + 1):
            reader = sse.Reader(1000)
            chunks = (text[start : start + size] for start in range(0, len(text), size))
            self.assertEqual([event for chunk in chunks for event in reader.feed(chunk)], expected, size)

    def test_an_endless_event_is_too_long_and_endless_comments_are_not(self):
        reader = sse.Reader(100)
        refused(sse.TooLong, lambda: [list(reader.feed(b"data: x\n")) for _ in range(100)])
        reader = sse.Reader(100)
        self.assertEqual([list(reader.feed(b": keep alive\n")) for _ in range(100)], [[]] * 100)


if __name__ == "__main__":
    unittest.main()
