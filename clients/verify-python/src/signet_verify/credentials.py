"""The header fields a request brings (RFC 6750 §2.1, RFC 9449 §7.1)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .challenge import Challenger
from .jws import LONGEST_TOKEN

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]

_CREDENTIALS = re.compile(r"(?i:(bearer|dpop)) +([A-Za-z0-9\-._~+/]+=*)")
_SCHEME = re.compile(r"(?i:(bearer|dpop))(?: |$)")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token, the scheme it came with (`Bearer` or `DPoP`), and the proofs beside it."""

    scheme: str
    token: str
    proofs: list[str]


def read(headers: Headers, challenger: Challenger, scopes: Iterable[str]) -> Credentials:
    """The credentials, or a `Refusal`. Tokens in a body or a query are not looked at: they end up in logs."""
    authorization, proofs = fields(headers, "authorization"), fields(headers, "dpop")
    if len(authorization) > 1:
        raise challenger.invalid_request("There is more than one Authorization header.")
    if not authorization or not (scheme := _SCHEME.match(authorization[0])):
        raise challenger.no_token(scopes)
    if scheme[1].lower() == "dpop" and challenger.dpop == "off":
        raise challenger.no_token(scopes)
    # The expression has no upper bound, and a header of a megabyte is nobody's token.
    found = _CREDENTIALS.fullmatch(authorization[0]) if len(authorization[0]) <= 2 * LONGEST_TOKEN else None
    if found is None or len(found[2]) > LONGEST_TOKEN:
        raise challenger.invalid_request("The Authorization header is malformed.")
    return Credentials("DPoP" if found[1].lower() == "dpop" else "Bearer", found[2], proofs)


def fields(headers: Headers, name: str) -> list[str]:
    """All values of a header field, as they came."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [_text(value) for field, value in pairs if _text(field).lower() == name]


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
