"""The verifier against a live issuer: the thread that follows, and each policy when that fails."""

import os
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest import mock

from signet_verify import Refusal, Rejected, Unavailable, Verifier, reasons, testing
from signet_verify.feed import client
from signet_verify.feed.entry import Entry
from signet_verify.feed.message import BATCH, GENESIS
from signet_verify.fetch import Fetcher, FetchError
from signet_verify.testing import FeedKey, SigningKey, TestIssuer
from support import AUDIENCE, refused

LONG = 60.0
"""A limit in seconds for what should never take that long, on a machine that may stall."""


class SteppedClock:
    """The clocks of the machine; more time passes on demand, without a server that would have to age along."""

    ahead = 0.0
    stopped_at = None

    def millis(self):
        return time.time_ns() // 1_000_000

    def monotonic(self):
        return (time.monotonic() if self.stopped_at is None else self.stopped_at) + self.ahead

    def stop(self):
        """From now on time passes on demand only."""
        self.stopped_at = time.monotonic()


class PatientIssuer(TestIssuer):
    """Announces fewer heartbeats than it sends, so that one which is late cuts no connection."""

    def configuration(self):
        return super().configuration() | {"heartbeat_seconds": 60}


class Base(unittest.TestCase):
    def setUp(self):
        self.enterContext(mock.patch.object(client, "FIRST_CONTACT", LONG))

    def issuer(self, **settings):
        return self.enterContext(PatientIssuer(**settings))

    def hush(self):
        """No heartbeat in the time of a test: what comes now was pushed."""
        self.enterContext(mock.patch.object(testing, "HEARTBEAT_SECONDS", 600))

    def verifier(self, issuer, ready=True, **settings):
        self.clock = SteppedClock()
        made = Verifier(issuer.issuer, AUDIENCE, clock=self.clock, timeout=LONG, **settings)
        self.addCleanup(made.close)
        self.assertEqual(made.ready(LONG if ready else 0.01), ready)
        return made

    def eventually(self, holds):
        deadline = time.monotonic() + LONG
        while not holds():
            self.assertLess(time.monotonic(), deadline, "it does not happen")
            time.sleep(0.005)

    def dies(self, verifier, token, by=(reasons.REVOKED,)):
        def refused_now():
            try:
                verifier.verify(token)
            except Rejected as rejected:
                return rejected.reason in by
            return False

        self.eventually(refused_now)


