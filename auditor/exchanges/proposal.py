r"""`[sources.…]` tables proposed from a sample of exchanges: where images are made, and what their addresses say.

Known endpoints are told by their address. Other requests for images are told by their media type, their extension, a
size in the address, or words like `image` in the path. They are grouped by the first part of their path, and those
without an extension also by such a word further behind, which stays in the pattern. Each further part becomes a
constant, a size, a file with its format, the template (a word of few values, never an id), or anything, but no pattern
ends in another extension than an image's. Every parameter stays in the key: what a parameter does, an
audit shows later.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from auditor.exchanges.addresses import parameters, split
from auditor.exchanges.endpoints import (
    EXTENSION,
    FORMAT_NAMES,
    IMAGE,
    OTHER_EXTENSION,
    SIZE,
    Group,
    ImageMaker,
    endpoint_of,
    escaped,
    host_pattern,
    path_pattern,
    query_patterns,
)
from auditor.exchanges.exchange import Exchange
from auditor.model.media import is_picture, media_type_of
from auditor.model.toml import key, quoted
from auditor.model.words import plural
from auditor.registry import PROVIDERS

SHARE = 0.02
"""A part of the path with less of all images gets no table of its own."""
MOST = 5
"""Tables."""
_WORDS = frozenset({
    "image", "images", "img", "imgs", "picture", "pictures", "pic", "photo", "photos", "thumb", "thumbs", "thumbnail",
    "thumbnails", "og", "render", "renders", "card", "cards", "banner", "banners", "cover", "covers", "avatar",
    "avatars",
})  # fmt: skip
_ID = re.compile(r"\d+|[0-9a-f]{8,}(?:-[0-9a-f]{4,})*|(?=\w*\d)[\w-]{12,}", re.IGNORECASE)
"""Parts of paths that are of one thing only."""
OWN = ("own", "default")
SHOWN = 10
"""Paths that are shown where nothing looks like an image."""


@dataclass(frozen=True, slots=True)
class ProposedTable:
    """One proposed table."""

    name: str
    lines: tuple[str, ...]
    group: Group


def propose(
    exchanges: Iterable[Exchange], payer: tuple[str, str] = OWN, taken: Collection[str] = ()
) -> list[ProposedTable]:
    """Tables for the requests in a sample that ask for images, known endpoints first, then the largest group.

    *payer* is (provider, account) who is billed for them; *taken* are names that tables have already.
    """
    groups: dict[tuple[bool, str, tuple[int, str] | None], Group] = {}
    sample = list(_requests(exchanges))
    asked = Counter((host, path) for _, host, path, _ in sample)
    told = Counter((host, path) for _, host, path, query in sample if _tells(query))
    for exchange, host, path, query in sample:
        known = endpoint_of(host, path, query, exchange.method)
        first, *rest = path.removeprefix("/").split("/")
        if known is not None:
            first, rest = known.name, [path]
        elif exchange.method != "GET" or not _looks_like_picture(
            # A table takes all requests of its path, so a parameter tells only where nearly all of them have it.
            exchange,
            path,
            by_query=told[host, path] >= 0.9 * asked[host, path],
        ):
            continue
        elif not rest:
            first, rest = "", [first]
        word = _word_of(first, rest) if known is None else None
        group = groups.setdefault((known is None, first, word), Group(first, known, word))
        group.add(rest, query, host if known is None or not known.path or known.host else None)
        group.cached += exchange.cache is not None
        status = exchange.status or 0
        group.redirects += 300 <= status < 400 and status != 304
        group.others += 200 <= status < 300 and is_picture(media_type_of(exchange.media_type)) is False
    least = SHARE * sum(group.requests for group in groups.values())
    largest = sorted(
        (group for (plain, *_), group in groups.items() if not plain or group.requests >= least),
        key=lambda group: (group.endpoint is None, -group.requests),
    )
    most = MOST + sum(group.endpoint is not None for group in largest)
    names = set(taken)
    return [_table(group, payer, names) for group in largest[:most]]


def frequent(exchanges: Iterable[Exchange], taken: Collection[str] = ()) -> list[ProposedTable]:
    """A table for each of the most frequent paths, ids aside, whatever they are of; programs and styles are none."""
    groups: dict[str, Group] = {}
    for _, host, path, query in _requests(exchanges):
        parts = [None if _ID.fullmatch(part) else part for part in path.split("/")]
        pattern = "/".join("[^/]+" if part is None else escaped(part) for part in parts)
        if OTHER_EXTENSION.search(path) and not EXTENSION.search(path):
            continue
        group = groups.setdefault(pattern, Group("-".join(filter(None, parts)), ImageMaker("path", pattern)))
        group.add([path], query, host)
    names = set(taken)
    return [_table(each, OWN, names) for each in sorted(groups.values(), key=lambda g: -g.requests)[:SHOWN]]


_Request = tuple[Exchange, str | None, str, list[tuple[str, str]]]


def _requests(exchanges: Iterable[Exchange]) -> Iterable[_Request]:
    """(exchange, host, path, parameters) of what was asked of servers of the user's own, and was there."""
    providers = {host for provider in PROVIDERS.values() for host in provider.hosts}
    for exchange in exchanges:
        host, path, query = split(exchange.host, exchange.target)
        there = not 400 <= (exchange.status or 0) < 499
        if exchange.method in ("GET", "POST") and path.startswith("/") and host not in providers and there:
            yield exchange, host, path, parameters(query)


