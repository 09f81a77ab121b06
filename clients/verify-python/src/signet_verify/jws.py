"""The verifier of compact JWS (RFC 7515 §5.2).

The algorithm is the key's, never the header's, and nothing of the payload is parsed before its signature has
been verified.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from . import reasons
from .encoding import Object, base64url_decode, json_object
from .keys import ALGORITHMS, PublicKey
from .reasons import Rejected

LONGEST_TOKEN = 8 * 1024
"""The longest token looked at, in bytes."""

NO_TYP = ""
"""Among the types to accept: a token without `typ` is accepted too."""

FORBIDDEN_MEMBERS = frozenset(("crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"))
"""Header members that would move the decision about the key, or the meaning of the payload, into the token:
extensions (RFC 7515 §4.1.11), unencoded payload (RFC 7797), compression and encryption (RFC 7516 §4.1), and keys
brought along or to be fetched (RFC 7515 §4.1.2 to §4.1.6).
"""


@dataclass(frozen=True, slots=True)
class Parts:
    """A token in its three parts, the header read, nothing believed."""

    header: Object
    payload: str
    signature: str
    signed: bytes
    """Header, dot and payload as received: what was signed (RFC 7515 §5.2)."""

    @property
    def kid(self) -> str | None:
        """The name of the key; `null` names none."""
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None


def split(token: str, longest: int = LONGEST_TOKEN) -> Parts:
    """Takes a token apart, or raises `Rejected`. Looks at no more dots than it must."""
    if len(token) > longest:
        raise Rejected(reasons.TOO_LONG)
    parts = token.split(".", 3)
    if len(parts) != 3:
        raise Rejected(reasons.PARTS)
    if not all(parts) or not token.isascii():
        raise Rejected(reasons.ENCODING)
    data = base64url_decode(parts[0])
    header = json_object(data) if data is not None else None
    if header is None:
        raise Rejected(reasons.HEADER_FORM)
    return Parts(header, parts[1], parts[2], token.rpartition(".")[0].encode())


def verify(
    parts: Parts, find: Callable[[str | None], PublicKey], types: Collection[str]
) -> tuple[Object, PublicKey]:
    """The payload of a signed token of one of the `types` and the key that signed it, or raises `Rejected`.

    `find` gives the key of a name, or raises itself.
    """
    header = parts.header
    if not FORBIDDEN_MEMBERS.isdisjoint(header):
        raise Rejected(reasons.HEADER_MEMBER)
    if not isinstance(header.get("kid"), str | None):
        raise Rejected(reasons.HEADER_FORM)
    # Before the key is looked for, so that garbage never makes the key set be read again.
    if header.get("alg") not in ALGORITHMS:
        raise Rejected(reasons.ALGORITHM)
    check_type(header, types)
    key = find(parts.kid)
    return open_with(key, parts), key


def open_with(key: PublicKey, parts: Parts) -> Object:
    """Checks algorithm and signature and reads the payload, or raises `Rejected`."""
    if parts.header.get("alg") != key.algorithm:
        raise Rejected(reasons.ALGORITHM)
    signature = base64url_decode(parts.signature)
    if signature is None:
        raise Rejected(reasons.ENCODING)
    key.check(parts.signed, signature)
    data = base64url_decode(parts.payload)
    payload = json_object(data) if data is not None else None
    if payload is None:
        raise Rejected(reasons.PAYLOAD_FORM)
    return payload


def check_type(header: Object, types: Collection[str]) -> None:
    """RFC 7515 §4.1.9: media types compare without regard to case, and `application/` may be left out."""
    typ = header.get("typ")
    if "typ" not in header and NO_TYP in types:
        return
    if not isinstance(typ, str):
        raise Rejected(reasons.TYP)
    prefix, slash, rest = typ.lower().partition("/")
    short = rest if slash and prefix == "application" and "/" not in rest else typ.lower()
    if not short or short not in {one.lower() for one in types}:
        raise Rejected(reasons.TYP)
