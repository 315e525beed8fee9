"""A cache trace straight from its file to the replay: what the general way would give, many times faster.

A trace (`time,id,size`) has one account, no digests, no durations and ids of its own making: neither a database nor a
look for repeated ids is needed. Whatever is not plain (packed, fractional, a bad line) is left to the general way.
"""

import itertools
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from auditor.analysis.accounts import Accounts, Counts, Unit, payer_of
from auditor.analysis.demand import Asked
from auditor.formats.cache_trace import HEADER
from auditor.model.events import MAX_BYTES, MAX_TS_US, Outcome
from auditor.model.plans import IDLE, micros, moment
from auditor.model.settings import Settings
from auditor.replay.demand import Prices
from auditor.replay.sums import Ints

BATCH = 1_000_000
_MAX_ID = 100_000
_UNIT = Unit("trace", "trace", "production", "trace", payer=0)


@dataclass(frozen=True, slots=True)
class TraceDemand:
    """A trace, as a simulation asks for its demand. Arrays have one element a request, in the order of time."""

    accounts: Accounts
    prices: Prices
    usage: tuple[Asked, ...]
    key: Ints
    """Dense codes of the ids."""
    ts: Ints
    size: Ints
    cycle: Ints

    def by_time(self) -> Iterator[pa.RecordBatch]:
        """Ordered by time; rows of one time keep the order of the file."""
        return self._batches(np.arange(len(self.key)))

    def by_key(self) -> Iterator[pa.RecordBatch]:
        """Ordered by key, time and row."""
        return self._batches(np.argsort(self.key, kind="stable"))

    def keys(self) -> int:
        """Different ids."""
        return int(self.key.max()) + 1

    def _batches(self, order: Ints) -> Iterator[pa.RecordBatch]:
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            key, zeros = self.key[rows], np.zeros(len(rows), np.int64)
            columns = {
                "key": key, "key_high": key, "key_low": zeros, "ts_us": self.ts[rows], "unit": zeros,
                "cycle": self.cycle[rows], "weight": zeros + 1, "duration_us": zeros, "digest": zeros,
                "render": zeros + 1, "free": zeros, "price": zeros, "bytes": self.size[rows],
            }  # fmt: skip
            yield pa.RecordBatch.from_pydict(columns)


def read_trace(
    data: mmap.mmap | bytes, settings: Settings, since: datetime | None, until: datetime | None
) -> tuple[TraceDemand, int] | None:
    """(demand, rows of the file) of a plain trace that has a row between the times, else None."""
    columns = _columns(data)
    if columns is None:
        return None
    key, ts, size = columns
    rows = len(ts)
    first = 0 if since is None else int(np.searchsorted(ts, micros(since)))
    last = rows if until is None else int(np.searchsorted(ts, micros(until)))
    if first >= last:
        return None
    ts, size = ts[first:last], size[first:last]
    key = _dense(key[first:last]) if last - first < rows else key
    rests = np.flatnonzero(np.diff(ts) >= IDLE // timedelta(microseconds=1))
    apart = list(zip(ts[rests].tolist(), ts[rests + 1].tolist(), strict=True))
    payer = payer_of(0, _UNIT.provider, _UNIT.account, int(ts[0]), int(ts[-1]), settings, apart)
    starts = np.searchsorted(ts, [cycle.start_us for cycle in payer.cycles])
    ends = [*starts[1:].tolist(), len(ts)]
    lengths = np.diff([*starts, len(ts)])
    usage = tuple(
        Asked(
            unit=0, cycle=cycle, outcome=str(Outcome.RENDER), events=end - start, requests=end - start,
            credits=Fraction(end - start), unknown=0, bytes=_sum(size[start:end]), digests=0,
        )
        for cycle, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True))
        if end > start
    )  # fmt: skip
    demand = TraceDemand(
        accounts=Accounts(
            (payer,), (_UNIT,), (moment(int(ts[0])), moment(int(ts[-1]))), Counts(len(ts), rows - len(ts), 0)
        ),
        prices=Prices([Fraction(1)], [0], [0]),
        usage=usage,
        key=key,
        ts=ts,
        size=size,
        cycle=np.repeat(np.arange(len(starts)), lengths),
    )
    return demand, rows


