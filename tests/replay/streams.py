"""Demand in memory, as the walks take it."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import pyarrow as pa

from auditor.replay.demand import Groups, Prices

ONE = Groups([0], 1, 1)
DEFAULTS = {
    "key": 0, "key_high": 1, "key_low": 1, "ts_us": 0, "unit": 0, "cycle": 0, "weight": 1, "duration_us": 0,
    "digest": 0, "render": 1, "free": 0, "price": 0, "bytes": 1,
}  # fmt: skip


def stream(requests: Iterable[dict[str, int]], batch: int = 2) -> list[pa.RecordBatch]:
    """Batches of some requests; what one does not say is `DEFAULTS`."""
    rows = [DEFAULTS | request for request in requests]
    schema = pa.schema([(name, pa.int64()) for name in DEFAULTS])
    return pa.Table.from_pylist(rows, schema=schema).to_batches(max_chunksize=batch)


def prices(amounts: Sequence[Any] = (1,), usual: int = 0, duration: int = 0) -> Prices:
    """Credits by code, and what a render without a price costs and takes."""
    return Prices([Fraction(amount) for amount in amounts], [usual], [duration])
