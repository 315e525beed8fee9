"""Placeholders: what a template or a program leaves where a value should have been filled in.

Ordinary words are none: `undefined`, `null` and `NaN` count only as a whole value, spelled as JavaScript spells them;
brackets only around something that begins like a name; and code, which means its brackets, is left alone.
"""

import re
from collections.abc import Iterator

_NAMES = r"[ \t]{0,8}[#/^&@$.]?[A-Za-z_][^{}<>;\r\n]{0,99}"
_BRACKETS = {"{{…}}": re.compile(r"\{\{" + _NAMES + r"\}\}"), "${…}": re.compile(r"\$\{" + _NAMES + r"\}")}
WORDS = ("[object Object]", "undefined", "NaN", "null")
PLACEHOLDERS = (*_BRACKETS, *WORDS)
"""By what findings call them, the surest first."""
BODY = ":body"
"""The place of a value that has no field."""
_CODE_TAG = re.compile(r"<(/?)(script|style|pre|code|samp|kbd)(?=[\s/>])|<!--|-->", re.IGNORECASE)
"""What begins or ends code in HTML, or what no page shows."""
_CODE = re.compile(r"=>|\bfunction\b|```")


def placeholder(value: str) -> str | None:
    """The surest placeholder that is left in a value, None for none."""
    if (word := value.strip()) in WORDS:
        return word
    if "{{" not in value and "${" not in value and WORDS[0] not in value:
        return None
    text = "".join(_prose(value))
    if not _CODE.search(text):
        for kind, pattern in _BRACKETS.items():
            if pattern.search(text):
                return kind
    return WORDS[0] if WORDS[0] in text else None


def _prose(value: str) -> Iterator[str]:
    """The parts of HTML that are neither code nor comments; what is begun and never ended goes on to the end."""
    shown, within = 0, ""
    for tag in _CODE_TAG.finditer(value):
        name = (tag[2] or "--").lower()
        ends = bool(tag[1]) or tag[0] == "-->"
        if not within and not ends:
            yield value[shown : tag.start()]
            within = name
        elif within == name and ends:
            shown, within = tag.end(), ""
    if not within:
        yield value[shown:]


def spellings(field: str) -> dict[str, str]:
    """The values that a *field* (dot path) is left with most often -> the placeholder: what a digest can be told by."""
    names = {field, field.rpartition(".")[2]}
    filled = {"{{…}}": ("{{%s}}", "{{ %s }}"), "${…}": ("${%s}",)}
    brackets = {each % name: kind for kind, shapes in filled.items() for each in shapes for name in names}
    return {**brackets, **{word: word for word in WORDS}}
