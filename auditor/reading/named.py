"""What every reader of named values takes, whatever its log is: the environment, and what the request carried."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson

from auditor.exchanges.exchange import Exchange
from auditor.model.fingerprint import is_exact
from auditor.reading.durations import unread_in
from auditor.reading.environments import environment_of
from auditor.reading.media_field import media_type_in

_BODY = ("request_body", "requestbody", "request.body", "http.request.body", "http.request.body.content", "input")


def completed(exchange: Exchange, fields: Mapping[str, Any]) -> Exchange:
    """*exchange* with what its record names and its format did not read: environment, body, type, unread durations."""
    environment = exchange.environment or environment_of(fields)
    body, bodiless = exchange.body, exchange.method in ("GET", "HEAD")
    if body is None and not bodiless:
        body = body_of(fields)
    media_type = exchange.media_type or media_type_in(fields, either=bodiless)
    unread = unread_in(fields) if exchange.duration_us is None and not exchange.took else None
    if (environment, body, media_type, unread) == (exchange.environment, exchange.body, exchange.media_type, None):
        return exchange
    return replace(exchange, environment=environment, body=body, media_type=media_type, unread=unread)


def body_of(fields: Mapping[str, Any]) -> bytes | None:
    """What a request carried, where that is told as a JSON object; anything else may be cut.

    Nor is it known where the object holds numbers that were read as others.
    """
    found = next((found for value in _bodies(fields) if (found := _object(value)) is not None), None)
    return orjson.dumps(found) if found is not None and is_exact(found) else None


def _object(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(orjson.JSONDecodeError):
            value = orjson.loads(value)
    return value if isinstance(value, dict) else None


def _bodies(fields: Mapping[str, Any]) -> Iterator[Any]:
    low = {name.lower(): value for name, value in fields.items()}
    for name in _BODY:
        yield low.get(name)
        if "." in name:
            *path, last = name.split(".")
            place = _at(fields, path)
            yield None if place is None else place.get(last)


def _at(fields: Mapping[str, Any], path: Any) -> Mapping[str, Any] | None:
    place: Any = fields
    for name in path:
        place = place.get(name) if isinstance(place, dict) else None
    return place if isinstance(place, dict) else None
