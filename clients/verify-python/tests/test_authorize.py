"""Requests and refusals: RFC 6750, RFC 9449, RFC 9470, RFC 9728."""

import base64
import hashlib
import json
import unittest

from signet_verify import Refusal, Rejected, metadata
from signet_verify.encoding import base64url
from signet_verify.keys import thumbprint
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

SIGNER = Signer("ES256")
URL = "https://api.example.com/orders"


def token(**more):
    return SIGNER.token(SIGNER.header(), claims(**more))


class Base(unittest.TestCase):
    def setUp(self):
        self.clock = ManualClock()
        self.make()

    def make(self, **settings):
        self.verifier = verifier(FakeFetcher(documents(SIGNER)), self.clock, realm="api", **settings)

    def refusal(self, *authorization, **need):
        headers = [(b"Authorization", value.encode("latin-1")) for value in authorization]
        return refused(Refusal, self.verifier.authorize, "GET", URL, headers, **need)


class Bearer(Base):
    def test_no_token_is_told_no_error(self):
        for authorization in ([], ["Basic YTpi"], [""], ["BearerX abc"], ["DPoP abc"]):
            refusal = self.refusal(*authorization, scopes=["read"])
            self.assertEqual(
                (refusal.status, refusal.www_authenticate), (401, 'Bearer realm="api", scope="read"')
            )

    def test_malformed_or_repeated_credentials_are_an_invalid_request(self):
        good = f"Bearer {token()}"
        for authorization in (
            ["Bearer"], ["Bearer "], ["Bearer a b"], ["Bearer a,b"], ["Bearer é"], ["Bearer ="], ["Bearer\ta"],
            [good, good], [good, "Basic YTpi"], [f"{good}, {good}"], ["Bearer " + "." * (1 << 20)], [good + "\n"],
        ):  # fmt: skip
            refusal = self.refusal(*authorization)
            expected = 401 if authorization == ["Bearer\ta"] else 400
            self.assertEqual(refusal.status, expected, authorization[0][:20])

    def test_the_scheme_is_read_without_regard_to_case_and_headers_of_any_kind(self):
        for headers in ({"AUTHORIZATION": f"bEARER  {token()}"}, [("authorization", f"Bearer {token()}")]):
            self.assertEqual(self.verifier.authorize("GET", URL, headers).subject, "alice")

    def test_every_bad_token_looks_the_same(self):
        answers = {
            (refusal.status, refusal.www_authenticate, json.dumps(refusal.body))
            for refusal in map(
                self.refusal,
                [
                    f"Bearer {text}"
                    for text in ("x", "a.b.c", token(exp=NOW - 99), token(aud="x"), token() + "A")
                ],
            )
        }
        description = "The access token is not valid."
        self.assertEqual(
            answers,
            {
                (
                    401,
                    f'Bearer realm="api", error="invalid_token", error_description="{description}"',
                    json.dumps({"error": "invalid_token", "error_description": description}),
                )
            },
        )

    def test_a_missing_scope_is_403_and_names_what_is_needed(self):
        refusal = self.refusal(f"Bearer {token()}", scopes=["read", "admin"])
        self.assertEqual((refusal.status, refusal.error), (403, "insufficient_scope"))
        self.assertIn('scope="read admin"', refusal.www_authenticate)
        self.verifier.authorize("GET", URL, {"authorization": f"Bearer {token()}"}, scopes=["write", "read"])

    def test_step_up_names_age_and_class(self):
        old = f"Bearer {token(auth_time=NOW - 100, acr='low')}"
        for need, parameters in (
            ({"max_age": 99}, ['max_age="99"']),
            ({"acr": ["high", "higher"]}, ['acr_values="high higher"']),
            ({"max_age": 99, "acr": ["high"]}, ['max_age="99"', 'acr_values="high"']),
        ):
            refusal = self.refusal(old, **need)
            self.assertEqual((refusal.status, refusal.error), (401, "insufficient_user_authentication"))
            for parameter in parameters:
                self.assertIn(parameter, refusal.www_authenticate)
        self.verifier.authorize("GET", URL, {"authorization": old}, max_age=100, acr=["low"])
        self.assertEqual(self.refusal(f"Bearer {token()}", max_age=10**9).status, 401)

    def test_helpers_of_the_token_refuse_alike(self):
        good = self.verifier.verify(token(auth_time=NOW, roles=["staff"], amr=["pwd"]))
        self.assertTrue(good.has_scope("read"))
        self.assertEqual((good.roles, good.amr, good.session), ({"staff"}, ("pwd",), "session-1"))
        good.require_scopes("read", "write")
        good.require_fresh(10)
        self.assertEqual(refused(Refusal, good.require_scopes, "admin").status, 403)
        self.assertEqual(refused(Refusal, good.require_acr, "high").status, 401)
        self.clock.turn(11)
        self.assertEqual(refused(Refusal, good.require_fresh, 10).status, 401)

    def test_metadata_and_where_it_is(self):
        self.make(resource_metadata=metadata.address(f"{AUDIENCE}/v1"))
        self.assertIn(
            'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/v1"',
            self.refusal().www_authenticate,
        )
        document = self.verifier.metadata(["write", "read"], resource_name="Orders")
        self.assertEqual(document["authorization_servers"], [ISSUER])
        self.assertEqual((document["resource"], document["scopes_supported"]), (AUDIENCE, ["read", "write"]))

    def test_nothing_breaks_out_of_a_challenge(self):
        verifier_ = verifier(FakeFetcher({}), self.clock, realm='a"\r\nb\\é')
        refusal = refused(Refusal, verifier_.authorize, "GET", URL, {})
        self.assertEqual(refusal.www_authenticate, 'Bearer realm="a\\"b\\\\"')


