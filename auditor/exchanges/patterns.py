"""Patterns of a group of addresses: their hosts, their paths part by part, and their parameters."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from auditor.exchanges.endpoints import EXTENSION, FORMATS, TEMPLATE_NAMES, ImageMaker, escaped

MANY = 100
"""Requests from which a part that never differs counts as a constant."""
DEEP = 4
"""Parts by which paths may differ in length and are still told apart."""
_FORMAT = re.compile(FORMATS)
SIZE = re.compile(r"\d{1,5}x\d{1,5}")
_SIDES = {"w": "width", "width": "width", "h": "height", "height": "height"}
FORMAT_NAMES = frozenset({"format", "fm", "f", "ext", "output"})
_ENVIRONMENTS = ("staging", "stage", "dev", "development", "test", "preview", "qa")
_TEMPLATE = "[A-Za-z][A-Za-z_-]{1,40}"
_WORD = re.compile(_TEMPLATE)


@dataclass(slots=True)
class Group:
    """Requests for images whose paths begin alike, or that one endpoint answers."""

    prefix: str
    endpoint: ImageMaker | None = None
    word: tuple[int, str] | None = None
    """What tells these requests from others with the prefix: a part of their paths, and the parts before it."""
    paths: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """The parts behind the prefix."""
    values: dict[str, Counter[str]] = field(default_factory=dict)
    """By query parameter."""
    hosts: Counter[str] = field(default_factory=Counter)
    cached: int = 0
    """Exchanges of which a cache field tells."""
    redirects: int = 0
    others: int = 0
    """Answers whose media type is not that of an image."""

    @property
    def shown(self) -> str:
        """The path that is asked most for, or what all begin with."""
        if self.endpoint:
            return self.paths.most_common(1)[0][0][0]
        before, word = self.word or (0, "")
        return "/".join(["", self.prefix, *["*"] * before, *filter(None, [word])])

    @property
    def requests(self) -> int:
        """How many there are."""
        return self.paths.total()


def path_pattern(group: Group) -> tuple[str, bool]:
    """(pattern of whole paths, whether it has the group `template`)."""
    start = "/" + escaped(group.prefix) if group.prefix else ""
    paths = group.paths
    if group.word is not None:
        before, word = group.word
        start += "/[^/]+" * before + "/" + escaped(word)
        paths = Counter[tuple[str, ...]]()
        for path, requests in group.paths.items():
            paths[path[before + 1 :]] += requests
    shortest, longest = min(map(len, paths)), max(map(len, paths))
    if shortest < longest and all(EXTENSION.search(path[-1]) for path in paths):
        return rf"{start}/.*\.(?P<format>{FORMATS})", False
    if longest > shortest + DEEP:
        return rf"{start}/(?:.*/)?[^/.]*(?:\.(?P<format>{FORMATS}))?", False
    parts, found = [], set[str]()
    for place in range(longest):
        values: Counter[str] = Counter()
        for path, requests in paths.items():
            if place < len(path):
                values[path[place]] += requests
        parts.append("/" + _part(values, found, last=place >= shortest - 1))
    optional = ""
    for part in reversed(parts[shortest:]):
        optional = f"(?:{part}{optional})?"
    return start + "".join(parts[:shortest]) + optional, "template" in found


def _part(values: Counter[str], found: set[str], *, last: bool) -> str:
    """The pattern of one part; *found* collects its groups. The *last* one takes no extension but an image's."""
    extended = _mostly(EXTENSION.search, values)
    anything = "[^/.]*" if last else "[^/]*"
    if len(values) == 1 and values.total() >= MANY and not extended:
        return escaped(next(iter(values)))
    if _mostly(SIZE.fullmatch, values) and "width" not in found:
        found |= {"width", "height"}
        return rf"(?:(?P<width>\d+)x(?P<height>\d+)|{anything})"
    if extended and "format" not in found:
        found.add("format")
        size = ""
        if "width" not in found and any(re.search(r"[-_]\d+x\d+\.", value) for value in values):
            found |= {"width", "height"}
            size = r"(?:[-_](?P<width>\d+)x(?P<height>\d+))?"
        return rf"[^/]*?{size}\.(?P<format>{FORMATS})"
    few = len(values) <= max(50, values.total() // 20)
    if "template" not in found and few and not extended and _mostly(_WORD.fullmatch, values):
        found.add("template")
        return f"(?:(?P<template>{_TEMPLATE})|{anything})"
    if any(map(EXTENSION.search, values)):
        return rf"{anything}(?:\.{FORMATS})?"
    return anything


def query_patterns(group: Group, has_template: bool) -> dict[str, str]:
    """Patterns for those parameters that tell a size, a format or the template."""
    found = {}
    for name, values in group.values.items():
        if name.lower() in _SIDES and _mostly(str.isdigit, values):
            found[name] = rf"(?P<{_SIDES[name.lower()]}>\d+)"
        elif _mostly(SIZE.fullmatch, values, 0.5):
            found[name] = r"(?P<width>\d+)x(?P<height>\d+)"
        elif name.lower() in FORMAT_NAMES and _mostly(_FORMAT.fullmatch, values):
            found[name] = f"(?P<format>{FORMATS})"
        elif name.lower() in TEMPLATE_NAMES and not has_template:
            found[name] = "(?P<template>.+)"
    return found


def _mostly(test: Callable[[str], object], values: Counter[str], share: float = 0.9) -> bool:
    """Whether most values pass, by how often they stand: a few odd ones are in every log."""
    return sum(count for value, count in values.items() if test(value)) >= share * values.total()


def host_pattern(hosts: Sequence[str]) -> str:
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
