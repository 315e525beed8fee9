"""The walk by key: which paid renders a cache or coalescing would have saved (semantics section 3).

Input is one stream of renders, ordered by key (128 bits), time and id, in batches; state is carried over from
batch to batch. The loop is plain Python; for many rows the very same function is compiled by numba.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa

from auditor.replay.demand import columns_of, prepared

COMPILE_FROM = 200_000
"""Rows from which starting numba pays off."""


class Verdict(IntEnum):
    """What one render was."""

    NEEDED = 0
    CONCURRENT = 1
    REPEAT = 2
    CHANGED = 3
    EXPIRED = 4
    EXPIRED_IDENTICAL = 5
    UNKNOWN = 6
    """The log does not tell which picture it was: it is not walked."""


COLUMNS = ("key_high", "key_low", "ts_us", "duration_us", "digest")
DUPLICATES = (Verdict.CONCURRENT, Verdict.REPEAT)


def walk(high: Any, low: Any, ts: Any, duration: Any, digest: Any, ttl: Any, state: Any, out: Any) -> None:
    """Fill *out* with the verdict of each row.

    *ts*, *duration*, *ttl* are microseconds; *digest* is 0 where it is unknown. *state* is
    [key high, key low, end of the current render, its digest, time of the row before, started?].
    """
    for i in range(len(ts)):
        if state[5] == 0 or high[i] != state[0] or low[i] != state[1]:
            if state[5] and (high[i] < state[0] or (high[i] == state[0] and low[i] < state[1])):
                raise ValueError("the stream is not ordered by key")
            verdict = 0
        else:
            if ts[i] < state[4]:
                raise ValueError("the stream is not ordered by time")
            if ts[i] < state[2]:
                verdict = 1
            elif ts[i] < state[2] + ttl:
                verdict = 3 if digest[i] != 0 and state[3] != 0 and digest[i] != state[3] else 2
            else:
                verdict = 5 if digest[i] != 0 and digest[i] == state[3] else 4
        state[0], state[1], state[4], state[5] = high[i], low[i], ts[i], 1
        if verdict not in {1, 2}:
            state[2], state[3] = ts[i] + duration[i], digest[i]
        out[i] = verdict


def verdicts(batches: Iterable[pa.RecordBatch], ttl_us: int, rows: int) -> pa.Table:
    """(row, verdict) of every render in the stream; *rows* is about how many there are."""
    much = rows >= COMPILE_FROM
    step, held = prepared(walk, much)
    state = held([0] * 6)
    row_parts = [np.zeros(0, np.int64)]
    verdict_parts = [np.zeros(0, np.int8)]
    for *columns, row in columns_of(batches, (*COLUMNS, "row"), much):
        out: Any = np.zeros(len(row), np.int8)
        step(*columns, ttl_us, state, out)
        row_parts.append(np.asarray(row, np.int64))
        verdict_parts.append(out)
    return pa.table({"row": np.concatenate(row_parts), "verdict": np.concatenate(verdict_parts)})
