"""The walks: what each request of a stream would be to a cache and coalescing (semantics section 3).

`verdict` says it once, for every walk: over renders by key (`judge`), over the demand by key for many TTLs at once
(`serve`), and over the demand by time for a cache of bounded size (`evict`). Streams come in batches; state is carried
over from batch to batch. All of it is plain Python over integers; for much work numba compiles the very same functions,
and keeps the machine code beside this file: whatever is compiled has to stand here.
"""

from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from auditor.replay.demand import columns_of
from auditor.replay.sums import BASE, BYTES, CREDIT_LIMBS, CREDITS, RENDERED, STALE, WAITED, WIDTH

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
    """The log does not tell which image it was: it is not walked."""
    FREE = 7
    """A repeat that the provider does not bill: nothing saves it, so it counts as needed."""


NEEDED, CONCURRENT, REPEAT, CHANGED, EXPIRED, EXPIRED_IDENTICAL, *_ = map(int, Verdict)
COLUMNS = ("key_high", "key_low", "ts_us", "duration_us", "digest")
DUPLICATES = (Verdict.CONCURRENT, Verdict.REPEAT)
# One image of the cache: eight integers, a cache line of most machines.
NEWER, OLDER, STORED, SIZE, SHOWN, DRAWN, PRICE, HELD = range(8)
SLOT = 8


def differ(digest: Any, shown: Any) -> Any:
    """Whether two digests are known and of different images."""
    return digest != 0 and shown != 0 and digest != shown


def verdict(ts: Any, done: Any, ttl: Any, digest: Any, shown: Any, rendered: Any) -> Any:
    """What a request at *ts* is where the current image of its key was done at *done* and has the digest *shown*.

    *rendered* tells whether the log has both as renders: else another digest does not show that the image changed.
    """
    if ts < done:
        return CONCURRENT
    if ts < done + ttl:
        return CHANGED if rendered and differ(digest, shown) else REPEAT
    return EXPIRED_IDENTICAL if digest != 0 and digest == shown else EXPIRED


def begins(high: Any, low: Any, ts: Any, state: Any) -> Any:
    """Whether a row is the first of its key; *state* begins with [started?, key high, key low, time of the row before].

    Raises `ValueError` for a stream that is not ordered by key and time.
    """
    if state[0] == 0 or high != state[1] or low != state[2]:
        if state[0] and (high < state[1] or (high == state[1] and low < state[2])):
            raise ValueError("the stream is not ordered by key")
        state[0], state[1], state[2], state[3] = 1, high, low, ts
        return True
    if ts < state[3]:
        raise ValueError("the stream is not ordered by time")
    state[3] = ts
    return False


def book(sums: Any, at: Any, limbs: Any, price: Any, size: Any) -> None:
    """Add one request to the sums of those that were rendered, or that waited, which begin *at*."""
    sums[at] += 1
    for limb in range(CREDIT_LIMBS):
        sums[at + CREDITS + limb] += limbs[price * CREDIT_LIMBS + limb]
    sums[at + BYTES] += size


def book_stale(sums: Any, at: Any, requests: Any) -> None:
    """Add requests that were served another image than the log has, to the sums that begin *at*."""
    sums[at + STALE] += requests % BASE
    sums[at + STALE + 1] += requests // BASE


def judge(high: Any, low: Any, ts: Any, duration: Any, digest: Any, ttl: Any, state: Any, out: Any) -> None:
    """Fill *out* with the verdict of each row.

    *ts*, *duration*, *ttl* are microseconds; *digest* is 0 where it is unknown. *state* is that of `begins`, the end of
    the current render, and its digest.
    """
    for i in range(len(ts)):
        if begins(high[i], low[i], ts[i], state):
            found = NEEDED
        else:
            found = verdict(ts[i], state[4], ttl, digest[i], state[5], 1)
        if found not in (CONCURRENT, REPEAT):
            state[4], state[5] = ts[i] + duration[i], digest[i]
        out[i] = found


def serve(
    high: Any, low: Any, ts: Any, unit: Any, cycle: Any, weight: Any, duration: Any, digest: Any, render: Any,
    free: Any, price: Any, size: Any, groups: Any, cycles: Any, usual_price: Any, limbs: Any, usual_duration: Any,
    ttls: Any, state: Any, until: Any, shown: Any, drawn: Any, sums: Any,
) -> None:  # fmt: skip
    """Add what each request of a batch costs to *sums*, one row for each group and TTL.

    *state* is that of `begins`, and the key's last price or -1. For each TTL, the current render is done at *until*,
    has the digest *shown*, and *drawn* is 1 if it was a render in the log, 0 if not, -1 if there is none yet.
    A concurrent request never becomes the current image, so coalescing only changes how it is booked. Nor does a
    repeat that is not billed: nothing saves it, and it stays a render.
    """
    settings = len(ttls)
    for i in range(len(ts)):
        if begins(high[i], low[i], ts[i], state):
            state[4] = -1
            for t in range(settings):
                drawn[t] = -1
        if price[i] >= 0:
            state[4] = price[i]
        cost = state[4] if state[4] >= 0 else usual_price[unit[i]]
        lasting = duration[i] if duration[i] >= 0 else usual_duration[unit[i]]
        first = groups[unit[i] * cycles + cycle[i]] * settings * WIDTH
        now, picture, rendered = ts[i], digest[i], render[i] == 1
        for t in range(settings):
            at = first + t * WIDTH
            found = NEEDED
            if drawn[t] >= 0:
                found = verdict(now, until[t], ttls[t], picture, shown[t], rendered and drawn[t] == 1)
            if found == CONCURRENT:
                # It waits, or is a render that is not kept. Its further requests find the current one.
                book(sums, at + WAITED, limbs, cost, size[i])
                if differ(picture, shown[t]):
                    book_stale(sums, at, weight[i] - 1)
            elif found == REPEAT and free[i] == 0:
                if differ(picture, shown[t]):
                    book_stale(sums, at, weight[i])
            else:
                book(sums, at + RENDERED, limbs, cost, size[i])
                if found == REPEAT:
                    continue
                until[t], shown[t], drawn[t] = now + lasting, picture, render[i]


