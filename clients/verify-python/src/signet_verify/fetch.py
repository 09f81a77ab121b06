"""Requests to the issuer: https or loopback only, no redirects, bounded in bytes and in time."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from .encoding import Object, json_object
from .reasons import ConfigurationError

LONGEST_DOCUMENT = 512 * 1024
"""The longest discovery document, JWKS or introspection answer that is read, in bytes."""

_CHUNK = 64 * 1024
# http.client trips over its own closed parts where a connection is shut from outside.
_FAILURES = (OSError, HTTPException, ValueError, AttributeError)


class FetchError(Exception):
    """No answer, or one that cannot be used."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Names of header fields are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_address(url: str, within: str | None = None) -> SplitResult:
    """Raises `ConfigurationError` unless the URL is https, or http to the loopback interface.

    Where `within` is an https URL, loopback is no exception: who vouches for https does not send to http.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("no URL") from None
    if not parts.hostname or parts.username is not None or parts.fragment or port == 0:
        raise ConfigurationError("the URL has no host, or has parts that do not belong there")
    if not url.isascii() or any(character <= " " for character in url):
        raise ConfigurationError("the URL has characters that do not belong there")
    plain = parts.scheme == "http" and is_loopback(parts.hostname)
    if plain and (within is None or not within.startswith("https:")):
        return parts
    if parts.scheme != "https":
        raise ConfigurationError("the URL is not https")
    return parts


def is_loopback(host: str) -> bool:
    """Whether the host can only be this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str | None, int]:
    """RFC 6454 §4."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


class Stream:
    """The body of an answer, as it comes."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        """Raises `FetchError` where nothing comes for as long as the connection waits."""
        try:
            while chunk := self._response.read1(_CHUNK):
                yield chunk
        except _FAILURES as error:
            raise FetchError(type(error).__name__) from error

    def read(self, longest: int) -> bytes:
        """The whole body, or `FetchError` where it is longer."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > longest:
                raise FetchError("the answer is too long")
        # http.client takes the end of a connection for the end of a body that is read in parts.
        if self._response.length:
            raise FetchError("the answer is cut off")
        return bytes(body)


class Fetcher:
    """Makes requests. Each has a connection of its own, so that forks and threads share nothing."""

    def __init__(self, timeout: float = 5.0, ca_file: str | None = None) -> None:
        """`timeout` bounds a whole request, in seconds; `ca_file` names further root certificates (PEM)."""
        self._timeout = timeout
        self._tls = ssl.create_default_context()
        if ca_file is not None:
            self._tls.load_verify_locations(ca_file)

    def get(self, url: str, longest: int = LONGEST_DOCUMENT, timeout: float | None = None) -> Answer:
        """A bounded GET, whatever the status; or `FetchError`."""
        return self._whole("GET", url, None, {}, longest, timeout)

    def get_json(self, url: str) -> Object:
        """The object at the URL; or `FetchError`."""
        answer = self.get(url)
        document = json_object(answer.body) if answer.status == 200 else None
        if document is None:
            raise FetchError(f"status {answer.status}, or no JSON object")
        return document

    def post(self, url: str, form: str, headers: Mapping[str, str]) -> Answer:
        """A bounded POST of a form; or `FetchError`."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._whole("POST", url, form.encode(), {**headers, **kind}, LONGEST_DOCUMENT, None)

    @contextmanager
    def stream(self, url: str, silence: float, stop: "Stop") -> Iterator[Stream]:
        """A GET whose body is read as it comes, ended by `silence` seconds without a byte or by `stop`."""
        wire = self._wire(url, silence)
        with stop.closing(wire), _errors(wire):
            headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
            yield Stream(wire.send("GET", url, None, headers))

    def _whole(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        longest: int,
        timeout: float | None,
    ) -> Answer:
        timeout = timeout or self._timeout
        wire = self._wire(url, timeout)
        # A socket's timeout begins anew with each byte; who drips would hold the caller for ever.
        watch = threading.Timer(timeout, wire.shut)
        watch.daemon = True
        watch.start()
        try:
            with _errors(wire):
                stream = Stream(wire.send(method, url, body, headers))
                answer = Answer(stream.status, stream.headers, stream.read(longest))
                if wire.ended:
                    raise FetchError("the answer took too long")
                return answer
        finally:
            watch.cancel()

    def _wire(self, url: str, timeout: float) -> "_Wire":
        parts = check_address(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            return _Wire(HTTPSConnection(host, parts.port, timeout=timeout, context=self._tls))
        return _Wire(HTTPConnection(host, parts.port, timeout=timeout))


class _Wire:
    """A connection that another thread can end. http.client forgets the socket where the answer closes it."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._sock: socket.socket | None = None
        self.ended = False

    def send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HTTPResponse:
        self._connection.connect()
        self._sock = self._connection.sock
        if self.ended:
            raise ConnectionAbortedError
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        agent = {"User-Agent": "signet-verify-python", "Accept-Encoding": "identity"}
        self._connection.request(method, target, body, {**agent, **headers})
        return self._connection.getresponse()

    def shut(self) -> None:
        self.ended = True
        if (sock := self._sock) is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.shut()
        self._connection.close()
        if self._sock is not None:
            self._sock.close()


class Stop:
    """Tells a thread to end, and ends its connection."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._wire: _Wire | None = None

    def set(self) -> None:
        """Says so."""
        self._event.set()
        if (wire := self._wire) is not None:
            wire.shut()

    def is_set(self) -> bool:
        """Whether it was said."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleeps; true as soon as it was said."""
        return self._event.wait(seconds)

    @contextmanager
    def closing(self, wire: _Wire) -> Iterator[None]:
        """Has the connection ended by `set` meanwhile."""
        self._wire = wire
        try:
            if self._event.is_set():
                wire.shut()
            yield
        finally:
            self._wire = None


@contextmanager
def _errors(wire: _Wire) -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise FetchError(type(error).__name__) from error
    finally:
        wire.close()
