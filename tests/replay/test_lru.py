"""The bounded cache: against a twenty-line LRU, against its own laws, and where those laws end."""

import random
import tracemalloc
from collections import OrderedDict
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.replay.caches import STATE_BYTES, UNBOUNDED, CacheSetting, by_time
from auditor.replay.sums import Sum, read
from tests.replay.streams import ONE, prices, stream

Trace = Sequence[tuple[int, int]]
"""(key, size) of each request."""


def textbook(trace: Trace, entries: int = UNBOUNDED, size: int = UNBOUNDED) -> tuple[int, int]:
    """(misses, missed bytes) of an LRU cache as books have it."""
    cache: OrderedDict[int, int] = OrderedDict()
    misses = missed = used = 0
    for key, weight in trace:
        if key in cache:
            cache.move_to_end(key)
            continue
        misses, missed = misses + 1, missed + weight
        if weight > size or not entries:
            continue
        while len(cache) >= entries or used + weight > size:
            used -= cache.popitem(last=False)[1]
        cache[key] = weight
        used += weight
    return misses, missed


def replayed(trace: Trace, *caches: CacheSetting, batch: int = 7, memory: int = 10**6) -> list[Sum]:
    """Sums for each cache; the requests are a microsecond apart."""
    requests = [{"key": key, "ts_us": place, "bytes": size} for place, (key, size) in enumerate(trace)]
    keys = max((key for key, _ in trace), default=-1) + 1
    sums = by_time(lambda: stream(requests, batch), caches, ONE, prices(), len(trace), keys, memory)
    return [read(row) for row in sums[0].tolist()]


def forever(entries: int = UNBOUNDED, size: int = UNBOUNDED) -> CacheSetting:
    """A cache without a TTL."""
    return CacheSetting(UNBOUNDED, entries, size)


@pytest.mark.parametrize("seed", range(300))
def test_it_is_the_textbook_lru(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten random traces a seed, every capacity that matters, in entries, in bytes, in both."""
    if seed % 20 == 0:
        monkeypatch.setattr("auditor.replay.caches.COMPILE_FROM", 0)
    rng = random.Random(seed)
    for _ in range(10):
        keys = rng.choice([1, 3, 8, 20])
        trace = [(rng.randrange(keys), rng.choice([0, 1, 1, 2, 5, 9])) for _ in range(rng.choice([1, 10, 120]))]
        limits = [(rng.choice([0, 1, 2, 5, UNBOUNDED]), rng.choice([0, 1, 4, 12, UNBOUNDED])) for _ in range(4)]
        found = replayed(trace, *(forever(*limit) for limit in limits), memory=rng.choice([1, 10**6]))
        assert [(each.renders, each.bytes) for each in found] == [textbook(trace, *limit) for limit in limits]


@given(st.lists(st.integers(0, 12), max_size=150))
@settings(deadline=None)
def test_more_entries_never_lower_hits(keys: list[int]) -> None:
    """LRU is a stack algorithm: the larger cache holds whatever the smaller does."""
    found = replayed([(key, 1) for key in keys], *(forever(entries) for entries in range(14)))
    misses = [each.renders for each in found]
    assert misses == sorted(misses, reverse=True)
    assert misses[0] == len(keys)
    assert misses[-1] == len(set(keys))


def test_more_bytes_may_lower_hits() -> None:
    """docs/simulation.md: one byte more admits the large image, which pushes the small one out."""
    trace = [(0, 1), (1, 2), (0, 1)]
    assert [each.renders for each in replayed(trace, forever(size=1), forever(size=2))] == [2, 3]


def test_what_is_too_large_is_not_admitted_and_pushes_nothing_out() -> None:
    """The size counts as it was when the image was stored; an empty one always fits."""
    assert replayed([(0, 3), (1, 9), (0, 3)], forever(size=5))[0].renders == 2
    assert replayed([(0, 3), (1, 2), (0, 99), (1, 2)], forever(size=5))[0].renders == 2
    assert replayed([(0, 0), (0, 0)], forever(size=0))[0].renders == 1
    assert replayed([(0, 0), (0, 0)], forever(entries=0))[0].renders == 2


def test_a_hit_does_not_make_it_live_longer() -> None:
    """With a TTL too, the age counts from the last render; what expired keeps its place until then."""
    trace = [(0, 1)] * 5
    assert replayed(trace, CacheSetting(2, 3))[0].renders == 3
    # Key 0 expired unseen; it still is the newest but one when key 2 comes, so key 1 makes room first.
    assert replayed([(1, 1), (0, 1), (2, 1), (1, 1)], CacheSetting(UNBOUNDED, 2))[0].renders == 4


def test_a_picture_that_changed_takes_a_new_place() -> None:
    """Two renders with other digests: the stored one is dropped, even if the new one does not fit."""

    def renders(sizes: tuple[int, int], limit: int) -> int:
        requests = [
            {"ts_us": 0, "digest": 7, "bytes": sizes[0]},
            {"ts_us": 1, "digest": 8, "bytes": sizes[1]},
            {"ts_us": 2, "digest": 8, "bytes": sizes[1]},
        ]
        sums = by_time(lambda: stream(requests), [forever(size=limit)], ONE, prices(), 3, 1, 10**6)
        return read(sums[0, 0].tolist()).renders

    assert renders((1, 1), 5) == 2
    assert renders((1, 9), 5) == 3


def test_an_unordered_stream_is_refused() -> None:
    """An error, never a wrong count."""
    requests = [{"ts_us": 1}, {"ts_us": 0}]
    with pytest.raises(ValueError, match="not ordered by time"):
        by_time(lambda: stream(requests), [forever(1)], ONE, prices(), 2, 1, 10**6)


def test_the_state_of_a_cache_is_held_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys there are: no second copy of it is kept."""
    monkeypatch.setattr("auditor.replay.caches.COMPILE_FROM", 0)
    keys = 500_000

    def replay() -> None:
        by_time(lambda: stream([{"ts_us": 1}]), [forever(1)], ONE, prices(), 1, keys, 10**9)

    replay()
    tracemalloc.start()
    try:
        replay()
        assert tracemalloc.get_traced_memory()[1] < 1.5 * keys * STATE_BYTES
    finally:
        tracemalloc.stop()
