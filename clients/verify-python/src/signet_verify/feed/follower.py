"""The verifier's state (specification §5), without a clock and without a network."""

import enum
from dataclasses import dataclass
from typing import Literal

from .live import Live
from .message import Batch, Heartbeat, Message, Snapshot

LARGEST_SKEW = 30_000
"""The most that clocks are taken to differ, in milliseconds."""

SKEW_WINDOW = 60
"""The skew is that of the current and the last window of so many seconds, so that a clock set right is believed."""

SOFT = 3.0
HARD = 30.0
"""From which staleness on, in seconds, the state is soft, and hard."""

Staleness = Literal["fresh", "soft", "hard"]


class Next(enum.Enum):
    """What to do after a message."""

    CONTINUE = "continue"
    TAKE_SNAPSHOT = "take-snapshot"
    ROLLED_BACK = "rolled-back"
    """The server has lost batches. The entries known stay; nothing was credited."""


def classify(staleness: float | None) -> Staleness:
    """The class of what `Follower.staleness` says."""
    if staleness is None or staleness > HARD:
        return "hard"
    return "soft" if staleness > SOFT else "fresh"


@dataclass(frozen=True, slots=True)
class Position:
    """The last batch known: its number and its digest."""

    n: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Freshness:
    at: int
    came: float


class _Skew:
    """The smallest difference between the local clock and a statement's time at its arrival, of the last one to two
    minutes: what is left is the difference of the clocks.
    """

    def __init__(self) -> None:
        self._windows: tuple[int, int, int | None] | None = None

    def arrived(self, difference: int, monotonic: float) -> None:
        window = int(monotonic // SKEW_WINDOW)
        if self._windows is None:
            self._windows = (window, difference, None)
            return
        current, smallest, before = self._windows
        if current == window:
            self._windows = (window, min(smallest, difference), before)
        else:
            self._windows = (window, difference, smallest if current + 1 == window else None)

    def millis(self) -> int:
        if self._windows is None:
            return 0
        _, smallest, before = self._windows
        smallest = smallest if before is None else min(smallest, before)
        return max(-LARGEST_SKEW, min(smallest, LARGEST_SKEW))


class Follower:
    """Folds messages, keeps the position, and knows how stale all of it is."""

    def __init__(self) -> None:
        self.live = Live()
        self.position: Position | None = None
        self.keys_revoked: frozenset[str] = frozenset()
        """The names of keys taken out of use. They outlive the entries, for a stolen key dates as it likes."""
        self._freshness: _Freshness | None = None
        self._skew = _Skew()
        self._went_back = False

    def receive(self, message: Message, digest: str, now: int, monotonic: float) -> Next:
        """Takes in a message whose signature has been verified.

        `digest` is that of its compact serialisation, `now` the local clock in milliseconds, `monotonic` the
        seconds of a clock that never goes back.
        """
        self.expire(now)
        self._skew.arrived(now - message.at, monotonic)
        # A genuine revocation is never wrong, whatever follows from the message's number.
        if not isinstance(message, Heartbeat):
            for entry in message.entries:
                if self.live.fold(entry) and entry.kind == "kid":
                    self.keys_revoked |= {entry.id}
        follows, found = self._place(message, digest)
        if found is not None:
            self.position = found
            if self._freshness is None or message.at > self._freshness.at:
                self._freshness = _Freshness(message.at, monotonic)
        # Asked for once: whoever is told to take a snapshot owes it until it has one.
        went_back, self._went_back = self._went_back, False
        if went_back and follows is Next.CONTINUE and not isinstance(message, Snapshot):
            return Next.TAKE_SNAPSHOT
        return follows

    def expire(self, now: int) -> None:
        """Drops what has died at `now` (milliseconds)."""
        self._went_back = self.live.expire(now // 1000) or self._went_back

    def staleness(self, now: int, monotonic: float) -> float | None:
        """Seconds; None if the feed was never heard, which is infinitely stale."""
        freshness = self._freshness
        if freshness is None:
            return None
        return max((now - freshness.at - self._skew.millis()) / 1000, monotonic - freshness.came, 0.0)

    def _place(self, message: Message, digest: str) -> tuple[Next, Position | None]:
        """What follows, and the position to stand at where the message continues the one before, or is it."""
        position = self.position
        if isinstance(message, Snapshot):
            if position is not None and message.n < position.n:
                return Next.ROLLED_BACK, None
            return Next.CONTINUE, Position(message.n, message.head)
        if position is None:
            return Next.TAKE_SNAPSHOT, None
        if isinstance(message, Batch):
            if message.n <= position.n:
                return Next.CONTINUE, None
            follows = message.n == position.n + 1 and message.prev == position.digest
            return (Next.CONTINUE, Position(message.n, digest)) if follows else (Next.TAKE_SNAPSHOT, None)
        if Position(message.n, message.head) == position:
            return Next.CONTINUE, position
        return (Next.CONTINUE if message.n < position.n else Next.TAKE_SNAPSHOT), None
