"""Names of fields: the one spelling in which they are compared, and what stands at some of them."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import orjson


def column_name(name: str) -> str:
    """`request_url` of `Request URL`, `requestUrl` and `$request_url`."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name.strip().replace("µ", "u").replace("μ", "u"))
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def at(value: Any, *path: str) -> Any:
    """What stands at a path of keys; None where there is nothing."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def first(fields: Mapping[str, Any], names: Iterable[str], absent: tuple[str, ...] = ("", "-")) -> Any:
    """The first of some fields that is there; *absent* are texts that stand for nothing."""
    values = map(fields.get, names)
    return next((value for value in values if value is not None and value not in absent), None)


def json_in(text: bytes | str) -> Any:
    """What a JSON text holds; None for what is none."""
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(text)
    return None
