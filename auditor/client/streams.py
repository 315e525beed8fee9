"""Bodies of answers that are watched as they come, whichever of httpx and httpx2 they come from."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from auditor.client.unread import UNREAD
from auditor.client.watch import Watch


class WatchedStream:
    """A body that is watched while it passes by; mixed with the stream class of the library that it came from."""

    def __init__(self, inner: Any, watch: Watch) -> None:
        self._inner, self._watch = inner, watch
        UNREAD.add(watch)

    def __del__(self) -> None:
        watch = vars(self).get("_watch")
        if watch is not None and not watch.over:
            UNREAD.gone(watch)

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # not made yet, as where it is copied
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._inner:
                self._watch.chunk(chunk)
                yield chunk
        except Exception as error:
            self._watch.failed(error)
            raise
        self._watch.ended(whole=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self._inner.__aiter__()
        try:
            async for chunk in pieces:
                self._watch.chunk(chunk)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            self._watch.failed(error)
            raise
        finally:
            if hasattr(pieces, "aclose"):
                await pieces.aclose()
        self._watch.ended(whole=True)

    def close(self) -> None:
        """Whoever reads it has had enough."""
        self._watch.ended(whole=bool(self._watch.complete()))
        if hasattr(self._inner, "close"):
            self._inner.close()

    async def aclose(self) -> None:
        """Whoever reads it has had enough."""
        self._watch.ended(whole=bool(self._watch.complete()))
        if hasattr(self._inner, "aclose"):
            await self._inner.aclose()


def watched(stream: object) -> Watch | None:
    """The watch over a body."""
    return stream._watch if isinstance(stream, WatchedStream) else None


@functools.cache
def mixed(own: Callable[..., Any], *others: type) -> Any:
    """A class that is *own* and *others*, made once."""
    kinds: Any = (own, *others)
    return type(own.__name__, kinds, {})


def bases(value: object, names: tuple[str, ...]) -> list[type]:
    """Classes of these names that a value has, of whichever package."""
    return [kind for kind in type(value).__mro__ if kind.__name__ in names]
