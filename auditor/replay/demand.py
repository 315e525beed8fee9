"""Demand: the stream of requests that a simulation replays, and what a simulated render of each takes and costs.

Batches have the columns of `COLUMNS`, int64 each: `duration_us` and `price` are -1 where the request was no render, or
none that says so; `price` is a position in `Prices.amounts`; `digest` is 0 where it is unknown; `free` is 1 for a
render whose repeats the provider does not bill.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa

from auditor.replay.sums import MAX_ROWS, Ints

COLUMNS = ("ts_us", "unit", "cycle", "weight", "duration_us", "digest", "render", "free", "price", "bytes")


@dataclass(frozen=True, slots=True)
class Prices:
    """What a simulated render takes and costs where its request does not say."""

    amounts: Sequence[Fraction]
    """Every price that occurs, in credits."""
    usual_price: Sequence[int]
    """By unit: the price of a render whose key was never rendered before, a position in `amounts`."""
    usual_duration_us: Sequence[int]
    """By unit."""


@dataclass(frozen=True, slots=True)
class Groups:
    """What sums are kept apart: a code for each (unit, cycle), flat, *cycles* to a unit."""

    codes: Sequence[int]
    cycles: int
    count: int


def columns_of(
    batches: Iterable[pa.RecordBatch], names: Sequence[str], compiled: bool
) -> Iterator[list[Ints] | list[list[int]]]:
    """The named columns of each batch as arrays for compiled code, as lists for plain Python."""
    for whole in batches:
        for start in range(0, len(whole), MAX_ROWS):
            batch = whole.slice(start, MAX_ROWS)
            columns = [batch.column(name).to_numpy(zero_copy_only=False).astype(np.int64, copy=False) for name in names]
            yield columns if compiled else [column.tolist() for column in columns]
