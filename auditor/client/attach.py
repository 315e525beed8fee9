"""Meter what is already there: any httpx client, by its transport. No cache, and nothing changes for the caller.

A transport sees what event hooks do not: calls that fail before an answer. The body is measured while it passes by, so
that streaming stays streaming.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import httpx

from auditor.client.metering import Metering
from auditor.client.watch import Watch


class _Stream(httpx.SyncByteStream):
    def __init__(self, inner: Any, watch: Watch, response: httpx.Response) -> None:
        self._inner, self._watch, self._response = inner, watch, response

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._inner:
                self._watch.chunk(chunk)
                yield chunk
        except Exception as error:
            self._watch.failed(error)
            raise
        self._watch.ended(self._response.status_code, self._response.headers, whole=True)

    def close(self) -> None:
        self._watch.ended(self._response.status_code, self._response.headers, whole=False)
        self._inner.close()


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, inner: Any, watch: Watch, response: httpx.Response) -> None:
        self._inner, self._watch, self._response = inner, watch, response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                self._watch.chunk(chunk)
                yield chunk
        except (Exception, asyncio.CancelledError) as error:
            self._watch.failed(error)
            raise
        self._watch.ended(self._response.status_code, self._response.headers, whole=True)

    async def aclose(self) -> None:
        self._watch.ended(self._response.status_code, self._response.headers, whole=False)
        await self._inner.aclose()


class MeteredTransport(httpx.BaseTransport):
    """A transport that meters what another one does."""

    def __init__(self, inner: httpx.BaseTransport, metering: Metering) -> None:
        self.inner, self._metering = inner, metering

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, and watch it if it is a render."""
        watch = self._metering.recognised(request)
        if watch is None:
            return self.inner.handle_request(request)
        try:
            response = self.inner.handle_request(request)
        except BaseException as error:
            watch.failed(error)
            raise
        watch.over(response, _Stream)
        return response

    def close(self) -> None:
        """Close the other one."""
        self.inner.close()


class AsyncMeteredTransport(httpx.AsyncBaseTransport):
    """As `MeteredTransport`, for async clients."""

    def __init__(self, inner: httpx.AsyncBaseTransport, metering: Metering) -> None:
        self.inner, self._metering = inner, metering

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, and watch it if it is a render."""
        watch = self._metering.recognised(request)
        if watch is None:
            return await self.inner.handle_async_request(request)
        try:
            response = await self.inner.handle_async_request(request)
        except BaseException as error:
            watch.failed(error)
            raise
        watch.over(response, _AsyncStream)
        return response

    async def aclose(self) -> None:
        """Close the other one."""
        await self.inner.aclose()


C = TypeVar("C", httpx.Client, httpx.AsyncClient)


def meter(client: C, metering: Metering | None = None, **options: Any) -> C:
    """Meter an httpx client: one event and the metrics of each call that a rule recognises; *options* of `Metering`.

    Addresses that httpx logs lose their query from here on, since some carry the API key there.
    """
    metering = metering or Metering(**options)
    unmeter(client)
    wrap: Any = AsyncMeteredTransport if isinstance(client, httpx.AsyncClient) else MeteredTransport
    for holder in _holders(client):
        holder.wrap(lambda inner: wrap(inner, metering))
    logging.getLogger("httpx").addFilter(_without_query)
    return client


def unmeter(client: C) -> C:
    """Undo `meter`; the client's own transports are back."""
    for holder in _holders(client):
        holder.wrap(lambda t: t.inner if isinstance(t, MeteredTransport | AsyncMeteredTransport) else t)
    return client


class _Holder(NamedTuple):
    """A place of an httpx client that holds a transport, the main one or one for a pattern of addresses."""

    client: Any
    pattern: Any

    def wrap(self, change: Callable[[Any], Any]) -> None:
        mounts = self.client._mounts
        if self.pattern is None:
            self.client._transport = change(self.client._transport)
        elif mounts[self.pattern] is not None:
            mounts[self.pattern] = change(mounts[self.pattern])


def _holders(client: Any) -> list[_Holder]:
    return [_Holder(client, None), *(_Holder(client, pattern) for pattern in client._mounts)]


def _without_query(record: logging.LogRecord) -> bool:
    """Cut queries off the addresses in httpx's own log lines."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            arg.copy_with(query=None) if isinstance(arg, httpx.URL) and arg.query else arg for arg in record.args
        )
    return True
