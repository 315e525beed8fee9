"""A file that is one array of JSON objects -> lines, one an object: what consoles, `gcloud` and `jq` save.

The number of a line is then that of its object. Arrays may stand behind each other, and objects over several lines.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator

from auditor.reading.lines import MAX_LINE

_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*\{")
_BETWEEN = re.compile(r"[\s,\[\]\ufeff]*")
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
    decode, held, size = _decoder(), "", 0
    parts: list[str] = []
    for chunk in chunks:
        parts.append(decode(chunk))
        size += len(parts[-1])
        # Not with every few bytes that a packed stream gives: an object that is not whole is begun anew each time.
        if size >= _STEP:
            found, held = _split(held + "".join(parts))
            parts, size = [], 0
            yield _block(found)
            if len(held) > _OPEN:
                break
    found, held = _split(held + "".join(parts))
    yield _block(found)
    if rest := held.strip():
        yield _block([rest[: MAX_LINE + 1]])
        raise ValueError("the array of JSON objects breaks off")


def whole_objects(data: bytes) -> list[bytes]:
    """The objects at the head of an array, a line each."""
    return [_line(text) for text in _split(_decoder()(data))[0]]


def _decoder() -> Callable[[bytes], str]:
    return codecs.getincrementaldecoder("utf-8")("surrogateescape").decode


# What numbers are worth is for the formats; some have more digits than Python takes.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str)


def _split(text: str) -> tuple[list[str], str]:
    """The whole objects that a text begins with, and what stands behind them."""
    found, end = [], 0
    while (start := _past(text, end)) < len(text) and text[start] == "{":
        try:
            _, end = _JSON.raw_decode(text, start)
        except (ValueError, RecursionError):
            break
        found.append(text[start:end])
    return found, text[_past(text, end) :]


def _block(found: Iterable[str]) -> bytes:
    return b"".join(_line(text) + b"\n" for text in found)


def _past(text: str, start: int) -> int:
    match = _BETWEEN.match(text, start)
    return match.end() if match else start


def _line(text: str) -> bytes:
    """Line ends stand only between the parts of an object, never in its texts."""
    return text.replace("\r", " ").replace("\n", " ").encode(errors="surrogateescape")