def _sum(size: Ints) -> int:
    # In two parts, since sizes up to 10^12 may outgrow 64 bits together.
    return (int((size >> 20).sum()) << 20) + int((size & 0xFFFFF).sum())


def _columns(data: mmap.mmap | bytes) -> tuple[Ints, Ints, Ints] | None:
    """(code of the id, microseconds, size) of each row, ordered by time, if every line is plain."""
    if data.find(b"\r") >= 0:  # a lone one would end a line for the reader of CSV
        return None
    end = data.find(b"\n") + 1
    header = [value.strip().lower() for value in data[:end].split(b",")] == HEADER
    body = pa.py_buffer(data)[end if header else 0 :]
    found = _numbered(body) or (_named(body) if data.find(b"0x") < 0 and data.find(b"0X") < 0 else None)
    if found is None:
        return None
    key, seconds, size = found
    if not (seconds.min() >= 0 and seconds.max() <= MAX_TS_US // 10**6 and size.min() >= 0 and size.max() <= MAX_BYTES):
        return None
    if (np.diff(seconds) < 0).any():
        order = np.argsort(seconds, kind="stable")
        key, seconds, size = key[order], seconds[order], size[order]
    return key, seconds * 10**6, size


def _read(body: pa.Buffer, ids: pa.DataType) -> pa.Table | None:
    try:
        table = csv.read_csv(
            body,
            csv.ReadOptions(column_names=["time", "id", "size"], block_size=8 << 20),
            csv.ParseOptions(quote_char=False),
            csv.ConvertOptions(
                column_types={"time": pa.int64(), "id": ids, "size": pa.int64()},
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return table.combine_chunks() if len(table) else None


def _numbered(body: pa.Buffer) -> tuple[Ints, Ints, Ints] | None:
    """The rows, if all ids are numbers written in the one shortest way: else 7 and 07 would be one id."""
    table = _read(body, pa.int64())
    if table is None:
        return None
    columns = [table.column(name).to_numpy() for name in ("time", "id", "size")]
    # Any other spelling of a number is longer, so the length of the whole tells.
    shortest = sum(_digits(column) for column in columns) + 3 * len(table)
    if min(int(column.min()) for column in columns) < 0 or shortest not in (len(body), len(body) + 1):
        return None
    return _dense(columns[1]), columns[0], columns[2]


def _named(body: pa.Buffer) -> tuple[Ints, Ints, Ints] | None:
    """The rows, whatever the ids are; times and sizes are read as Arrow does, which takes 0x10 for a number."""
    table = _read(body, pa.string())
    if table is None:
        return None
    ids = table.column("id").combine_chunks().dictionary_encode()
    lengths = pc.min_max(pc.binary_length(ids.dictionary)).as_py()
    plain = pc.all(pc.equal(pc.ascii_trim_whitespace(ids.dictionary), ids.dictionary)).as_py()
    if not plain or lengths["min"] == 0 or lengths["max"] > _MAX_ID:
        return None
    return ids.indices.to_numpy().astype(np.int64), table.column("time").to_numpy(), table.column("size").to_numpy()


def _dense(ids: Ints) -> Ints:
    """Codes from 0 without a gap, equal for equal ids."""
    most = int(ids.max())
    if most >= 8 * len(ids):
        codes: Ints = pa.array(ids).dictionary_encode().indices.to_numpy().astype(np.int64)
        return codes
    seen = np.zeros(most + 1, np.bool_)
    seen[ids] = True
    return (np.cumsum(seen) - 1)[ids]


def _digits(numbers: Ints) -> int:
    """Decimal digits of all of them together."""
    powers = itertools.takewhile(lambda power: power <= numbers.max(), (10**place for place in range(1, 19)))
    return len(numbers) + sum(int(np.count_nonzero(numbers >= power)) for power in powers)