class Following(Base):
    def test_a_revocation_is_pushed_and_the_token_dies_though_it_was_cached(self):
        issuer = self.issuer()
        verifier = self.verifier(issuer)
        self.hush()
        asked = list(issuer.requests)
        for kind, claim, minimum in (
            ("jti", "jti", None), ("fam", "fam", 1), ("fam", "fam", None), ("sid", "sid", None), ("sub", "sub", 1),
            ("client", "client_id", 2**40), ("iss", None, 2**40),
        ):  # fmt: skip
            names = {name: f"{name}-{kind}-{minimum}" for name in ("jti", "sid", "sub", "client_id", "fam")}
            token = issuer.mint(AUDIENCE, rv=[0, names["fam"], 0], **{**names, "fam": None})
            verifier.verify(token)
            verifier.verify(token)
            n = issuer.revoke(kind, "" if claim is None else names[claim], minimum)
            self.dies(verifier, token)
            self.eventually(lambda n=n: verifier.feed_position() == n)
            if kind != "iss":
                verifier.verify(issuer.mint(AUDIENCE))
        self.assertEqual(issuer.requests, asked)

    def test_what_was_revoked_before_the_process_began_is_refused_from_the_first_request_on(self):
        issuer = self.issuer()
        issuer.revoke("sid", "s1")
        for _ in range(10):
            verifier = Verifier(issuer.issuer, AUDIENCE, timeout=LONG)
            self.addCleanup(verifier.close)
            with self.assertRaises(Rejected):
                verifier.verify(issuer.mint(AUDIENCE, sid="s1"))
            verifier.verify(issuer.mint(AUDIENCE, sid="s2"))

    def test_an_emergency_removal_of_a_key_refuses_its_tokens_and_reads_the_keys_again(self):
        issuer = self.issuer()
        verifier = self.verifier(issuer)
        token, removed = issuer.mint(AUDIENCE), issuer.key
        verifier.verify(token)
        issuer.key = SigningKey()
        issuer.keys = [issuer.key]
        issuer.revoke("kid", removed.kid)
        # Whichever comes first, the entry or the keys read because of it.
        self.dies(verifier, token, by=(reasons.REVOKED, reasons.KID_UNKNOWN))
        self.eventually(lambda: verifier._keys._held.keys.find(issuer.key.kid) is not None)
        self.assertEqual(verifier.stats().key_fetches, 2)
        self.assertEqual(verifier.verify(issuer.mint(AUDIENCE)).key_id, issuer.key.kid)

    def test_a_key_taken_out_of_use_stays_so_whatever_the_key_set_says_and_after_its_entry_has_died(self):
        issuer = self.issuer()
        verifier = self.verifier(issuer, on_stale="open")
        # Whoever has stolen the key dates its tokens as they like, and need not name it where there is no other.
        exp = int(time.time()) + 1_000_000
        named = issuer.mint(AUDIENCE, exp=exp)
        nameless = issuer.mint(AUDIENCE, exp=exp, header={"kid": None})
        for token in (named, nameless):
            verifier.verify(token)
        issuer.down.add("/jwks")
        issuer.revoke("kid", issuer.key.kid)
        self.dies(verifier, named)
        self.eventually(lambda: verifier.stats().key_fetches == 2)
        issuer.cut()
        issuer.down.add("/revocation")
        for down in (True, False):
            # What is left of the entry when it has died: nothing.
            verifier._feed.follower.expire(int((time.time() + 1_000) * 1_000))
            self.assertEqual(len(verifier._feed.follower.live), 0)
            if not down:
                # From a cache, say: with the key that was stolen.
                issuer.down.clear()
                verifier._keys.read_now()
            for token in (named, nameless):
                with self.assertRaises(Rejected):
                    verifier.verify(token)
        issuer.key = SigningKey()
        issuer.keys.append(issuer.key)
        verifier._keys.read_now()
        verifier.verify(issuer.mint(AUDIENCE))

    def test_without_a_stream_batches_are_asked_for(self):
        issuer = self.issuer(stream=False)
        verifier = self.verifier(issuer)
        token = issuer.mint(AUDIENCE)
        verifier.verify(token)
        issuer.revoke("sub", "alice", 1)
        self.dies(verifier, token)
        before, began = len(issuer.requests), time.monotonic()
        time.sleep(0.5)
        asked = len(issuer.requests) - before
        self.assertLess(asked, 20 * (time.monotonic() - began))

    def test_what_was_revoked_while_the_feed_was_cut_is_learnt_from_the_position_on(self):
        issuer = self.issuer()
        verifier = self.verifier(issuer)
        token = issuer.mint(AUDIENCE)
        verifier.verify(token)
        issuer.down.add("/revocation")
        issuer.cut()
        self.eventually(lambda: "/revocation/stream" in issuer.requests[1:])
        issuer.revoke("sub", "alice", 1)
        issuer.down.clear()
        self.dies(verifier, token)
        self.eventually(lambda: verifier.stats().feed.position == 1)

    def test_what_was_revoked_stays_revoked_through_gap_snapshot_and_rollback(self):
        issuer = self.issuer()
        verifier = self.verifier(issuer)
        token = issuer.mint(AUDIENCE)
        issuer.revoke("sub", "alice", 1)
        self.dies(verifier, token)
        # A jump, as after `restore-epoch`, with a snapshot that has forgotten everything.
        with issuer.changed:
            issuer.entries.clear()
            issuer.batches.clear()
            issuer.n += 2**32
        issuer.revoke("sub", "bob", 1)
        self.eventually(lambda: verifier.feed_position() == 2**32 + 2)
        refused(Rejected, verifier.verify, token)
        refused(Rejected, verifier.verify, issuer.mint(AUDIENCE, sub="bob"))
        # A server that lost its memory: nothing it says is credited.
        with issuer.changed:
            issuer.n, issuer.head = 0, GENESIS
            issuer.entries.clear()
            issuer.batches.clear()
        issuer.cut()
        self.eventually(lambda: verifier.stats().feed.state == "soft")
        refused(Rejected, verifier.verify, token)
        self.assertEqual(verifier.feed_position(), 2**32 + 2)

    def test_another_history_of_the_same_length_is_learnt_from_a_snapshot(self):
        issuer = self.issuer()
        verifier = self.verifier(issuer)
        issuer.revoke("sub", "bob", 1)
        self.eventually(lambda: verifier.feed_position() == 1)
        with issuer.changed:
            issuer.n, issuer.head = 0, GENESIS
            issuer.entries.clear()
            issuer.revoke("sub", "alice", 1)
        self.dies(verifier, issuer.mint(AUDIENCE))
        refused(Rejected, verifier.verify, issuer.mint(AUDIENCE, sub="bob"))
        self.eventually(lambda: verifier._feed.follower.position.digest == issuer.head)

    def test_a_message_by_another_key_is_not_believed(self):
        issuer = self.issuer()
        verifier = self.verifier(issuer)
        token = issuer.mint(AUDIENCE)
        payload = {
            "iss": issuer.issuer, "n": 1, "at": time.time_ns() // 1_000_000, "prev": GENESIS,
            "entries": [["sub", "alice", 1, int(time.time()) + 900]],
        }  # fmt: skip
        issuer.publish(FeedKey().sign(BATCH, payload))
        self.eventually(lambda: verifier.stats().feed.refused > 0)
        verifier.verify(token)
        self.assertEqual(verifier.feed_position(), 0)

    def test_a_new_feed_key_is_learnt_from_the_configuration_at_most_once_in_30_s(self):
        issuer = self.issuer()
        verifier = self.verifier(issuer)
        configured = lambda: issuer.requests.count("/.well-known/revocation-configuration")  # noqa: E731
        issuer.feed_key = FeedKey("next")
        self.eventually(lambda: verifier.stats().feed.refused > 1)
        self.assertEqual(configured(), 1)
        self.clock.ahead = 30
        self.eventually(lambda: verifier.stats().feed.state == "fresh")
        self.assertEqual(configured(), 2)

    def test_fifty_first_requests_at_once_fetch_everything_once(self):
        issuer = self.issuer()
        verifier = Verifier(issuer.issuer, AUDIENCE, timeout=LONG)
        self.addCleanup(verifier.close)
        tokens = [issuer.mint(AUDIENCE) for _ in range(50)]
        with ThreadPoolExecutor(50) as pool:
            self.assertEqual({token.subject for token in pool.map(verifier.verify, tokens)}, {"alice"})
        self.assertTrue(verifier.ready(LONG))
        for path in (
            "/.well-known/openid-configuration", "/jwks", "/.well-known/revocation-configuration", "/revocation/stream",
        ):  # fmt: skip
            self.assertEqual(issuer.requests.count(path), 1, path)

    def test_closing_ends_the_thread_which_waits_for_nothing_more(self):
        verifier = self.verifier(self.issuer())
        self.hush()
        thread = verifier._feed._thread
        verifier.close()
        thread.join(LONG)
        self.assertFalse(thread.is_alive())

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_forked_worker_follows_for_itself(self):
        issuer = self.issuer()
        verifier = self.verifier(issuer)
        token = issuer.mint(AUDIENCE)
        verifier.verify(token)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                verifier.verify(token)
                os.write(write, b"verified")
                self.dies(verifier, token)
                os.write(write, b" died")
            finally:
                os._exit(0)
        self.assertEqual(os.read(read, 100), b"verified")
        issuer.revoke("sub", "alice", 1)
        self.assertEqual(os.read(read, 100), b" died")
        os.waitpid(child, 0)


