"""Follows the feed of an issuer in a thread: the stream, or batch after batch where there is none."""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..clock import Clock
from ..encoding import json_object
from ..fetch import Answer, Fetcher, FetchError, Stop
from ..reasons import WouldBlock
from . import configuration, sse
from .configuration import Configuration
from .entry import Malformed
from .follower import Follower, Next, classify
from .live import Coordinates
from .message import LONGEST_BATCH, LONGEST_SNAPSHOT, Refused, digest

LONGEST_PAUSE = 15.0
FIRST_CONTACT = 3.0
_RECONFIGURE = 30.0
_NO_FEED = 300.0
_POLL_INSTEAD = 60.0
_SNAPSHOT_TIMEOUT = 60.0

State = Literal["fresh", "soft", "hard", "no-feed"]
_log = logging.getLogger("signet_verify.feed")


class _Lost(Exception):
    """The connection is of no more use; the argument is how many seconds to wait before the next."""


class _NoStream(Exception):
    """The stream cannot be had, but batches perhaps."""


@dataclass(frozen=True, slots=True)
class FeedStats:
    """How following goes. `staleness` is in seconds, None where the feed was never heard."""

    state: State
    position: int | None
    staleness: float | None
    entries: int
    messages: int
    refused: int
    snapshots: int
    connections: int


