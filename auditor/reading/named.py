"""What every reader of named values takes: environment, what the request carried, and what kind of content came."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import orjson

from auditor.exchanges.cache_field import NONE, bare
from auditor.exchanges.cost import cost_header, value_of
from auditor.exchanges.exchange import Exchange
from auditor.exchanges.headers import pairs_of
from auditor.model.fingerprint import is_exact
from auditor.reading.durations import unread_in
from auditor.reading.names import at, column_name, json_in

_BODY = ("request_body", "requestbody", "request.body", "http.request.body", "http.request.body.content", "input")


def completed(exchange: Exchange, fields: Mapping[str, Any]) -> Exchange:
    """*exchange* with what its record names and its format did not read: environment, body, type, cost, durations."""
    environment = exchange.environment or environment_of(fields)
    body, bodiless = exchange.body, exchange.method in ("GET", "HEAD")
    if body is None and not bodiless:
        body = body_of(fields)
    media_type = exchange.media_type or media_type_in(fields, either=bodiless)
    unread = unread_in(fields) if exchange.duration_us is None and not exchange.took else None
    headers = exchange.headers or dict(_cost_headers(fields.items(), ""))
    found = (environment, body, media_type, headers, unread)
    if found == (exchange.environment, exchange.body, exchange.media_type, exchange.headers, None):
        return exchange
    return replace(exchange, environment=environment, body=body, media_type=media_type, headers=headers, unread=unread)


def _cost_headers(fields: Iterable[tuple[str, Any]], path: str) -> Iterator[tuple[str, str]]:
    """The headers that say what a call cost, also in objects within the record."""
    for name, value in fields:
        if (header := cost_header(path + name)) is not None:
            yield header, value_of(value)
        elif _kind(path + name) < 0:
            yield from _cost_headers(pairs_of(value), f"{path}{name}.")


def body_of(fields: Mapping[str, Any]) -> bytes | None:
    """What a request carried, where that is told as a JSON object; anything else may be cut.

    Nor is it known where the object holds numbers that were read as others.
    """
    low = {name.lower(): value for name, value in fields.items()}
    for value in (held for name in _BODY for held in (low.get(name), at(fields, *name.split(".")))):
        held = json_in(value) if isinstance(value, str) and value.lstrip().startswith("{") else value
        if isinstance(held, dict):
            return orjson.dumps(held) if is_exact(held) else None
    return None


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


_EXACT = {"environment": 1, "env": 2, "stage": 3}
_ENVIRONMENT = re.compile(r"(?:(?P<of>[a-z0-9_]+)_)?(?P<what>environment|env|stage)(?:_(?P<more>name|type|tier|slug))?")
_KNOWN = re.compile("deploy(?:ment)?|service|app(?:lication)?|dd|sentry|release|node|rails|rack|aspnetcore|dotnet")
"""What stands before it where it is an environment, whatever its name."""
_FRAMEWORK = re.compile("node|babel|rails|rack|flask|django|aspnetcore|dotnet|mix")
"""They have few: staging runs as `NODE_ENV=production` often, so that another field is heard first."""
_STAGED = re.compile(
    r"(?:.*_)?(?:deploy(?:ment)?|service|app(?:lication)?|api|gateway|release|serverless|sls|request_context)"
)
_OTHERS = re.compile(r"(?:.*_)?(?:prev|previous|old|new|last|next|from|to|source|src|parent|is|has|no|other)")
_ENVIRONMENTS = re.compile(
    r"(?:.*[-_./ ])?(?:(?:pre-?|non-?)?prod(?:uction)?|live|stag(?:e|ing)|stg|dev(?:el(?:op(?:ment)?)?)?|test(?:ing)?|"
    r"qa|uat|preview|sandbox|local(?:host)?|demo|canary|int(?:egration)?|ci|alpha|beta|acc(?:eptance)?|perf|review|nightly)"
    r"\d*(?:[-_./ ].*)?",
    re.IGNORECASE,
)
_LONGEST = 100
_WITHIN = (
    ("deployment",), ("deployment", "environment"), ("environment",), ("env",), ("service",), ("dd",), ("app",),
    ("extra",), ("record", "extra"), ("context",), ("fields",), ("labels",), ("tags",), ("ddtags",), ("attributes",),
    ("resource",), ("resource", "attributes"), ("kubernetes", "labels"), ("meta",), ("metadata",),
)  # fmt: skip
"""Objects in which loggers keep such values."""


def environment_of(fields: Mapping[str, Any]) -> str | None:
    """The environment that a record tells; None where it tells none, or two of equal rank.

    It stands in `env`, `stage` or `environment` with whatever a program puts before them. `pipeline_stage`,
    `environment_id` and `AWS_EXECUTION_ENV` are others' names of the same ending: a name with an unknown beginning
    counts only for a value that is an environment's, and `stage` only behind what is deployed.
    """
    if told := _environments(fields.items(), ""):
        return _agreed(told)
    for path in _WITHIN:
        if path[0] not in fields:
            continue
        place = at(fields, *path)
        if path == ("ddtags",) and isinstance(place, str):
            place = place.split(",")  # `env:staging`
        pairs = pairs_of(place) if isinstance(place, dict | list) else ()
        if told := _environments(pairs, "".join(f"{each}." for each in path)):
            return _agreed(told)
    return None


def _agreed(told: Mapping[int, Sequence[str]]) -> str | None:
    best = told[min(told)]
    return best[0] if len({each.lower() for each in best}) == 1 else None


def names_environment(name: str) -> bool:
    """Whether a field of such a name may tell the environment."""
    return _rank(name)[0] > 0


def _environments(place: Iterable[tuple[str, Any]], path: str) -> dict[int, list[str]]:
    told: dict[int, list[str]] = {}
    for name, value in place:
        rank, sure = _rank(name)
        if not isinstance(value, str):
            continue
        if path and not rank:
            rank, sure = _rank(path + name)
        elif path and rank == _EXACT["stage"]:
            sure = False  # of a render's stages, it may be
        text = value.strip()
        if rank and text.lower() not in NONE and (sure or (len(text) <= _LONGEST and _ENVIRONMENTS.fullmatch(text))):
            told.setdefault(rank, []).append(text)
    return told


@lru_cache(4096)
def _rank(name: str) -> tuple[int, bool]:
    """(which is heard first, whether any value is an environment) of a name; 0 for one that is none."""
    match = _ENVIRONMENT.fullmatch(column_name(name)) if len(name) <= _LONGEST else None
    if match is None:
        return 0, False
    of, what, more = match["of"], match["what"], match["more"]
    if of is None:
        return (_EXACT[what], True) if more is None else (5, more == "name")
    if _OTHERS.fullmatch(of) or (what == "stage" and not _STAGED.fullmatch(of)):
        return 0, False
    return 6 if _FRAMEWORK.fullmatch(of) else 4, _KNOWN.fullmatch(of) is not None and more in (None, "name")