class Policies(Base):
    """The feed is cut and 31 seconds pass."""

    def stale(self, **settings):
        issuer = self.issuer()
        verifier = self.verifier(issuer, **settings)
        self.token = issuer.mint(AUDIENCE)
        verifier.verify(self.token)
        connections = verifier.stats().feed.connections
        issuer.down.add("/revocation")
        issuer.cut()
        # From now on nothing of the feed is heard.
        self.eventually(lambda: verifier.stats().feed.connections > connections)
        self.clock.ahead = 31
        return issuer, verifier

    def test_open_judges_by_the_state_as_it_is(self):
        _, verifier = self.stale()
        self.assertEqual(verifier.stats().feed.state, "hard")
        verifier.verify(self.token)
        self.assertEqual(verifier.stats().introspections, 0)
        verifier._feed.follower.live.fold(Entry("sub", "alice", 1, int(time.time()) + 900))
        self.assertEqual(refused(Rejected, verifier.verify, self.token).reason, reasons.REVOKED)

    def test_closed_answers_503_until_the_feed_is_back(self):
        issuer, verifier = self.stale(on_stale="closed")
        refused(Unavailable, verifier.verify, self.token)
        headers = {"authorization": f"Bearer {self.token}"}
        self.assertEqual(refused(Refusal, verifier.authorize, "GET", "https://a/", headers).status, 503)
        # The policy is the route's.
        verifier.authorize("GET", "https://a/", headers, on_stale="open")
        issuer.down.clear()
        self.eventually(lambda: verifier.stats().feed.state == "fresh")
        verifier.verify(self.token)

    def test_introspect_asks_and_is_closed_where_there_is_no_answer(self):
        issuer, verifier = self.stale(introspection=("api", "secret"))
        # Answers are kept for a second.
        self.clock.stop()
        self.assertEqual(verifier.stats().introspections, 0)
        verifier.verify(self.token)
        verifier.verify(self.token)
        self.assertEqual(verifier.stats().introspections, 1)
        issuer.inactive.add(self.token)
        self.clock.ahead += 1
        self.assertEqual(refused(Rejected, verifier.verify, self.token).reason, reasons.INACTIVE)
        issuer.down.add("/introspect")
        self.clock.ahead += 1
        refused(Unavailable, verifier.verify, self.token)

    def test_a_server_that_is_down_altogether_leaves_open_working_and_closes_the_others(self):
        issuer, verifier = self.stale(introspection=("api", "secret"))
        issuer.down.add("/")
        refused(Unavailable, verifier.verify, self.token)
        verifier.verify(self.token, on_stale="open")
        refused(Unavailable, verifier.verify, self.token, on_stale="closed")
        refused(Unavailable, verifier.verify, issuer.mint_opaque(AUDIENCE))

    def test_soft_staleness_changes_nothing_but_the_metric(self):
        _, verifier = self.stale(on_stale="closed")
        self.clock.ahead = 10
        self.assertEqual(verifier.stats().feed.state, "soft")
        verifier.verify(self.token)

    def test_an_issuer_without_a_feed_is_judged_by_the_token_alone_under_every_policy(self):
        issuer = self.issuer(feed=False)
        verifier = self.verifier(issuer, introspection=("api", "secret"))
        token = issuer.mint(AUDIENCE)
        verifier.verify(token)
        self.assertEqual((verifier.stats().feed.state, verifier.stats().introspections), ("no-feed", 0))
        verifier.verify(token, on_stale="closed")

    def test_a_feed_never_heard_is_hard(self):
        issuer = self.issuer()
        issuer.down.add("/.well-known/revocation-configuration")
        verifier = self.verifier(issuer, ready=False, on_stale="closed")
        self.enterContext(mock.patch.object(client, "FIRST_CONTACT", 0.01))
        refused(Unavailable, verifier.verify, issuer.mint(AUDIENCE))

    def test_opaque_tokens_are_introspected_and_keys_may_change_mid_run(self):
        issuer = self.issuer()
        verifier = self.verifier(issuer, introspection=("api", "secret"))
        self.assertEqual(verifier.verify(issuer.mint_opaque(AUDIENCE)).subject, "alice")
        old = issuer.mint(AUDIENCE)
        verifier.verify(old)
        issuer.key = SigningKey()
        issuer.keys.append(issuer.key)
        self.clock.ahead = 2
        verifier.verify(issuer.mint(AUDIENCE))
        verifier.verify(old)


