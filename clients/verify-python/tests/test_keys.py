"""Discovery, the key source, introspection: against an issuer that is a dictionary, with a clock to turn."""

import asyncio
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from signet_verify import ConfigurationError, Refusal, Rejected, Unavailable, Verifier, reasons
from signet_verify.discovery import addresses
from signet_verify.fetch import Answer, FetchError
from support import AUDIENCE, ISSUER, FakeFetcher, ManualClock, Signer, claims, documents, refused, verifier

FIRST, SECOND = Signer("ES256", "first"), Signer("ES256", "second")
JWKS = f"{ISSUER}/jwks"
INTROSPECT = f"{ISSUER}/introspect"


def token(signer=FIRST, **more):
    return signer.token(signer.header(), claims(**more))


class Keys(unittest.TestCase):
    def setUp(self):
        self.clock, self.fetcher = ManualClock(), FakeFetcher(documents(FIRST))
        self.verifier = verifier(self.fetcher, self.clock)

    def rotate(self, *signers):
        self.fetcher.documents[JWKS] = {"keys": [signer.jwk() for signer in signers]}

    def break_it(self):
        for url in self.fetcher.documents:
            self.fetcher.documents[url] = FetchError("down")

    def settle(self):
        """Waits for a reading by the side."""
        with self.verifier._keys._aside:
            return

    def test_fifty_first_requests_at_once_fetch_the_keys_once(self):
        self.fetcher.gate.clear()
        with ThreadPoolExecutor(50) as pool:
            answers = [pool.submit(self.verifier.verify, token(jti=str(n))) for n in range(50)]
            time.sleep(0.1)
            self.fetcher.gate.set()
            self.assertEqual({answer.result().subject for answer in answers}, {"alice"})
        self.assertEqual(len(self.fetcher.asked), 2, self.fetcher.asked)

    def test_who_comes_late_to_a_reading_takes_what_it_brought(self):
        source = self.verifier._keys
        # As a thread that has found no keys, and is overtaken before it can ask for them.
        self.verifier.verify(token())
        source._read_unless_done(None)
        self.assertEqual(self.fetcher.count("/jwks"), 1)

    def test_fifty_unknown_names_at_once_fetch_the_keys_once(self):
        self.verifier.verify(token())
        self.clock.turn(2)
        self.fetcher.gate.clear()
        with ThreadPoolExecutor(50) as pool:
            answers = [pool.submit(refused, Rejected, self.verifier.verify, token(SECOND)) for _ in range(50)]
            time.sleep(0.1)
            self.fetcher.gate.set()
            self.assertEqual({answer.result().reason for answer in answers}, {reasons.KID_UNKNOWN})
        self.assertEqual(self.fetcher.count("/jwks"), 2)

    def test_an_unknown_name_has_the_keys_read_at_most_once_in_30_s(self):
        self.verifier.verify(token())
        self.clock.turn(2)
        for _ in range(5):
            refused(Rejected, self.verifier.verify, token(SECOND))
        self.assertEqual(self.fetcher.count("/jwks"), 2)
        self.rotate(FIRST, SECOND)
        self.clock.turn(29)
        refused(Rejected, self.verifier.verify, token(SECOND))
        self.clock.turn(1)
        self.assertEqual(self.verifier.verify(token(SECOND)).key_id, "second")
        self.assertEqual(self.fetcher.count("/jwks"), 3)

    def test_garbage_never_makes_the_keys_be_read_again(self):
        self.verifier.verify(token())
        self.clock.turn(2)
        for header in (SECOND.header(alg="none"), SECOND.header(typ="JWT"), SECOND.header(crit=[])):
            refused(Rejected, self.verifier.verify, SECOND.token(header, claims()))
        self.assertEqual(self.fetcher.count("/jwks"), 1)

    def test_old_keys_are_read_by_the_side_and_very_old_ones_first(self):
        self.verifier.verify(token())
        self.rotate(SECOND)
        self.clock.turn(301)
        self.verifier.verify(token(exp=claims()["exp"] + 9000))
        self.settle()
        self.assertEqual(self.fetcher.count("/jwks"), 2)
        self.rotate(FIRST)
        self.clock.turn(361)
        self.verifier.verify(token(exp=claims()["exp"] + 9000))
        self.assertEqual(self.fetcher.count("/jwks"), 3)

    def test_a_key_that_is_gone_takes_cached_tokens_along(self):
        known = token(exp=claims()["exp"] + 9000)
        self.verifier.verify(known)
        self.rotate(SECOND)
        self.clock.turn(361)
        self.assertEqual(refused(Rejected, self.verifier.verify, known).reason, reasons.KID_UNKNOWN)

    def test_another_key_under_the_old_name_takes_cached_tokens_along(self):
        known = token(exp=claims()["exp"] + 9000)
        self.verifier.verify(known)
        self.rotate(Signer("ES256", "first"))
        self.clock.turn(361)
        self.assertEqual(refused(Rejected, self.verifier.verify, known).reason, reasons.SIGNATURE)

    def test_old_keys_serve_while_the_issuer_is_down_and_it_is_left_alone(self):
        self.verifier.verify(token())
        self.break_it()
        self.clock.turn(400)
        for _ in range(5):
            self.verifier.verify(token(exp=claims()["exp"] + 9000))
        self.settle()
        self.assertEqual(self.fetcher.count("/jwks"), 2)
        self.clock.turn(86_400)
        late = token(exp=claims()["exp"] + 90_000)
        refused(Unavailable, self.verifier.verify, late)

    def test_an_issuer_that_is_down_from_the_start_is_503_and_asked_once_a_second(self):
        self.break_it()
        for _ in range(5):
            refused(Unavailable, self.verifier.verify, token())
        self.assertEqual(self.fetcher.count("openid-configuration"), 1)
        refusal = refused(
            Refusal, self.verifier.authorize, "GET", "https://a/", {"authorization": f"Bearer {token()}"}
        )
        self.assertEqual((refusal.status, refusal.headers["Retry-After"]), (503, "1"))
        self.fetcher.documents.update(documents(FIRST))
        self.clock.turn(1)
        self.verifier.verify(token())

    def test_metadata_of_another_issuer_or_with_odd_addresses_is_refused(self):
        for more in (
            {"issuer": f"{ISSUER}/"}, {"issuer": None}, {"jwks_uri": "http://issuer.example/jwks"}, {"jwks_uri": None},
            {"jwks_uri": "http://localhost/jwks"}, {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": 1},
            {"introspection_endpoint": "http://issuer.example/i"},
        ):  # fmt: skip
            fetcher = FakeFetcher(documents(FIRST))
            fetcher.documents[f"{ISSUER}/.well-known/openid-configuration"] |= more
            refused(Unavailable, verifier(fetcher, ManualClock()).verify, token())
            self.assertEqual(fetcher.count("/jwks"), 0, more)

    def test_rfc_8414_metadata_serves_where_there_is_no_openid_configuration(self):
        metadata = self.fetcher.documents.pop(f"{ISSUER}/.well-known/openid-configuration")
        self.fetcher.documents[f"{ISSUER}/.well-known/oauth-authorization-server"] = metadata
        self.verifier.verify(token())
        self.assertEqual(
            addresses("https://a.example/t/1"),
            (
                "https://a.example/t/1/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/t/1",
            ),
        )

    def test_an_issuer_is_https_or_loopback(self):
        for issuer in (
            "http://issuer.example", "issuer.example", "", "https://", "ftp://a", "https://u:p@a", "https://a#b",
            "https://a?b", "http://127.0.0.1.evil.example", "https://a:x", "http://localhost.evil",
        ):  # fmt: skip
            refused(ConfigurationError, Verifier, issuer, AUDIENCE)
        for issuer in ("https://a.example/t", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"):
            Verifier(issuer, AUDIENCE)

    def test_an_event_loop_is_not_blocked_by_the_network(self):
        self.fetcher.gate.clear()

        async def scene():
            loop_thread = threading.get_ident()
            asked_by = []
            self.fetcher.documents[JWKS] = lambda: (
                asked_by.append(threading.get_ident()),
                documents(FIRST)[JWKS],
            )[1]
            task = asyncio.create_task(self.verifier.verify_async(token()))
            await asyncio.sleep(0.05)
            self.assertFalse(task.done())
            self.fetcher.gate.set()
            self.assertEqual((await task).subject, "alice")
            self.assertNotIn(loop_thread, asked_by)
            before = len(self.fetcher.asked)
            await self.verifier.verify_async(token(jti="other"))
            self.assertEqual(len(self.fetcher.asked), before)

        asyncio.run(scene())


class Introspection(unittest.TestCase):
    def setUp(self):
        self.clock = ManualClock()
        self.fetcher = FakeFetcher(documents(FIRST))
        self.answer(active=True, **claims(jti="opaque"))
        self.verifier = verifier(self.fetcher, self.clock, introspection=("a:b", "c d"))

    def answer(self, **members):
        self.fetcher.documents[INTROSPECT] = members

    def test_an_opaque_token_is_asked_about(self):
        token = self.verifier.verify("opaque-token")
        self.assertEqual((token.subject, token.token_id, token.key_id), ("alice", "opaque", None))
        self.assertEqual(self.fetcher.form, "token=opaque-token&token_type_hint=access_token")
        self.assertEqual(self.fetcher.headers["Authorization"], "Basic YSUzQWI6Yytk")

    def test_an_answer_is_kept_for_a_second(self):
        for _ in range(5):
            self.verifier.verify("opaque-token")
        self.assertEqual(self.fetcher.count("/introspect"), 1)
        self.answer(active=False)
        self.clock.turn(0.9)
        self.verifier.verify("opaque-token")
        self.clock.turn(0.1)
        self.assertEqual(refused(Rejected, self.verifier.verify, "opaque-token").reason, reasons.INACTIVE)

    def test_fifty_requests_at_once_ask_once(self):
        self.verifier.verify(token())
        self.fetcher.gate.clear()
        with ThreadPoolExecutor(50) as pool:
            answers = [pool.submit(self.verifier.verify, "opaque-token") for _ in range(50)]
            time.sleep(0.1)
            self.fetcher.gate.set()
            self.assertEqual({answer.result().subject for answer in answers}, {"alice"})
        self.assertEqual(self.fetcher.count("/introspect"), 1)

    def test_an_answer_about_another_token_does_not_count(self):
        for more in (
            {"iss": "https://other"},
            {"aud": "https://other"},
            {"aud": []},
            {"exp": 1},
            {"sub": 1},
            {"nbf": 1e12},
            {"token_type": "N_A"},
            {"token_type": "refresh_token"},
        ):
            self.answer(active=True, **claims(**more))
            refused(Rejected, self.verifier.verify, f"opaque-{more}")
        without = claims()
        del without["aud"]
        self.answer(active=True, **without)
        refused(Rejected, self.verifier.verify, "opaque")

    def test_what_is_no_answer_is_never_taken_for_active(self):
        for document in (
            {"active": "true"}, {"active": 1}, {}, [], "text", FetchError("down"), Answer(503, {}, b'{"active":true}'),
            Answer(200, {}, b'{"active":false,"active":true}'), Answer(302, {"location": "/"}, b""),
        ):  # fmt: skip
            self.fetcher.documents[INTROSPECT] = document
            self.clock.turn(2)
            refused(Unavailable, self.verifier.verify, "opaque-token")
        # Nor is a server that does not answer asked by each request.
        before = len(self.fetcher.asked)
        refused(Unavailable, self.verifier.verify, "another-token")
        self.assertEqual(len(self.fetcher.asked), before)

    def test_what_has_three_parts_is_never_asked_about(self):
        refused(Rejected, self.verifier.verify, "a.b.c")
        self.assertEqual(self.fetcher.count("/introspect"), 0)

    def test_without_credentials_an_opaque_token_is_refused(self):
        refused(Rejected, verifier(self.fetcher, self.clock).verify, "opaque-token")
        self.assertEqual(self.fetcher.count("/introspect"), 0)


if __name__ == "__main__":
    unittest.main()
