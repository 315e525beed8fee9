r"""Addresses that make images wherever they stand: Open Graph endpoints of sites, and image servers.

`endpoint_of` tells a request by its address alone; `Endpoint.pattern` is what finds all that are like it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

FORMATS = "(?i:png|jpe?g|webp|avif|gif|svg|pdf)"
"""A pattern of extensions, in whatever case."""
LONGEST = 8192
"""Characters of a path; servers refuse longer ones, and patterns are tried at each of them."""
EXTENSION = re.compile(rf"\.{FORMATS}$")
IMAGE = re.compile(r"(?:.*\.)?(?i:png|jpe?g|webp|avif|gif)")
"""A value that names a file or a format of nothing but images."""
OTHER_EXTENSION = re.compile(r"\.[a-z][a-z0-9]{0,4}$", re.IGNORECASE)
"""Of the last part of an address that is no image: css, js, html, programs and whatever else."""
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
