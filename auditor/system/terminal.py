"""Text that came from outside, made harmless for a terminal."""

import sys
from typing import TextIO


def plain(text: str) -> str:
    """*text* with everything that could steer, color, reorder or hide on a terminal written out as an escape."""
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def say(message: str) -> None:
    """A sentence to the person at the terminal, whatever is in it."""
    print(f"auditor: {plain(message)}", file=sys.stderr)


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether a stream is a terminal that a person looks at."""
    return (stream or sys.stderr).isatty()
