"""Downloads: images that a browser's log shows, how often its pages fetched each, and how long it may be reused."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Integer, String, Subquery, Table, cast, func, null, or_, select

from auditor.analysis.identities import key_halves
from auditor.analysis.rows import grouped, rows_of
from auditor.engines import file_of
from auditor.model.events import DELIVERED

if TYPE_CHECKING:
    from auditor.analysis.facts import Facts


@dataclass(frozen=True, slots=True)
class Downloaded:
    """One image, by the key of its requests."""

    unit: int | None
    """None for an image that no account rendered."""
    host: str | None
    """The host of such an image."""
    placement: str
    row: int
    """Of the first record that asked for it."""
    requests: int
    """Those that got it whole, from the network or not."""
    bytes: int | None
    """The most that an answer had."""
    format: str | None
    width: int | None
    height: int | None
    shown_width: int | None
    """Device pixels of the widest place that it was asked for."""
    lifetime_s: int | None
    """The shortest that an answer told; `UNSTATED` where one told none."""
    fetched: int
    """Answers with the image that came over the network."""
    fetched_bytes: int
    again: int
    """Those of these that followed another one of the same page load."""
    again_bytes: int
    """What these had, at least."""
    first_us: int
    """When it was asked for first."""
    last_us: int


def downloads(facts: "Facts") -> list[Downloaded]:
    """The images of the browsers' logs, the first ones first; none of other logs."""
    records, loaded = facts.records.table, facts.records.loaded
    found: list[list[Downloaded]] = []
    if _any(facts, records):
        seen = facts.placed(facts.by_unit.c.unit, cast(null(), String).label("host"), *_columns(records))
        found.append(_images(facts, seen.where(records.c.outcome.in_(DELIVERED), _browsed(records)).subquery()))
    if loaded is not None and _any(facts, loaded):
        # A copy of a file tells nothing more.
        once = loaded.c.row.in_(select(func.min(loaded.c.row)).group_by(loaded.c.id))
        host = cast(loaded.c.template, String).label("host")
        rows = select(cast(null(), Integer).label("unit"), host, *_columns(loaded)).where(once)
        found.append(_images(facts, rows.subquery()))
    return list(chain(*found))


def _browsed(records: Table) -> ColumnElement[bool]:
    return or_(records.c.page.is_not(None), records.c.lifetime_s.is_not(None))


def _any(facts: "Facts", records: Table) -> bool:
    return bool(facts.engine.run(select(records.c.row).where(_browsed(records)).limit(1)).num_rows)


def _columns(records: Table) -> list[ColumnElement[Any]]:
    high, low = key_halves(records)
    names = ("page", "lifetime_s", "shown_width", "format", "width", "height", "bytes")
    return [
        *(high.label("high"), low.label("low"), file_of(records).label("file")),
        func.coalesce(records.c.placement, "").label("placement"),
        *(records.c[name] for name in ("ts_us", *names)),
        func.struct_pack(records.c.ts_us, records.c.id, records.c.row).label("first"),
    ]


def _images(facts: "Facts", seen: Subquery) -> list[Downloaded]:
    key = (seen.c.unit, seen.c.host, seen.c.placement, seen.c.high, seen.c.low)
    known = ("format", "width", "height", "shown_width", "bytes")
    of_page = (
        select(*key, seen.c.page, *(func.max(seen.c[name]).label(name) for name in known))
        .add_columns(func.min(seen.c.first).label("first"), func.min(seen.c.lifetime_s).label("lifetime_s"))
        .add_columns(func.count(seen.c.bytes).label("sized"), func.sum(seen.c.bytes).label("sent"))
        .add_columns(func.min(seen.c.ts_us).label("first_us"), func.max(seen.c.ts_us).label("last_us"))
        .group_by(*key, seen.c.file, seen.c.page)
        .subquery()
    )
    fetched = of_page.c.page.is_not(None)
    # What names no page may be of several browsers.
    twice = of_page.c.page != "", of_page.c.sized > 1
    key = tuple(of_page.c[column.name] for column in key)
    images = (
        select(
            of_page.c.unit,
            of_page.c.host,
            of_page.c.placement,
            *(func.max(of_page.c[name]).label(name) for name in known),
        )
        .add_columns(func.struct_extract(func.min(of_page.c.first), "row").label("row"))
        .add_columns(func.min(of_page.c.lifetime_s).label("lifetime_s"))
        .add_columns(func.sum(of_page.c.sized).label("requests"))
        .add_columns(func.coalesce(func.sum(of_page.c.sized).filter(fetched), 0).label("fetched"))
        .add_columns(func.coalesce(func.sum(of_page.c.sent).filter(fetched), 0).label("fetched_bytes"))
        .add_columns(func.coalesce(func.sum(of_page.c.sized - 1).filter(*twice), 0).label("again"))
        .add_columns(func.coalesce(func.sum(of_page.c.sent - of_page.c.bytes).filter(*twice), 0).label("again_bytes"))
        .add_columns(func.min(of_page.c.first_us).label("first_us"), func.max(of_page.c.last_us).label("last_us"))
        .group_by(*key)
        .order_by(func.min(of_page.c.first))
    )
    return rows_of(facts.engine, Downloaded, images)


HEAVIEST = 5


def heaviest(images: Iterable[Downloaded]) -> list[Downloaded]:
    """Those of most bytes."""
    return sorted(images, key=lambda image: -(image.bytes or 0))[:HEAVIEST]


def by_subject(facts: "Facts", images: Iterable[Downloaded]) -> Iterator[tuple[dict[str, str], list[Downloaded]]]:
    """Provider and template, in any account and environment, or else the host -> images."""

    def subject(image: Downloaded) -> tuple[tuple[str, str], ...]:
        if image.unit is None:
            return (("host", image.host or ""),)
        unit = facts.units[image.unit]
        return ("provider", unit.provider), ("template", unit.template)

    return ((dict(each), group) for each, group in grouped(images, subject).items())
