"""The verifier: issuer and audience are all it takes."""

import asyncio
import logging
import os
import weakref
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from . import claims, credentials, introspection, jws, metadata, reasons
from .cache import Cache, Verified
from .challenge import Challenger, DpopPolicy
from .clock import Clock, SystemClock
from .credentials import Credentials, Headers
from .dpop import Proofs
from .feed.client import FeedClient, FeedStats
from .feed.live import Coordinates
from .fetch import Fetcher, check_address
from .introspection import Introspection
from .key_source import KeySource
from .reasons import ConfigurationError, Rejected, Unavailable, WouldBlock
from .token import Token

StalePolicy = Literal["introspect", "open", "closed"]
"""What happens to a token while the feed is stale by more than 30 s."""

T = TypeVar("T")
_log = logging.getLogger("signet_verify")


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the start, for metrics."""

    accepted: int
    refused: int
    unavailable: int
    cached: int
    cache_hits: int
    key_fetches: int
    introspections: int
    feed: FeedStats | None


@dataclass(frozen=True, slots=True)
class Options:
    """What may be set besides issuer, audience, introspection and staleness."""

    feed: bool = True
    """Whether the revocation feed is followed."""
    dpop: DpopPolicy = "off"
    """Whether tokens bound to a key (RFC 9449) are not taken, taken with a proof, or required."""
    leeway: float = 0.0
    """How far `exp` may be overrun, in seconds; at most 30."""
    untyped: bool = False
    """Whether tokens of the type `JWT`, or of none, are taken, for issuers that do not follow RFC 9068; `client_id`
    and `jti` may then be missing too. Weaker: an access token is then told from an ID token by its claims, which is
    a guess (RFC 8725 §3.11).
    """
    realm: str | None = None
    """The realm of challenges; the audience where it is None."""
    resource_metadata: str | None = None
    """Where the metadata (RFC 9728) of this resource is found, for challenges."""
    timeout: float = 5.0
    """How long a question to the issuer may take, in seconds."""
    ca_file: str | None = None
    """Further root certificates for the issuer (PEM)."""
    cache_size: int = 10_000
    """How many verified tokens are kept; 0 for none."""


class Verifier:
    """Verifies access tokens of one issuer for one audience, or for any of several. Share one in a process: it is safe
    in threads and after a fork.
    """

    def __init__(
        self,
        issuer: str,
        audience: str | Collection[str],
        introspection: tuple[str, str] | None = None,
        on_stale: StalePolicy | None = None,
        options: Options | None = None,
        *,
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        """`introspection` is the id and secret of a client that may introspect: for opaque tokens, and for the
        policy `introspect`, which is then the default; without it the default is `open`. Further `settings` are
        those of `Options`. Does no input or output yet, see `start`; raises `ConfigurationError`.
        """
        check_address(issuer)
        self.audiences = (audience,) if isinstance(audience, str) else tuple(audience)
        if "?" in issuer or not self.audiences or not all(self.audiences):
            raise ConfigurationError("the issuer has a query, or the audience is empty")
        try:
            self._options = options = Options(**settings) if options is None else options
        except TypeError as error:
            raise ConfigurationError(str(error)) from error
        if on_stale not in (None, "introspect", "open", "closed"):
            raise ConfigurationError("on_stale is introspect, open or closed")
        if on_stale == "introspect" and introspection is None:
            raise ConfigurationError("the policy introspect needs credentials for introspection")
        if not 0 <= options.leeway <= claims.LONGEST_LEEWAY or options.dpop not in (
            "off",
            "accept",
            "require",
        ):
            raise ConfigurationError("the leeway is 0 to 30 s, and dpop off, accept or require")
        self.issuer = issuer
        self._on_stale = on_stale
        self._clock = clock or SystemClock()
        self._challenger = Challenger(
            options.realm or self.audiences[0], options.resource_metadata, options.dpop
        )
        fetcher = Fetcher(options.timeout, options.ca_file)
        self._keys = KeySource(issuer, fetcher, self._clock)
        self._introspection = (
            None if introspection is None else Introspection(introspection, fetcher, self._clock)
        )
        self._feed = FeedClient(issuer, fetcher, self._clock, self._keys.withdraw) if options.feed else None
        self._cache = Cache(options.cache_size)
        self._proofs = Proofs(self._clock)
        self._counts = {"accepted": 0, "refused": 0, "unavailable": 0}
        self._required = claims.REQUIRED if options.untyped else claims.REQUIRED_AT_JWT
        self._types = ("at+jwt", "JWT", jws.NO_TYP) if options.untyped else ("at+jwt",)
        _verifiers.add(self)

    def start(self) -> None:
        """Begins to follow the feed. The first request does so too; a server that starts up front is warm."""
        if self._feed is not None:
            self._feed.start()

    def ready(self, timeout: float = 5.0) -> bool:
        """Starts, reads the keys and waits for the feed; whether all of it came in time."""
        self.start()
        try:
            self._keys.current(may_block=True)
        except Unavailable:
            return False
        return self._feed is None or self._feed.wait(timeout)

    def close(self) -> None:
        """Stops following the feed."""
        if self._feed is not None:
            self._feed.close()

    def verify(self, token: str, *, bound: bool = False, on_stale: StalePolicy | None = None) -> Token:
        """The verified token, or `Rejected`, or `Unavailable`.

        A token that is bound to a key is refused, unless `bound` says that the caller checks its
        `confirmation`.
        """
        return self._counted(lambda: self._verify_alone(token, bound, on_stale, True))

    async def verify_async(
        self, token: str, *, bound: bool = False, on_stale: StalePolicy | None = None
    ) -> Token:
        """The same for an event loop: what needs the network runs in a thread."""
        try:
            return self._counted(lambda: self._verify_alone(token, bound, on_stale, False))
        except WouldBlock:
            return await asyncio.to_thread(self.verify, token, bound=bound, on_stale=on_stale)

    def authorize(
        self,
        method: str,
        url: str,
        headers: Headers,
        *,
        scopes: Collection[str] = (),
        max_age: int | None = None,
        acr: Collection[str] = (),
        on_stale: StalePolicy | None = None,
    ) -> Token:
        """The token of a request, or a `Refusal` that says what to answer.

        `url` is the absolute address of the request (for DPoP). The token must have all of `scopes`; its user
        must have signed in within `max_age` seconds, by one of `acr`. `on_stale` is this route's policy.
        """
        need = _Need(tuple(scopes), max_age, tuple(acr), on_stale)
        return self._authorize(method, url, headers, need, True)

    async def authorize_async(
        self,
        method: str,
        url: str,
        headers: Headers,
        *,
        scopes: Collection[str] = (),
        max_age: int | None = None,
        acr: Collection[str] = (),
        on_stale: StalePolicy | None = None,
    ) -> Token:
        """The same for an event loop: what needs the network runs in a thread."""
        need = _Need(tuple(scopes), max_age, tuple(acr), on_stale)
        fields = list(headers.items()) if hasattr(headers, "items") else list(headers)
        try:
            return self._authorize(method, url, fields, need, False)
        except WouldBlock:
            return await asyncio.to_thread(self._authorize, method, url, fields, need, True)

    def metadata(self, scopes: Iterable[str] = (), **more: Any) -> dict[str, Any]:
        """The protected-resource metadata (RFC 9728 §2), to serve at `metadata.address(audience)`; of several
        audiences, the first names the resource.
        """
        return metadata.document(self.audiences[0], self.issuer, scopes, self._options.dpop, **more)

    def feed_position(self) -> int | None:
        """The newest batch known: whoever revoked something compares it with `Revocation-Batch`."""
        return None if self._feed is None else self._feed.position()

    def stats(self) -> Stats:
        """Counts, for metrics."""
        return Stats(
            **self._counts,
            cached=len(self._cache),
            cache_hits=self._cache.hits,
            key_fetches=self._keys.fetches,
            introspections=0 if self._introspection is None else self._introspection.questions,
            feed=None if self._feed is None else self._feed.stats(),
        )

    def _authorize(self, method: str, url: str, headers: Headers, need: "_Need", may_block: bool) -> Token:
        given = credentials.read(headers, self._challenger, need.scopes)
        try:
            token = self._counted(lambda: self._checked(given.token, need.on_stale, may_block))
            self._check_binding(token, given, method, url)
        except Rejected as rejected:
            _log.info("a token was refused: %s", rejected)
            if rejected.reason == reasons.PROOF:
                raise self._challenger.invalid_proof() from None
            raise self._challenger.invalid_token(given.scheme) from None
        except Unavailable as unavailable:
            _log.warning("a token cannot be checked: %s", unavailable)
            raise self._challenger.unavailable() from None
        token.require(need.scopes, need.max_age, need.acr)
        return token

    def _verify_alone(self, token: str, bound: bool, on_stale: StalePolicy | None, may_block: bool) -> Token:
        verified = self._checked(token, on_stale, may_block)
        if verified.confirmation is not None and not bound:
            raise Rejected(reasons.BINDING)
        return verified

    def _check_binding(self, token: Token, given: Credentials, method: str, url: str) -> None:
        """RFC 9449 §7.1, §7.2: a bound token passes with its proof only, and a proof with a bound token only."""
        confirmation = token.confirmation
        if given.scheme == "Bearer":
            if confirmation is not None or self._options.dpop == "require":
                raise Rejected(reasons.BINDING)
            return
        jkt = None if confirmation is None else confirmation.get("jkt")
        # RFC 7800 §3.1: another member binds the token by means that are not known here.
        if confirmation is None or len(confirmation) != 1 or not isinstance(jkt, str):
            raise Rejected(reasons.BINDING)
        if len(given.proofs) != 1:
            raise Rejected(reasons.PROOF)
        try:
            self._proofs.check(given.proofs[0], method, url, given.token, jkt)
        except Rejected as rejected:
            raise Rejected(reasons.PROOF, str(rejected)) from None

    def _checked(self, token: str, on_stale: StalePolicy | None, may_block: bool) -> Token:
        self.start()
        if len(token) > jws.LONGEST_TOKEN:
            raise Rejected(reasons.TOO_LONG)
        if not token.isascii():
            raise Rejected(reasons.ENCODING)
        if self._introspection is not None and token.count(".") != 2:
            return self._opaque(self._introspection, token, may_block)
        verified = self._known(token, may_block) or self._signed(token, may_block)
        try:
            claims.check_times(verified.token.claims, self._clock.millis(), self._options.leeway)
            self._judge(verified.coordinates, may_block)
        except Rejected:
            self._cache.drop(token)
            raise
        self._apply_policy(token, on_stale, may_block)
        return verified.token

    def _known(self, token: str, may_block: bool) -> Verified | None:
        known = self._cache.get(token)
        if known is None:
            return None
        # Keys read again are other objects: a key that is gone, or replaced under its name, is noticed.
        key = self._keys.current(may_block).find(known.coordinates.kid)
        if key is known.key:
            return known
        self._cache.drop(token)
        return None

    def _signed(self, token: str, may_block: bool) -> Verified:
        parts = jws.split(token)
        payload, key = jws.verify(parts, lambda kid: self._keys.find(kid, may_block), self._types)
        now, leeway = self._clock.millis(), self._options.leeway
        claims.check(payload, claims.Expect(self.issuer, self.audiences, now, leeway, self._required))
        if self._options.untyped:
            claims.check_use(payload)
        view = Token.of(payload, parts.kid, self._challenger, self._clock)
        verified = Verified(view, Coordinates.of(payload, parts.kid), key)
        self._cache.put(token, verified)
        return verified

    def _opaque(self, introspected: Introspection, token: str, may_block: bool) -> Token:
        answer = introspected.ask(token, lambda: self._endpoint(may_block), may_block)
        expect = claims.Expect(self.issuer, self.audiences, self._clock.millis(), self._options.leeway, ())
        introspection.check(answer, expect)
        self._judge(Coordinates.of(answer, None), may_block)
        return Token.of(answer, None, self._challenger, self._clock)

    def _judge(self, coordinates: Coordinates, may_block: bool) -> None:
        if self._feed is None:
            return
        self._feed.first_contact(may_block)
        kind = self._feed.voids(coordinates)
        if kind is not None:
            raise Rejected(reasons.REVOKED, kind)

    def _apply_policy(self, token: str, on_stale: StalePolicy | None, may_block: bool) -> None:
        if self._feed is None or self._feed.state() != "hard":
            return
        policy = on_stale or self._on_stale or ("open" if self._introspection is None else "introspect")
        if policy == "open":
            return
        if policy == "closed" or self._introspection is None:
            raise Unavailable("the revocation feed is stale")
        answer = self._introspection.ask(token, lambda: self._endpoint(may_block), may_block)
        if answer.get("active") is not True:
            raise Rejected(reasons.INACTIVE)

    def _endpoint(self, may_block: bool) -> str | None:
        return self._keys.provider(may_block).introspection_endpoint

    def _counted(self, check: Callable[[], T]) -> T:
        try:
            result = check()
        except Rejected:
            self._counts["refused"] += 1
            raise
        except Unavailable:
            self._counts["unavailable"] += 1
            raise
        self._counts["accepted"] += 1
        return result

    def _after_fork(self) -> None:
        for part in (self._keys, self._introspection, self._feed, self._cache, self._proofs):
            if part is not None:
                part.after_fork()


@dataclass(frozen=True, slots=True)
class _Need:
    scopes: tuple[str, ...]
    max_age: int | None
    acr: tuple[str, ...]
    on_stale: StalePolicy | None


def _reset_after_fork() -> None:
    for verifier in _verifiers:
        verifier._after_fork()


_verifiers: "weakref.WeakSet[Verifier]" = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
