"""Which fields of a log say what a cache did: one list of names for the readers of JSON, tables and log_formats.

Names are compared without case, `-`, `_`, `.` and `$`, and without what servers and networks put before them:
`$upstream_http_cf_cache_status`, `Cf-Cache-Status` and `cacheStatus` are one. Words are those of
`auditor.exchanges.outcome`; a boolean says whether it was a hit. Of several fields all are heard, as of several caches.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from auditor.exchanges.outcome import is_verdict

_BEFORE = (
    "x|sent|http|upstream|downstream|origin|response|resp|res|rs|sc|headers?|is|was|served|by|the|cloudflare|cf|cdn|edge|"
    "proxy|fastcgi|uwsgi|scgi|nginx|apache|varnish|vercel|netlify|nextjs|litespeed|ls|akamai|fastly|info|bunny|keycdn|"
    "azure|afd|cloudfront|squid|souin|ats|haproxy|traefik|caddy|kong|apisix|page|image|img|picture|object|content|rt|sr|"
    "srcache|server|shield|gateway|cache"
)
_FIELD = re.compile(
    rf"(?:{_BEFORE})*?(?:cache(?:d|hit|miss|hitmiss|hitormiss|status|statuscode|state|result|resultcode|resulttype|"
    r"verdict|outcome|action|handling|disposition|decision|code|fetchstatus)?|fromcache|fetchstatus)"
)
_SHORT = re.compile(rf"(?:{_BEFORE})*(?:ucs|cs|handling|hitmiss|hitormiss|resulttype|hit|infostate|responsestate)")
"""Names that others use, too: what stands in them has to be a verdict and nothing else."""
_AROUND = re.compile(rf"(?:{_BEFORE})+")
"""Names of objects in which such fields stand: `response`, `headers`, `http`."""
_LONG = 80
_TOLD = {"true": "hit", "yes": "hit", "1": "hit", "false": "miss", "no": "miss", "0": "miss"}
_DENIES = re.compile(r"cache[-_]?miss$", re.IGNORECASE)
"""What is true there is no hit."""
NONE = frozenset({"", "-", "null", "none", "(null)"})
"""What stands where no cache was asked."""


@lru_cache(4096)
def _kind(name: str) -> int:
    """2 for a name that only a cache's verdict has, 1 for one that others have, too, -1 for an object around them."""
    bare = re.sub(r"[^a-z0-9]+", "", name.lower()) if len(name) <= _LONG else ""
    return 2 if _FIELD.fullmatch(bare) else 1 if _SHORT.fullmatch(bare) else -1 if _AROUND.fullmatch(bare) else 0


def names_cache(name: str) -> bool:
    """Whether a field of such a name may tell what a cache did."""
    return _kind(name) > 0


def verdict_in(name: str, value: Any) -> str | None:
    """What a field says of a cache; None for one that is another's, or empty."""
    kind = _kind(name)
    if not kind or value is None:
        return None
    if isinstance(value, Mapping):
        return None if kind == 1 else cache_of((f"{name}.{inner}", held) for inner, held in value.items())
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = str(value).strip()
    if kind < 0 or text.lower() in NONE:
        return None
    if isinstance(value, bool) or kind == 2:
        told = _TOLD.get(text.lower())
        if told is not None and _DENIES.search(name):
            told = "miss" if told == "hit" else "hit"
        text = told or text
    return text if kind == 2 or is_verdict(text) else None


def cache_of(fields: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> str | None:
    """What the fields of a record say of caches, one behind the other; None where none says a thing."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    return ", ".join(said for name, value in pairs if (said := verdict_in(name, value)) is not None) or None
