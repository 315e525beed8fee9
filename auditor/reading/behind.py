"""What a server was told to write behind a combined line: a sample of lines shows which of it can be read.

A cache's verdict, a host and Apache's `%D` are used where nearly all lines of the sample have one in the same place or
behind the same name (`cs=HIT`), and every use is an assumption that the report names. So is what is left unread.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.cache_field import NONE, names_cache, verdict_in
from auditor.exchanges.exchange import Try
from auditor.exchanges.outcome import is_verdict
from auditor.exchanges.units import fitting_units
from auditor.model.events import BadRecordError, Reason

SHARE = 0.9
"""Of the sampled lines that say something in a place, so many have to say the same kind of thing."""
AGENT = re.compile(r' ("(?:[^"\\]++|\\.)*+"|-(?= )) ("(?:[^"\\]++|\\.)*+"|-(?= |$))')
"""Referer and user agent."""
_TOKEN = re.compile(r'\[[^\]]*+\]|[^\s"\[]*"(?:[^"\\]++|\\.)*+"|\S++')
_NAMED = re.compile(r"([A-Za-z$][\w.$-]{0,40})(?:=|: ?)(.*)", re.DOTALL)
_SURE = re.compile(r"hit|miss|expired|stale|updating|revalidated|bypass", re.IGNORECASE)
"""Words that mean nothing but what a cache did; `pass`, `error` or `dynamic` alone may be another field's."""
_HOST = re.compile(
    r"(?=[^\s/]{1,255}$)(?:(?:[\w-]{1,63}\.)+[A-Za-z][A-Za-z0-9-]{1,62}\.?|localhost)(?::\d{1,5})?", re.ASCII
)
_HOST_NAMES = frozenset({"host", "http_host", "vhost", "server_name", "servername", "domain", "authority", "v", "h"})
_APACHE = re.compile(r"(\d{1,6})/(\d{1,12})", re.ASCII)
"""`%T/%D`: whole seconds, and the same in microseconds."""
_WHOLE = re.compile(r"\d{1,14}", re.ASCII)
DIGITS = 15
"""A duration has fewer."""
_HEADERS = 4096
"""Bytes that headers may have: a number that is greater than the body's bytes by so many counts bytes, too."""
Place = int | str
"""Where a value stands: counted from the first token, or back from the last one, or its name."""


class Behind(NamedTuple):
    """What is read of what stands behind a line."""

    host: str | None = None
    cache: str | None = None
    duration_us: int | None = None
    tries: tuple[Try, ...] = ()
    assumed: tuple[Assumption, ...] = ()


Values = Mapping[Place, str]
"""The values behind one line by their places, of which each has two; empty where one says that there is none."""


def values_of(text: str) -> Values:
    """The values of a text, without quotes and brackets around them; those behind a name (`cs=HIT`) by that."""
    placed, named = list[str](), dict[Place, str]()
    for token in _TOKEN.findall(text):
        value = _bare(token)
        match = None if is_verdict(value) or is_host(value) or "://" in value else _NAMED.fullmatch(value)
        if match is None:
            placed.append(value)
        else:
            name, said = match[1].lower().lstrip("$"), _bare(match[2])
            named[name] = verdict_in(name, said) or said  # (a boolean is one, too)
    found: dict[Place, str] = {**named, **dict(enumerate(placed)), **dict(enumerate(placed, -len(placed)))}
    return {place: "" if value.lower() in NONE else value for place, value in found.items()}


def _rest(values: Values, read: Collection[Place | None]) -> list[str]:
    """The values that stand in no place that is read."""
    count = sum(isinstance(place, int) for place in values) // 2
    return [
        value
        for place, value in values.items()
        if value and place not in read and (isinstance(place, str) or (place >= 0 and place - count not in read))
    ]


@dataclass(frozen=True, slots=True)
class Tail:
    """Where what stands; None for what stands nowhere."""

    cache: Place | None = None
    host: Place | None = None
    micros: Place | None = None

    def read(self, text: str) -> Behind:
        """What one line has behind its user agent."""
        values, places = values_of(text), (self.cache, self.host, self.micros)
        cache, host, took = ("" if place is None else values.get(place, "") for place in places)
        took = took.rpartition("/")[2]
        duration = int(took) if took.isascii() and took.isdigit() and len(took) < DIGITS else None
        used = {
            Assumption.CACHE_BEHIND: bool(cache),
            Assumption.HOST_BEHIND: bool(host),
            Assumption.MICROS_BEHIND: duration is not None,
            Assumption.UNREAD_BEHIND: bool(_rest(values, places)),
        }
        assumed = tuple(assumption for assumption, true in used.items() if true)
        return Behind(host or None, cache or None, duration, assumed=assumed)


