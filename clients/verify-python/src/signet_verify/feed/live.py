"""The folded entries (specification §1), and the judging of tokens by them (§5)."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from ..encoding import Object
from .entry import KINDS, Entry

STEP_BACK = 5
"""How far the local clock may go back, in seconds, before the entries that it has dropped are asked for again.
`dies_at` lies further behind the last token than this.
"""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where a token stands."""

    kid: str | None = None
    iat: float | None = None
    client: str | None = None
    sub: str | None = None
    sid: str | None = None
    jti: str | None = None
    rv: tuple[int, str, int] | None = None

    @classmethod
    def of(cls, claims: Object, kid: str | None) -> "Coordinates":
        """The coordinates of a token whose claims have been checked."""
        rv = claims.get("rv")
        return cls(
            kid=kid,
            iat=claims.get("iat"),
            client=claims.get("client_id"),
            sub=claims.get("sub"),
            sid=claims.get("sid"),
            jti=claims.get("jti"),
            rv=None if rv is None else (rv[0], rv[1], rv[2]),
        )


class Live:
    """Entries that have not died yet.

    One thread folds and expires; any thread may ask `voids` meanwhile, as single look-ups in a dict are atomic.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, tuple[int | None, int]]] = {kind: {} for kind in KINDS}
        self._dying: dict[int, list[tuple[str, str]]] = {}
        self._seconds: list[int] = []
        self._now = 0

    def fold(self, entry: Entry) -> bool:
        """Merges the entry; whether that changed anything. One that is dead already changes nothing."""
        if entry.dies_at <= self._now:
            return False
        of_kind = self._kinds[entry.kind]
        known = of_kind.get(entry.id)
        minimum, dies_at = entry.min, entry.dies_at
        if known is not None:
            minimum = None if minimum is None or known[0] is None else max(minimum, known[0])
            dies_at = max(dies_at, known[1])
            if (minimum, dies_at) == known:
                return False
        of_kind[entry.id] = (minimum, dies_at)
        if known is None or dies_at != known[1]:
            self._schedule(dies_at, entry.kind, entry.id)
        return True

    def expire(self, now: int) -> bool:
        """Drops what has died at `now` (Unix seconds), and nothing else. Costs what it drops.

        Whether the clock has gone back by more than `STEP_BACK`: what was dropped while it was ahead may live on,
        and has to be learnt again from a snapshot.
        """
        if now < self._now - STEP_BACK:
            self._now = now
            return True
        self._now = now = max(now, self._now)
        while self._seconds and self._seconds[0] <= now:
            for kind, name in self._dying.pop(heapq.heappop(self._seconds)):
                known = self._kinds[kind].get(name)
                # A later entry may have given it a longer life.
                if known is not None and known[1] <= now:
                    del self._kinds[kind][name]
        return False

    def voids(self, token: Coordinates) -> str | None:
        """The kind of an entry that voids the token, or None."""
        kinds = self._kinds
        if _below(kinds["iss"].get(""), token.iat):
            return "iss"
        if token.kid is not None and token.kid in kinds["kid"]:
            return "kid"
        if token.client is not None and _below(kinds["client"].get(token.client), token.iat):
            return "client"
        epoch = None if token.rv is None else token.rv[0]
        if token.sub is not None and _below(kinds["sub"].get(token.sub), epoch):
            return "sub"
        if token.sid is not None and token.sid in kinds["sid"]:
            return "sid"
        if token.rv is not None and _below(kinds["fam"].get(token.rv[1]), token.rv[2]):
            return "fam"
        if token.jti is not None and token.jti in kinds["jti"]:
            return "jti"
        return None

    def entries(self) -> Iterator[Entry]:
        """All entries, sorted by the order of kinds in the specification and by id."""
        for kind, of_kind in self._kinds.items():
            for name, (minimum, dies_at) in sorted(of_kind.items()):
                yield Entry(kind, name, minimum, dies_at)

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def _schedule(self, dies_at: int, kind: str, name: str) -> None:
        second = self._dying.get(dies_at)
        if second is None:
            self._dying[dies_at] = [(kind, name)]
            heapq.heappush(self._seconds, dies_at)
        else:
            second.append((kind, name))


def _below(known: tuple[int | None, int] | None, value: float | None) -> bool:
    """Whether an entry is there and voids this value. A token without one cannot prove to be newer."""
    return known is not None and (known[0] is None or value is None or value < known[0])
