"""The walk by time: a cache of bounded size that drops what was used least recently (semantics section 3).

Input is the demand, ordered by time and id, in batches, with a dense code for each key. Durations count 0, so nothing
is concurrent. Without a time-to-live and digests this is the textbook LRU. The loop is plain Python; for much work
numba compiles the very same function.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from auditor.replay.demand import COLUMNS, Groups, Prices, columns_of, prepared
from auditor.replay.sums import BASE, BYTES, CREDIT_LIMBS, CREDITS, RENDERS, STALE, WIDTH, carry, limbs
from auditor.replay.ttl import COMPILE_FROM

NAMES = ("key", *(name for name in COLUMNS if name != "duration_us"))
UNBOUNDED = 2**62
# One picture of the cache: eight integers, a cache line of most machines.
_NEWER, _OLDER, _STORED, _SIZE, _SHOWN, _DRAWN, _PRICE, _HELD = range(8)
_SLOT = 8
STATE_BYTES = _SLOT * 8
"""Memory of one key under one setting."""


@dataclass(frozen=True, slots=True)
class CacheSetting:
    """One setting: how long and how much; `UNBOUNDED` does not limit."""

    ttl_us: int
    entries: int = UNBOUNDED
    bytes: int = UNBOUNDED


def walk(
    key: Any, ts: Any, unit: Any, cycle: Any, weight: Any, digest: Any, render: Any, price: Any,
    size: Any, ttl: Any, most_entries: Any, most_bytes: Any, first: Any, step: Any, groups: Any, cycles: Any,
    usual_price: Any, limbs: Any, state: Any, slots: Any, sums: Any,
) -> None:  # fmt: skip
    """Add what each request of a batch costs to *sums*.

    *slots* has `_SLOT` integers a key: the neighbours in the order of use (-1 for none), when it was stored, its size,
    its digest, whether it was a render in the log, the key's last price or -1, whether it is held. *state* is [newest
    key, oldest key, entries, bytes, time of the row before]. Row (group, setting) of the sums begins at group × *step*
    + *first*.
    """
    for i in range(len(ts)):
        if ts[i] < state[4]:
            raise ValueError("the stream is not ordered by time")
        state[4] = ts[i]
        me = key[i] * _SLOT
        if price[i] >= 0:
            slots[me + _PRICE] = price[i]
        at = groups[unit[i] * cycles + cycle[i]] * step + first
        if slots[me + _HELD] == 1:
            # Off the list: a hit comes back as the newest, a picture that expired or changed does not.
            newer, older = slots[me + _NEWER], slots[me + _OLDER]
            if newer >= 0:
                slots[newer * _SLOT + _OLDER] = older
            else:
                state[0] = older
            if older >= 0:
                slots[older * _SLOT + _NEWER] = newer
            else:
                state[1] = newer
            other = digest[i] != 0 and slots[me + _SHOWN] != 0 and digest[i] != slots[me + _SHOWN]
            hit = ts[i] < slots[me + _STORED] + ttl and not (other and render[i] == 1 and slots[me + _DRAWN] == 1)
            if hit and other:
                sums[at + STALE] += weight[i] % BASE
                sums[at + STALE + 1] += weight[i] // BASE
            if not hit:
                state[2] -= 1
                state[3] -= slots[me + _SIZE]
                slots[me + _HELD] = 0
        else:
            hit = False
        if not hit:
            cost = CREDIT_LIMBS * (slots[me + _PRICE] if slots[me + _PRICE] >= 0 else usual_price[unit[i]])
            sums[at + RENDERS] += 1
            for limb in range(CREDIT_LIMBS):
                sums[at + CREDITS + limb] += limbs[cost + limb]
            sums[at + BYTES] += size[i]
            if size[i] > most_bytes or most_entries == 0:
                continue
            while state[2] >= most_entries or state[3] + size[i] > most_bytes:
                last = state[1] * _SLOT
                slots[last + _HELD] = 0
                state[2] -= 1
                state[3] -= slots[last + _SIZE]
                state[1] = slots[last + _NEWER]
                if state[1] >= 0:
                    slots[state[1] * _SLOT + _OLDER] = -1
                else:
                    state[0] = -1
            state[2] += 1
            state[3] += size[i]
            slots[me + _HELD], slots[me + _STORED], slots[me + _SIZE] = 1, ts[i], size[i]
            slots[me + _SHOWN], slots[me + _DRAWN] = digest[i], render[i]
        slots[me + _NEWER], slots[me + _OLDER] = -1, state[0]
        if state[0] >= 0:
            slots[state[0] * _SLOT + _NEWER] = key[i]
        else:
            state[1] = key[i]
        state[0] = key[i]


def replay(
    stream: Callable[[], Iterable[pa.RecordBatch]], caches: Sequence[CacheSetting], groups: Groups, prices: Prices,
    rows: int, keys: int, memory: int,
) -> Any:  # fmt: skip
    """Sums of (group, cache), see `auditor.replay.sums`.

    The stream is taken anew for each handful of caches whose state fits *memory* bytes; *keys* is how many there are.
    """
    much = rows * len(caches) >= COMPILE_FROM
    step, held = prepared(walk, much)

    def slots() -> Any:
        empty = np.tile(np.array([-1] * _HELD + [0], np.int64), keys)
        return empty if much else empty.tolist()

    settled = [held(groups.codes), groups.cycles, held(prices.usual_price), held(limbs(prices.amounts))]
    width = len(caches) * WIDTH
    sums = held([0] * (groups.count * width))
    at_once = max(1, memory // max(1, keys * STATE_BYTES))
    for start in range(0, len(caches), at_once):
        some = range(start, min(start + at_once, len(caches)))
        states = [(held([-1, -1, 0, 0, -UNBOUNDED]), slots()) for _ in some]
        for columns in columns_of(stream(), NAMES, much):
            for place, (state, own) in zip(some, states, strict=True):
                cache = caches[place]
                limits = (cache.ttl_us, cache.entries, cache.bytes, place * WIDTH, width)
                step(*columns, *limits, *settled, state, own, sums)
            carry(sums)
    return np.asarray(sums, np.int64).reshape(groups.count, len(caches), WIDTH)
