"""The signed statements of the feed (specification §2)."""

import hashlib
from dataclasses import dataclass

from ..encoding import Object, base64url, base64url_decode, is_integer, json_object
from ..keys import PublicKey, proof_key
from ..reasons import Rejected
from . import entry
from .entry import Entry, Malformed

BATCH = "revocation-batch+jwt"
SNAPSHOT = "revocation-snapshot+jwt"
HEARTBEAT = "revocation-heartbeat+jwt"

LONGEST_BATCH = 4 * 1024 * 1024
LONGEST_HEARTBEAT = 8 * 1024
LONGEST_SNAPSHOT = 256 * 1024 * 1024
MOST_ENTRIES = 10_000


_LONGEST_HEADER = 1024
_LONGEST_KID = 255
_MOST_KEYS = 16


class Refused(Exception):
    """A message that is not believed. The `word` is that of the test vectors: `length`, `form`, `header`, `alg`,
    `typ`, `kid`, `signature` or `issuer`.
    """

    def __init__(self, word: str) -> None:
        super().__init__(f"a feed message was refused: {word}")
        self.word = word


@dataclass(frozen=True, slots=True)
class Batch:
    """What batch `n` adds. `at` is in Unix milliseconds, `prev` the digest of the batch before."""

    n: int
    at: int
    prev: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that lived at `at`, after batch `n`, whose digest is `head`."""

    n: int
    at: int
    head: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Every revocation that was committed before `at` is in batches up to `n`."""

    n: int
    at: int
    head: str


Message = Batch | Snapshot | Heartbeat


def digest(compact: str) -> str:
    """The digest of a batch in its compact serialisation."""
    return base64url(hashlib.sha256(compact.encode("ascii")).digest())


GENESIS = digest("")
"""The digest of batch 0, which does not exist."""


class FeedKeys:
    """The Ed25519 keys that sign this feed and nothing else."""

    def __init__(self, jwks: object, longest_snapshot: int = LONGEST_SNAPSHOT) -> None:
        """Reads the `jwks` of the configuration, passing over keys of other kinds; or raises `Malformed`."""
        listed = jwks.get("keys") if isinstance(jwks, dict) else None
        if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
            raise Malformed("the configuration has no keys, or too many")
        self._longest_snapshot = longest_snapshot
        self._keys: dict[str, PublicKey] = {}
        for jwk in listed:
            kid = jwk.get("kid") if isinstance(jwk, dict) else None
            key = proof_key(jwk)
            if not isinstance(kid, str) or not 0 < len(kid.encode()) <= _LONGEST_KID:
                continue
            if key is None or key.algorithm != "EdDSA":
                continue
            if kid in self._keys:
                raise Malformed("two feed keys have one kid")
            self._keys[kid] = key
        if not self._keys:
            raise Malformed("the configuration has no Ed25519 key")

    def open(self, compact: str, issuer: str) -> Message:
        """The message, believed; or raises `Refused`."""
        if len(compact) > max(self._longest_snapshot, LONGEST_BATCH):
            raise Refused("length")
        parts = compact.split(".", 3)
        if len(parts) != 3 or len(parts[0]) > _LONGEST_HEADER or len(parts[2]) != 86 or not compact.isascii():
            raise Refused("form")
        data = base64url_decode(parts[0])
        if data is None:
            raise Refused("form")
        header = _header(json_object(data))
        self._check_length(header["typ"], len(compact))
        key = self._keys.get(header["kid"])
        if key is None:
            raise Refused("kid")
        signature = base64url_decode(parts[2])
        if signature is None:
            raise Refused("form")
        try:
            key.check(compact.rpartition(".")[0].encode(), signature)
        except Rejected:
            raise Refused("signature") from None
        return _believed(parts[1], header["typ"], issuer)

    def _check_length(self, typ: str, length: int) -> None:
        longest = {BATCH: LONGEST_BATCH, SNAPSHOT: self._longest_snapshot, HEARTBEAT: LONGEST_HEARTBEAT}
        if typ not in longest:
            raise Refused("typ")
        if length > longest[typ]:
            raise Refused("length")


def _header(header: Object | None) -> dict[str, str]:
    if header is None or header.keys() != {"alg", "kid", "typ"}:
        raise Refused("header")
    if not all(isinstance(value, str) for value in header.values()):
        raise Refused("header")
    if header["alg"] != "EdDSA":
        raise Refused("alg")
    return header


def _believed(part: str, typ: str, issuer: str) -> Message:
    data = base64url_decode(part)
    payload = json_object(data) if data is not None else None
    if payload is None or not isinstance(payload.get("iss"), str):
        raise Refused("form")
    try:
        message = _message(payload, typ)
    except Malformed:
        raise Refused("form") from None
    if payload["iss"] != issuer:
        raise Refused("issuer")
    return message


def _message(payload: Object, typ: str) -> Message:
    n, at = payload.get("n"), payload.get("at")
    if not is_integer(n) or not is_integer(at):
        raise Malformed("n or at is no integer")
    if typ == HEARTBEAT:
        return Heartbeat(n, at, _digest(payload, "head"))
    entries = payload.get("entries")
    if not isinstance(entries, list):
        raise Malformed("entries is no list")
    if typ == SNAPSHOT:
        return Snapshot(n, at, _digest(payload, "head"), tuple(map(entry.read, entries)))
    if n == 0 or not 1 <= len(entries) <= MOST_ENTRIES:
        raise Malformed("a batch adds 1 to 10,000 entries and is numbered from 1")
    return Batch(n, at, _digest(payload, "prev"), tuple(map(entry.read, entries)))


def _digest(payload: Object, name: str) -> str:
    value = payload.get(name)
    decoded = base64url_decode(value) if isinstance(value, str) else None
    if decoded is None or len(decoded) != 32:
        raise Malformed("a digest has another shape")
    return str(value)
