"""What became of an exchange: cache fields by the vocabulary of RFC 9211, statuses by who may have billed.

RFC 9211 (Cache-Status) says of each cache either `hit` or why it forwarded (`fwd=`), and whether the forwarded request
was `collapsed` with another. Vendors' words are older than that; `served` brings all of them to three.

By the media types of `auditor.model.media` (semantics 11.2 and 11.3), an answer that is known to be something else than
an image, a redirect, a part of an image, and a request that never left are no renders: they are filtered, and counted
by their reason.
"""

import re
from collections.abc import Collection
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from auditor.model.events import DELIVERED, Outcome, default_credits, error_of_status
from auditor.model.media import is_picture
from auditor.model.media import tells_size as is_whole


class Served(StrEnum):
    """Who gave the answer."""

    HIT = "hit"
    """A cache, without asking for a new image: hits, stale answers, and those that the origin confirmed (304)."""
    COLLAPSED = "collapsed"
    """The answer to an identical request that was on its way."""
    FORWARDED = "fwd"
    """The origin."""


_WORDS = {
    **dict.fromkeys((
        "hit", "hits", "stale", "updating", "revalidated", "refreshhit", "refresh_hit", "originshieldhit", "hit-stale",
        "hit-cluster", "hit-synth", "tcp_hit", "tcp_mem_hit", "tcp_memory_hit", "tcp_ims_hit", "tcp_inmem_hit",
        "tcp_offline_hit", "tcp_refresh_hit", "tcp_refresh_unmodified", "tcp_stale_hit", "udp_hit", "partial_hit",
        "prerender", "remote_hit", "tcp_rescan_hit", "tcp_refresh_fail_hit", "tcp_refresh_fail", "tcp_refresh_fail_old",
        "cached", "cachehit", "cache_hit",
    ), Served.HIT),
    **dict.fromkeys(("collapsed", "hit-wait", "stream_hit", "tcp_cf_hit"), Served.COLLAPSED),
    **dict.fromkeys((
        "miss", "miss-cluster", "miss-wait", "pass", "hitpass", "hit-for-pass", "expired", "bypass", "dynamic",
        "ignored", "deferred", "tcp_miss", "tcp_expired_miss", "tcp_refresh_miss", "tcp_refresh_modified",
        "tcp_client_refresh_miss", "tcp_cache_bypass", "tcp_denied", "config_nocache", "private_nostore", "n/a", "pipe",
        "synth", "error", "limitexceeded", "capacityexceeded", "redirect", "uri-miss", "vary-miss", "request", "method",
        "partial", "tcp_nc_miss", "tcp_partial_miss", "tcp_auth_miss", "tcp_swapfail_miss", "tcp_tunneled", "scarce",
        "hitmiss", "hit-for-miss", "cachemiss", "cache_miss", "cache_noconfig",
    ), Served.FORWARDED),
}  # fmt: skip
_LONG = 200
_ALONE = re.compile(r"(n/a|[a-z_]{1,40}(?:-[a-z_]{1,40}){0,8})(?:[/:(]\S*| from \S.*)?")
_WORD = re.compile(r"(?<!\S)(n/a|[a-z_]{1,40}(?:-[a-z_]{1,40}){0,8})(?![a-z0-9.])")


def served(field: str | None) -> Served | None:
    """Who answered, by a cache field; None where there is no field or it does not tell.

    `Cache-Status`, `X-Cache` and its like, `x-edge-result-type`, `CacheCacheStatus`, `$upstream_cache_status`,
    `fastly_info.state`. Of several caches one hit is enough: the origin was not asked.
    """
    if not field:
        return None
    found = {verdict for part in field.lower().split(",") if (verdict := _one(part.strip())) is not None}
    return next((verdict for verdict in Served if verdict in found), None)


def is_verdict(text: str) -> bool:
    """Whether a text is a verdict and nothing else: `HIT`, `TCP_MISS/200`, `Hit from cloudfront`, `MISS, HIT`."""
    return len(text) <= _LONG and all(map(_is_one, text.lower().split(",")))


def _is_one(text: str) -> bool:
    text = text.strip()
    if ";" in text:
        return _one(text) is not None
    match = _ALONE.fullmatch(text)
    return match is not None and _by_word(match[1]) is not None


def _one(text: str) -> Served | None:
    if ";" in text:
        return _cache_status([part.strip() for part in text.split(";")[1:]])
    # The verdict may stand behind the cache's name (`cp3006 hit/8`); the first word that is one counts.
    return next((verdict for word in _WORD.finditer(text) if (verdict := _by_word(word[1])) is not None), None)


