"""A file that is one array of JSON objects -> lines, one an object: what consoles, `gcloud` and `jq` save.

The number of a line is then that of its object. Arrays may stand behind each other, and objects over several lines.
So may documents that hold one at a key, as those of Azure Monitor do: `{"records": [ … ]}`.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache, reduce

from auditor.reading.lines import MAX_LINE

_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*\{")
_BETWEEN = re.compile(r"[\s\0,\[\]\ufeff]*+")
_BEGIN = re.compile(rf"{_BETWEEN.pattern}(?={{)")
_TEXT = r'"(?:[^"\\]|\\.)*+"'
_FLAT = rf"[\[{{](?:[^\"\[\]{{}}]|{_TEXT})*+[\]}}]"
_LEVELS = 8
"""Levels of what else a document holds."""
_NESTED = reduce(lambda inner, _: rf"[\[{{](?:[^\"\[\]{{}}]|{_TEXT}|{inner})*+[\]}}]", range(_LEVELS), _FLAT)
_END = re.compile(rf"\](?:[\s,}}\ufeff]|{_TEXT}\s*+:\s*+(?:{_TEXT}|[^\s\"{{}}\[\],]++|{_NESTED}))*+")
"""Of a document with an array: what stands behind that, such as `], "count": 3, "paging": {"next": null}}`."""
_LAST = re.compile(rf"\A[\s,]*+{_END.pattern}")
_CLOSED = "]"
"""Put before the first document, so that it begins as all others do."""
_WRAPPER = 4000
"""Characters that may stand before an array in its document."""
_STEP = 1 << 20
_OPEN = 8 << 20
"""Characters after which an object that does not end is given up."""


def is_array(data: bytes) -> bool:
    """Whether a file that begins so is an array of objects."""
    return _HEAD.match(data) is not None


def key_of_array(data: bytes, keys: Iterable[str]) -> str:
    """The one of some *keys* at which the document that a file begins with holds an array of objects; else empty."""
    text = _CLOSED + data[:_WRAPPER].decode(errors="surrogateescape")
    return next((key for key in keys if _begin(key).match(text)), "")


def objects(chunks: Iterable[bytes], key: str = "") -> Iterator[bytes]:
    """Blocks of lines, an object each, as it was written: those of an array, or of the arrays at a *key* of documents.

    Where an array breaks off, what follows comes as one unreadable line, and `ValueError` is raised.
    """
    decode, size = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode, 0
    held = _CLOSED if key else ""
    parts: list[str] = []
    for chunk in chunks:
        parts.append(decode(chunk))
        size += len(parts[-1])
        # Not with every few bytes that a packed stream gives: an object that is not whole is begun again each time.
        if size >= _STEP:
            found, held = split(held + "".join(parts), key)
            parts, size = [], 0
            yield _block(found)
            if len(held) > _OPEN:
                break
    found, held = split(held + "".join(parts), key)
    yield _block(found)
    if rest := (_LAST.sub("", held, count=1) if key else held).strip():
        yield _block([rest[: MAX_LINE + 1]])
        raise ValueError("the array of JSON objects breaks off")


def whole_objects(data: bytes, key: str = "") -> list[bytes]:
    """The objects at the head of an array, a line each."""
    text = data.decode(errors="surrogateescape")
    return [line_of(each) for each in split(_CLOSED + text if key else text, key)[0]]


# What numbers are worth is for the formats; some have more digits than Python takes.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str)


def split(text: str, key: str = "") -> tuple[list[str], str]:
    """The whole objects that a text begins with, and what stands behind them."""
    found, end, begins = [], 0, _begin(key)
    with suppress(ValueError, RecursionError):
        while begin := begins.match(text, end):
            _, end = _JSON.raw_decode(text, begin.end())
            found.append(text[begin.end() : end])
    # What closes a document shows that the next object may open one, so it is left.
    return found, text[end:] if key else _BETWEEN.sub("", text[end:], count=1)


@lru_cache
def _begin(key: str) -> re.Pattern[str]:
    """What stands before an object; of arrays at a key also the end of one document and the head of another."""
    if not key:
        return _BEGIN
    array = rf"\"{re.escape(key)}\"\s*+:\s*+\["
    head = rf"\{{(?:[^\"\[\]{{}}]|(?!{array}){_TEXT}|{_FLAT}|\{{){{0,{_WRAPPER}}}+{array}"
    return re.compile(rf"[\s,]*+(?:{_END.pattern}{head}\s*+)*+(?={{)")


def _block(found: Iterable[str]) -> bytes:
    return b"".join(line_of(text) + b"\n" for text in found)


def line_of(text: str) -> bytes:
    """Line ends stand only between the parts of an object, never in its texts."""
    return text.replace("\r", " ").replace("\n", " ").encode(errors="surrogateescape")
