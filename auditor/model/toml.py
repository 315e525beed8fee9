"""Text that is written into TOML."""

import re


def quoted(text: str) -> str:
    """A TOML string: literal where that is possible."""
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    return f'"{"".join(map(_character, text))}"'


def key(name: str) -> str:
    """A key of a table or a part of its name, bare where that is possible."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def _character(character: str) -> str:
    if character not in '"\\' and character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
