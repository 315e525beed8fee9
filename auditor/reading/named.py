"""What every reader of named values takes: environment, what the request carried, and what kind of content came."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

import orjson

from auditor.exchanges.cache_field import bare
from auditor.exchanges.exchange import Exchange
from auditor.exchanges.headers import pairs_of
from auditor.model.fingerprint import is_exact
from auditor.reading.durations import unread_in
from auditor.reading.environments import environment_of
from auditor.reading.names import at

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
            yield at(fields, *name.split("."))


_ANSWER = "sent|upstream|downstream|origin|edge|backend|response|beresp|resp|res|rsp|rs|sc|reply|answer"
_AROUND = re.compile(rf"(?:{_ANSWER}|http|headers?|x|raw|content)+")
"""Names of objects in which such fields stand: `response`, `headers`, `http`."""
_TYPE = "(?:content|mime|media)type|mime"
_OF_ANSWER = re.compile(rf"(?:http|x|raw)*(?:{_ANSWER})(?:{_ANSWER}|http|raw|headers?|content|x)*?(?:{_TYPE})")
_OF_EITHER = re.compile(rf"(?:raw|headers?|content)*?(?:{_TYPE})")


def media_type_in(fields: Mapping[str, Any], *, either: bool) -> str | None:
    """The media type of an answer; *either* takes a field that may be the request's where no other is there.

    A request has a content type, too, and nginx's `$content_type` is that one: a field that does not say that it is the
    answer's counts for requests without a body alone.
    """
    found = dict(reversed([(kind, text) for kind, text in _told(fields.items(), "") if text not in ("", "-")]))
    return found.get(2) or (found.get(1) if either else None)


def _told(fields: Iterable[tuple[str, Any]], path: str) -> Iterator[tuple[int, str]]:
    for name, value in fields:
        kind = _kind(path + name)
        if kind < 0:
            yield from _told(pairs_of(value), f"{path}{name}.")
        elif kind > 0:
            text = value[0] if isinstance(value, list) and value else value
            if isinstance(text, str):
                yield kind, text.strip()


@lru_cache(4096)
def _kind(name: str) -> int:
    """2 for the answer's type, 1 for one that may be the request's, -1 for an object around them."""
    name = bare(name)
    return (
        2 if _OF_ANSWER.fullmatch(name) else 1 if _OF_EITHER.fullmatch(name) else -1 if _AROUND.fullmatch(name) else 0
    )
