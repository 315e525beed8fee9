r"""LogTemplate: an nginx `log_format`, which is variables between literals. Apache's formats are written as one, too.

A variable reaches to the first place where the literal behind it stands; between quotes a backslash hides a quote.
That is linear in the line and needs no regular expression. `auditor.formats.template_bulk` does the same, compiled.
"""

import re
from dataclasses import dataclass

_VARIABLE = re.compile(r"\$(?:\{([a-z0-9_]+)\}|([a-z0-9_]+))")
_DIRECTIVE = re.compile(r"\s*log_format\s+\S+\s+(?:escape=\w+\s+)?")
_STRING = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
TIMES = ("time_local", "time_iso8601", "msec")


@dataclass(frozen=True, slots=True)
class LogTemplate:
    """`literals` has one more than `names`; the last may be empty, the others not."""

    names: tuple[str, ...]
    literals: tuple[bytes, ...]
    open: bool = False
    """Whether the last variable ends at a blank, and what follows is of no interest."""

    @classmethod
    def of(cls, text: str, *, open: bool = False) -> "LogTemplate":
        """Of a format string, or of the whole directive as it stands in nginx.conf. `ValueError` says what is wrong."""
        text = _unwrapped(text)
        names, literals, end = [], [], 0
        for match in _VARIABLE.finditer(text):
            literals.append(text[end : match.start()].encode())
            names.append(match[1] or match[2])
            end = match.end()
        literals.append(text[end:].encode())
        if not all(literals[1:-1]):
            at = literals.index(b"", 1)
            raise ValueError(f"${names[at - 1]} and ${names[at]} touch: nothing tells where one ends")
        missing = [
            words
            for words, found in (
                (" or ".join(f"${name}" for name in TIMES), not set(TIMES).isdisjoint(names)),
                ("$status", "status" in names),
                ("$request or $request_uri", not {"request", "request_uri", "uri"}.isdisjoint(names)),
            )
            if not found
        ]
        if missing:
            raise ValueError(f"has no {' and no '.join(missing)}; without it a line tells no event")
        return cls(tuple(names), tuple(literals), open)

    def quoted(self, index: int) -> bool:
        """Whether a variable stands between quotes."""
        return self.literals[index].endswith(b'"') and self.literals[index + 1].startswith(b'"')

    def split(self, line: bytes) -> list[bytes] | None:
        """The values in order, None where the line is not of this format; of an open one, what follows comes last."""
        if not line.startswith(self.literals[0]):
            return None
        at, last, values = len(self.literals[0]), len(self.names) - 1, []
        for index in range(last + 1):
            literal = self.literals[index + 1]
            if index == last and not literal:
                blank = line.find(b" ", at) if self.open else -1
                end = len(line) if blank < 0 else blank
            else:
                end = _quoted_end(line, at, literal) if self.quoted(index) else line.find(literal, at)
                if end < 0 or (index == last and end + len(literal) != len(line)):
                    return None
            values.append(line[at:end])
            at = end + len(literal)
        return [*values, line[at:]] if self.open else values


def _quoted_end(line: bytes, at: int, literal: bytes) -> int:
    """Where *literal*, which begins with a quote, stands unescaped at or after *at*."""
    start = at
    while (end := line.find(literal, at)) >= 0:
        slashes = end
        while slashes > start and line[slashes - 1] == 0x5C:
            slashes -= 1
        if (end - slashes) % 2 == 0:
            return end
        at = start = end + 1
    return -1


def _unwrapped(text: str) -> str:
    """A format string of a directive: its quoted parts, joined; anything else as it is."""
    directive = _DIRECTIVE.match(text)
    if directive is None:
        return text.strip("\n")
    parts = [match[1] if match[1] is not None else match[2] for match in _STRING.finditer(text, directive.end())]
    return "".join(re.sub(r"\\(.)", r"\1", part) for part in parts) or text[directive.end() :].rstrip(" ;\n")
