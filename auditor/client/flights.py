"""Flights: identical requests that are on their way at the same time share one (coalescing in one process)."""

import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, Generic, TypeVar

from auditor.client.background import Background

T = TypeVar("T")


class Flights(Generic[T]):
    """Flights by key; a finished one is forgotten before anybody hears of it, so that the next call is fresh."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self.forked()

    def forked(self) -> None:
        """The parent's flights land in the parent."""
        self._lock = threading.Lock()
        self._flying: dict[str, Future[T]] = {}

    def __len__(self) -> int:
        return len(self._flying)

    def join(self, key: str, start: Callable[[], Coroutine[Any, Any, T]]) -> "tuple[Future[T], bool]":
        """(the flight of *key*, whether this caller started it).

        Nobody can cancel a flight; cancelling what waits for it leaves it alone.
        """
        with self._lock:
            flight = self._flying.get(key)
            if flight is not None:
                return flight, False
            flight = self._flying[key] = Future()
            flight.set_running_or_notify_cancel()
        try:
            self._background.spawn(self._fly(key, flight, start()))
        except BaseException as error:
            self._land(key)
            flight.set_exception(error)
        return flight, True

    async def _fly(self, key: str, flight: "Future[T]", work: Coroutine[Any, Any, T]) -> None:
        try:
            landed = await work
        except BaseException as error:
            self._land(key)
            flight.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            self._land(key)
            flight.set_result(landed)

    def wait(self, patience: float) -> None:
        """Until all that fly now have landed, *patience* seconds at most."""
        with self._lock:
            flying = list(self._flying.values())
        wait(flying, patience)

    def _land(self, key: str) -> None:
        with self._lock:
            self._flying.pop(key, None)
