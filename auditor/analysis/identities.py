"""Records with one id are one event: which of them counts (semantics section 1).

The final event beats the attempt; between finals a render beats the others, then the larger known credits, then the
smaller time, then the smaller canonical bytes. So neither the order of files nor of lines matters.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import BigInteger, ColumnElement, Table, case, cast, func, literal, select

from auditor.engines import Engine
from auditor.model.events import Outcome, rank
from auditor.model.fingerprint import canonical_record
from auditor.reading.lines import Line

ReadLines = Callable[[Iterable[int]], dict[int, Line]]
"""From rows of `records` to the lines they came from."""


@dataclass(frozen=True, slots=True)
class Records:
    """Every line that was an event or attempt, and which of them count."""

    engine: Engine
    table: Table
    """`row`, and the fields of an event as `auditor.intake.columns` has them."""
    losers: Table
    """`row` of each that another record with the same id replaces."""
    superseded: int
    duplicates: int
    loaded: Table | None = None
    """The images that pages loaded and no account rendered, in the same columns; None where there are none."""

    def values(self, name: str, rows: Sequence[int]) -> dict[int, str]:
        """Row -> value of a column of text, of some records."""
        if not rows:
            return {}
        chosen = select(self.table.c.row, self.table.c[name].label("value")).where(self.table.c.row.in_(list(rows)))
        return {int(row["row"]): str(row["value"]) for row in self.engine.run(chosen).to_pylist()}


def drop_replaced(engine: Engine, records: Table, read_lines: ReadLines) -> Records:
    """Find the records that count; *read_lines* settles what only canonical bytes tell apart."""
    # Grouping by a hash first is cheap; only records whose hash stands twice are compared by their real id.
    hashed = func.hash(records.c.id)
    repeated = select(hashed).group_by(hashed).having(func.count() > 1)
    values = [column for column in records.c if column.name not in ("row", "assumed")]
    content = cast(func.hash(*values).op(">>")(1), BigInteger).label("content")
    columns = [records.c[name] for name in ("row", "id", "outcome", "credits", "ts_us")]
    candidates = engine.store("candidates", select(*columns, content).where(hashed.in_(repeated)))
    order = rank(candidates.c.outcome, candidates.c.credits.is_(None), -candidates.c.credits, candidates.c.ts_us)
    ranks = select(candidates, func.rank().over(partition_by=candidates.c.id, order_by=order).label("place")).subquery()
    best, attempts = ranks.c.place == 1, func.count().filter(ranks.c.outcome == Outcome.ATTEMPT)
    per_id = (
        select(
            func.list(ranks.c.row).filter(best).label("rows"),
            (func.count(ranks.c.content.distinct()).filter(best) > 1).label("tied"),
            case((func.count() > attempts, attempts), else_=0).label("superseded"),
            func.count().label("all"),
        )
        .group_by(ranks.c.id)
        .subquery()
    )
    found = engine.run(
        select(
            func.sum(per_id.c.superseded).label("superseded"),
            func.sum(per_id.c.all - 1).label("losers"),
            func.list(per_id.c.rows).filter(per_id.c.tied).label("tied"),
        )
    ).to_pylist()[0]
    if found["losers"] is None:
        return Records(engine, records, candidates, 0, 0)
    preferred = engine.load("preferred", _smallest(found["tied"] or [], read_lines))
    first_of_ties = candidates.c.row.not_in(select(preferred.c.row))
    ranked = select(
        candidates.c.row,
        func.row_number()
        .over(partition_by=candidates.c.id, order_by=(*order, first_of_ties, candidates.c.row))
        .label("place"),
    ).subquery()
    losers = engine.store("losers", select(ranked.c.row).where(ranked.c.place > 1))
    superseded = int(found["superseded"])
    return Records(engine, records, losers, superseded, int(found["losers"]) - superseded)


def _smallest(groups: Sequence[Sequence[int]], read_lines: ReadLines) -> pa.Table:
    """The rows with the smallest canonical bytes, where all else leaves a tie between different records."""
    lines = read_lines(row for group in groups for row in group) if groups else {}
    best = [min(group, key=lambda row: (canonical_record(lines[row].data), row)) for group in groups]
    return pa.table({"row": pa.array(best, pa.int64())})


def hashed(*columns: ColumnElement[Any]) -> ColumnElement[int]:
    """62 bits of the columns' hash, as a BIGINT that a later + 1 cannot overflow."""
    return cast(func.hash(*columns).op(">>")(2), BigInteger)


def key_halves(records: Table) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """124 bits of a record's (provider, account, environment, key)."""
    key = (records.c.provider, records.c.account, records.c.environment, records.c.key)
    return hashed(*key), hashed(literal("low"), *key)


def digest_code(records: Table) -> ColumnElement[int]:
    """62 bits of a record's digest, 0 where it has none."""
    return case((records.c.digest.is_(None), 0), else_=hashed(records.c.digest) + 1)
