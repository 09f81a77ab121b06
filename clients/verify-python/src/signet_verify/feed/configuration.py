"""The feed's configuration (specification §4)."""

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from ..encoding import Object, is_number
from ..fetch import check_address, origin
from ..reasons import ConfigurationError
from .entry import KINDS, Malformed
from .message import LONGEST_SNAPSHOT, FeedKeys

VERSION = 1


def address(issuer: str) -> str:
    """Where the configuration of an issuer is: below it, as its endpoints are."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/") + "/.well-known/revocation-configuration"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where the feed is and who signs it."""

    snapshot_endpoint: str
    batch_endpoint: str
    stream_endpoint: str
    keys: FeedKeys
    heartbeat_seconds: float

    def batch(self, n: int) -> str:
        """The address of a batch."""
        return self.batch_endpoint.replace("{n}", str(n))

    def stream(self, after: int | None) -> str:
        """The address of the stream after a batch; of all, beginning with a snapshot, where it is None."""
        if after is None:
            return self.stream_endpoint
        return f"{self.stream_endpoint}{'&' if '?' in self.stream_endpoint else '?'}from={after}"


def read(document: Object, issuer: str, longest_snapshot: int = LONGEST_SNAPSHOT) -> Configuration:
    """Reads the configuration, or raises `Malformed`."""
    if document.get("issuer") != issuer:
        raise Malformed("the configuration names another issuer")
    version = document.get("revocation_feed_version")
    if type(version) is not int or version != VERSION:
        raise Malformed("the version of the feed is unknown")
    heartbeat = document.get("heartbeat_seconds")
    if not is_number(heartbeat) or not 0 < heartbeat <= 60:
        raise Malformed("heartbeat_seconds is no sound number")
    kinds = document.get("kinds", list(KINDS))
    if not isinstance(kinds, list) or any(kind not in KINDS for kind in kinds):
        raise Malformed("the feed has kinds of entries that are unknown")
    batch = _endpoint(document, "batch_endpoint", issuer)
    if "{n}" not in batch:
        raise Malformed("batch_endpoint has no place for the number")
    return Configuration(
        _endpoint(document, "snapshot_endpoint", issuer),
        batch,
        _endpoint(document, "stream_endpoint", issuer),
        FeedKeys(document.get("jwks"), longest_snapshot),
        heartbeat,
    )


def _endpoint(document: Object, name: str, issuer: str) -> str:
    url = document.get(name)
    if not isinstance(url, str):
        raise Malformed(f"{name} is missing")
    try:
        check_address(url, within=issuer)
    except ConfigurationError as error:
        raise Malformed(f"{name}: {error}") from error
    if origin(url) != origin(issuer):
        raise Malformed(f"{name} is of another origin")
    return url
