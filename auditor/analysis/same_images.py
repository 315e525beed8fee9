"""Same images: renders of one image under different keys, by digest, or by size where a log has no digests.

A second walk takes the image for the key. It finds duplicates beyond those of the first walk: what one render an image
and TTL would have saved. Renders that another cause or a placeholder explains are left to that.
"""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

import pyarrow as pa
from sqlalchemy import Table, and_, case, false, func, literal, or_, select

from auditor.analysis.facts import Facts
from auditor.analysis.identities import hashed
from auditor.analysis.rows import loaded, rows_of
from auditor.analysis.walk import Replayed
from auditor.model.events import Outcome
from auditor.replay.walk import DUPLICATES, verdicts

_DUPLICATES = [int(verdict) for verdict in DUPLICATES]


@dataclass(frozen=True, slots=True)
class Aliased:
    """The renders of one unit and cycle whose image had been rendered under another key."""

    unit: int
    cycle: int
    renders: int
    credits: Fraction
    """That no other cause has."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image with such renders in a unit."""

    unit: int
    images: int
    """Those of the unit."""
    renders: int
    names: int
    """The keys under which it was rendered, whatever the template."""
    first: int
    """Row of its first render."""
    other: int
    """Row of the first under another key in this unit."""


def same_images(
    facts: Facts, replayed: Replayed, by_size: Collection[int], most: int
) -> tuple[list[Aliased], list[Image]]:
    """(by unit and cycle; at most *most* images of each unit). In the units *by_size*, images of one size are one."""
    events = facts.events
    with_digest = select(events.c.row).where(events.c.digest != 0).limit(1)
    if not by_size and not facts.engine.run(with_digest).num_rows:
        return [], []
    rows = _rows(facts, by_size)
    count = facts.engine.run(select(func.count().label("rows")).select_from(rows)).to_pylist()[0]["rows"]
    if not count:
        return [], []
    known = facts.engine.load("by_image", _walked(facts, replayed, rows, count))
    table = _told(facts, replayed, rows, known)
    new = table.c.aliased
    groups = (table.c.unit, table.c.cycle)
    sums = func.count().label("renders"), func.sum(table.c.saved).label("credits")
    found = rows_of(facts.engine, Aliased, select(*groups, *sums).where(new).group_by(*groups).order_by(*groups))
    return found, _images(facts, table, most)


def _rows(facts: Facts, by_size: Collection[int]) -> Table:
    """The renders of images with several keys; `high` and `low` name the image."""
    events, units = facts.events, facts.units
    # One account and environment shares images: a cache may serve one under all names.
    scopes: dict[tuple[int, str], int] = {}
    of_units = [(code, scopes.setdefault((each.payer, each.environment), code)) for code, each in enumerate(units)]
    scope = loaded(facts.engine, "scopes", of_units, unit=pa.int32(), scope=pa.int32())
    digest = scope.c.scope, events.c.digest
    size = events.c.unit, events.c.format, events.c.width, events.c.height, events.c.bytes
    told = events.c.digest != 0
    high = case((told, hashed(*digest)), else_=hashed(*size)).label("high")
    low = case((told, hashed(literal("low"), *digest)), else_=hashed(literal("low"), *size)).label("low")
    columns = ("row", "unit", "cycle", "ts_us", "id", "credits", "free", "duration_us", "key_high", "key_low")
    one = (
        select(*(events.c[name] for name in columns), high, low)
        .join(scope, scope.c.unit == events.c.unit)
        .where(events.c.outcome == Outcome.RENDER, events.c.unknown.is_(None))
        .where(or_(told, and_(events.c.unit.in_(by_size), events.c.bytes.is_not(None)) if by_size else false()))
        .cte("one")
    )
    several = (
        select(one.c.high, one.c.low)
        .group_by(one.c.high, one.c.low)
        .having(func.min(one.c.key_low) != func.max(one.c.key_low))
        .subquery()
    )
    same = and_(several.c.high == one.c.high, several.c.low == one.c.low)
    return facts.engine.store("images", select(one).join(several, same))


def _walked(facts: Facts, replayed: Replayed, rows: Table, count: int) -> pa.Table:
    """row, verdict of a walk by image: all renders of one show the same, so that no digest tells them apart."""
    stream = facts.engine.sorted_stream(
        select(rows.c.high.label("key_high"), rows.c.low.label("key_low"), rows.c.ts_us, rows.c.row)
        .add_columns(func.coalesce(rows.c.duration_us, 0).label("duration_us"), (rows.c.row * 0).label("digest"))
        .order_by(rows.c.high, rows.c.low, rows.c.ts_us, rows.c.id)
    )
    return verdicts(stream, replayed.walked.ttl_us, count)


def _told(facts: Facts, replayed: Replayed, rows: Table, by_image: Table) -> Table:
    """*rows* with whether each is `aliased`, and the credits `saved` by that.

    As for volatile inputs: of an image those that the walk by image adds, less those that it loses, in their order.
    """
    mine = replayed.walked.verdict(rows)
    again, spare = by_image.c.verdict.in_(_DUPLICATES), replayed.spare(rows)
    # What the provider does not bill again costs nothing under another name, either.
    left = and_(rows.c.row.not_in(select(facts.unrendered.c.row)), ~rows.c.free)
    own = and_(again, mine.not_in(_DUPLICATES), rows.c.row.not_in(select(replayed.apart.c.row)), left)
    credits = func.coalesce(rows.c.credits, 0)
    each = (
        select(rows, own.label("aliased"))
        .add_columns(case((and_(own, spare), credits), else_=0).label("added"))
        .add_columns(case((and_(~again, mine.in_(_DUPLICATES)), credits), else_=0).label("lost"))
        .join(by_image, by_image.c.row == rows.c.row)
        .outerjoin(replayed.walked.table, replayed.walked.table.c.row == rows.c.row)
        .cte("each")
    )
    image = (each.c.high, each.c.low)
    until = func.sum(each.c.added).over(partition_by=image, order_by=(each.c.ts_us, each.c.id), rows=(None, 0))
    lost = func.sum(each.c.lost).over(partition_by=image)
    all_added = func.sum(each.c.added).over(partition_by=image)
    part = func.least(each.c.added, func.greatest(0, all_added - lost - until + each.c.added))
    return facts.engine.store("aliased", select(each, part.label("saved")))


def _images(facts: Facts, table: Table, most: int) -> list[Image]:
    """Those of each unit with the most renders, the first ones of equals."""
    image = (table.c.high, table.c.low)
    order = func.struct_pack(table.c.ts_us, table.c.id)
    whole = (
        select(*image, func.count(func.distinct(table.c.key_low)).label("names"))
        .add_columns(func.arg_min(table.c.row, order).label("first"))
        .group_by(*image)
        .subquery()
    )
    own = (
        select(table.c.unit, *image, func.count().label("renders"), func.arg_min(table.c.row, order).label("other"))
        .add_columns(func.min(order).label("at"))
        .where(table.c.aliased)
        .group_by(table.c.unit, *image)
        .subquery()
    )
    ranked = (
        select(own.c.unit, own.c.renders, own.c.other, whole.c.names, whole.c.first)
        .add_columns(func.count().over(partition_by=own.c.unit).label("images"))
        .add_columns(
            func.row_number().over(partition_by=own.c.unit, order_by=(own.c.renders.desc(), own.c.at)).label("place")
        )
        .join(whole, and_(whole.c.high == own.c.high, whole.c.low == own.c.low))
        .subquery()
    )
    chosen = select(ranked).where(ranked.c.place <= most).order_by(ranked.c.unit, ranked.c.place)
    return rows_of(facts.engine, Image, chosen)
