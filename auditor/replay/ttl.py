"""The walk by key, for many times-to-live at once: what a cache and coalescing would have left to be rendered.

Semantics section 3. Input is the demand, ordered by key (124 bits), time and id, in batches; state is carried over from
batch to batch. One pass serves every time-to-live, with and without coalescing: a concurrent request never becomes the
current picture, so the two differ only in how it is booked. The loop is plain Python; for much work numba compiles the
very same function.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from auditor.replay.demand import COLUMNS, Groups, Prices, columns_of, prepared
from auditor.replay.sums import (
    BASE,
    BYTES,
    CONCURRENT,
    CONCURRENT_BYTES,
    CONCURRENT_CREDITS,
    CREDIT_LIMBS,
    CREDITS,
    RENDERS,
    STALE,
    WIDTH,
    carry,
    limbs,
)

COMPILE_FROM = 1_000_000
"""Steps, requests times settings, from which starting numba pays off."""
NAMES = ("key_high", "key_low", *COLUMNS)


def walk(
    high: Any, low: Any, ts: Any, unit: Any, cycle: Any, weight: Any, duration: Any, digest: Any, render: Any,
    price: Any, size: Any, ttls: Any, groups: Any, cycles: Any, usual_price: Any, usual_duration: Any, limbs: Any,
    state: Any, until: Any, shown: Any, drawn: Any, sums: Any,
) -> None:  # fmt: skip
    """Add what each request of a batch costs to *sums*, one row for each group and time-to-live.

    *state* is [started?, key high, key low, time of the row before, the key's last price or -1]. For each time-to-live,
    the current render is done at *until*, has the digest *shown*, and *drawn* is 1 if it was a render in the log, 0
    if not, -1 if there is none yet.
    """
    settings = len(ttls)
    for i in range(len(ts)):
        if state[0] == 0 or high[i] != state[1] or low[i] != state[2]:
            if state[0] and (high[i] < state[1] or (high[i] == state[1] and low[i] < state[2])):
                raise ValueError("the stream is not ordered by key")
            state[0], state[1], state[2], state[4] = 1, high[i], low[i], -1
            for t in range(settings):
                drawn[t] = -1
        elif ts[i] < state[3]:
            raise ValueError("the stream is not ordered by time")
        state[3] = ts[i]
        if price[i] >= 0:
            state[4] = price[i]
        cost = CREDIT_LIMBS * (state[4] if state[4] >= 0 else usual_price[unit[i]])
        lasting = duration[i] if duration[i] >= 0 else usual_duration[unit[i]]
        first = groups[unit[i] * cycles + cycle[i]] * settings * WIDTH
        for t in range(settings):
            at = first + t * WIDTH
            if drawn[t] >= 0 and ts[i] < until[t] + ttls[t]:
                other = digest[i] != 0 and shown[t] != 0 and digest[i] != shown[t]
                if ts[i] < until[t]:
                    # Concurrent: waits, or is a render that is not kept. Its further requests find the current one.
                    sums[at + CONCURRENT] += 1
                    for limb in range(CREDIT_LIMBS):
                        sums[at + CONCURRENT_CREDITS + limb] += limbs[cost + limb]
                    sums[at + CONCURRENT_BYTES] += size[i]
                    if other:
                        sums[at + STALE] += (weight[i] - 1) % BASE
                        sums[at + STALE + 1] += (weight[i] - 1) // BASE
                    continue
                if not (other and render[i] == 1 and drawn[t] == 1):
                    if other:
                        sums[at + STALE] += weight[i] % BASE
                        sums[at + STALE + 1] += weight[i] // BASE
                    continue
            sums[at + RENDERS] += 1
            for limb in range(CREDIT_LIMBS):
                sums[at + CREDITS + limb] += limbs[cost + limb]
            sums[at + BYTES] += size[i]
            until[t], shown[t], drawn[t] = ts[i] + lasting, digest[i], render[i]


def replay(
    stream: Callable[[], Iterable[pa.RecordBatch]], ttls_us: Sequence[int], groups: Groups, prices: Prices,
    rows: int, memory: int,
) -> Any:  # fmt: skip
    """Sums of (group, time-to-live), see `auditor.replay.sums`; *rows* is about how many requests the stream holds.

    The stream is taken once, unless there are so many groups that not all sums fit *memory* bytes.
    """
    much = rows * len(ttls_us) >= COMPILE_FROM
    step, held = prepared(walk, much)
    settled = (
        held(groups.codes), groups.cycles, held(prices.usual_price), held(prices.usual_duration_us),
        held(limbs(prices.amounts)),
    )  # fmt: skip
    at_once = max(1, memory // max(1, groups.count * WIDTH * 8))
    parts = [np.zeros((groups.count, 0, WIDTH), np.int64)]
    for start in range(0, len(ttls_us), at_once):
        ttls = ttls_us[start : start + at_once]
        states = [held([0] * size) for size in (5, *[len(ttls)] * 3)]
        sums = held([0] * (groups.count * len(ttls) * WIDTH))
        for columns in columns_of(stream(), NAMES, much):
            step(*columns, held(ttls), *settled, *states, sums)
            carry(sums)
        parts.append(np.asarray(sums, np.int64).reshape(groups.count, len(ttls), WIDTH))
    return np.concatenate(parts, axis=1)
