"""Proof of possession (RFC 9449 §4.3, §7)."""

import hashlib
import hmac
import threading
from collections import OrderedDict
from urllib.parse import urlsplit

from . import jws, reasons
from .clock import Clock
from .encoding import Object, base64url, is_number
from .keys import ALGORITHMS, proof_key, thumbprint
from .reasons import Rejected, Unavailable

LONGEST_AGE = 60
"""How old a proof may be, in seconds."""

LONGEST_AHEAD = 10
"""How far ahead its `iat` may lie, in seconds."""

_MOST_PROOFS = 100_000
_LONGEST_JTI = 255


class Proofs:
    """Checks proofs, and lets each pass once in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def check(self, proof: str, method: str, url: str, token: str, jkt: str) -> None:
        """Raises `Rejected` unless the proof is for this request and this token, by the key named `jkt`."""
        parts = jws.split(proof)
        jwk = self._check_header(parts.header)
        if not hmac.compare_digest(thumbprint(jwk).encode(), jkt.encode()):
            raise Rejected(reasons.PROOF, "jkt")
        key = proof_key(jwk)
        if key is None:
            raise Rejected(reasons.PROOF, "jwk")
        claims = jws.open_with(key, parts)
        ath = base64url(hashlib.sha256(token.encode()).digest())
        if claims.get("htm") != method:
            raise Rejected(reasons.PROOF, "htm")
        if not isinstance(claims.get("htu"), str) or normal(claims["htu"]) != normal(url):
            raise Rejected(reasons.PROOF, "htu")
        if not isinstance(claims.get("ath"), str) or not hmac.compare_digest(
            claims["ath"].encode(), ath.encode()
        ):
            raise Rejected(reasons.PROOF, "ath")
        self._check_once(claims, jkt)

    def after_fork(self) -> None:
        """A lock that another thread held would stay held in the child."""
        self._lock = threading.Lock()

    def _check_header(self, header: Object) -> Object:
        if not (jws.FORBIDDEN_MEMBERS - {"jwk"}).isdisjoint(header):
            raise Rejected(reasons.HEADER_MEMBER)
        if header.get("typ") != "dpop+jwt":
            raise Rejected(reasons.TYP)
        jwk, alg = header.get("jwk"), header.get("alg")
        if not isinstance(jwk, dict) or alg not in ALGORITHMS:
            raise Rejected(reasons.PROOF, "jwk")
        # An RSA key does not say which padding it is for; the proof is about the key alone.
        jwk = {"alg": alg, **jwk}
        if proof_key(jwk) is None:
            raise Rejected(reasons.PROOF, "jwk")
        return jwk

    def _check_once(self, claims: Object, jkt: str) -> None:
        iat, jti, now = claims.get("iat"), claims.get("jti"), self._clock.millis() / 1000
        if not is_number(iat) or not now - LONGEST_AGE <= iat <= now + LONGEST_AHEAD:
            raise Rejected(reasons.PROOF, "iat")
        if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
            raise Rejected(reasons.PROOF, "jti")
        name = hashlib.sha256(f"{jkt}\0{jti}".encode()).digest()
        with self._lock:
            while self._seen and next(iter(self._seen.values())) < now:
                self._seen.popitem(last=False)
            if name in self._seen:
                raise Rejected(reasons.PROOF, "jti")
            if len(self._seen) >= _MOST_PROOFS:
                # Forgetting a proof would let it pass again.
                raise Unavailable("too many proofs to remember")
            self._seen[name] = now + LONGEST_AGE + LONGEST_AHEAD


def normal(url: str) -> tuple[str, str, int | None, str] | None:
    """RFC 9449 §4.3: scheme, host, port and path; without query and fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port, parts.path or "/"
