"""Whether an image came whole, told by how its container ends; nothing is decoded.

A container that is not known, or that does not say where it ends, counts as whole: what is not stored is paid for
again.
"""

import re
from collections.abc import Callable

_PNG = b"\x89PNG\r\n\x1a\n"
_TAIL = 1024
_BLANK = b"\xef\xbb\xbf \t\r\n"
_SVG = re.compile(rb"<(/?)(?:[\w.-]+:)?svg\b[^<>]*?(/?)>")


def whole(content: bytes) -> bool:
    """Whether it goes on to its own end, as far as that can be told."""
    text = content[:64].lstrip(_BLANK)
    for magic, ends in _CONTAINERS:
        if content.startswith(magic) or (magic in _TEXTS and text.startswith(magic)):
            try:
                return ends(content)
            except IndexError:  # a place that it names is beyond its end
                return False
    if content[4:8] == b"ftyp":
        return _boxes(content)
    if 0 < len(content) < 8 and b"\0\0\0".startswith(content[:3]):
        return False
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
    _, end, rest = content[-_TAIL:].rpartition(b"%%EOF")
    return bool(end) and not rest.lstrip()[:1].isdigit()  # with which an update would begin


def _svg(content: bytes) -> bool:
    """Each element of that name has its end."""
    start = content[:4096].lstrip(_BLANK)
    if not start.startswith(b"<?xml") and b"<svg" not in start:
        return not b"<svg".startswith(start)
    tags = _SVG.findall(content)
    opened = sum(not end and not alone for end, alone in tags)
    return bool(tags) and opened <= sum(bool(end) for end, _ in tags)


_TEXTS = (b"%PDF", b"<")
"""May begin with white space, or a mark of their encoding."""
_CONTAINERS: tuple[tuple[bytes, Callable[[bytes], bool]], ...] = (
    (_PNG, _png), (b"\xff\xd8", _jpeg), (b"GIF8", _gif), (b"RIFF", _riff), (b"%PDF", _pdf), (b"<", _svg),
)  # fmt: skip
