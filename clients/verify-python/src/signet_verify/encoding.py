"""Strict base64url and JSON for input from others.

RFC 7515 §4 and RFC 7519 §4 let a parser keep the last of two members of one name; two parsers that differ then
read two different tokens, so that duplicates are refused, at every level.
"""

import base64
import json
import math
from typing import Any, TypeGuard

DEEPEST = 8
"""The deepest nesting of objects and arrays that is read, the outermost object counted."""

LARGEST_INTEGER = 2**53 - 1
"""The largest integer that every JSON parser reads alike (RFC 8259 §6)."""

Object = dict[str, Any]


def base64url(data: bytes) -> str:
    """Unpadded base64url (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64url_decode(text: str) -> bytes | None:
    """The bytes, or None for anything but the one spelling that encoding them gives."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    # The decoder of the standard library skips foreign characters and ignores unused bits.
    return data if base64url(data) == text else None


def json_object(data: bytes) -> Object | None:
    """One JSON object and nothing after it.

    None for anything else, for a repeated member name, text that is not UTF-8, numbers that are not finite,
    lone surrogates, and deeper nesting than `DEEPEST`.
    """
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not _is_shallow(value):
        return None
    # Raw surrogates are no UTF-8, so that only an escape can have made one.
    return value if "\\" not in text or _is_text(value) else None


def is_integer(value: object) -> TypeGuard[int]:
    """Whether the value is an integer from 0 to 2^53−1; `true` is none, though Python thinks so."""
    return type(value) is int and 0 <= value <= LARGEST_INTEGER


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether the value is a JSON number."""
    return type(value) is int or type(value) is float


def _unique(pairs: list[tuple[str, Any]]) -> Object:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("repeated member")
    return members


def _refuse(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def _is_shallow(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for item in level:
            if type(item) is dict:
                inner.extend(item.values())
            elif type(item) is list:
                inner.extend(item)
        level = [item for item in inner if type(item) is dict or type(item) is list]
        if not level:
            return True
    return False


def _is_text(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