def evict(
    key: Any, ts: Any, unit: Any, cycle: Any, weight: Any, digest: Any, render: Any, free: Any, price: Any,
    size: Any, groups: Any, cycles: Any, usual_price: Any, limbs: Any, ttl: Any, most_entries: Any, most_bytes: Any,
    first: Any, step: Any, state: Any, slots: Any, sums: Any,
) -> None:  # fmt: skip
    """Add what each request of a batch costs to *sums*, where the cache drops what was used least recently.

    *slots* has `SLOT` integers a key: the neighbors in the order of use (-1 for none), when it was stored, its size,
    its digest, whether it was a render in the log, the key's last price or -1, whether it is held. *state* is [newest
    key, oldest key, entries, bytes, time of the row before]. Row (group, setting) of the sums begins at group × *step*
    + *first*. Durations count 0, so nothing is concurrent; without a TTL and digests this is the textbook LRU.
    """
    for i in range(len(ts)):
        if ts[i] < state[4]:
            raise ValueError("the stream is not ordered by time")
        state[4] = ts[i]
        me = key[i] * SLOT
        if price[i] >= 0:
            slots[me + PRICE] = price[i]
        at = groups[unit[i] * cycles + cycle[i]] * step + first
        found = NEEDED
        if slots[me + HELD] == 1:
            # Off the list: a hit comes back as the newest, an image that expired or changed does not.
            newer, older = slots[me + NEWER], slots[me + OLDER]
            if newer >= 0:
                slots[newer * SLOT + OLDER] = older
            else:
                state[0] = older
            if older >= 0:
                slots[older * SLOT + NEWER] = newer
            else:
                state[1] = newer
            both = render[i] == 1 and slots[me + DRAWN] == 1
            found = verdict(ts[i], slots[me + STORED], ttl, digest[i], slots[me + SHOWN], both)
            if found != REPEAT:
                state[2] -= 1
                state[3] -= slots[me + SIZE]
                slots[me + HELD] = 0
            elif free[i] == 0 and differ(digest[i], slots[me + SHOWN]):
                book_stale(sums, at, weight[i])
        if found != REPEAT or free[i] == 1:
            cost = slots[me + PRICE] if slots[me + PRICE] >= 0 else usual_price[unit[i]]
            book(sums, at + RENDERED, limbs, cost, size[i])
        if found != REPEAT:
            if size[i] > most_bytes or most_entries == 0:
                continue
            while state[2] >= most_entries or state[3] + size[i] > most_bytes:
                last = state[1] * SLOT
                slots[last + HELD] = 0
                state[2] -= 1
                state[3] -= slots[last + SIZE]
                state[1] = slots[last + NEWER]
                if state[1] >= 0:
                    slots[state[1] * SLOT + OLDER] = -1
                else:
                    state[0] = -1
            state[2] += 1
            state[3] += size[i]
            slots[me + HELD], slots[me + STORED], slots[me + SIZE] = 1, ts[i], size[i]
            slots[me + SHOWN], slots[me + DRAWN] = digest[i], render[i]
        slots[me + NEWER], slots[me + OLDER] = -1, state[0]
        if state[0] >= 0:
            slots[state[0] * SLOT + NEWER] = key[i]
        else:
            state[1] = key[i]
        state[0] = key[i]


@cache
def _compiled(loop: Callable[..., None]) -> Callable[..., None]:
    import numba
    from numba.extending import register_jitable

    for part in (differ, verdict, begins, book, book_stale):
        register_jitable(part)
    return numba.njit(cache=True)(loop)


def prepared(loop: Callable[..., None], compiled: bool) -> tuple[Callable[..., None], Callable[[Any], Any]]:
    """(*loop*, what makes its arguments of numbers): plain Python and lists, or numba's machine code and arrays."""
    if not compiled:
        return loop, lambda values: np.asarray(values, np.int64).tolist()
    return _compiled(loop), lambda values: np.asarray(values, np.int64)


def verdicts(batches: Iterable[pa.RecordBatch], ttl_us: int, rows: int) -> pa.Table:
    """(row, verdict) of every render in the stream; *rows* is about how many there are."""
    much = rows >= COMPILE_FROM
    step, held = prepared(judge, much)
    state = held([0] * 6)
    row_parts = [np.zeros(0, np.int64)]
    verdict_parts = [np.zeros(0, np.int8)]
    for *columns, row in columns_of(batches, (*COLUMNS, "row"), much):
        out: Any = np.zeros(len(row), np.int8)
        step(*columns, ttl_us, state, out)
        row_parts.append(np.asarray(row, np.int64))
        verdict_parts.append(out)
    return pa.table({"row": np.concatenate(row_parts), "verdict": np.concatenate(verdict_parts)})
