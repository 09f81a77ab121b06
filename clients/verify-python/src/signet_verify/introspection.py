"""Token introspection (RFC 7662): answers kept for a second, one question in flight per token."""

import base64
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import quote_plus, urlencode

from . import claims, reasons
from .claims import Expect
from .clock import Clock
from .encoding import Object, json_object
from .fetch import Fetcher, FetchError
from .flight import SingleFlight
from .reasons import Rejected, Unavailable, WouldBlock

KEPT = 1.0
"""How long an answer is kept, in seconds, and how long a server that did not answer is left alone."""

_MOST_KEPT = 10_000


class Introspection:
    """Asks the issuer about tokens."""

    def __init__(self, credentials: tuple[str, str], fetcher: Fetcher, clock: Clock) -> None:
        # RFC 6749 §2.3.1: both are form-encoded before they are put into Basic.
        name, secret = (quote_plus(part) for part in credentials)
        self._authorization = "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()
        self._fetcher = fetcher
        self._clock = clock
        self._flights: SingleFlight[Object] = SingleFlight()
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[float, Object]] = OrderedDict()
        self._silent_at: float | None = None
        self.questions = 0
        """How many times the server was asked."""

    def ask(self, token: str, endpoint: Callable[[], str | None], may_block: bool) -> Object:
        """The server's answer, whatever it says; or `Unavailable`, or `WouldBlock`."""
        name = hashlib.sha256(token.encode()).digest()
        if (known := self._known(name)) is not None:
            return known
        if not may_block:
            raise WouldBlock
        return self._flights.run(name, lambda: self._known(name) or self._ask(name, token, endpoint()))

    def after_fork(self) -> None:
        """A lock that another thread held would stay held in the child."""
        self._flights = SingleFlight()
        self._lock = threading.Lock()

    def _known(self, name: bytes) -> Object | None:
        now = self._clock.monotonic()
        with self._lock:
            known = self._kept.get(name)
        if known is not None and now - known[0] < KEPT:
            return known[1]
        if self._silent_at is not None and now - self._silent_at < KEPT:
            raise Unavailable("introspection does not answer")
        return None

    def _ask(self, name: bytes, token: str, endpoint: str | None) -> Object:
        if endpoint is None:
            raise Unavailable("the issuer has no introspection endpoint")
        self.questions += 1
        form = urlencode({"token": token, "token_type_hint": "access_token"})
        headers = {"Authorization": self._authorization, "Accept": "application/json"}
        asked_at = self._clock.monotonic()
        try:
            answer = self._fetcher.post(endpoint, form, headers)
        except FetchError as error:
            self._silent_at = self._clock.monotonic()
            raise Unavailable(f"introspection: {error}") from error
        document = json_object(answer.body) if answer.status == 200 else None
        if document is None or not isinstance(document.get("active"), bool):
            self._silent_at = self._clock.monotonic()
            raise Unavailable(f"introspection answers {answer.status}")
        with self._lock:
            self._kept[name] = (asked_at, document)
            self._kept.move_to_end(name)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return document


def check(answer: Object, expect: Expect) -> None:
    """Raises `Rejected` unless the answer speaks of a live access token of this issuer for this audience."""
    if answer.get("active") is not True:
        raise Rejected(reasons.INACTIVE)
    # RFC 7662 §4: the server may know of other tokens as well.
    kind = answer.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() not in ("bearer", "dpop"):
        raise Rejected(reasons.OTHER_USE)
    claims.check({"iss": expect.issuer, **answer}, expect)
