r"""LogTemplate: an nginx `log_format`, which is variables between literals. Apache's formats are written as one, too.

A variable reaches to the first place where the literal behind it stands; between quotes a backslash hides a quote, and
what nginx writes of several upstreams (`0.000, 0.249`, or ` : ` after a redirect) is one value. That is linear in the
line. `auditor.intake.columnar.template_bulk` does the same, compiled.
"""

import re
from dataclasses import dataclass

_VARIABLE = re.compile(r"\$(?:\{([a-z0-9_]+)\}|([a-z0-9_]+))")
_DIRECTIVE = re.compile(r"\s*log_format\s+\S+\s+(?:escape=\w+\s+)?")
_STRING = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_LISTS = re.compile(r"\w*upstream_\w+|\w*x_forwarded_for|sent_http_\w*(?:cache|via)\w*")
"""Variables that may hold lists. Free text may, too, but not without quotes."""
_NARROW = re.compile(
    r"\w*upstream_(?!http_)\w+|(?:http_|proxy_)?host|server_\w+|\w*_time|status|\w*bytes\w*|\w+_length|remote_addr|\w+_port|"
    r"msec|scheme|connection\w*|pipe|pid|hostname|req_id|request_id|request_method|ssl_(?:protocol|cipher)|gzip_ratio"
)
"""Variables that never hold a blank, but for lists."""
BETWEEN = re.compile(r", | : ")
"""What stands between the values of a list."""
_NEEDED = {
    "$time_local or $time_iso8601 or $msec": {"time_local", "time_iso8601", "msec"},
    "$status": {"status"},
    "$request or $request_uri": {"request", "request_uri", "uri"},
}
"""Of each of these one has to be there."""


@dataclass(frozen=True, slots=True)
class LogTemplate:
    """`literals` has one more than `names`; the last may be empty, the others not."""

    names: tuple[str, ...]
    literals: tuple[bytes, ...]
    open: bool = False
    """Whether the last variable ends at a blank, and what follows is of no interest."""
    lists: tuple[bool, ...] = ()
    """By variable: whether it may hold a list, which does not end where the literal behind it first stands."""
    narrow: bool = False
    """Whether a blank in the last variable shows that a line is of another format."""

    @classmethod
    def of(cls, text: str, *, open: bool = False) -> "LogTemplate":
        """Of a format string, or of the whole directive copied from nginx.conf. `ValueError` says what is wrong."""
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
        if missing := [told for told, variables in _NEEDED.items() if variables.isdisjoint(names)]:
            raise ValueError(f"has no {' and no '.join(missing)}; without it a line tells no event")
        lists = tuple(
            _LISTS.fullmatch(name) is not None and not BETWEEN.match(literal.decode())
            for name, literal in zip(names, literals[1:], strict=True)
        )
        narrow = not (open or literals[-1]) and _NARROW.fullmatch(names[-1]) is not None
        return cls(tuple(names), tuple(literals), open, lists, narrow)

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
                if self.narrow and b" " in (_BETWEEN.sub(b",", line[at:end]) if self.lists[index] else line[at:end]):
                    return None
            else:
                end = _quoted_end(line, at, literal) if self.quoted(index) else line.find(literal, at)
                while end >= 0 and self.lists[index] and _goes_on(line, at, end):
                    end = line.find(literal, end + 1)
                if end < 0 or (index == last and end + len(literal) != len(line)):
                    return None
            values.append(line[at:end])
            at = end + len(literal)
        return [*values, line[at:]] if self.open else values


_BETWEEN = re.compile(BETWEEN.pattern.encode())


def _goes_on(line: bytes, at: int, end: int) -> bool:
    """Whether a list that began at *at* goes on at *end*, where a literal stands within what parts its values."""
    return any(match.start() <= end < match.end() for match in _BETWEEN.finditer(line, max(at, end - 2), end + 3))


def _quoted_end(line: bytes, at: int, literal: bytes) -> int:
    """Where *literal*, which begins with a quote, stands unescaped at or after *at*."""
    start = at
    while (end := line.find(literal, at)) >= 0:
        before = line[start:end]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
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
