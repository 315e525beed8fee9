"""Placeholders: what a template or a program leaves where a value should have been filled in.

Ordinary words are none: `undefined`, `null` and `NaN` count only as a whole value, spelled as JavaScript spells them;
brackets only around something that begins like a name; and code, which means its brackets, is left alone.
"""

import re

_NAMES = r"[ \t]{0,8}[#/^&@$.]?[A-Za-z_][^{}<>;\r\n]{0,99}"
_BRACKETS = {"{{…}}": re.compile(r"\{\{" + _NAMES + r"\}\}"), "${…}": re.compile(r"\$\{" + _NAMES + r"\}")}
WORDS = ("[object Object]", "undefined", "NaN", "null")
PLACEHOLDERS = (*_BRACKETS, *WORDS)
"""By what findings call them, the surest first."""
BODY = ":body"
"""The place of a value that has no field."""
_SCRIPT = re.compile(r"<script", re.IGNORECASE)
_CODE = re.compile(r"=>|\bfunction\b|```")


def placeholder(value: str) -> str | None:
    """The surest placeholder that is left in a value, None for none."""
    if (word := value.strip()) in WORDS:
        return word
    if "{{" not in value and "${" not in value and WORDS[0] not in value:
        return None
    first, *scripts = _SCRIPT.split(value)
    text = first + "".join(script.partition("</script>")[2] for script in scripts)
    if not _CODE.search(text):
        for kind, pattern in _BRACKETS.items():
            if pattern.search(text):
                return kind
    return WORDS[0] if WORDS[0] in text else None


def spellings(field: str) -> dict[str, str]:
    """The values that a *field* (dot path) is left with most often -> the placeholder: what a digest can be told by."""
    names = {field, field.rpartition(".")[2]}
    filled = {"{{…}}": ("{{%s}}", "{{ %s }}"), "${…}": ("${%s}",)}
    brackets = {each % name: kind for kind, shapes in filled.items() for each in shapes for name in names}
    return {**brackets, **{word: word for word in WORDS}}
