"""The entries of a HAR file, one after the other: the file is never held whole, be it ever so large.

What is read is decoded in a window that grows only as far as one value needs, up to `MOST` characters.
"""

import json
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

MOST = 48 << 20
"""Characters of one entry: an image of 32 MiB, in base64, and what stands around it."""
MOST_PARTS = 2_000_000
"""Lists and objects in the window: an empty one takes 30 times the room of its two characters."""
_STEP = 4 << 20
_EXCERPT = 1000
_BLANK = " \t\r\n"


# Of more digits Python makes no number, and none is a size.
_VALUE = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < 4000 else None)


class BrokenError(Exception):
    """Here the document is none, is cut off, or goes beyond what is held."""


class Document:
    """A JSON document, read from its start to its end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._head = self._text = ""
        self._at = 0
        self.damage = ""
        """Why the entries end before the document does."""

    def entries(self) -> Iterator[Any]:
        """The values of `log.entries`; of what follows them where it is damaged, the beginning as text."""
        begun = False
        try:
            if self._peek() == "\ufeff":
                self._at += 1
            for key in self._parts("{", "}"):
                if key != "log" or self._peek() != "{":
                    self._value()
                    continue
                for name in self._parts("{", "}"):
                    if name == "entries" and self._peek() == "[":
                        begun = True
                        yield from self._parts("[", "]")
                    else:
                        self._value()
            broken = bool(self._peek())
        except RecursionError:
            broken, self.damage = True, "an entry is nested too deeply"
        except BrokenError as error:
            broken, self.damage = True, str(error)
        if broken or not begun:
            yield (self._text[self._at : self._at + _EXCERPT] if begun else self._head).strip() or "{"

    def _parts(self, begin: str, end: str) -> Iterator[Any]:
        """The keys of an object or the items of an array; a caller that asks for the next key has read the value."""
        self._take(begin)
        more = self._peek() != end
        while more:
            part = self._value()
            if end == "}":
                if not isinstance(part, str):
                    raise BrokenError
                self._take(":")
            yield part
            if more := self._peek() != end:
                self._take(",")
        self._take(end)

    def _take(self, char: str) -> None:
        if self._peek() != char:
            raise BrokenError
        self._at += 1

    def _peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(_STEP):
                return ""

    def _value(self) -> Any:
        """The next value, once the window holds it whole."""
        self._peek()
        step = _STEP
        while True:
            with suppress(json.JSONDecodeError):
                value, end = _VALUE.raw_decode(self._text, self._at)
                # A number may go on behind the window.
                if end < len(self._text) or not self._more(step):
                    self._at = end
                    return value
                continue
            held = len(self._text) - self._at
            if held > MOST:
                raise BrokenError(f"an entry has more than {MOST >> 20} MiB")
            if self._text.count("[", self._at) + self._text.count("{", self._at) > MOST_PARTS:
                raise BrokenError(f"an entry has more than {MOST_PARTS:,} parts")
            if not self._more(step := max(_STEP, held)):
                raise BrokenError

    def _more(self, size: int) -> bool:
        """Let go of what was read, and read so many bytes more; False at the end."""
        parts, read = [], 0
        for chunk in self._chunks:
            parts.append(self._decode(chunk))
            read += len(chunk)
            if read >= size:
                break
        self._text = "".join([self._text[self._at :], *parts])
        self._at = 0
        self._head = self._head or self._text[:_EXCERPT]
        return read > 0
