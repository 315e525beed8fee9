"""Exact medians of many groups in bounded memory: sorts that spill, of which only the middle rows are kept."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from auditor.engines import Engine


def medians(
    engine: Engine, group: ColumnElement[str], value: ColumnElement[Any], which: ColumnElement[bool]
) -> dict[str | None, Fraction]:
    """The median of each group, and under None of all rows; of an even number it is the mean of the middle two.

    Rows without a value do not count; a group without one is left out.
    """
    chosen = select(group.label("name"), func.count().label("rows")).where(which, value.is_not(None))
    counts = engine.run(chosen.group_by(group).order_by(group)).to_pylist()
    values = select(value).where(which, value.is_not(None))
    rows = [int(each["rows"]) for each in counts]
    found: dict[str | None, Fraction] = dict(
        zip((each["name"] for each in counts), _middles(engine, values.order_by(group, value), rows), strict=True)
    )
    if counts:
        found[None] = _middles(engine, values.order_by(value), [sum(rows)])[0]
    return found


def _middles(engine: Engine, ordered: Select[Any], lengths: Sequence[int]) -> list[Fraction]:
    """The medians of groups that follow each other, each in order, with so many rows."""
    starts = itertools.accumulate(lengths, initial=0)
    wanted = [
        place
        for start, rows in zip(starts, lengths, strict=False)
        for place in (start + (rows - 1) // 2, start + rows // 2)
    ]
    kept: list[Fraction] = []
    before = 0
    for batch in engine.sorted_stream(ordered):
        while len(kept) < len(wanted) and wanted[len(kept)] < before + len(batch):
            kept.append(Fraction(batch.column(0)[wanted[len(kept)] - before].as_py()))
        before += len(batch)
    return [(low + high) / 2 for low, high in zip(kept[::2], kept[1::2], strict=True)]
