"""Every walk says of a request what the semantics say: each against a verdict that is as plain as section 3."""

import random
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from auditor.replay.caches import CacheSetting, by_key, by_time
from auditor.replay.sums import read
from auditor.replay.volatile import RenderSample, find
from auditor.replay.walk import DUPLICATES, Verdict, verdicts
from tests.replay.streams import ONE, prices, stream

Request = dict[str, int]


@pytest.fixture(params=["plain", "compiled"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of running the walks."""
    for module in ("walk", "caches", "volatile"):
        monkeypatch.setattr(f"auditor.replay.{module}.COMPILE_FROM", 0 if request.param == "compiled" else 10**9)


def requests_of(rng: random.Random) -> list[Request]:
    """Some requests of few keys at few times, ordered by key and time, so that every edge is met."""
    made = [
        {
            "key": key,
            "key_high": key // 2,
            "key_low": key % 2,
            "ts_us": rng.randrange(40),
            "duration_us": rng.choice([0, 0, 1, 5, 9]),
            "digest": rng.choice([0, 7, 7, 8]),
            "render": rng.choice([0, 1, 1]),
            "weight": rng.choice([1, 1, 4]),
            "free": rng.choice([0, 0, 1]),
        }
        for key in range(4)
        for _ in range(rng.randrange(12))
    ]
    return sorted(made, key=lambda each: (each["key"], each["ts_us"]))


def naive(requests: list[Request], ttl: int, *, only_renders: bool) -> Iterator[tuple[Request, Verdict, int]]:
    """(request, what it is, how many of its requests were served another image), word for word from section 3."""
    cur: Request | None = None
    for e in requests:
        if cur is None or cur["key"] != e["key"]:
            cur = e
            yield e, Verdict.NEEDED, 0
            continue
        done = cur["ts_us"] + cur["duration_us"]
        known_and_differ = 0 not in (e["digest"], cur["digest"]) and e["digest"] != cur["digest"]
        changed = known_and_differ and (not only_renders or (e["render"] == 1 and cur["render"] == 1))
        if e["ts_us"] < done:
            yield e, Verdict.CONCURRENT, e["weight"] - 1 if known_and_differ else 0
        elif e["ts_us"] < done + ttl and not changed:
            yield e, Verdict.REPEAT, e["weight"] if known_and_differ else 0
        else:
            same = e["digest"] != 0 and e["digest"] == cur["digest"]
            late = Verdict.EXPIRED_IDENTICAL if same else Verdict.EXPIRED
            yield e, Verdict.CHANGED if e["ts_us"] < done + ttl else late, 0
            cur = e


def saved(each: list[tuple[Request, Verdict, int]]) -> list[int]:
    """Of the requests that a cache serves, how many were served another image: no repeat that is not billed."""
    return [served for e, verdict, served in each if verdict == Verdict.REPEAT and not e["free"]]


@pytest.mark.parametrize("seed", range(40))
def test_renders_are_judged_by_it(seed: int) -> None:
    """`verdicts`, in batches of any size."""
    rng = random.Random(seed)
    requests, ttl = requests_of(rng), rng.choice([0, 1, 5, 10, 100])
    batches = [batch.append_column("row", batch.column("ts_us")) for batch in stream(requests, rng.choice([1, 3, 99]))]
    found = verdicts(batches, ttl, len(requests)).column("verdict").to_pylist()
    assert found == [verdict for _, verdict, _ in naive(requests, ttl, only_renders=False)]


@pytest.mark.parametrize("seed", range(40))
def test_unbounded_caches_are_simulated_by_it(seed: int) -> None:
    """Renders, concurrent and stale requests of many TTLs at once, in passes of any size."""
    rng = random.Random(seed)
    requests, ttls = requests_of(rng), (0, 1, 5, 10, 100)
    memory = rng.choice([1, 300, 10**6])
    sums = by_key(lambda: stream(requests, rng.choice([1, 3, 99])), ttls, ONE, prices(), len(requests), memory)
    for ttl, row in zip(ttls, sums[0].tolist(), strict=True):
        each = list(naive(requests, ttl, only_renders=True))
        counts, found = Counter(verdict for _, verdict, _ in each), read(row)
        renders = counts.total() - counts[Verdict.CONCURRENT] - len(saved(each))
        stale = sum(served for _, verdict, served in each if verdict == Verdict.CONCURRENT) + sum(saved(each))
        assert (found.renders, found.concurrent, found.stale) == (renders, counts[Verdict.CONCURRENT], stale)


@pytest.mark.parametrize("seed", range(40))
def test_a_cache_that_is_large_enough_is_simulated_by_it(seed: int) -> None:
    """By time, where durations count 0."""
    rng = random.Random(seed)
    requests = [each | {"duration_us": 0} for each in requests_of(rng)]
    caches = [CacheSetting(ttl, entries=4) for ttl in (0, 1, 5, 10, 100)]
    in_time = sorted(requests, key=lambda each: each["ts_us"])
    sums = by_time(lambda: stream(in_time, 3), caches, ONE, prices(), len(requests), 4, rng.choice([1, 10**6]))
    for cache, row in zip(caches, sums[0].tolist(), strict=True):
        each = list(naive(requests, cache.ttl_us, only_renders=True))
        found = read(row)
        assert found.renders == len(each) - len(saved(each))
        assert found.stale == sum(saved(each))


@pytest.mark.parametrize("seed", range(40))
def test_leaving_a_field_out_saves_by_it(seed: int) -> None:
    """A field that only makes keys: its saving is that of all renders under one key."""
    rng = random.Random(seed)
    times, ttl = sorted(rng.randrange(40) for _ in range(12)), rng.choice([1, 5, 10])
    requests = [{"key": 0, "ts_us": time, "duration_us": rng.choice([0, 1, 5]), "digest": 7} for time in times]
    whole = np.arange(len(requests))
    columns = {name: np.array([each[name] for each in requests]) for name in ("ts_us", "duration_us", "digest")}
    sample = RenderSample(
        row=whole,
        ts=columns["ts_us"],
        duration=columns["duration_us"],
        digest=columns["digest"],
        shape_numbers=np.zeros((2, len(whole)), np.uint64),
        verdict=np.zeros_like(whole),
        credit=lambda at: Fraction(1 + at),
        at=whole,
        field=np.zeros_like(whole),
        numbers=np.stack([whole, whole]).astype(np.uint64) + np.uint64(1),
        fields=["at"],
    )
    judged = [verdict for _, verdict, _ in naive([{**each, "weight": 1} for each in requests], ttl, only_renders=False)]
    saved = [place for place, verdict in enumerate(judged) if verdict in DUPLICATES]
    found = find(sample, ttl)
    assert found is not None
    assert [(credits, members.tolist()) for credits, members in found.saved] == (
        [(Fraction(sum(1 + place for place in saved)), saved)] if saved else []
    )
