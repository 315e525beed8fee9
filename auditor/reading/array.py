"""A file that is one array of JSON objects -> lines, one an object: what consoles, `gcloud` and `jq` save.

The number of a line is then that of its object. Arrays may stand behind each other, and objects over several lines.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from auditor.reading.lines import MAX_LINE

_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*\{")
_BETWEEN = re.compile(r"[\s\0,\[\]\ufeff]*+")
_BEGIN = re.compile(rf"{_BETWEEN.pattern}(?={{)")
_STEP = 1 << 20
_OPEN = 8 << 20
"""Characters after which an object that does not end is given up."""


def is_array(data: bytes) -> bool:
    """Whether a file that begins so is an array of objects."""
    return _HEAD.match(data) is not None


def objects(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks of lines, an object each, as it was written.

    Where an array breaks off, what follows comes as one line that nobody can read, and `ValueError` is raised.
    """
    decode, held, size = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode, "", 0
    parts: list[str] = []
    for chunk in chunks:
        parts.append(decode(chunk))
        size += len(parts[-1])
        # Not with every few bytes that a packed stream gives: an object that is not whole is begun anew each time.
        if size >= _STEP:
            found, held = split(held + "".join(parts))
            parts, size = [], 0
            yield _block(found)
            if len(held) > _OPEN:
                break
    found, held = split(held + "".join(parts))
    yield _block(found)
    if rest := held.strip():
        yield _block([rest[: MAX_LINE + 1]])
        raise ValueError("the array of JSON objects breaks off")


def whole_objects(data: bytes) -> list[bytes]:
    """The objects at the head of an array, a line each."""
    return [line_of(text) for text in split(data.decode(errors="surrogateescape"))[0]]


# What numbers are worth is for the formats; some have more digits than Python takes.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str)


def split(text: str) -> tuple[list[str], str]:
    """The whole objects that a text begins with, and what stands behind them."""
    found, end = [], 0
    with suppress(ValueError, RecursionError):
        while begin := _BEGIN.match(text, end):
            _, end = _JSON.raw_decode(text, begin.end())
            found.append(text[begin.end() : end])
    return found, _BETWEEN.sub("", text[end:], count=1)


def _block(found: Iterable[str]) -> bytes:
    return b"".join(line_of(text) + b"\n" for text in found)


def line_of(text: str) -> bytes:
    """Line ends stand only between the parts of an object, never in its texts."""
    return text.replace("\r", " ").replace("\n", " ").encode(errors="surrogateescape")
