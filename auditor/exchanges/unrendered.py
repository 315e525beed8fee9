"""Unrendered requests: a placeholder stands in the path, a parameter or the body where a value should."""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from auditor.exchanges.addresses import parameters, split
from auditor.exchanges.mapped import Mapped
from auditor.exchanges.masks import object_of, plain
from auditor.model.fingerprint import ADDRESS
from auditor.model.placeholders import BODY, PLACEHOLDERS, placeholder

_HINT = re.compile(r"undefined|null|NaN|\[object|[{$]\{|%(?:25)*(?:7B|24|5B)|\\u00|&[#a-z]", re.IGNORECASE)
"""What every request with a placeholder holds; few others do."""
_EXTENSION = re.compile(r"\.\w{2,5}$")
_FIELD = re.compile(r"[\w.:\[\]-]{1,100}")
"""What a finding may call a field; what is written otherwise may be a value."""


def marked(mapped: Mapped | None, target: str, body: bytes | None) -> Mapped | None:
    """A request with the placeholder that stands in it; what the user keeps out of its key is not looked at."""
    if mapped is None:
        return None
    found = unrendered(target, body, mapped.inputs if mapped.typed else None)
    return mapped if found is None else replace(mapped, unrendered=found)


def unrendered(target: str, body: bytes | None, names: Collection[str] | None = None) -> str | None:
    """`placeholder TAB field` of the surest placeholder in a request, the first of equals; None for none.

    *names* are the parameters that count, None for all.
    """
    text = body.decode(errors="replace") if body else ""
    if not _HINT.search(target) and not _HINT.search(text):
        return None
    found = [
        (PLACEHOLDERS.index(kind), field)
        for field, value in (*_address(target, names), *_body(text))
        if (kind := placeholder(plain(value))) is not None
    ]
    if not found:
        return None
    rank, field = min(found, key=lambda each: each[0])
    return f"{PLACEHOLDERS[rank]}\t{field if _FIELD.fullmatch(field) else BODY}"


def _address(target: str, names: Collection[str] | None) -> Iterator[tuple[str, str]]:
    """(field, value) of each part of the path, with and without what its file's name ends in, and each parameter."""
    _, path, query = split(None, target)
    for part in path.split("/"):
        yield ADDRESS, _EXTENSION.sub("", plain(part))
    for name, value in parameters(query):
        if names is None or name in names:
            yield from _leaves(name, object_of(value) or value)


def _body(text: str) -> Iterator[tuple[str, str]]:
    """(field, value) of each text in a body: JSON, a form, or else the whole."""
    if (inner := object_of(text)) is not None:
        yield from _leaves("", inner)
    elif "=" in text and not any(map(str.isspace, text)) and "<" not in text:
        for name, each in parameters(text):
            yield from _leaves(name, object_of(each) or each)
    elif text:
        yield BODY, text


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """(dot path, text) of each text in a value; the null of JSON is a value like others and no placeholder."""
    left = [(path, value)]
    while left:
        path, value = left.pop()
        if isinstance(value, str):
            yield path or BODY, value
        elif isinstance(value, dict):
            left += [(f"{path}.{name}" if path else name, each) for name, each in reversed(value.items())]
        elif isinstance(value, list):
            left += [(path, each) for each in reversed(value)]