@dataclass(frozen=True, slots=True)
class Fixed:
    """What one server writes behind every line."""

    pattern: re.Pattern[str]
    missing: str
    """Why a line without it is refused."""
    told: Callable[[Mapping[str, Any]], Behind]
    """What the groups of the pattern tell."""

    def read(self, text: str) -> Behind:
        """What one line has behind its user agent. Raises `BadRecordError` where it is not of the format."""
        match = self.pattern.fullmatch(text)
        if match is None:
            raise BadRecordError(Reason.NO_MATCH, self.missing)
        return self.told(match.groupdict())


def tail_of(behinds: Sequence[tuple[str, int | None]], *, hosts: bool) -> Tail | None:
    """What a sample shows, pairs of (text, bytes of the body); None where nothing stands behind its lines.

    *hosts* is whether a host is looked for.
    """
    found, sizes = [values_of(text) for text, _ in behinds], [size for _, size in behinds]
    places = sorted({place for values in found for place in values}, key=_order)
    columns = {place: [values.get(place, "") for values in found] for place in places}
    if not columns:
        return None
    cache = next((place for place in places if is_cache(columns[place])), None)
    named = [place for place in places if place != cache and (not isinstance(place, str) or place in _HOST_NAMES)]
    host = next((place for place in named if hosts and _mostly(is_host, columns[place])), None)
    left = [place for place in places if place not in (cache, host) and isinstance(place, int)]
    alone = [place for place in left if not any(_rest(values, (cache, host, place)) for values in found)]
    return Tail(cache, host, next((place for place in alone if _is_micros(columns[place], sizes)), None))


def behind_agent(text: str) -> str:
    """What stands behind referer and user agent, if those are there, of what stands behind the bytes."""
    agent = AGENT.match(text)
    return text if agent is None else text[agent.end() :]


def is_host(text: str) -> bool:
    """Whether a word is the name of a host, with its port or without."""
    return _HOST.fullmatch(text) is not None


def _bare(token: str) -> str:
    return token[1:-1].strip() if len(token) > 1 and token[0] + token[-1] in ('""', "[]") else token


def _order(place: Place) -> tuple[int, int, str]:
    """Names of caches first, then other names, then places from the start, then those from the end."""
    if isinstance(place, str):
        return (0 if names_cache(place) else 1, 0, place)
    return (2, place, "") if place >= 0 else (3, -place, "")


def _mostly(test: Callable[[str], object], values: Sequence[str]) -> bool:
    """Whether nearly all values that say anything pass."""
    said = [value for value in values if value.lower() not in NONE]
    return bool(said) and sum(bool(test(value)) for value in said) >= SHARE * len(said)


def is_cache(values: Sequence[str]) -> bool:
    """Whether nearly all values that say anything are verdicts, and some mean nothing else."""
    return _mostly(is_verdict, values) and any(_SURE.search(value) for value in values if is_verdict(value))


def _is_micros(values: Sequence[str], sizes: Sequence[int | None]) -> bool:
    """Whether values are Apache's `%D`, if they are all that is left: no other unit fits, and they count no bytes."""
    if _mostly(_is_both, values):
        return True
    numbers = [(int(text), size) for text, size in zip(values, sizes, strict=True) if _WHOLE.fullmatch(text)]
    # Most numbers are as great as the body, or greater by a header, where they count bytes.
    bytes_told = 2 * sum(size is not None and size <= number < size + _HEADERS for number, size in numbers)
    if not _mostly(_WHOLE.fullmatch, values) or bytes_told > len(numbers):
        return False
    return [unit for unit in fitting_units([number for number, _ in numbers if number > 0]) if unit != "ns"] == ["us"]


def _is_both(text: str) -> bool:
    """Whether a value is `%T/%D`, seconds and the same in microseconds."""
    match = _APACHE.fullmatch(text)
    return match is not None and int(match[2]) // 10**6 == int(match[1])
