"""For how long a browser may reuse an answer without asking again, by its headers: RFC 9111, section 4.2.1.

A browser's cache is a private one: `s-maxage` is not for it. `no-store`, `no-cache` and what cannot be read mean 0.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from auditor.model.events import EPOCH, UNSTATED

_MOST = 2**31
"""Seconds that a cache has to be able to hold (RFC 9111, section 1.2.2)."""
_QUOTED = re.compile('"[^"]*"')
_LONG = 64
"""Characters of a date."""


def lifetime(headers: Mapping[str, str], ts_us: int) -> int | None:
    """Seconds from the *headers* of an answer, by lower-case names, to a request at *ts_us*.

    `UNSTATED` where they do not say, None where none is known.
    """
    if not headers:
        return None
    directives: dict[str, str] = {}
    control = _QUOTED.sub(lambda quoted: quoted[0].replace(",", " "), headers.get("cache-control", "").lower())
    for part in control.split(","):
        name, _, value = part.partition("=")
        directives.setdefault(name.strip(), value.strip(' \t"'))
    # no-cache="field" is about that header alone.
    if "no-store" in directives or directives.get("no-cache") == "":
        return 0
    if "max-age" in directives:
        seconds = directives["max-age"]
        return min(int(seconds.lstrip("0")[:12] or 0), _MOST) if seconds.isascii() and seconds.isdigit() else 0
    if "expires" in headers:
        ends = _moment(headers["expires"])
        begins = _moment(headers.get("date", "")) or EPOCH + timedelta(microseconds=ts_us)
        return min(max(0, (ends - begins) // timedelta(seconds=1)), _MOST) if ends else 0
    return UNSTATED


def _moment(text: str) -> datetime | None:
    """An HTTP date; None for anything else, such as the usual `0` and `-1`."""
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        if len(text) <= _LONG:
            found = parsedate_to_datetime(text)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
