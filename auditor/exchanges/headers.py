"""The headers of a message in any shape in which programs log them, and objects that hold such things, as pairs."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_NAME = r"[A-Za-z][\w-]{0,79}"
_LINE = re.compile(rf"(?:(?:^|[\r\n]|\\n)[\s\"]{{0,8}}({_NAME})[ \t]{{0,8}}:(?!//)|[;,|]\s{{0,8}}({_NAME}):(?=\s))")
"""The name of a header in text, wherever its line was put. Bounds keep hostile texts from taking long."""
_STATUS_LINE = re.compile(r"\s*HTTP/[\d.]+ \d{3}.*?(?:[\r\n]+|\\n)")
_SPELLED = re.compile(
    rf"""(['"])({_NAME})\1 ?(?::|,|=>) ?[\[(]{{0,4}}(['"])([^'"]*)\3"""  # JSON, and what Python, Ruby and PHP print
    rf"|({_NAME}):\[([^\[\]]*)\]"  # Go
)
_LABELS = ("name", "key", "header")
_HELD = ("value", "values", "val")
_LONGEST = 65_536


def pairs_of(value: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of each; nothing for what holds none.

    An object, its text, lists of pairs, of objects with `name` and `value`, of `name: value`, or of both in turn, and
    the lines of a message as they were sent.
    """
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, str):
        yield from _of_text(value[:_LONGEST])
    elif isinstance(value, list | tuple):
        yield from _of_list(value)


def _of_list(value: list[Any] | tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    if value and all(isinstance(each, str) for each in value):
        if all(_LINE.match(each) for each in value):
            for each in value:
                yield from _of_text(each)
        else:
            yield from zip(value[::2], value[1::2], strict=False)
        return
    for each in value:
        if isinstance(each, Mapping):
            name = next((each[label] for label in _LABELS if isinstance(each.get(label), str)), None)
            held = next((each[label] for label in _HELD if label in each), None)
            yield from each.items() if name is None else [(name, held)]
        elif isinstance(each, list | tuple) and len(each) == 2 and isinstance(each[0], str):
            yield each[0], each[1]


def _of_text(text: str) -> Iterator[tuple[str, Any]]:
    if status := _STATUS_LINE.match(text):
        text = text[status.end() :]
    names = list(_LINE.finditer(text)) if _LINE.match(text) else []
    ends = [name.start() for name in names[1:]]
    for name, end in zip(names, [*ends, len(text)], strict=False):
        yield name[1] or name[2], text[name.end() : end].removesuffix("\\r").removesuffix("\\r\\n").strip(' \t\r\n"')
    for match in () if names else _SPELLED.finditer(text):
        yield match[2] or match[5], match[4] if match[2] else match[6]
