"""Tokens whose signature has been verified, so that it is not verified again while they live.

Only what cannot change is kept. Whether a token is revoked, expired or its key gone is judged at each use: a
revocation empties nothing and yet leaves nothing that could pass.
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from .feed.live import Coordinates
from .keys import PublicKey
from .token import Token


@dataclass(frozen=True, slots=True)
class Verified:
    """A token and what judging it again takes."""

    token: Token
    coordinates: Coordinates
    key: PublicKey


class Cache:
    """The tokens used last, by the hash of the whole token."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._tokens: OrderedDict[bytes, Verified] = OrderedDict()
        self.hits = 0

    def get(self, token: str) -> Verified | None:
        """The token, if it is known."""
        name = _name(token)
        with self._lock:
            known = self._tokens.get(name)
            if known is not None:
                self._tokens.move_to_end(name)
                self.hits += 1
            return known

    def put(self, token: str, verified: Verified) -> None:
        """Keeps the token, at the price of the one not used for longest."""
        if self._most == 0:
            return
        name = _name(token)
        with self._lock:
            self._tokens[name] = verified
            if len(self._tokens) > self._most:
                self._tokens.popitem(last=False)

    def drop(self, token: str) -> None:
        """Forgets a token that will not pass again."""
        name = _name(token)
        with self._lock:
            self._tokens.pop(name, None)

    def after_fork(self) -> None:
        """A lock that another thread held would stay held in the child."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._tokens)


def _name(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
