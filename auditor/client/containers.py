"""Whether a picture came whole, told by how its container ends; nothing is decoded.

A container that is not known, or that does not say where it ends, counts as whole: what is not stored is paid for
again.
"""

import re
from collections.abc import Callable

_PNG = b"\x89PNG\r\n\x1a\n"
_TAIL = 1024
_SVG_END = re.compile(rb"</(?:[\w.-]+:)?svg\s*>|<(?:[\w.-]+:)?svg\b[^>]*/>")


def whole(content: bytes) -> bool:
    """Whether it goes on to its own end, as far as that can be told."""
    for magic, ends in _CONTAINERS:
        if content.startswith(magic):
            try:
                return ends(content)
            except IndexError:  # a place that it names is beyond its end
                return False
    if content[4:8] == b"ftyp":
        return _boxes(content)
    return not 0 < len(content) < len(_PNG) or not any(magic.startswith(content) for magic, _ in _CONTAINERS)


def _png(content: bytes) -> bool:
    place = len(_PNG)
    while place + 12 <= len(content):
        kind, place = content[place + 4 : place + 8], place + 12 + int.from_bytes(content[place : place + 4])
        if kind == b"IEND":
            return place <= len(content)
    return False


def _jpeg(content: bytes) -> bool:
    """An end after the first scan: a preview inside a segment has one too."""
    place = 2
    while content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:  # padding
            place += 1
        elif marker == 0xDA:
            return content.find(b"\xff\xd9", place) >= 0
        elif marker == 0xD9:
            return True
        elif 0xD0 <= marker <= 0xD8 or marker == 1:
            place += 2
        else:
            place += 2 + (content[place + 2] << 8 | content[place + 3])
    return content.rstrip(b"\0").endswith(b"\xff\xd9")  # not as JPEGs are made


def _gif(content: bytes) -> bool:
    place = 13 + _palette(content[10])
    while content[place] != 0x3B:
        if content[place] == 0x2C:
            place += 11 + _palette(content[place + 9])
        elif content[place] == 0x21:
            place += 2
        else:
            return content.rstrip(b"\0").endswith(b";")
        while content[place]:
            place += 1 + content[place]
        place += 1
    return True


def _palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _riff(content: bytes) -> bool:
    return len(content) >= 12 and len(content) >= 8 + int.from_bytes(content[4:8], "little")


def _boxes(content: bytes) -> bool:
    """The boxes of AVIF and its kin end where the content does, and what they describe is among them."""
    place, seen = 0, set()
    while place + 8 <= len(content):
        size, kind, head = int.from_bytes(content[place : place + 4]), content[place + 4 : place + 8], 8
        if size == 1:
            size, head = int.from_bytes(content[place + 8 : place + 16]), 16
        seen.add(kind)
        if size == 0:  # to the end, wherever that is
            place = len(content)
        elif size < head:
            return False
        else:
            place += size
    described = not seen & {b"meta", b"moov"} or b"mdat" in seen or b"idat" in content
    return place <= len(content) and not content[place:].strip(b"\0") and described and seen != {b"ftyp"}


def _pdf(content: bytes) -> bool:
    return b"%%EOF" in content[-_TAIL:]


def _svg(content: bytes) -> bool:
    other = not content.startswith((b"<svg", b"<?xml")) and b"<svg" not in content[:4096]
    return other or _SVG_END.search(content[-_TAIL:]) is not None


_CONTAINERS: tuple[tuple[bytes, Callable[[bytes], bool]], ...] = (
    (_PNG, _png), (b"\xff\xd8", _jpeg), (b"GIF8", _gif), (b"RIFF", _riff), (b"%PDF", _pdf), (b"<", _svg),
)  # fmt: skip
