r"""A `[sources.…]` table proposed from a sample of exchanges: where pictures are served, and what their addresses say.

Requests for pictures are told by their media type, their extension, a size in the address, or words like `image` in the
path. They are grouped by the first part of their path; each further part becomes a constant, a size, a file with its
format, the template (a word of few values), or anything. Every parameter stays in the key: what a parameter does,
`volatile-inputs` shows later.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from auditor.exchanges.exchange import Exchange
from auditor.exchanges.mapper import parameters, split

SHARE = 0.02
"""A part of the path with less of all pictures gets no table of its own."""
MOST = 5
"""Tables."""
MANY = 100
"""Requests from which a part that never differs counts as a constant."""
DEEP = 4
"""Parts by which paths may differ in length and are still told apart."""
_WORDS = frozenset({
    "image", "images", "img", "imgs", "picture", "pictures", "pic", "photo", "photos", "thumb", "thumbs", "thumbnail",
    "thumbnails", "og", "render", "renders", "card", "cards", "banner", "banners", "cover", "covers", "avatar",
    "avatars",
})  # fmt: skip
_FORMATS = "png|jpe?g|webp|avif|gif|svg|pdf"
_EXTENSION = re.compile(rf"\.(?:{_FORMATS})$", re.IGNORECASE)
_FORMAT = re.compile(_FORMATS, re.IGNORECASE)
_SIZE = re.compile(r"\d{1,5}x\d{1,5}")
_SIDES = {"w": "width", "width": "width", "h": "height", "height": "height"}
_FORMAT_NAMES = frozenset({"format", "fm", "f", "ext", "output"})
_TEMPLATE_NAMES = frozenset({"template", "design", "layout", "template_id"})
_ENVIRONMENTS = ("staging", "stage", "dev", "development", "test", "preview", "qa")
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{1,40}")


@dataclass(slots=True)
class Group:
    """Requests for pictures whose paths begin alike."""

    prefix: str
    paths: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """The parts behind the prefix."""
    values: dict[str, Counter[str]] = field(default_factory=dict)
    """By query parameter."""
    hosts: Counter[str] = field(default_factory=Counter)
    cached: int = 0
    """Exchanges of which a cache field tells."""

    @property
    def requests(self) -> int:
        """How many there are."""
        return self.paths.total()


@dataclass(frozen=True, slots=True)
class Table:
    """One proposed table."""

    name: str
    lines: tuple[str, ...]
    group: Group


def propose(exchanges: Iterable[Exchange]) -> list[Table]:
    """Tables for the requests in a sample that ask for pictures, the largest group first."""
    groups: dict[str, Group] = {}
    for exchange in exchanges:
        if exchange.method != "GET":
            continue
        host, path, query = split(exchange.host, exchange.target)
        pairs = parameters(query)
        if not _is_picture(exchange, path, pairs):
            continue
        first, *rest = path.removeprefix("/").split("/")
        if not rest:
            first, rest = "", [first]
        group = groups.setdefault(first, Group(first))
        group.paths[tuple(rest)] += 1
        for name, value in pairs:
            group.values.setdefault(name, Counter())[value] += 1
        if host:
            group.hosts[host] += 1
        group.cached += exchange.cache is not None
    least = SHARE * sum(group.requests for group in groups.values())
    largest = sorted((group for group in groups.values() if group.requests >= least), key=lambda g: -g.requests)
    return [_table(group) for group in largest[:MOST]]


def _is_picture(exchange: Exchange, path: str, query: Sequence[tuple[str, str]]) -> bool:
    if exchange.media_type:
        return exchange.media_type.lower().startswith(("image/", "application/pdf"))
    parts = path.lower().split("/")
    return (
        _EXTENSION.search(path) is not None
        or not _WORDS.isdisjoint(parts[:-1])
        or any(_SIZE.fullmatch(part) for part in parts)
        or any(_SIZE.fullmatch(value) for _, value in query)
    )


def _table(group: Group) -> Table:
    pattern, has_template = _path(group)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", group.prefix).strip("-") or "pictures"
    query = dict(sorted(_query(group, has_template).items()))
    lines = [f"[sources.{name}]"]
    if group.hosts:
        lines.append(f"host = {_quoted(_hosts(sorted(group.hosts)))}")
    lines.append(f"path = {_quoted(pattern)}")
    if not has_template and not any("(?P<template>" in value for value in query.values()):
        lines.append(f'template = "{name}"')
    if query:
        inner = ", ".join(f"{_key(each)} = {_quoted(value)}" for each, value in query.items())
        lines.append(f"query = {{ {inner} }}")
    if not group.cached:
        lines.append('uncached = "render"                    # the log has no cache field; "hit" if a cache answers')
    return Table(name, tuple(lines), group)


def _path(group: Group) -> tuple[str, bool]:
    """(pattern of whole paths, whether it has the group `template`)."""
    shortest, longest = min(map(len, group.paths)), max(map(len, group.paths))
    start = "/" + re.escape(group.prefix) if group.prefix else ""
    if shortest < longest and all(_EXTENSION.search(path[-1]) for path in group.paths):
        return rf"{start}/.*\.(?P<format>{_FORMATS})", False
    if longest > shortest + DEEP:
        return f"{start}/.*", False
    parts, found = [], set[str]()
    for place in range(longest):
        values: Counter[str] = Counter()
        for path, count in group.paths.items():
            if place < len(path):
                values[path[place]] += count
        parts.append("/" + _part(values, found))
    optional = ""
    for part in reversed(parts[shortest:]):
        optional = f"(?:{part}{optional})?"
    return start + "".join(parts[:shortest]) + optional, "template" in found


def _part(values: Counter[str], found: set[str]) -> str:
    """The pattern of one part; *found* collects its groups."""
    extended = _mostly(_EXTENSION.search, values)
    if len(values) == 1 and values.total() >= MANY and not extended:
        return re.escape(next(iter(values)))
    if _mostly(_SIZE.fullmatch, values) and "width" not in found:
        found |= {"width", "height"}
        return r"(?:(?P<width>\d+)x(?P<height>\d+)|[^/]*)"
    if extended and "format" not in found:
        found.add("format")
        size = ""
        if "width" not in found and any(re.search(r"[-_]\d+x\d+\.", value) for value in values):
            found |= {"width", "height"}
            size = r"(?:[-_](?P<width>\d+)x(?P<height>\d+))?"
        return rf"[^/]*?{size}(?:\.(?P<format>{_FORMATS}))?"
    few = len(values) <= max(50, values.total() // 20)
    if "template" not in found and few and not extended and _mostly(_WORD.fullmatch, values):
        found.add("template")
        return "(?P<template>[^/]+)"
    return "[^/]*"


def _query(group: Group, has_template: bool) -> dict[str, str]:
    """Patterns for those parameters that tell a size, a format or the template."""
    found = {}
    for name, values in group.values.items():
        if name.lower() in _SIDES and _mostly(str.isdigit, values):
            found[name] = rf"(?P<{_SIDES[name.lower()]}>\d+)"
        elif _mostly(_SIZE.fullmatch, values, 0.5):
            found[name] = r"(?P<width>\d+)x(?P<height>\d+)"
        elif name.lower() in _FORMAT_NAMES and _mostly(_FORMAT.fullmatch, values):
            found[name] = f"(?P<format>{_FORMATS})"
        elif name.lower() in _TEMPLATE_NAMES and not has_template:
            found[name] = "(?P<template>.+)"
    return found


def _mostly(test: Callable[[str], object], values: Counter[str], share: float = 0.9) -> bool:
    """Whether most values pass, by how often they stand: a few odd ones are in every log."""
    return sum(count for value, count in values.items() if test(value)) >= share * values.total()


def _hosts(hosts: Sequence[str]) -> str:
    """A pattern for some hosts; a label that names an environment becomes the group."""
    named: dict[str, list[str]] = {}
    for host in hosts:
        label, _, rest = host.partition(".")
        if label in _ENVIRONMENTS and rest:
            named.setdefault(rest, []).append(label)
    patterns = [
        rf"(?:(?P<environment>{'|'.join(labels)})\.)?{re.escape(rest)}" for rest, labels in sorted(named.items())[:1]
    ]
    covered = {
        host for rest, labels in sorted(named.items())[:1] for host in (rest, *(f"{each}.{rest}" for each in labels))
    }
    patterns += [re.escape(host) for host in hosts if host not in covered]
    return "|".join(patterns) if len(patterns) <= 20 else ".*"


def _quoted(text: str) -> str:
    """A TOML string: literal where that is possible."""
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    escaped = "".join(
        f"\\u{ord(character):04X}" if character in '"\\' or not character.isprintable() else character
        for character in text
    )
    return f'"{escaped}"'


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
