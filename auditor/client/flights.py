"""Flights: identical requests that are on their way at the same time share one (coalescing in one process)."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, Generic, TypeVar

from auditor.client.background import Background
from auditor.model.errors import RenderError

T = TypeVar("T")
_CLOSED = "the renderer was closed while this was under way"


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

    def join(self, key: str) -> "tuple[Future[T], bool]":
        """(the flight of *key*, whether this caller is the first and has to `launch` or `land` it).

        Nobody can cancel a flight; cancelling what waits for it leaves it alone.
        """
        with self._lock:
            flight = self._flying.get(key)
            if flight is not None:
                return flight, False
            flight = self._flying[key] = Future()
            flight.set_running_or_notify_cancel()
        return flight, True

    def launch(self, key: str, flight: "Future[T]", work: Coroutine[Any, Any, T]) -> None:
        """Let *work* bring what all wait for."""
        try:
            flying = self._background.spawn(self._fly(key, flight, work))
        except BaseException as error:
            work.close()
            self._forget(key)
            flight.set_exception(error)
        else:
            flying.add_done_callback(lambda _: self._crashed(key, flight, work))

    def _crashed(self, key: str, flight: "Future[T]", work: Coroutine[Any, Any, T]) -> None:
        """Cancelled before its first step, by a close, it could not even say so itself."""
        if not flight.done():
            work.close()
            self._forget(key)
            flight.set_exception(RenderError(_CLOSED))

    def land(self, key: str, flight: "Future[T]", result: T) -> None:
        """It was at hand after all."""
        self._forget(key)
        flight.set_result(result)

    async def _fly(self, key: str, flight: "Future[T]", work: Coroutine[Any, Any, T]) -> None:
        try:
            landed = await work
        except asyncio.CancelledError:
            self._forget(key)
            flight.set_exception(RenderError(_CLOSED))
            raise
        except BaseException as error:
            self._forget(key)
            flight.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            self._forget(key)
            flight.set_result(landed)

    def wait(self, patience: float) -> None:
        """Until all that fly now have landed, *patience* seconds at most."""
        with self._lock:
            flying = list(self._flying.values())
        wait(flying, patience)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._flying.pop(key, None)
