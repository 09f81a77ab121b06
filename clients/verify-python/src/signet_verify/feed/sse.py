"""Server-sent events (WHATWG HTML §9.2.6), from chunks of bytes to events."""

from collections.abc import Iterator
from dataclasses import dataclass


class TooLong(ValueError):
    """An event is longer than its reader is prepared to hold."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `event` is `message` where the stream names none."""

    event: str
    data: str


class Reader:
    """Takes chunks and gives events."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._line = bytearray()
        self._after_return = False
        self._first = True
        self._event = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that the chunk completes."""
        if not chunk:
            return
        whole, chunk = chunk, chunk[1:] if self._after_return and chunk.startswith(b"\n") else chunk
        self._after_return = whole.endswith(b"\r")
        lines = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for index, piece in enumerate(lines):
            self._grow(len(piece))
            self._line += piece
            if index < len(lines) - 1:
                line, self._line = bytes(self._line), bytearray()
                yield from self._take(line)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._longest:
            raise TooLong

    def _take(self, line: bytes) -> Iterator[Event]:
        if self._first:
            line, self._first = line.removeprefix(b"\xef\xbb\xbf"), False
        if not line:
            event, data = self._event or "message", self._data
            self._event, self._data, self._size = "", [], 0
            if data:
                yield Event(event, "\n".join(data))
            return
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data":
            self._data.append(text)
        elif name == b"event":
            self._event = text
        if not name:
            # Comments keep the connection alive for ever and must not count as one endless event.
            self._size -= len(line)