class Fetching(unittest.TestCase):
    """What a hostile or broken server can do to a request."""

    def serve(self, answer):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    answer(self)
                except OSError:
                    return

            def log_message(self, *_):
                return

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}/"

    def test_redirects_are_not_followed(self):
        seen = []

        def answer(handler):
            seen.append(handler.path)
            handler.send_response(302)
            handler.send_header("Location", "/else")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        self.assertEqual(Fetcher().get(self.serve(answer)).status, 302)
        self.assertEqual(seen, ["/"])

    def test_an_endless_body_is_cut(self):
        def answer(handler):
            handler.send_response(200)
            handler.end_headers()
            while True:
                handler.wfile.write(b"x" * 65536)

        self.assertIn("too long", str(refused(FetchError, Fetcher().get, self.serve(answer))))

    def test_a_body_that_drips_ends_with_the_time(self):
        for announced in (True, False):
            with self.subTest(announced=announced):
                over = threading.Event()

                def answer(handler, announced=announced, over=over):
                    handler.send_response(200)
                    if announced:
                        handler.send_header("Content-Length", "1200")
                    handler.end_headers()
                    # Whole after a minute.
                    for _ in range(1200):
                        handler.wfile.write(b" ")
                        handler.wfile.flush()
                        if over.wait(0.05):
                            return

                address = self.serve(answer)
                self.addCleanup(over.set)
                refused(FetchError, Fetcher(0.3).get, address)

    def test_a_body_that_is_cut_off_is_no_answer(self):
        def answer(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", "10")
            handler.end_headers()
            handler.wfile.write(b"{}")

        refused(FetchError, Fetcher().get, self.serve(answer))

    def test_a_server_that_says_nothing_ends_with_the_time(self):
        over = threading.Event()

        def answer(handler):
            over.wait(LONG)
            handler.send_response(204)
            handler.end_headers()

        address = self.serve(answer)
        self.addCleanup(over.set)
        refused(FetchError, Fetcher(0.3).get, address)


if __name__ == "__main__":
    unittest.main()
