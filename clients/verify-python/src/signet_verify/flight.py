"""One question in flight per subject: whoever asks meanwhile waits for the same answer."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.landed = threading.Event()
        self.value: T | None = None
        self.error: BaseException | None = None


class SingleFlight(Generic[T]):
    """Runs a question for the first that asks, and gives its answer to all who came before it was there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, _Flight[T]] = {}

    def run(self, subject: Hashable, ask: Callable[[], T]) -> T:
        """The answer, or the exception of `ask`."""
        with self._lock:
            flight = self._flights.get(subject)
            first = flight is None
            if flight is None:
                flight = self._flights[subject] = _Flight()
        if first:
            self._fly(subject, flight, ask)
        else:
            flight.landed.wait()
        if flight.error is not None:
            raise flight.error
        return flight.value  # type: ignore[return-value]

    def _fly(self, subject: Hashable, flight: _Flight[T], ask: Callable[[], T]) -> None:
        try:
            flight.value = ask()
        except BaseException as error:
            flight.error = error
        finally:
            with self._lock:
                del self._flights[subject]
            flight.landed.set()