class FeedClient:
    """The state of a feed, kept up to date by a thread, for others to ask."""

    def __init__(
        self,
        issuer: str,
        fetcher: Fetcher,
        clock: Clock,
        on_key_revoked: Callable[[frozenset[str]], None],
    ) -> None:
        self._issuer = issuer
        self._fetcher = fetcher
        self._clock = clock
        self._on_key_revoked = on_key_revoked
        self.follower = Follower()
        self.longest_snapshot = LONGEST_SNAPSHOT
        self._configuration: tuple[Configuration, float] | None = None
        self._reread = False
        self._owes_snapshot = False
        self._no_feed = False
        self._pause = 1.0
        self._poll_until: float | None = None
        self._stop = Stop()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._heard = threading.Event()
        self._waited = False
        self._counts = {"messages": 0, "refused": 0, "snapshots": 0, "connections": 0}

    def start(self) -> None:
        """Begins to follow, unless it does already."""
        if self._thread is not None:
            return
        with self._starting:
            if self._thread is None:
                self._stop = Stop()
                self._thread = threading.Thread(target=self._run, name="signet-verify-feed", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stops following and waits for the thread."""
        with self._starting:
            thread, self._thread = self._thread, None
        self._stop.set()
        if thread is not None:
            thread.join(5)

    def after_fork(self) -> None:
        """The thread stayed with the parent, and so does its connection. What it knew is still true."""
        self._starting = threading.Lock()
        self._heard = threading.Event()
        self._waited = False
        self._stop = Stop()
        self._thread = None

    def wait(self, seconds: float) -> bool:
        """Waits until the feed has been heard, or is known not to exist."""
        return self._heard.wait(seconds)

    def first_contact(self, may_block: bool) -> None:
        """Lets the first requests wait a moment, so that what was revoked before this process began is refused.

        Without a word of the feed by then, the policy for one that was never heard decides.
        """
        if self._waited or self._heard.is_set():
            return
        if not may_block:
            raise WouldBlock
        self._heard.wait(FIRST_CONTACT)
        self._waited = True

    def voids(self, token: Coordinates) -> str | None:
        """The kind of an entry that voids the token, or None."""
        return self.follower.live.voids(token)

    def state(self) -> State:
        """How far the state can be relied on."""
        if self._no_feed:
            return "no-feed"
        return classify(self.staleness())

    def staleness(self) -> float | None:
        """Seconds; None if the feed was never heard."""
        return self.follower.staleness(self._clock.millis(), self._clock.monotonic())

    def position(self) -> int | None:
        """The newest batch known: compare with `Revocation-Batch`."""
        position = self.follower.position
        return None if position is None else position.n

    def stats(self) -> FeedStats:
        """A look at everything."""
        return FeedStats(
            self.state(), self.position(), self.staleness(), len(self.follower.live), **self._counts
        )

    def _run(self) -> None:
        stop = self._stop
        while not stop.is_set():
            pause: float | None = None
            try:
                self._follow(self._configured())
            except _Lost as lost:
                pause = lost.args[0] if lost.args else None
            except (FetchError, Malformed, Refused, sse.TooLong) as error:
                if not stop.is_set():
                    _log.warning("the revocation feed of %s is lost: %s", self._issuer, error)
            except Exception:
                _log.exception("following the revocation feed failed")
            self.follower.expire(self._clock.millis())
            if pause is None:
                pause = random.uniform(0, self._pause)  # noqa: S311 (spreads reconnections, keeps no secret)
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
            stop.wait(pause)

    def _configured(self) -> Configuration:
        now = self._clock.monotonic()
        known = self._configuration
        if known is not None and not self._reread:
            return known[0]
        answer = self._fetcher.get(configuration.address(self._issuer))
        if answer.status == 404 and self.follower.position is None:
            self._no_feed = True
            self._heard.set()
            raise _Lost(_NO_FEED)
        document = json_object(answer.body) if answer.status == 200 else None
        if document is None:
            raise FetchError(f"the configuration answers {answer.status}, or no JSON object")
        read = configuration.read(document, self._issuer, self.longest_snapshot)
        self._configuration, self._no_feed, self._reread = (read, now), False, False
        return read

    def _follow(self, feed: Configuration) -> None:
        """Follows until the connection is lost, which is an exception."""
        self._counts["connections"] += 1
        if self._owes_snapshot:
            self._take_snapshot(feed)
        if self._poll_until is None or self._clock.monotonic() >= self._poll_until:
            try:
                self._stream(feed)
            except _NoStream as error:
                _log.info("the stream cannot be had (%s), asking for batches instead", error)
                self._poll_until = self._clock.monotonic() + _POLL_INSTEAD
        self._poll(feed)

    def _stream(self, feed: Configuration) -> None:
        position = self.position()
        # Heartbeats come even when nothing else does.
        silence = 3 * feed.heartbeat_seconds + 2
        with self._fetcher.stream(feed.stream(position), silence, self._stop) as stream:
            if stream.status == 410:
                self._owes_snapshot = True
                raise _Lost(0)
            kind = stream.headers.get("content-type", "").partition(";")[0].strip().lower()
            if stream.status != 200 or kind != "text/event-stream":
                raise _NoStream(f"status {stream.status}")
            reader, heard = sse.Reader(max(self.longest_snapshot, LONGEST_BATCH)), False
            try:
                for chunk in stream.chunks():
                    for event in reader.feed(chunk):
                        heard = True
                        self._take_event(feed, event)
            except FetchError as error:
                # A proxy that holds events back has a status and nothing else to show.
                raise error if heard or self._stop.is_set() else _NoStream("silence") from error
        raise FetchError("the stream has ended")

    def _take_event(self, feed: Configuration, event: sse.Event) -> None:
        if event.event not in ("snapshot", "batch", "heartbeat"):
            return
        if self._take(feed, event.data) is Next.TAKE_SNAPSHOT:
            # Its position will have moved past what this connection goes on with.
            self._owes_snapshot = True
            raise _Lost(0)

    def _poll(self, feed: Configuration) -> None:
        """Batch after batch, until it is time to try the stream again."""
        beyond = 0
        self._owes_snapshot |= self.position() is None
        while not self._stop.is_set():
            if self._poll_until is not None and self._clock.monotonic() >= self._poll_until:
                raise _Lost(0)
            if self._owes_snapshot:
                self._take_snapshot(feed)
                beyond = 0
            position = self.position() or 0
            asked = self._clock.monotonic()
            answer = self._fetcher.get(feed.batch(position + 1), LONGEST_BATCH, feed.heartbeat_seconds + 5)
            if answer.status == 404:
                self._owes_snapshot, beyond = beyond > 0, beyond + 1
                self._stop.wait(1)
            elif answer.status == 410:
                self._owes_snapshot = True
            else:
                self._owes_snapshot, beyond = self._take_answer(feed, answer) is Next.TAKE_SNAPSHOT, 0
                if self.position() == position:
                    # A server that holds no request back must not be asked in a loop.
                    self._stop.wait(max(0.0, 0.2 - (self._clock.monotonic() - asked)))

    def _take_snapshot(self, feed: Configuration) -> None:
        self._counts["snapshots"] += 1
        answer = self._fetcher.get(feed.snapshot_endpoint, self.longest_snapshot, _SNAPSHOT_TIMEOUT)
        if self._take_answer(feed, answer) is not Next.CONTINUE:
            _log.error("the revocation feed of %s has rolled back: what is known stays", self._issuer)
            raise FetchError("the feed has rolled back")
        self._owes_snapshot = False

    def _take_answer(self, feed: Configuration, answer: Answer) -> Next:
        if answer.status != 200:
            raise FetchError(f"the feed answers {answer.status}")
        try:
            compact = answer.body.decode("ascii")
        except UnicodeDecodeError:
            raise FetchError("the feed answers with no message") from None
        return self._take(feed, compact)

    def _take(self, feed: Configuration, compact: str) -> Next:
        try:
            message = feed.keys.open(compact, self._issuer)
        except Refused as refused:
            self._counts["refused"] += 1
            if refused.word == "kid":
                self._reconfigure()
            raise
        follower = self.follower
        keys_revoked = follower.keys_revoked
        now, monotonic = self._clock.millis(), self._clock.monotonic()
        follows = follower.receive(message, digest(compact), now, monotonic)
        self._counts["messages"] += 1
        if follower.keys_revoked != keys_revoked:
            self._on_key_revoked(follower.keys_revoked)
        if follows is Next.CONTINUE and self.state() == "fresh":
            self._pause = 1.0
            self._heard.set()
        return follows

    def _reconfigure(self) -> None:
        """Has the configuration read again, at most once in 30 s."""
        known = self._configuration
        if known is not None and self._clock.monotonic() - known[1] >= _RECONFIGURE:
            self._reread = True