def _tells(query: Sequence[tuple[str, str]]) -> bool:
    """Whether a parameter is a size, or the format of an image."""
    return any(
        SIZE.fullmatch(value) or (name.lower() in FORMAT_NAMES and IMAGE.fullmatch(value)) for name, value in query
    )


def _looks_like_picture(exchange: Exchange, path: str, *, by_query: bool) -> bool:
    known = is_picture(media_type_of(exchange.media_type)) if exchange.status in (None, *range(200, 300)) else None
    if known is not None:
        return known
    parts = path.lower().split("/")
    if OTHER_EXTENSION.search(parts[-1]):
        return EXTENSION.search(path) is not None
    return not _WORDS.isdisjoint(parts[:-1]) or any(SIZE.fullmatch(part) for part in parts) or by_query


def _word_of(first: str, rest: Sequence[str]) -> tuple[int, str] | None:
    """(parts before it, word) that tells a request for an image; None where its first part or its extension does."""
    if first.lower() in _WORDS or EXTENSION.search(rest[-1]):
        return None
    return next(((place, part) for place, part in enumerate(rest[:-1]) if part.lower() in _WORDS), None)


def _table(group: Group, payer: tuple[str, str], names: set[str]) -> ProposedTable:
    known = group.endpoint
    pattern, has_template = (
        path_pattern(group) if known is None else (known.pattern(path for (path,) in group.paths), False)
    )
    named = f"{group.prefix}-{group.word[1]}" if group.word else group.prefix
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", named).strip("-") or "pictures"
    name = next(each for number in count(1) if (each := plain if number == 1 else f"{plain}-{number}") not in names)
    names.add(name)
    query = dict(sorted({**query_patterns(group, has_template), **(known.query if known else {})}.items()))
    lines = [f"[sources.{name}]"]
    if known is not None and known.host:
        lines.append(f"host = {quoted(known.host)}")
    elif group.hosts:
        lines.append(f"host = {quoted(host_pattern(sorted(group.hosts)))}")
    lines.append(f"path = {quoted(pattern)}")
    if not has_template and not any("(?P<template>" in value for value in query.values()):
        lines.append(f'template = "{plain}"')
    if query:
        inner = ", ".join(f"{key(each)} = {quoted(value)}" for each, value in query.items())
        lines.append(f"query = {{ {inner} }}")
    lines += [
        f"provider = {quoted(payer[0])}   # who renders; without known plans of it, prices are unknown",
        f"account = {quoted(payer[1])}   # who is billed; [accounts.{key(payer[1])}] names the plan"
        if payer[1]
        else '# account = "…"   # who is billed: one of the [accounts] tables',
    ]
    if not group.cached:
        lines.append('uncached = "render"   # the log has no cache field; "hit" if a cache answers')
    if group.redirects:
        told = f"filtered: {plural(group.redirects, 'redirect')}; this counts each, as render or hit"
        lines.append(f'# redirects = "render"   # {told}')
    return ProposedTable(name, tuple(lines), group)
