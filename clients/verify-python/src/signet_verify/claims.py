"""The claims of a verified token (RFC 7519 §4, RFC 9068 §2.2) and the rules they must meet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import reasons
from .encoding import Object, is_integer, is_number
from .reasons import Rejected

LONGEST_LEEWAY = 30
"""The most that `exp` may be overrun, in seconds: beyond it, leeway is a longer lifetime."""

LONGEST_AHEAD = 10
"""The furthest ahead `iat` and `nbf` may lie, in seconds (FAPI 2.0 §5.3.2.1)."""

REQUIRED = ("iss", "sub", "aud", "exp", "iat")
"""What a token of any type must have."""

REQUIRED_AT_JWT = (*REQUIRED, "client_id", "jti")
"""What RFC 9068 §2.2 requires."""

_STRINGS = ("iss", "sub", "jti", "client_id", "scope", "sid", "acr", "nonce", "azp")
_LISTS = ("amr", "roles")
_OTHER_USES = ("nonce", "at_hash", "c_hash", "s_hash", "events")
_LAST_SECOND = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Expect:
    """What a token must be: of this issuer, for one of these audiences, at this time (milliseconds)."""

    issuer: str
    audiences: tuple[str, ...]
    now: int
    leeway: float = 0
    required: tuple[str, ...] = REQUIRED_AT_JWT


def check(claims: Object, expect: Expect) -> None:
    """Raises `Rejected` unless the claims meet the rules."""
    for name in expect.required:
        if name not in claims:
            raise Rejected(reasons.CLAIM_MISSING, name)
    check_types(claims)
    if claims.get("iss") != expect.issuer:
        raise Rejected(reasons.ISSUER)
    if not set(expect.audiences).intersection(audiences(claims)):
        raise Rejected(reasons.AUDIENCE)
    check_times(claims, expect.now, expect.leeway)


def check_use(claims: Object) -> None:
    """RFC 8725 §3.11: what is an ID token or a logout token by its claims, where the type does not say so."""
    # OpenID Connect Core §2: an ID token is for the client.
    client = claims.get("azp", claims.get("client_id"))
    if client in audiences(claims) or any(name in claims for name in _OTHER_USES):
        raise Rejected(reasons.OTHER_USE)


def check_types(claims: Object) -> None:
    """A getter would read another type as absent, and absent means "no restriction" to careless callers."""
    for name in _STRINGS:
        if name in claims and not isinstance(claims[name], str):
            raise Rejected(reasons.CLAIM_TYPE, name)
    for name in _LISTS:
        if name in claims and not _is_list_of_strings(claims[name]):
            raise Rejected(reasons.CLAIM_TYPE, name)
    if "cnf" in claims and not isinstance(claims["cnf"], dict):
        raise Rejected(reasons.CLAIM_TYPE, "cnf")
    if "rv" in claims and not _is_rv(claims["rv"]):
        raise Rejected(reasons.CLAIM_TYPE, "rv")
    audiences(claims)


def check_times(claims: Mapping[str, Any], now: int, leeway: float) -> None:
    """RFC 7519 §4.1.4 to §4.1.6. Times are compared in milliseconds."""
    exp, nbf, iat = (time(claims, name) for name in ("exp", "nbf", "iat"))
    time(claims, "auth_time")
    # RFC 7519 §4.1.4: on or after `exp` the token is dead.
    if exp is not None and exp + min(leeway, LONGEST_LEEWAY) * 1000 <= now:
        raise Rejected(reasons.EXPIRED)
    latest = now + LONGEST_AHEAD * 1000
    if nbf is not None and nbf > latest:
        raise Rejected(reasons.NOT_YET_VALID)
    if iat is not None and iat > latest:
        raise Rejected(reasons.ISSUED_AHEAD)


def audiences(claims: Object) -> tuple[str, ...]:
    """RFC 7519 §4.1.3: a string or a list of strings."""
    value = claims.get("aud", [])
    if isinstance(value, str):
        return (value,)
    if not _is_list_of_strings(value):
        raise Rejected(reasons.CLAIM_TYPE, "aud")
    return tuple(value)


def time(claims: Mapping[str, Any], name: str) -> int | None:
    """A NumericDate (RFC 7519 §2), seconds perhaps with a fraction, in milliseconds."""
    if name not in claims:
        return None
    value = claims[name]
    if not is_number(value) or not 0 <= value <= _LAST_SECOND:
        raise Rejected(reasons.CLAIM_TYPE, name)
    return int(value * 1000)


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_rv(value: object) -> bool:
    match value:
        case [epoch, str(), generation]:
            return is_integer(epoch) and is_integer(generation)
    return False
