"""Public keys, each bound to its one algorithm (RFC 8725 §3.1). There is no symmetric key here and no way to
make one: a public key cannot be mistaken for an HMAC secret.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from . import reasons
from .encoding import Object, base64url, base64url_decode, json_object
from .reasons import Rejected

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
SHORTEST_RSA = 2048
LONGEST_RSA = 4096
MOST_KEYS = 256

_log = logging.getLogger("signet_verify")


class UnusableKey(ValueError):
    """A JWK that is no sound public key of its algorithm."""


class PublicKey:
    """A public key and the one algorithm it verifies."""

    def __init__(self, jwk: Object, algorithm: str) -> None:
        """Reads a public JWK for one algorithm, or raises `UnusableKey`."""
        self.algorithm = algorithm
        self._key = _READERS[algorithm](jwk)

    def check(self, message: bytes, signature: bytes) -> None:
        """Raises `Rejected` unless the signature is one of this key over the message."""
        try:
            self._verify(message, signature)
        except InvalidSignature:
            raise Rejected(reasons.SIGNATURE) from None

    def _verify(self, message: bytes, signature: bytes) -> None:
        key = self._key
        if isinstance(key, rsa.RSAPublicKey):
            if len(signature) != (key.key_size + 7) // 8:
                raise Rejected(reasons.SIGNATURE_FORM)
            scheme: padding.AsymmetricPadding = padding.PKCS1v15()
            if self.algorithm == "PS256":
                # RFC 7518 §3.5: the salt is as long as the hash.
                scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
            key.verify(signature, message, scheme, hashes.SHA256())
            return
        if len(signature) != 64:
            raise Rejected(reasons.SIGNATURE_FORM)
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
            return
        # RFC 7518 §3.4: R and S of 32 bytes each, no DER; FIPS 186-5 §6.4.2: neither is zero.
        r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
        if r == 0 or s == 0:
            raise Rejected(reasons.SIGNATURE_FORM)
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


class KeySet:
    """The keys of a JWKS (RFC 7517 §5), found by name. The name is compared, never interpreted."""

    def __init__(self, keys: Iterable[tuple[str | None, PublicKey]]) -> None:
        self._keys = list(keys)
        self._named = {kid: key for kid, key in reversed(self._keys) if kid is not None}

    @classmethod
    def from_jwks(cls, data: bytes) -> "KeySet":
        """Reads a JWKS. Keys for encryption, private ones, and those of other types, curves or algorithms, or
        unsound, are passed over; a key without `alg` gets RS256, ES256 or EdDSA by its type. Of two usable
        keys with one name the first counts.
        """
        members = json_object(data)
        listed = members.get("keys") if members is not None else None
        if not isinstance(listed, list) or len(listed) > MOST_KEYS:
            raise UnusableKey("no JWKS")
        keys: list[tuple[str | None, PublicKey]] = []
        for jwk in listed:
            algorithm = _usable_algorithm(jwk) if isinstance(jwk, dict) else None
            if algorithm is None:
                continue
            try:
                keys.append((jwk.get("kid"), PublicKey(jwk, algorithm)))
            except ValueError as error:
                _log.warning("a key of the JWKS is passed over: %s", error)
        return cls(keys)

    def find(self, kid: str | None) -> PublicKey | None:
        """The key of that name; without a name, the only key there is."""
        if kid is not None:
            return self._named.get(kid)
        return self._keys[0][1] if len(self._keys) == 1 else None

    def without(self, names: frozenset[str]) -> "KeySet":
        """The keys of other names than these."""
        if names.isdisjoint(self._named):
            return self
        return KeySet((kid, key) for kid, key in self._keys if kid not in names)

    def __len__(self) -> int:
        return len(self._keys)


def proof_key(jwk: object) -> PublicKey | None:
    """The key that a DPoP proof brings along (RFC 9449 §4.2), or None."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str | None):
        return None
    algorithm = _usable_algorithm(jwk)
    try:
        return PublicKey(jwk, algorithm) if algorithm is not None else None
    except ValueError:
        return None


def thumbprint(jwk: Object) -> str:
    """The SHA-256 thumbprint (RFC 7638 §3) of a key that has been read."""
    names = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}[jwk["kty"]]
    text = json.dumps({name: jwk[name] for name in names}, separators=(",", ":"))
    return base64url(hashlib.sha256(text.encode()).digest())


def _usable_algorithm(jwk: Object) -> str | None:
    """The algorithm a key is used with; None to pass it over."""
    if ("use" in jwk and jwk["use"] != "sig") or not isinstance(jwk.get("kid"), str | None):
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if any(name in jwk for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")):
        return None
    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", _:
            candidates = ["RS256", "PS256"]
        case "EC", "P-256":
            candidates = ["ES256"]
        case "OKP", "Ed25519":
            candidates = ["EdDSA"]
        case _:
            return None
    alg = jwk.get("alg", candidates[0])
    return alg if alg in candidates else None


def _member(jwk: Object, name: str) -> bytes:
    value = jwk.get(name)
    data = base64url_decode(value) if isinstance(value, str) else None
    if not data:
        raise UnusableKey(f"{name} is missing or not base64url")
    return data


def _rsa(jwk: Object) -> rsa.RSAPublicKey:
    modulus, exponent = _member(jwk, "n"), _member(jwk, "e")
    n, e = int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")
    # RFC 7518 §6.3.1.1: no leading zeros.
    if modulus[0] == 0 or exponent[0] == 0 or not SHORTEST_RSA <= n.bit_length() <= LONGEST_RSA:
        raise UnusableKey("an RSA key has 2048 to 4096 bits")
    if n % 2 == 0 or e % 2 == 0 or not 3 <= e < 2**32:
        raise UnusableKey("an RSA modulus or exponent is not a sound one")
    return rsa.RSAPublicNumbers(e, n).public_key()


def _p256(jwk: Object) -> ec.EllipticCurvePublicKey:
    x, y = _member(jwk, "x"), _member(jwk, "y")
    if len(x) != 32 or len(y) != 32:
        # RFC 7518 §6.2.1.2: the full size of a coordinate, zeros included.
        raise UnusableKey("a coordinate of a P-256 key is not 32 bytes")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + x + y)


def _ed25519(jwk: Object) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(_member(jwk, "x"))


_READERS: dict[str, Callable[[Object], rsa.RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey]] = {
    "RS256": _rsa,
    "PS256": _rsa,
    "ES256": _p256,
    "EdDSA": _ed25519,
}