class Dpop(Base):
    def setUp(self):
        super().setUp()
        self.make(dpop="accept")
        self.client = Signer("ES256")
        self.jwk = {
            name: value for name, value in self.client.jwk().items() if name in ("kty", "crv", "x", "y")
        }
        self.token = token(cnf={"jkt": thumbprint(self.jwk)})
        self.serial = 0

    def proof(self, header=None, **more):
        self.serial += 1
        body = {
            "htm": "GET", "htu": URL, "iat": NOW, "jti": f"proof-{self.serial}",
            "ath": base64url(hashlib.sha256(self.token.encode()).digest()),
        } | more  # fmt: skip
        members = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk} | (header or {})
        return self.client.token(
            members, {name: value for name, value in body.items() if value is not ABSENT}
        )

    def ask(self, *proofs, scheme="DPoP", url=URL, method="GET"):
        headers = [("authorization", f"{scheme} {self.token}"), *(("dpop", proof) for proof in proofs)]
        return self.verifier.authorize(method, url, headers)

    def test_a_bound_token_passes_with_its_proof(self):
        self.assertEqual(self.ask(self.proof()).subject, "alice")
        self.assertEqual(self.ask(self.proof(htu=f"{URL}?a=b#c"), url=f"{URL}?x=y").subject, "alice")
        self.assertEqual(self.ask(self.proof(htu="https://API.example.com:443/orders")).subject, "alice")

    def test_a_bound_token_as_bearer_is_refused_under_every_policy(self):
        for dpop in ("off", "accept", "require"):
            self.make(dpop=dpop)
            for cnf in ({"jkt": thumbprint(self.jwk)}, {"x5t#S256": "x"}, {}):
                self.token = token(cnf=cnf)
                refusal = refused(Refusal, self.ask, self.proof(), scheme="Bearer")
                self.assertEqual((refusal.status, refusal.error), (401, "invalid_token"))
            refused(Rejected, self.verifier.verify, self.token)
            self.verifier.verify(self.token, bound=True)

    def test_a_token_bound_by_other_means_as_well_is_refused(self):
        for cnf in ({}, {"x5t#S256": "x"}, {"jkt": thumbprint(self.jwk), "x5t#S256": "x"}, {"jkt": 1}):
            self.token = token(cnf=cnf)
            self.assertEqual(refused(Refusal, self.ask, self.proof()).error, "invalid_token")

    def test_an_unbound_token_needs_no_proof_unless_it_is_required(self):
        self.token = token()
        self.ask(scheme="Bearer")
        self.assertEqual(refused(Refusal, self.ask, self.proof()).error, "invalid_token")
        self.make(dpop="require")
        refusal = refused(Refusal, self.ask, scheme="Bearer")
        self.assertEqual(refusal.error, "invalid_token")
        self.assertTrue(refusal.www_authenticate.startswith("DPoP "))

    def test_a_proof_passes_once(self):
        proof = self.proof()
        self.ask(proof)
        self.assertEqual(refused(Refusal, self.ask, proof).error, "invalid_dpop_proof")

    def test_a_proof_for_something_else_is_refused(self):
        other = Signer("ES256")
        private = self.jwk | {"d": base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")}
        bad = [
            self.proof(**more)
            for more in (
                {"htm": "POST"},
                {"htm": "get"},
                {"htu": f"{URL}/2"},
                {"htu": "http://api.example.com/orders"},
                {"htu": 1},
                {"ath": "x"},
                {"ath": ABSENT},
                {"iat": NOW - 61},
                {"iat": NOW + 11},
                {"iat": "now"},
                {"iat": ABSENT},
                {"jti": ""},
                {"jti": 1},
                {"jti": "x" * 256},
                {"jti": ABSENT},
                {"htm": ABSENT},
                {"htu": ABSENT},
            )
        ] + [
            self.proof(header)
            for header in (
                {"typ": "JWT"},
                {"typ": "at+jwt"},
                {"alg": "none"},
                {"alg": "HS256"},
                {"alg": "EdDSA"},
                {"jwk": private},
                {"jwk": "x"},
                {"jwk": {}},
                {"crit": []},
                {"jku": "x"},
                {
                    "jwk": {
                        name: value for name, value in other.jwk().items() if name in ("kty", "crv", "x", "y")
                    }
                },
            )
        ]
        for proof in (*bad, "x", "a.b.c"):
            self.assertEqual(refused(Refusal, self.ask, proof).error, "invalid_dpop_proof", proof)
        self.client, self.jwk = other, other.jwk()
        self.assertEqual(refused(Refusal, self.ask, self.proof()).error, "invalid_dpop_proof")

    def test_not_exactly_one_proof_is_refused(self):
        for proofs in ([], [self.proof(), self.proof()]):
            refusal = refused(Refusal, self.ask, *proofs)
            self.assertEqual((refusal.status, refusal.error), (401, "invalid_dpop_proof"))


if __name__ == "__main__":
    unittest.main()
