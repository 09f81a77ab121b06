"""What voids tokens: one entry of the feed (specification §1)."""

from dataclasses import dataclass

from ..encoding import is_integer

KINDS = ("iss", "kid", "client", "sub", "sid", "fam", "jti")
LONGEST_ID = 255

_WITH_MIN = frozenset(("iss", "client", "sub", "fam"))
_WITHOUT_MIN = frozenset(("kid", "sid", "fam", "jti"))


class Malformed(ValueError):
    """An entry or message of another shape than the specification's."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Voids the tokens at a coordinate. `min` None is larger than any number; `dies_at` is in Unix seconds."""

    kind: str
    id: str
    min: int | None
    dies_at: int


def read(value: object) -> Entry:
    """Reads the array of four, or raises `Malformed`: who skipped what is unknown would let tokens pass."""
    match value:
        case [str(kind), str(name), minimum, dies_at] if kind in KINDS:
            if is_integer(dies_at) and _is_id(kind, name):
                if minimum is None and kind in _WITHOUT_MIN:
                    return Entry(kind, name, None, dies_at)
                if is_integer(minimum) and kind in _WITH_MIN:
                    return Entry(kind, name, minimum, dies_at)
    raise Malformed("an entry has another shape")


def _is_id(kind: str, name: str) -> bool:
    return len(name.encode()) <= LONGEST_ID and (name == "") == (kind == "iss")
