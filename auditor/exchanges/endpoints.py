r"""Addresses that make images: Open Graph endpoints of sites and image servers, and groups of others that are alike.

`endpoint_of` tells a request by its address alone; `Endpoint.pattern` is what finds all that are like it. Patterns of a
group are those of its hosts, of its paths part by part, and of its parameters.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

FORMATS = "(?i:png|jpe?g|webp|avif|gif|svg|pdf)"
"""A pattern of extensions, in whatever case."""
LONGEST = 8192
"""Characters of a path; servers refuse longer ones, and patterns are tried at each of them."""
EXTENSION = re.compile(rf"\.{FORMATS}$")
IMAGE = re.compile(r"(?:.*\.)?(?i:png|jpe?g|webp|avif|gif)")
"""A value that names a file or a format of nothing but images."""
OTHER_EXTENSION = re.compile(r"\.[a-z][a-z0-9]{0,4}$", re.IGNORECASE)
"""Of the last part of an address that is not an image: css, js, html, programs and whatever else."""
_SCRIPT = re.compile(r"\.(?:php|aspx?|ashx|cgi|jsp)$", re.IGNORECASE)
TEMPLATE_NAMES = frozenset({"template", "design", "layout", "template_id", "templateid", "template-id", "tpl"})
_SIDES = {"w": "width", "width": "width", "h": "height", "height": "height"}
_OPEN_GRAPH = frozenset({
    "og", "og-image", "og_image", "ogimage", "og-card", "opengraph", "opengraph-image", "open-graph",
    "open-graph-image", "twitter-image", "twitter-card", "social-card", "social_card", "socialcard", "social-image",
    "social-preview", "share-image", "share-card",
})  # fmt: skip
"""Last parts of paths that are nothing else."""
_RENDERERS = frozenset({
    "render", "renders", "image", "images", "img", "picture", "card", "cards", "banner", "thumbnail", "thumb",
    "screenshot", "preview", "generate", "cover", "poster", "badge",
})  # fmt: skip
"""Last parts that make images if a parameter says of what."""
_CONTENT = TEMPLATE_NAMES | {"title", "text", "headline", "subtitle", "theme", *_SIDES}
_HASHED = re.compile(r"(opengraph-image|twitter-image)(?:-[a-z0-9]{4,12})?", re.IGNORECASE)
"""As Next.js names them."""
MANY = 100
"""Requests from which a part that never differs counts as a constant."""
DEEP = 4
"""Parts by which paths may differ in length and are still told apart."""
_FORMAT = re.compile(FORMATS)
SIZE = re.compile(r"\d{1,5}x\d{1,5}")
FORMAT_NAMES = frozenset({"format", "fm", "f", "ext", "output"})
_ENVIRONMENTS = ("staging", "stage", "dev", "development", "test", "preview", "qa")
_TEMPLATE = "[A-Za-z][A-Za-z_-]{1,40}"
_WORD = re.compile(_TEMPLATE)
FEW = 5
"""Paths that are listed, rather than described."""


def escaped(text: str) -> str:
    """A pattern for a text, as plain as patterns allow."""
    return re.escape(text).replace(r"\-", "-")


@dataclass(frozen=True, slots=True)
class ImageMaker:
    """What makes images at some addresses."""

    name: str
    path: str = ""
    """An RE2 pattern for whole paths; empty for Open Graph endpoints, whose paths are their own."""
    host: str = ""
    query: Mapping[str, str] = field(default_factory=dict, hash=False)
    needs: frozenset[str] = frozenset()
    """Parameters without which it is another address."""

    def fits(self, host: str | None, path: str, names: Collection[str]) -> bool:
        """Whether a request goes there."""
        return (
            re.fullmatch(self.path, path) is not None
            and self.needs.issubset(names)
            and (not self.host or re.fullmatch(self.host, host or "") is not None)
        )

    def pattern(self, paths: Iterable[str]) -> str:
        """The pattern for *paths* of such requests, and their like."""
        if self.path:
            return self.path
        found = sorted(set(paths))
        if len(found) <= FEW:
            return "|".join(map(escaped, found))
        return rf"(?:/[^/]+)*/(?i:{escaped(self.name)}(?:-[a-z0-9]+)?)(?:\.(?P<format>{FORMATS}))?(?:/[^/.]+)?"


_WIDTH = {"w": r"(?P<width>\d+)"}
_BOTH = {**_WIDTH, "h": r"(?P<height>\d+)"}
_SERVERS = (
    ImageMaker("next-image", r"(?:/[^/]+)*/_next/image/?", "", _WIDTH, frozenset({"url", "w"})),
    ImageMaker("vercel-image", r"/_vercel/image/?", "", _WIDTH, frozenset({"url"})),
    ImageMaker("netlify-images", r"/\.netlify/images/?", "", _BOTH, frozenset({"url"})),
    ImageMaker("astro-image", r"(?:/[^/]+)*/_image/?", "", _BOTH, frozenset({"href"})),
    ImageMaker("ipx", r"(?:/[^/]+)*/_ipx/(?:(?:[^/]*[,&])?(?:w|s)_(?P<width>\d+)(?:x(?P<height>\d+))?[^/]*|[^/]*)/.+"),
    ImageMaker("cdn-cgi-image", r"(?:/[^/]+)*/cdn-cgi/image/(?:(?:[^/]*,)?w(?:idth)?=(?P<width>\d+)[^/]*|[^/]*)/.+"),
    ImageMaker("cloudinary",
             r"(?:/[^/]+)?/image/(?:upload|fetch|private|authenticated)/(?:(?:.*[/,])?w_(?P<width>\d+)[^/]*|[^/]*)/.+"),
    ImageMaker("imgix", r"/.+", r"(?:[^.]+\.)*imgix\.net", {**_BOTH, "fm": f"(?P<format>{FORMATS})"}),
    ImageMaker("imagekit", r"/.+", r"ik\.imagekit\.io"),
    ImageMaker("cloudflare-images", r"/.+", r"imagedelivery\.net"),
    ImageMaker("thumbor",
             r"(?:/[^/]+)?/(?:unsafe|[A-Za-z0-9_-]{26}[A-Za-z0-9_=-]{2})/(?:[^/]+/)*?-?(?P<width>\d+)x-?(?P<height>\d+)/.+"),
    ImageMaker("imgproxy",
             r"/[^/]+/(?:(?:[a-z_]+:[^/]*/)*?(?:rs|resize):[a-z-]*:(?P<width>\d+):(?P<height>\d+)[^/]*"
             r"|(?:rs|resize|s|size|rt|w|width|h|height|mw|mh|dpr|el|g|gravity|c|crop|q|quality|f|format|ext|pr|preset|bg|bl"
             r"|blur|sh|t|trim|pd|padding|ar|rot|wm|cb|sm|mb|exp):[^/]*)/.+"),
)  # fmt: skip


def endpoint_of(host: str | None, path: str, query: Sequence[tuple[str, str]], method: str) -> ImageMaker | None:
    """What a request asks for an image, None where the address does not tell or is longer than any server takes."""
    if len(path) > LONGEST:
        return None
    names = {name for name, _ in query}
    server = next((each for each in _SERVERS if each.fits(host, path, names)), None)
    if server is not None:
        return server
    *before, last = path.strip("/").lower().split("/")
    for part in (last, *before[-1:]):
        hashed = _HASHED.fullmatch(EXTENSION.sub("", part))
        if hashed is not None:
            return ImageMaker(hashed[1])
    bare = _SCRIPT.sub("", EXTENSION.sub("", last))
    told = any(name.lower() in _CONTENT or IMAGE.fullmatch(value) for name, value in query)
    if bare in _OPEN_GRAPH or (bare in _RENDERERS and (method == "POST" or told)):
        return ImageMaker(bare)
    return None


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

    def add(self, path: Sequence[str], query: Iterable[tuple[str, str]], host: str | None) -> None:
        """Count a request."""
        self.paths[tuple(path)] += 1
        for name, value in query:
            self.values.setdefault(name, Counter())[value] += 1
        if host:
            self.hosts[host] += 1

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
    patterns, covered = list[str](), set[str]()
    for rest, labels in sorted(named.items())[:1]:
        patterns.append(rf"(?:(?P<environment>{'|'.join(labels)})\.)?{re.escape(rest)}")
        covered |= {rest, *(f"{label}.{rest}" for label in labels)}
    patterns += [re.escape(host) for host in hosts if host not in covered]
    return "|".join(patterns) if len(patterns) <= 20 else ".*"
