"""The only place that reads a clock. Tests pass one they can turn."""

import time
from typing import Protocol


class Clock(Protocol):
    """What the verifier knows about time."""

    def millis(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""

    def monotonic(self) -> float:
        """Seconds since some moment, never going back."""


class SystemClock:
    """The clocks of the machine."""

    def millis(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
