"""Meter what is already there: clients of httpx, httpx2 and requests. No cache, and nothing changes for the caller."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar, Unpack

from auditor.client.holders import attached_to
from auditor.client.metering import Metering, MeteringOptions, shared
from auditor.client.sessions import MeteredSession
from auditor.client.transports import MeteredTransport, places
from auditor.model.errors import ConfigError

C = TypeVar("C")
_HTTPX = {("httpx", "Client"), ("httpx", "AsyncClient"), ("httpx2", "Client"), ("httpx2", "AsyncClient")}
_OPENAI = {("openai", "SyncAPIClient"), ("openai", "AsyncAPIClient")}
_REQUESTS = {("requests", "Session")}
_SUPPORTED = (
    "give httpx.Client, httpx.AsyncClient, httpx2.Client, httpx2.AsyncClient, openai.OpenAI, openai.AsyncOpenAI or "
    "their DefaultHttpxClient, or requests.Session; build anything else of httpx on MeteredTransport, and put @metered "
    "on functions that call by other means"
)


def meter(
    client: C,
    metering: Metering | None = None,
    *,
    key: Callable[[Any], Any] | None = None,
    **options: Unpack[MeteringOptions],
) -> C:
    """Meter a client: one event and the metrics of each call that a rule recognizes; *key* and *options* of `Metering`.

    Takes clients of httpx and httpx2, `OpenAI()` and its default clients, and sessions of requests; `ConfigError` for
    anything else. Layers of the client that cache or try again are seen through to where its calls leave. Addresses
    that these libraries log lose their query from here on, since some carry the API key there.
    """
    http = _http_client(client)
    metering = shared(metering, key=key, **options)
    unmeter(client)
    if _is(http, _REQUESTS):
        MeteredSession(http, metering).attach(http)
    else:
        for place in places(http):
            place.holder[place.name] = MeteredTransport(place.value, metering)
    for name in ("httpx", "httpx2", "urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_without_query)
    return client


def unmeter(client: C) -> C:
    """Undo `meter`; the client's own transports are back."""
    http = _http_client(client)
    if _is(http, _REQUESTS):
        attached = attached_to(http)
        if attached is not None:
            attached.detach()
        return client
    for place in places(http):
        if isinstance(place.value, MeteredTransport):
            place.value.untap()
            place.holder[place.name] = place.value.inner
    return client


def _http_client(client: Any) -> Any:
    """The client that sends: of `OpenAI()` the one inside. `ConfigError` for what cannot be metered."""
    found = client._client if _is(client, _OPENAI) else client
    name = type(client).__name__ if not isinstance(client, type) else f"the class {client.__name__}"
    if _is(found, _HTTPX):
        if not hasattr(found, "_transport") or not isinstance(getattr(found, "_mounts", None), dict):
            raise ConfigError(
                f"{name}: this version keeps its transports elsewhere; build the client with "
                "transport=MeteredTransport(…)"
            )
    elif not _is(found, _REQUESTS):
        raise ConfigError(f"{name} cannot be metered: {_SUPPORTED}")
    return found


def _is(client: object, kinds: set[tuple[str, str]]) -> bool:
    """Whether it is a client of one of these kinds, by package and name, so that none has to be installed."""
    return any((kind.__module__.partition(".")[0], kind.__name__) in kinds for kind in type(client).__mro__)


def _without_query(record: logging.LogRecord) -> bool:
    """Cut queries off the addresses in log lines."""
    if isinstance(record.args, tuple):
        record.args = tuple(_cut(arg) for arg in record.args)
    return True


def _cut(arg: Any) -> Any:
    if isinstance(arg, str):
        return arg.partition("?")[0] if "?" in arg and (arg.startswith("/") or "://" in arg) else arg
    copy: Callable[..., Any] | None = getattr(arg, "copy_with", None)  # a URL of httpx or httpx2
    return copy(query=None) if copy is not None and getattr(arg, "query", None) else arg
