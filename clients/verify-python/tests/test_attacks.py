"""The attack corpus: S-050 to S-059, and RFC 8725."""

import hashlib
import hmac
import json
import unittest

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signet_verify import Rejected, reasons
from signet_verify.encoding import base64url, base64url_decode
from support import (
    ABSENT,
    AUDIENCE,
    ISSUER,
    NOW,
    FakeFetcher,
    ManualClock,
    Signer,
    claims,
    documents,
    refused,
    verifier,
)

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
SIGNERS = {algorithm: Signer(algorithm) for algorithm in ALGORITHMS}


class Attacks(unittest.TestCase):
    def setUp(self):
        self.clock = ManualClock()
        self.fetcher = FakeFetcher(documents(*SIGNERS.values()))
        self.verifier = verifier(self.fetcher, self.clock, leeway=0)
        self.signer = SIGNERS["ES256"]

    def reason(self, token):
        try:
            self.verifier.verify(token)
        except Rejected as rejected:
            return rejected.reason
        return None

    def with_header(self, **more):
        return self.reason(self.signer.token(self.signer.header(**more), claims()))

    def with_claims(self, **more):
        return self.reason(self.signer.token(self.signer.header(), claims(**more)))

    def test_a_good_token_of_each_algorithm_passes(self):
        for signer in SIGNERS.values():
            token = self.verifier.verify(signer.token(signer.header(), claims()))
            self.assertEqual((token.subject, token.key_id), ("alice", signer.kid))

    def test_the_algorithm_is_the_keys_and_never_the_headers(self):
        for signer in SIGNERS.values():
            for algorithm in ALGORITHMS:
                if algorithm != signer.algorithm:
                    token = signer.token(signer.header(alg=algorithm), claims())
                    self.assertEqual(self.reason(token), reasons.ALGORITHM)
        rsa = SIGNERS["RS256"]
        content = ".".join(base64url(json.dumps(part).encode()) for part in (rsa.header(), claims()))
        token = f"{content}.{base64url(rsa.sign(content.encode(), 'PS256'))}"
        self.assertEqual(self.reason(token), reasons.SIGNATURE)

    def test_alg_none_in_every_spelling(self):
        for alg in ("none", "None", "NONE", "nOnE", "", " none", "none\0"):
            self.assertEqual(self.with_header(alg=alg), reasons.ALGORITHM)
            content = ".".join(
                base64url(json.dumps(part).encode()) for part in (self.signer.header(alg=alg), claims())
            )
            self.assertEqual(self.reason(f"{content}."), reasons.ENCODING)
            self.assertEqual(self.reason(content), reasons.PARTS)

    def test_alg_of_another_type_case_or_family(self):
        for alg in (
            None,
            1,
            ["ES256"],
            {"a": 1},
            True,
            "es256",
            "ES256 ",
            "ES384",
            "HS256",
            "dir",
            "RSA1_5",
            ABSENT,
        ):
            self.assertEqual(self.with_header(alg=alg), reasons.ALGORITHM, alg)

    def test_hmac_with_the_public_key_as_secret(self):
        for signer in (SIGNERS["ES256"], SIGNERS["RS256"]):
            public = signer.key.public_key()
            spki = PublicFormat.SubjectPublicKeyInfo
            pem = public.public_bytes(Encoding.PEM, spki)
            jwk = json.dumps(signer.jwk()).encode()
            secrets = [
                b"", pem, b" " + pem, pem.strip(), public.public_bytes(Encoding.DER, spki), jwk,
                json.dumps({"keys": [signer.jwk()]}).encode(),
            ]  # fmt: skip
            for secret in secrets:
                for alg in ("HS256", signer.algorithm):
                    header = signer.header(alg=alg)
                    content = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims()))
                    mac = hmac.new(secret, content.encode(), hashlib.sha256).digest()
                    self.assertIn(
                        self.reason(f"{content}.{base64url(mac)}"),
                        (reasons.ALGORITHM, reasons.SIGNATURE, reasons.SIGNATURE_FORM),
                    )

    def test_keys_brought_along_and_extensions_are_refused(self):
        evil = Signer("ES256", self.signer.kid)
        for name, value in (
            ("jwk", evil.jwk()), ("jwk", {}), ("jku", "https://evil.example/jwks"), ("x5u", "https://evil.example/c"),
            ("x5c", ["MIIB"]), ("x5c", []), ("crit", ["exp"]), ("crit", []), ("crit", ["b64"]), ("crit", "x"),
            ("b64", False), ("b64", True), ("zip", "DEF"), ("enc", "A256GCM"),
        ):  # fmt: skip
            self.assertEqual(self.with_header(**{name: value}), reasons.HEADER_MEMBER, name)
            by_evil = evil.token(evil.header(**{name: value}), claims())
            self.assertEqual(self.reason(by_evil), reasons.HEADER_MEMBER)
        self.assertEqual(self.reason(evil.token(evil.header(), claims())), reasons.SIGNATURE)
        self.assertFalse([url for url in self.fetcher.asked if "evil" in url])

    def test_kid_is_a_name_and_nothing_more(self):
        own = self.signer.kid
        for kid in (
            "",
            "' OR '1'='1",
            "../../dev/null",
            "|/bin/id",
            "0",
            "*",
            f"{own} ",
            f" {own}",
            f"{own}\0",
            own[1:],
        ):
            self.assertEqual(self.with_header(kid=kid), reasons.KID_UNKNOWN, kid)
        for kid in (None, ABSENT):
            self.assertEqual(self.with_header(kid=kid), reasons.KID_MISSING)
        for kid in (1, [own], {"kid": own}, True):
            self.assertEqual(self.with_header(kid=kid), reasons.HEADER_FORM)

    def test_typ_is_explicit(self):
        for typ in ("at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"):
            self.assertIsNone(self.with_header(typ=typ))
        for typ in (
            None, ABSENT, "", "JWT", "logout+jwt", "at+jwt ", "application/", "application/application/at+jwt",
            "text/at+jwt", 1, ["at+jwt"], {},
        ):  # fmt: skip
            self.assertEqual(self.with_header(typ=typ), reasons.TYP, typ)

    def test_other_serialisations_and_part_counts(self):
        good = self.signer.token(self.signer.header(), claims())
        header, payload, signature = good.split(".")
        flat = json.dumps({"protected": header, "payload": payload, "signature": signature})
        for token in (
            "", ".", "..", "...", flat, f"{good}.{payload}.{signature}", f"{good}.", f".{good}",
            f"{header}..{signature}", f"{header}.{payload}.", f".{payload}.{signature}", f"{header}.{payload}",
            f"Bearer {good}", f" {good}", f"{good}\n", f"{header}.{payload}\n.{signature}",
            f"{header}.{payload}=.{signature}", f"{header}.{payload}.{signature}==", f"{good}A",
            good.replace(".", "\uff0e"), f"{header}=.{payload}.{signature}",
        ):  # fmt: skip
            self.assertIsNotNone(self.reason(token), token)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/"
        # The last character of a 64-byte signature carries four unused bits: only one of 16 spellings is ours.
        accepted = [last for last in alphabet if self.reason(good[:-1] + last) is None]
        self.assertEqual(accepted, [good[-1]])

    def test_size_is_checked_before_anything(self):
        self.assertEqual(self.reason("." * (1 << 20)), reasons.TOO_LONG)
        self.assertEqual(self.reason("." * 8192), reasons.PARTS)
        self.assertEqual(self.reason("A" * 8193), reasons.TOO_LONG)
        nested = '{"a":' + "[" * 2500 + "]" * 2500 + "}"
        self.assertEqual(self.reason(self.signer.token(self.signer.header(), nested)), reasons.PAYLOAD_FORM)
        self.assertEqual(self.reason(self.signer.token(nested, claims())), reasons.HEADER_FORM)

    def test_repeated_members_and_what_is_no_json_object(self):
        good = json.dumps(claims())
        for payload in (
            good[:-1] + ',"aud":"https://api.example.com"}', good[:-1] + ',"a\\u0075d":"x"}',
            good[:-1] + ',"x":{"a":1,"a":2}}', "[]", "null", "1", good + good, good + " x", "\ufeff" + good,
            good[:-1] + ',"x":NaN}', good[:-1] + ',"x":1e400}', good[:-1] + ',"x":"\\ud800"}', good[:-1] + ",}",
        ):  # fmt: skip
            self.assertEqual(
                self.reason(self.signer.token(self.signer.header(), payload)), reasons.PAYLOAD_FORM, payload
            )
        header = json.dumps(self.signer.header())
        for text in (header[:-1] + ',"alg":"ES256"}', header[:-1] + ',"\\u0061lg":"none"}', "[]"):
            self.assertEqual(self.reason(self.signer.token(text, claims())), reasons.HEADER_FORM)

    def test_the_wrong_type_for_every_claim(self):
        wrong = {
            "string": (None, 1, 1.5, True, [], {}, ["x"]),
            "time": (None, "1800000600", True, [], {}, -1, 1e18),
            "list": (None, 1, True, {}, "x", [1], [None]),
            "object": (None, 1, "x", [], True),
        }
        kinds = {
            "string": ("iss", "sub", "jti", "client_id", "scope", "sid", "acr"),
            "time": ("exp", "iat", "nbf", "auth_time"),
            "list": ("amr", "roles"),
            "object": ("cnf",),
        }
        for kind, names in kinds.items():
            for name in names:
                for value in wrong[kind]:
                    self.assertEqual(
                        self.with_claims(**{name: value}), reasons.CLAIM_TYPE, f"{name} {value!r}"
                    )
        for aud in (None, 1, {}, [1], [AUDIENCE, 1], [None], True):
            self.assertEqual(self.with_claims(aud=aud), reasons.CLAIM_TYPE, aud)
        for rv in (
            None,
            [],
            [1, "f"],
            [1, "f", 2, 3],
            ["1", "f", 2],
            [1, 2, 3],
            [True, "f", 2],
            [1.0, "f", 2],
            [-1, "f", 0],
        ):
            self.assertEqual(self.with_claims(rv=rv), reasons.CLAIM_TYPE, rv)

    def test_a_claim_of_rfc_9068_is_missing(self):
        for name in ("iss", "sub", "aud", "exp", "iat", "client_id", "jti"):
            self.assertEqual(self.with_claims(**{name: ABSENT}), reasons.CLAIM_MISSING, name)

    def test_issuer_and_audience_compare_as_strings(self):
        for issuer in (f"{ISSUER}/", ISSUER.upper(), "https://issuer.example.evil", ""):
            self.assertEqual(self.with_claims(iss=issuer), reasons.ISSUER)
        for aud in (f"{AUDIENCE}/", [], ["x"], "", [AUDIENCE.upper()]):
            self.assertEqual(self.with_claims(aud=aud), reasons.AUDIENCE)
        self.assertIsNone(self.with_claims(aud=["x", AUDIENCE]))

    def test_times_and_their_leeway(self):
        self.assertEqual(self.with_claims(exp=NOW), reasons.EXPIRED)
        self.assertIsNone(self.with_claims(exp=NOW + 0.5))
        self.assertIsNone(self.with_claims(iat=NOW + 10, nbf=NOW + 10))
        self.assertEqual(self.with_claims(iat=NOW + 11), reasons.ISSUED_AHEAD)
        self.assertEqual(self.with_claims(nbf=NOW + 11), reasons.NOT_YET_VALID)
        lenient = verifier(self.fetcher, self.clock, leeway=30)
        lenient.verify(self.signer.token(self.signer.header(), claims(exp=NOW - 29)))
        refused(Rejected, lenient.verify, self.signer.token(self.signer.header(), claims(exp=NOW - 30)))
        refused(ValueError, verifier, self.fetcher, self.clock, leeway=31)

    def test_ecdsa_signatures_zero_short_long_or_der(self):
        good = self.signer.token(self.signer.header(), claims())
        content, _, signature = good.rpartition(".")
        raw = base64url_decode(signature)
        r, s, zero = raw[:32], raw[32:], bytes(32)
        order = base64url_decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE")
        der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        for bad in (zero + zero, r + zero, zero + s, raw[:63], raw[:32], raw + b"\0", b"\0" + raw, der):
            self.assertEqual(self.reason(f"{content}.{base64url(bad)}"), reasons.SIGNATURE_FORM)
        for bad in (order + order, r + order, s + r, b"\xff" * 64):
            self.assertEqual(self.reason(f"{content}.{base64url(bad)}"), reasons.SIGNATURE)

    def test_rsa_and_ed25519_signatures_zero_or_of_another_length(self):
        for algorithm in ("RS256", "PS256", "EdDSA"):
            signer = SIGNERS[algorithm]
            content, _, signature = signer.token(signer.header(), claims()).rpartition(".")
            raw = base64url_decode(signature)
            for bad in (
                b"\0",
                bytes(len(raw)),
                raw[1:],
                raw[:-1],
                raw + b"\0",
                b"\0" + raw,
                bytes([raw[0] ^ 1]) + raw[1:],
            ):
                self.assertIn(
                    self.reason(f"{content}.{base64url(bad)}"), (reasons.SIGNATURE, reasons.SIGNATURE_FORM)
                )

    def test_a_pss_salt_is_as_long_as_the_hash(self):
        signer = SIGNERS["PS256"]
        content = ".".join(base64url(json.dumps(part).encode()) for part in (signer.header(), claims()))
        for length, expected in ((0, reasons.SIGNATURE), (20, reasons.SIGNATURE), (32, None)):
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), length)
            signature = signer.key.sign(content.encode(), scheme, hashes.SHA256())
            self.assertEqual(self.reason(f"{content}.{base64url(signature)}"), expected)

    def test_each_changed_character_of_a_token_is_refused(self):
        good = self.signer.token(self.signer.header(), claims())
        for index, character in enumerate(good):
            other = "A" if character != "A" else "B"
            self.assertIsNotNone(self.reason(good[:index] + other + good[index + 1 :]), index)

    def test_a_verified_token_is_cached_and_expires_all_the_same(self):
        token = self.signer.token(self.signer.header(), claims())
        self.verifier.verify(token)
        self.verifier.verify(token)
        self.assertEqual(self.verifier.stats().cache_hits, 1)
        self.clock.turn(600)
        self.assertEqual(self.reason(token), reasons.EXPIRED)
        self.assertEqual(self.verifier.stats().cached, 0)

    def test_untyped_tokens_pass_only_where_asked_for_and_never_id_or_logout_tokens(self):
        lenient = verifier(self.fetcher, self.clock, untyped=True)
        for typ in ("at+jwt", "JWT", ABSENT):
            lenient.verify(
                self.signer.token(self.signer.header(typ=typ), claims(jti=ABSENT, client_id=ABSENT))
            )
        for typ in ("logout+jwt", "", None):
            refused(Rejected, lenient.verify, self.signer.token(self.signer.header(typ=typ), claims()))
        untyped = self.signer.header(typ="JWT")
        for more in (
            {"nonce": "n"},
            {"at_hash": "h"},
            {"events": {}},
            {"client_id": AUDIENCE},
            {"azp": AUDIENCE},
        ):
            refused(Rejected, lenient.verify, self.signer.token(untyped, claims(**more)))

    def test_any_of_several_audiences_will_do(self):
        several = verifier(self.fetcher, self.clock)
        several.audiences = ("https://b.example", AUDIENCE)
        several.verify(self.signer.token(self.signer.header(), claims()))
        refused(
            Rejected, several.verify, self.signer.token(self.signer.header(), claims(aud="https://c.example"))
        )

    def test_unusable_keys_of_a_jwks_are_passed_over(self):
        small, good = Signer("RS256", "small", 1024), Signer("RS256", "good")
        point = Signer("ES256", "off").jwk()
        for bad in (
            small.jwk(), point | {"y": base64url(bytes(32))}, good.jwk(kid="enc", use="enc"),
            good.jwk(kid="d", d="AQAB"), good.jwk(kid="ops", key_ops=["sign"]), good.jwk(kid="alg", alg="HS256"),
            {"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "alg": "HS256"}, good.jwk(kid="type", alg="ES256"),
            good.jwk(kid="even", n=good.jwk()["n"][:-1] + "A"), good.jwk(kid="e", e="AQ"), "text", None, 1,
        ):  # fmt: skip
            fetcher = FakeFetcher(documents())
            fetcher.documents[f"{ISSUER}/jwks"] = {"keys": [bad, good.jwk()]}
            made = verifier(fetcher, self.clock)
            made.verify(good.token(good.header(), claims()))
            self.assertEqual(len(made._keys.current(True)), 1, bad)


if __name__ == "__main__":
    unittest.main()
