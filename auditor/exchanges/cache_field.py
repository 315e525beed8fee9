"""Which fields of a log say what a cache did: one list of names for the readers of JSON, tables and log_formats.

Names are compared without case, `-`, `_`, `.` and `$`, and without what servers and networks put before them:
`$upstream_http_cf_cache_status`, `Cf-Cache-Status` and `cacheStatus` are one. Words are those of
`auditor.exchanges.outcome`; a boolean says whether it was a hit. Of several fields all are heard, as of several caches.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from auditor.exchanges.headers import pairs_of
from auditor.exchanges.outcome import is_verdict

_BEFORE = (
    "x|sent|http|upstream|downstream|origin|response|resp|res|rs|sc|headers?|is|was|served|by|the|cloudflare|cf|cdn|edge|"
    "proxy|fastcgi|uwsgi|scgi|nginx|apache|varnish|vercel|netlify|nextjs|litespeed|ls|akamai|fastly|info|bunny|keycdn|"
    "azure|afd|cloudfront|squid|souin|ats|haproxy|traefik|caddy|kong|apisix|page|image|img|picture|object|content|rt|sr|"
    "srcache|server|shield|gateway|cache"
)
_FIELD = re.compile(
    rf"(?:{_BEFORE})*?(?:cache(?:d|hit|miss|hitmiss|hitormiss|status|statuscode|state|result|resultcode|resulttype|"
    r"verdict|outcome|action|handling|disposition|decision|code|fetchstatus)?|fromcache|fetchstatus|"
    r"cachemissed|(?:un|not|non)cached)"
)
_COUNT = re.compile(rf"(?:{_BEFORE})*?cachehits(?:count)?")
"""How often caches had served the object by then, each its own count: none is a miss."""
_SHORT = re.compile(rf"(?:{_BEFORE})*(?:ucs|cs|handling|hitmiss|hitormiss|resulttype|hit|infostate|responsestate)")
"""Names that others use, too: what stands in them has to be a verdict and nothing else."""
_AROUND = re.compile(rf"(?:{_BEFORE})+")
"""Names of objects in which such fields stand: `response`, `headers`, `http`."""
_LONG = 80
_TOLD = {
    **dict.fromkeys(("true", "yes", "y", "t", "1"), "hit"),
    **dict.fromkeys(("false", "no", "n", "f", "0"), "miss"),
}
_DENIES = re.compile(r"(?:cache[-_.]?miss(?:ed)?|(?:un|not|non)[-_.]?cached)$", re.IGNORECASE)
"""What is true there is no hit."""
_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
NONE = frozenset({"", "-", "null", "none", "(null)"})
"""What stands where no cache was asked."""


def bare(name: str) -> str:
    """`cfcachestatus` of `Cf-Cache-Status`; empty for what is too long to be the name of a field."""
    return re.sub(r"[^a-z0-9]+", "", name.lower()) if len(name) <= _LONG else ""


@lru_cache(4096)
def _kind(name: str) -> int:
    """What a name says of its field.

    3 for a count of hits, 2 for a name that only a cache's verdict has, 1 for one that others have, too, -1 for an
    object around them.
    """
    name = bare(name)
    if _COUNT.fullmatch(name):
        return 3
    return 2 if _FIELD.fullmatch(name) else 1 if _SHORT.fullmatch(name) else -1 if _AROUND.fullmatch(name) else 0


def names_cache(name: str) -> bool:
    """Whether a field of such a name may tell what a cache did."""
    return _kind(name) > 0


def verdict_in(name: str, value: Any) -> str | None:
    """What a field says of a cache; None for one that is another's, or empty."""
    kind = _kind(name)
    if not kind or value is None:
        return None
    if kind < 0 or isinstance(value, Mapping):
        return None if kind == 1 else cache_of((f"{name}.{inner}", held) for inner, held in pairs_of(value))
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = str(value).strip()
    if text.lower() in NONE:
        return None
    if kind == 3:
        counts = text.replace(" ", "").split(",")
        return text if not all(map(_WHOLE.fullmatch, counts)) else "hit" if any(map(int, counts)) else "miss"
    if isinstance(value, bool) or kind == 2:
        told = _TOLD.get(text.lower())
        if told is not None and _DENIES.search(name):
            told = "miss" if told == "hit" else "hit"
        text = told or text
    return text if kind == 2 or is_verdict(text) else None


def cache_of(fields: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> str | None:
    """What the fields of a record say of caches, one behind the other; None where none says a thing.

    Counts of hits are heard where nothing else is said: what was passed on may have been counted, too.
    """
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    told = [(name, said) for name, value in pairs if (said := verdict_in(name, value)) is not None]
    return ", ".join([said for name, said in told if _kind(name) != 3] or [said for _, said in told]) or None