def _by_word(name: str) -> Served | None:
    # Fastly says what more there was behind the verdict: HIT-STALE-CLUSTER, MISS-WAIT-CLUSTER, ERROR-LOSTHDR.
    while name and name not in _WORDS:
        name = name.rpartition("-")[0]
    return _WORDS.get(name)


def _cache_status(parameters: list[str]) -> Served | None:
    """One member of an RFC 9211 list, without the cache's name."""
    if "hit" in parameters:
        return Served.HIT
    if "collapsed" in parameters or "collapsed=?1" in parameters:
        return Served.COLLAPSED
    if "fwd=stale" in parameters and "fwd-status=304" in parameters:
        return Served.HIT
    return Served.FORWARDED if any(each.startswith("fwd") for each in parameters) else None


class Fate(NamedTuple):
    """The fields of an event that follow from status and cache."""

    outcome: Outcome
    status: int | None
    error: str | None
    credits: Decimal | None


# The client went away before the answer: nginx writes 499, AWS 460, HAProxy -1, CloudFront and Fastly 000.
_NO_ANSWER = frozenset({499, 460, 0, -1})
_OUTCOMES = {Served.HIT: Outcome.HIT, Served.COLLAPSED: Outcome.COALESCED, Served.FORWARDED: Outcome.RENDER}


def fate(
    status: int | None,
    served_by: Served | None,
    otherwise: Outcome,
    redirects: Outcome | None = None,
    used_up: Collection[int] = (),
) -> Fate:
    """What an answer stands for; *otherwise* is a good answer of which no cache field tells, *redirects* any 3xx.

    *used_up* are the statuses by which a provider says that the plan's credits are used up.

    Failed calls that no cache answered are billed as `default_credits` says; one without an answer may have been.
    """
    if status is None or status in _NO_ANSWER:
        if served_by in (Served.HIT, Served.COLLAPSED):
            return Fate(Outcome.ERROR, None, "connection", Decimal(0))
        return Fate(Outcome.ERROR, None, "connection", None)
    if 300 <= status < 400 and status != 304 and redirects in (Outcome.RENDER, Outcome.HIT):
        # Where a redirect means a hit, the image was there, whatever a cache before it says.
        outcome = _OUTCOMES[served_by] if served_by and redirects is Outcome.RENDER else redirects
        return Fate(outcome, status, None, default_credits(outcome, status))
    if 200 <= status < 300 or status == 304:
        # 304: the caller has the image already.
        outcome = Outcome.HIT if status == 304 else _OUTCOMES[served_by] if served_by else otherwise
        return Fate(outcome, status, None, default_credits(outcome, status))
    error = "quota" if status in used_up else error_of_status(status)
    credits = Decimal(0) if served_by in (Served.HIT, Served.COLLAPSED) else default_credits(Outcome.ERROR, status)
    return Fate(Outcome.ERROR, status, error, credits)


_NEVER_SENT = re.compile(
    r"blocked(?![_ -]?by[_ -]?(?:response|orb|corp))(?!.*(?:cors|cross[_ -]?origin|opaque))"
    r"|(?:cancel|abort)\w*.{0,40}\bbefore\b.{0,40}\bsen[dt]"
    r"|\b(?:not|never)[_ -]sent\b",
    re.IGNORECASE,
)
"""Browsers block a request before it leaves (`net::ERR_BLOCKED_BY_CLIENT`), or an answer that has come."""


class Filtered(StrEnum):
    """Why a line that a source fits is not an event."""

    NOT_A_PICTURE = "not_a_picture"
    REDIRECT = "redirect"
    PARTIAL = "partial"
    NOT_SENT = "not_sent"


def tells_size(outcome: Outcome, status: int | None, media_type: str = "") -> bool:
    """Whether the answer's bytes, and their digest, are a whole image's."""
    return outcome in DELIVERED and is_whole(status, media_type)


def left_out(
    status: int | None, media_type: str, failure: str | None, *, typed: bool, redirects: Outcome | None
) -> Filtered | None:
    """Why an answer is not an event, None where it is one.

    *failure* is what the log says of a request without an answer. *typed* asks the media type, which says nothing at a
    provider's own endpoint. *redirects* is what a 3xx stands for; None filters it.
    """
    if not status:
        return Filtered.NOT_SENT if failure and _NEVER_SENT.search(failure) else None
    if typed and 200 <= status < 300 and is_picture(media_type) is False:
        return Filtered.NOT_A_PICTURE
    if 300 <= status < 400 and status != 304 and redirects is None:
        return Filtered.REDIRECT
    return Filtered.PARTIAL if status == 206 else None
