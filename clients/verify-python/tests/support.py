"""What the tests share: a clock to turn, a signer for each algorithm, an issuer that is a dictionary."""

import json
import threading

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signet_verify import Verifier
from signet_verify.encoding import base64url
from signet_verify.fetch import Answer, FetchError

NOW = 1_800_000_000
ISSUER = "https://issuer.example"
AUDIENCE = "https://api.example.com"


class ManualClock:
    def __init__(self, seconds=NOW):
        self.seconds, self.mono = seconds, 1000.0

    def millis(self):
        return int(self.seconds * 1000)

    def monotonic(self):
        return self.mono

    def turn(self, seconds):
        self.seconds += seconds
        self.mono += seconds


class Signer:
    """A private key of any algorithm."""

    def __init__(self, algorithm, kid=None, bits=2048):
        self.algorithm, self.kid = algorithm, kid or f"key-{algorithm}"
        if algorithm in ("RS256", "PS256"):
            self.key = rsa.generate_private_key(65537, bits)
        elif algorithm == "ES256":
            self.key = ec.generate_private_key(ec.SECP256R1())
        else:
            self.key = Ed25519PrivateKey.generate()

    def jwk(self, **more):
        public = self.key.public_key()
        if self.algorithm in ("RS256", "PS256"):
            numbers = public.public_numbers()
            parts = {"kty": "RSA", "n": b64int(numbers.n), "e": b64int(numbers.e)}
        elif self.algorithm == "ES256":
            point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            parts = {"kty": "EC", "crv": "P-256", "x": base64url(point[1:33]), "y": base64url(point[33:])}
        else:
            x = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
            parts = {"kty": "OKP", "crv": "Ed25519", "x": base64url(x)}
        return parts | {"kid": self.kid, "alg": self.algorithm, "use": "sig"} | more

    def sign(self, content, algorithm=None):
        algorithm = algorithm or self.algorithm
        if algorithm == "RS256":
            return self.key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        if algorithm == "PS256":
            return self.key.sign(content, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        if algorithm == "ES256":
            r, s = decode_dss_signature(self.key.sign(content, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.key.sign(content)

    def header(self, **more):
        members = {"typ": "at+jwt", "alg": self.algorithm, "kid": self.kid} | more
        return {name: value for name, value in members.items() if value is not ABSENT}

    def token(self, header, payload):
        """Signs a header and a payload, each an object or JSON text."""
        parts = (part if isinstance(part, str) else json.dumps(part) for part in (header, payload))
        content = ".".join(base64url(part.encode()) for part in parts)
        return f"{content}.{base64url(self.sign(content.encode()))}"


ABSENT = object()


def b64int(number):
    return base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def claims(**more):
    members = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "app", "jti": "token-1",
        "iat": NOW, "exp": NOW + 600, "scope": "read write", "sid": "session-1", "rv": [3, "family-1", 7],
    } | more  # fmt: skip
    return {name: value for name, value in members.items() if value is not ABSENT}


class FakeFetcher:
    """Answers from a dictionary of URL and document, or of URL and exception, and counts."""

    def __init__(self, documents):
        self.documents, self.asked, self.lock = documents, [], threading.Lock()
        self.gate = threading.Event()
        self.gate.set()

    def _answer(self, url):
        with self.lock:
            self.asked.append(url)
        self.gate.wait(5)
        found = self.documents.get(url)
        if callable(found):
            found = found()
        if isinstance(found, Exception):
            raise found
        if found is None:
            return Answer(404, {}, b"")
        if isinstance(found, Answer):
            return found
        return Answer(200, {"content-type": "application/json"}, json.dumps(found).encode())

    def get(self, url, longest=0, timeout=None):
        return self._answer(url)

    def get_json(self, url):
        answer = self._answer(url)
        if answer.status != 200:
            raise FetchError(str(answer.status))
        return json.loads(answer.body)

    def post(self, url, form, headers):
        self.form, self.headers = form, headers
        return self._answer(url)

    def count(self, end):
        return sum(url.endswith(end) for url in self.asked)


def documents(*signers, **more):
    return {
        f"{ISSUER}/.well-known/openid-configuration": {
            "issuer": ISSUER,
            "jwks_uri": f"{ISSUER}/jwks",
            "introspection_endpoint": f"{ISSUER}/introspect",
        },
        f"{ISSUER}/jwks": {"keys": [signer.jwk() for signer in signers]},
        **more,
    }


def verifier(fetcher, clock, **settings):
    """A verifier whose every question to the issuer goes to `fetcher`, and that follows no feed unless told."""
    made = Verifier(ISSUER, AUDIENCE, clock=clock, **({"feed": False} | settings))
    made._keys._fetcher = fetcher
    if made._introspection is not None:
        made._introspection._fetcher = fetcher
    return made


def refused(exception, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except exception as refusal:
        return refusal
    raise AssertionError(f"{exception.__name__} was expected")
