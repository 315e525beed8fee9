"""Which field of a record says what kind of content an answer had, however it is spelled or nested.

A request has a content type, too, and nginx's `$content_type` is that one: a field that does not say that it is the
answer's counts for requests without a body alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from auditor.exchanges.cache_field import bare
from auditor.exchanges.headers import pairs_of

_ANSWER = "sent|upstream|downstream|origin|edge|backend|response|beresp|resp|res|rsp|rs|sc|reply|answer"
_AROUND = re.compile(rf"(?:{_ANSWER}|http|headers?|x|raw|content)+")
"""Names of objects in which such fields stand: `response`, `headers`, `http`."""
_TYPE = "(?:content|mime|media)type|mime"
_OF_ANSWER = re.compile(rf"(?:http|x|raw)*(?:{_ANSWER})(?:{_ANSWER}|http|raw|headers?|content|x)*?(?:{_TYPE})")
_OF_EITHER = re.compile(rf"(?:raw|headers?|content)*?(?:{_TYPE})")


def media_type_in(fields: Mapping[str, Any], *, either: bool) -> str | None:
    """The media type of an answer; *either* takes a field that may be the request's where no other is there."""
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
