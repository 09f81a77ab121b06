"""For the tests of resource servers: an issuer of a few lines, on a local port, that mints tokens and revokes them.

It is no authorization server: it signs whatever it is asked to.
"""

import hashlib
import json
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .encoding import base64url
from .feed.message import BATCH, GENESIS, HEARTBEAT, SNAPSHOT, digest

HEARTBEAT_SECONDS = 0.2

_Claims = dict[str, Any]


class SigningKey:
    """An ES256 key with a name."""

    def __init__(self, kid: str | None = None) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.kid = kid or uuid.uuid4().hex

    def sign(self, header: _Claims, payload: _Claims) -> str:
        """A compact JWS."""
        return _compact(header, payload, self._sign)

    def jwk(self) -> _Claims:
        """The public half."""
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        x, y = base64url(point[1:33]), base64url(point[33:])
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": self.kid, "use": "sig", "alg": "ES256"}

    def _sign(self, content: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(content, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class FeedKey:
    """An Ed25519 key that signs a feed."""

    def __init__(self, kid: str = "feed") -> None:
        self._key = Ed25519PrivateKey.generate()
        self.kid = kid

    def sign(self, typ: str, payload: _Claims) -> str:
        """A message of the feed."""
        return _compact({"alg": "EdDSA", "kid": self.kid, "typ": typ}, payload, self._key.sign)

    def jwk(self) -> _Claims:
        """The public half."""
        x = base64url(self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "use": "sig", "alg": "EdDSA"}


class TestIssuer:
    """An issuer. Use it in a `with` statement; `issuer` is its address."""

    __test__ = False  # The name is for people; pytest must not collect it.

    def __init__(self, *, feed: bool = True, stream: bool = True) -> None:
        """`feed`: whether it has a revocation feed; `stream`: whether that has a stream, or only batches."""
        self.key = SigningKey()
        self.keys = [self.key]
        self.feed_key = FeedKey()
        self.feed = feed
        self.stream = stream
        self.down: set[str] = set()
        """Beginnings of paths that are answered with 503 while they are in here."""
        self.requests: list[str] = []
        """The paths asked for, in order."""
        self.inactive: set[str] = set()
        """Tokens that introspection calls inactive."""
        self.opaque: dict[str, _Claims] = {}
        """Opaque tokens with their claims, for introspection."""
        self.batches: dict[int, str] = {}
        self.entries: list[list[Any]] = []
        self.n, self.head = 0, GENESIS
        self.changed = threading.Condition(threading.RLock())
        self._closing = False
        self._generation = 0
        self._server = _Server(self)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "TestIssuer":
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self.changed:
            self._closing = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def mint(self, audience: str, *, header: _Claims | None = None, **claims: Any) -> str:
        """An access token of a user. Claims that are None are left out."""
        return self.key.sign(
            {"typ": "at+jwt", "alg": "ES256", "kid": self.key.kid} | (header or {}),
            {name: value for name, value in (self.claims(audience) | claims).items() if value is not None},
        )

    def claims(self, audience: str) -> _Claims:
        """The claims of a good token."""
        now = int(time.time())
        return {
            "iss": self.issuer,
            "aud": audience,
            "sub": "alice",
            "client_id": "app",
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + 600,
            "scope": "read write",
            "sid": "session-1",
            "auth_time": now,
            "rv": [0, "family-1", 0],
        }

    def mint_opaque(self, audience: str, **claims: Any) -> str:
        """An opaque token, which introspection knows."""
        token = f"opaque_{uuid.uuid4().hex}"
        self.opaque[token] = self.claims(audience) | claims
        return token

    def revoke(self, kind: str, name: str, minimum: int | None = None) -> int:
        """Publishes an entry; gives the number of its batch."""
        entry = [kind, name, minimum, int(time.time()) + 960]
        with self.changed:
            payload = {
                "iss": self.issuer,
                "n": self.n + 1,
                "at": _millis(),
                "prev": self.head,
                "entries": [entry],
            }
            self.publish(self.feed_key.sign(BATCH, payload))
            self.entries.append(entry)
            return self.n

    def publish(self, batch: str) -> None:
        """Makes this the next batch."""
        with self.changed:
            self.n, self.head = self.n + 1, digest(batch)
            self.batches[self.n] = batch
            self.changed.notify_all()

    def snapshot(self) -> str:
        """All that was revoked."""
        with self.changed:
            payload = {"iss": self.issuer, "n": self.n, "at": _millis(), "head": self.head}
            return self.feed_key.sign(SNAPSHOT, payload | {"entries": self.entries})

    def heartbeat(self) -> str:
        """That nothing else was revoked."""
        with self.changed:
            payload = {"iss": self.issuer, "n": self.n, "at": _millis(), "head": self.head}
            return self.feed_key.sign(HEARTBEAT, payload)

    def cut(self) -> None:
        """Ends the streams there are."""
        with self.changed:
            self._generation = self._generation + 1
            self.changed.notify_all()

    def answer(self, handler: "_Handler") -> None:
        """Answers a request."""
        url = urllib.parse.urlsplit(handler.path)
        self.requests.append(url.path)
        if any(url.path.startswith(path) for path in self.down):
            return handler.send(503, "text/plain", "down")
        if handler.command == "POST":
            return self._introspect(handler)
        documents: dict[str, Callable[[], _Claims]] = {
            "/.well-known/openid-configuration": self.discovery,
            "/jwks": lambda: {"keys": [key.jwk() for key in self.keys]},
        }
        if self.feed:
            documents["/.well-known/revocation-configuration"] = self.configuration
        if url.path in documents:
            return handler.send(200, "application/json", json.dumps(documents[url.path]()))
        if self.feed and url.path == "/revocation/snapshot":
            return handler.send(200, "application/revocation-snapshot+jwt", self.snapshot())
        if self.feed and url.path.startswith("/revocation/batches/"):
            return self._batch(handler, int(url.path.rpartition("/")[2]))
        if self.feed and self.stream and url.path == "/revocation/stream":
            after = urllib.parse.parse_qs(url.query).get("from")
            return self._stream(handler, None if after is None else int(after[0]))
        return handler.send(404, "text/plain", "not found")

    def discovery(self) -> _Claims:
        """OpenID Connect Discovery 1.0 §3, as far as a resource server reads it."""
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/jwks",
            "introspection_endpoint": f"{self.issuer}/introspect",
        }

    def configuration(self) -> _Claims:
        """The configuration of the feed."""
        return {
            "issuer": self.issuer,
            "revocation_feed_version": 1,
            "snapshot_endpoint": f"{self.issuer}/revocation/snapshot",
            "batch_endpoint": f"{self.issuer}/revocation/batches/{{n}}",
            "stream_endpoint": f"{self.issuer}/revocation/stream",
            "jwks": {"keys": [self.feed_key.jwk()]},
            "access_token_max_seconds": 900,
            "heartbeat_seconds": HEARTBEAT_SECONDS,
            "kinds": ["iss", "kid", "client", "sub", "sid", "fam", "jti"],
        }

    def _introspect(self, handler: "_Handler") -> None:
        form = urllib.parse.parse_qs(handler.rfile.read(int(handler.headers["content-length"])).decode())
        token = form["token"][0]
        claims = self.opaque.get(token, {})
        active = token not in self.inactive and (token in self.opaque or token.count(".") == 2)
        handler.send(200, "application/json", json.dumps({"active": active} | (claims if active else {})))

    def _batch(self, handler: "_Handler", n: int) -> None:
        with self.changed:
            if n == self.n + 1:
                self.changed.wait(HEARTBEAT_SECONDS)
            if n in self.batches:
                handler.send(200, f"application/{BATCH}", self.batches[n])
            elif n == self.n + 1:
                handler.send(200, f"application/{HEARTBEAT}", self.heartbeat())
            else:
                handler.send(404 if n > self.n else 410, "text/plain", "")

    def _stream(self, handler: "_Handler", after: int | None) -> None:
        if after is not None and after < self.n and after + 1 not in self.batches:
            return handler.send(410, "text/plain", "")
        handler.begin("text/event-stream")
        if after is None:
            after = self.n
            handler.event("snapshot", self.snapshot())
        generation = self._generation
        while not self._closing and "/revocation" not in self.down:
            with self.changed:
                if after >= self.n:
                    self.changed.wait(HEARTBEAT_SECONDS)
                batch = self.batches.get(after + 1)
                beat = self.heartbeat()
            if self._generation != generation:
                return None
            if batch is None:
                handler.event("heartbeat", beat)
            else:
                after += 1
                handler.event("batch", batch)
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, issuer: TestIssuer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = issuer

    def handle_error(self, *_: Any) -> None:
        """A client that has gone is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.issuer.answer(self)

    do_POST = do_GET

    def send(self, status: int, kind: str, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def event(self, name: str, data: str) -> None:
        self.wfile.write(f"event: {name}\ndata: {data}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Tests print enough."""


def access_token_hash(token: str) -> str:
    """The `ath` of a DPoP proof (RFC 9449 §4.2)."""
    return base64url(hashlib.sha256(token.encode()).digest())


def _compact(header: _Claims, payload: _Claims, sign: Callable[[bytes], bytes]) -> str:
    parts = (base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload))
    content = ".".join(parts)
    return f"{content}.{base64url(sign(content.encode()))}"


def _millis() -> int:
    return time.time_ns() // 1_000_000
