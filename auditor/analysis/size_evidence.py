"""Sizes as evidence: the units of logs without digests whose sizes tell images apart (semantics section 11.4)."""

from dataclasses import dataclass

from sqlalchemy import Table, and_, func, select

from auditor.analysis.facts import Facts
from auditor.analysis.identities import hashed
from auditor.analysis.rows import rows_of
from auditor.analysis.walk import Walked
from auditor.model.events import Outcome
from auditor.model.fingerprint import FOREIGN_PREFIX
from auditor.replay.volatile import MIN_APART, MOST_ALIKE, Apart
from auditor.replay.walk import DUPLICATES

NEAR = 5
"""Bytes: as many pairs as differ by one of so many, divided by it, are of equal size by chance."""


@dataclass(frozen=True, slots=True)
class _Counted:
    unit: int
    pairs: int
    """Neighbors in time of different inputs."""
    alike: int
    equal: int
    """Pairs of keys of equal size."""
    near: int
    """Those whose sizes differ by at most `NEAR`."""


def telling_sizes(facts: Facts, walked: Walked) -> dict[int, Apart]:
    """Unit -> what its sizes showed, for those where at most 5 % of the pairs of equal size are so by chance."""
    sized = _sized(facts, walked)
    if not facts.engine.run(select(sized.c.unit).limit(1)).num_rows:
        return {}
    shape = (sized.c.unit, sized.c.format, sized.c.width, sized.c.height)
    inputs, size = (
        func.lag(column).over(partition_by=shape, order_by=(sized.c.ts_us, sized.c.id))
        for column in (sized.c.inputs, sized.c.bytes)
    )
    before = select(
        sized.c.unit, (sized.c.inputs != inputs).label("differ"), (sized.c.bytes == size).label("same")
    ).subquery()
    pairs = (
        select(
            before.c.unit,
            func.count().filter(before.c.differ).label("pairs"),
            func.count().filter(and_(before.c.differ, before.c.same)).label("alike"),
        )
        .group_by(before.c.unit)
        .subquery()
    )
    names = func.count(func.distinct(sized.c.key_low)).label("names")
    each = select(*shape, sized.c.bytes, names).group_by(*shape, sized.c.bytes).subquery()
    larger = func.sum(each.c.names).over(
        partition_by=(each.c.unit, each.c.format, each.c.width, each.c.height), order_by=each.c.bytes, range_=(1, NEAR)
    )
    close = select(each.c.unit, each.c.names, func.coalesce(larger, 0).label("larger")).subquery()
    found = rows_of(
        facts.engine,
        _Counted,
        select(
            pairs.c.unit,
            func.any_value(pairs.c.pairs).label("pairs"),
            func.any_value(pairs.c.alike).label("alike"),
            func.sum(close.c.names * (close.c.names - 1) / 2).label("equal"),
            func.sum(close.c.names * close.c.larger).label("near"),
        )
        .join(close, close.c.unit == pairs.c.unit)
        .group_by(pairs.c.unit),
    )
    return {
        each.unit: apart
        for each in found
        for apart in [Apart(each.pairs, each.alike)]
        if apart.shows(MIN_APART, MOST_ALIKE) and each.equal > 0 and each.near <= MOST_ALIKE * NEAR * each.equal
    }


def _sized(facts: Facts, walked: Walked) -> Table:
    """The needed renders with a size, of foreign logs and units without any digest."""
    events, records = facts.events, facts.records.table
    with_digest = select(events.c.unit).where(events.c.digest != 0, events.c.outcome == Outcome.RENDER)
    columns = ("unit", "ts_us", "id", "format", "width", "height", "bytes", "key_low")
    return facts.engine.store(
        "sized",
        select(*(events.c[name] for name in columns), hashed(records.c.inputs).label("inputs"))
        .join(records, records.c.row == events.c.row)
        .join(walked.table, walked.table.c.row == events.c.row)
        .where(events.c.bytes.is_not(None), events.c.unit.not_in(with_digest.distinct()), events.c.has_inputs)
        .where(records.c.key.startswith(FOREIGN_PREFIX, autoescape=True))
        .where(walked.table.c.verdict.not_in([int(verdict) for verdict in DUPLICATES])),
    )
