"""The issuer's signing keys: read once for all who wait, again when they are old or a name is unknown, and kept
when reading fails.
"""

import logging
import threading
from dataclasses import dataclass

from . import reasons
from .clock import Clock
from .discovery import Provider, discover
from .fetch import Fetcher, FetchError
from .flight import SingleFlight
from .keys import KeySet, PublicKey, UnusableKey
from .reasons import Rejected, Unavailable, WouldBlock

FRESH = 300.0
"""Keys are read again when they are this old, in seconds: by the side, with the old ones serving meanwhile."""

STALE = 360.0
"""Keys this old are read again before they are used, where reading works."""

USABLE = 86_400.0
"""Keys this old are not used any more, though reading fails."""

UNKNOWN_KID = 30.0
"""A name that is unknown has the keys read again at most once in this time, or strangers would decide how often."""

METADATA = 3600.0
"""The metadata is read again with the first reading of keys after this time, and after a failed one."""

_RETRY = 1.0
_RETRY_OLD = 30.0
_log = logging.getLogger("signet_verify")


@dataclass(frozen=True, slots=True)
class _Held:
    keys: KeySet
    read_at: float


class KeySource:
    """The key set of an issuer."""

    def __init__(self, issuer: str, fetcher: Fetcher, clock: Clock) -> None:
        self._issuer = issuer
        self._fetcher = fetcher
        self._clock = clock
        self._flights: SingleFlight[None] = SingleFlight()
        self._provider: tuple[Provider, float] | None = None
        self._held: _Held | None = None
        self._failed_at: float | None = None
        self._unknown_at: float | None = None
        self._withdrawn: frozenset[str] = frozenset()
        self._aside = threading.Lock()
        self._reading = threading.Lock()
        self.fetches = 0
        """How many times the JWKS was asked for."""

    def find(self, kid: str | None, may_block: bool) -> PublicKey:
        """The key of that name.

        Raises `Rejected` where there is none, `Unavailable` where no keys can be had, and `WouldBlock`.
        """
        if kid in self._withdrawn:
            raise Rejected(reasons.REVOKED, "kid")
        held = self.current(may_block)
        key = held.find(kid)
        if key is not None:
            return key
        if kid is None:
            raise Rejected(reasons.KID_MISSING)
        if self._may_ask_for_unknown():
            if not may_block:
                raise WouldBlock
            self._flights.run("unknown", self._read_for_unknown)
            key = self.current(may_block).find(kid)
        if key is None:
            raise Rejected(reasons.KID_UNKNOWN)
        return key

    def current(self, may_block: bool) -> KeySet:
        """The key set, read if it must be, without the keys taken out of use: it may come from a cache."""
        return self._whole(may_block).without(self._withdrawn)

    def _whole(self, may_block: bool) -> KeySet:
        now, held = self._clock.monotonic(), self._held
        age = None if held is None else now - held.read_at
        if held is not None and age is not None and age < FRESH:
            return held.keys
        if held is not None and age is not None and age < STALE:
            self.read_aside()
            return held.keys
        if not self._failed_within(_RETRY if held is None else _RETRY_OLD):
            if not may_block:
                raise WouldBlock
            try:
                self._flights.run("keys", lambda: self._read_unless_done(held))
            except FetchError as error:
                _log.warning("the keys of %s cannot be read: %s", self._issuer, error)
        held = self._held
        if held is None or self._clock.monotonic() - held.read_at > USABLE:
            raise Unavailable("the issuer's keys cannot be had")
        return held.keys

    def provider(self, may_block: bool) -> Provider:
        """The issuer's metadata."""
        known = self._provider
        if known is None:
            self.current(may_block)
            known = self._provider
        if known is None:
            raise Unavailable("the issuer's metadata cannot be had")
        return known[0]

    def read_aside(self) -> None:
        """Reads the keys in a thread of its own, unless one is at it or just failed."""
        if self._failed_within(_RETRY_OLD) or not self._aside.acquire(blocking=False):
            return
        threading.Thread(target=self._read_quietly, name="signet-verify-keys", daemon=True).start()

    def withdraw(self, names: frozenset[str]) -> None:
        """Never uses the keys of these names again, and reads the keys by the side."""
        self._withdrawn = names
        threading.Thread(target=self.read_now, name="signet-verify-keys", daemon=True).start()

    def read_now(self) -> None:
        """Reads the keys because they have changed; failure leaves what is known."""
        try:
            self._read()
        except FetchError as error:
            _log.warning("the keys of %s cannot be read again: %s", self._issuer, error)

    def after_fork(self) -> None:
        """A lock that another thread held would stay held in the child."""
        self._flights = SingleFlight()
        self._aside = threading.Lock()
        self._reading = threading.Lock()

    def _read_quietly(self) -> None:
        try:
            self._flights.run("keys", self._read)
        except FetchError as error:
            _log.warning("the keys of %s cannot be read again: %s", self._issuer, error)
        finally:
            self._aside.release()

    def _read_for_unknown(self) -> None:
        # Whoever waited for a flight that began before may come here just after it ended.
        if not self._may_ask_for_unknown():
            return
        self._unknown_at = self._clock.monotonic()
        self.read_now()

    def _read_unless_done(self, seen: _Held | None) -> None:
        # Whoever was slow may come here after the reading it should have waited for.
        if self._held is seen and not self._failed_within(_RETRY if seen is None else _RETRY_OLD):
            self._read()

    def _read(self) -> None:
        # Of two readings the later one must be the one that stays.
        with self._reading:
            self._read_in_turn()

    def _read_in_turn(self) -> None:
        try:
            now = self._clock.monotonic()
            if self._provider is None or now - self._provider[1] > METADATA or self._failed_at is not None:
                self._provider = discover(self._fetcher, self._issuer), now
            self.fetches += 1
            answer = self._fetcher.get(self._provider[0].jwks_uri)
            if answer.status != 200:
                raise FetchError(f"the JWKS answers {answer.status}")
            self._held = _Held(KeySet.from_jwks(answer.body), now)
            self._failed_at = None
        except (FetchError, UnusableKey) as error:
            self._failed_at = self._clock.monotonic()
            raise FetchError(str(error)) from error

    def _failed_within(self, seconds: float) -> bool:
        failed_at = self._failed_at
        return failed_at is not None and self._clock.monotonic() - failed_at < seconds

    def _may_ask_for_unknown(self) -> bool:
        now, held, asked = self._clock.monotonic(), self._held, self._unknown_at
        just_read = held is not None and now - held.read_at < 1.0
        return not just_read and (asked is None or now - asked >= UNKNOWN_KID)
