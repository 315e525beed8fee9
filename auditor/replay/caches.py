"""Demand under many caches at once: what each would have left to be rendered (semantics section 3).

Unbounded caches are walked by key, those of bounded size by time. The sums are exact, see `auditor.replay.sums`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from auditor.replay.demand import COLUMNS, Groups, Prices, columns_of
from auditor.replay.sums import WIDTH, carry, limbs
from auditor.replay.walk import HELD, SLOT, evict, prepared, serve

COMPILE_FROM = 1_000_000
"""Steps, requests times settings, from which starting numba pays off."""
UNBOUNDED = 2**62
BY_KEY = ("key_high", "key_low", *COLUMNS)
BY_TIME = ("key", *(name for name in COLUMNS if name != "duration_us"))
STATE_BYTES = SLOT * 8
"""Memory of one key under one setting."""

Stream = Callable[[], Iterable[pa.RecordBatch]]
Held = Callable[[Any], Any]
Some = TypeVar("Some")


@dataclass(frozen=True, slots=True)
class CacheSetting:
    """One setting: how long and how much; `UNBOUNDED` does not limit."""

    ttl_us: int
    entries: int = UNBOUNDED
    bytes: int = UNBOUNDED


def by_key(stream: Stream, ttls_us: Sequence[int], groups: Groups, prices: Prices, rows: int, memory: int) -> Any:
    """Sums of (group, TTL) of demand ordered by key (124 bits), time and id; *rows* is about how many requests it has.

    The stream is taken once, unless there are so many groups that not all sums fit *memory* bytes.
    """

    def states(ttls: Sequence[int], held: Held) -> list[list[Any]]:
        return [[held(prices.usual_duration_us), held(ttls), *(held([0] * size) for size in (5, *[len(ttls)] * 3))]]

    most = memory // max(1, groups.count * WIDTH * 8)
    return _passes(serve, BY_KEY, stream, ttls_us, groups, prices, rows, most, states)


def by_time(
    stream: Stream, caches: Sequence[CacheSetting], groups: Groups, prices: Prices, rows: int, keys: int, memory: int
) -> Any:
    """Sums of (group, cache) of demand ordered by time and id, with a dense code for each of its *keys*.

    The stream is taken again for each handful of caches whose state fits *memory* bytes.
    """
    state, empty = [-1, -1, 0, 0, -UNBOUNDED], np.array([-1] * HELD + [0], np.int64)

    def states(some: Sequence[CacheSetting], held: Held) -> list[list[Any]]:
        width = len(some) * WIDTH
        return [
            [each.ttl_us, each.entries, each.bytes, place * WIDTH, width, held(state), held(np.tile(empty, keys))]
            for place, each in enumerate(some)
        ]

    most = memory // max(1, keys * STATE_BYTES)
    return _passes(evict, BY_TIME, stream, caches, groups, prices, rows, most, states)


def _passes(
    loop: Callable[..., None], names: Sequence[str], stream: Stream, settings: Sequence[Some], groups: Groups,
    prices: Prices, rows: int, most: int, states: Callable[[Sequence[Some], Held], Sequence[Sequence[Any]]],
) -> Any:  # fmt: skip
    """Sums of (group, setting), of at *most* so many settings at once; *states* makes what the loop keeps for them."""
    much, at_once = rows * len(settings) >= COMPILE_FROM, max(1, most)
    step, held = prepared(loop, much)
    settled = [held(groups.codes), groups.cycles, held(prices.usual_price), held(limbs(prices.amounts))]
    parts = [np.zeros((groups.count, 0, WIDTH), np.int64)]
    for start in range(0, len(settings), at_once):
        some = settings[start : start + at_once]
        kept, sums = states(some, held), held([0] * (groups.count * len(some) * WIDTH))
        for columns in columns_of(stream(), names, much):
            for state in kept:
                step(*columns, *settled, *state, sums)
            carry(sums)
        parts.append(np.asarray(sums, np.int64).reshape(groups.count, len(some), WIDTH))
    return np.concatenate(parts, axis=1)
