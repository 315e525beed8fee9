"""The simulation against its slow reading: every figure of random logs, under every kind of cache."""

import json
import os
import random
from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from auditor import pipeline
from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.model.numbers import number, ratio
from auditor.model.plans import cents
from auditor.results.header import document
from auditor.results.simulation import Setting
from tests.bruteforce import Audit
from tests.random_logs import generate
from tests.slow_replay import Figures, SlowReplay

pytestmark = pytest.mark.usefixtures("random_now")

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "90"))
SIZES = (30, 150, 400)
MICRO = timedelta(microseconds=1)
TTLS = (
    timedelta(0), MICRO, timedelta(milliseconds=1500), timedelta(hours=1), timedelta(days=1),
    timedelta(days=1, microseconds=1), timedelta(days=9), None,
)  # fmt: skip


def demand_log(seed: int, size: int) -> tuple[dict[str, bytes], dict[str, Any]]:
    """A random log of which hits and coalesced requests have digests, durations and credits too."""
    files, config = generate(seed, size)
    rng = random.Random(f"demand {seed}")
    digests: dict[str, list[str]] = {}

    def line(data: bytes) -> bytes:
        try:
            event = json.loads(data)
            key = event["key"]
        except (ValueError, TypeError, KeyError):
            return data
        if event.get("outcome") == "render":
            if rng.random() < 0.3:
                event["digest"] = f"sha256:{rng.randrange(3):064x}"
            digests.setdefault(key, []).append(event.get("digest"))
            if rng.random() < 0.3:
                event["duration_ms"] = rng.choice([0.001, 0.002, 1, 86_400_000, 1500.0005])
        elif event.get("outcome") in ("hit", "coalesced"):
            if key in digests and rng.random() < 0.7:
                event["digest"] = rng.choice(digests[key])
            if rng.random() < 0.2:
                event |= rng.choice([{"duration_ms": 5}, {"credits": 7}, {"bytes": 0}, {"bytes": 10**12}])
            if event["outcome"] == "hit" and rng.random() < 0.05:
                event |= {"count": 10**15, "bytes": 1000}
        return json.dumps(event).encode()

    return {name: b"\n".join(line(data) for data in text.split(b"\n")) for name, text in files.items()}, config


def settings(seed: int) -> list[Setting]:
    """Every TTL with and without coalescing, and a few bounded caches."""
    rng = random.Random(seed)
    unbounded = [Setting.of(micros(ttl), on) for ttl in TTLS for on in (True, False)]
    bounded = [
        Setting.of(micros(rng.choice(TTLS)), rng.random() < 0.7, entries, size)
        for entries, size in ((1, None), (2, None), (rng.randrange(3, 9), None), (0, None), (None, 0),
                              (None, 150_000), (None, 10**6), (3, 300_000))
    ]  # fmt: skip
    return [*unbounded, Setting.of(None, entries=2), *dict.fromkeys(bounded)]


def micros(ttl: timedelta | None) -> int | None:
    """Microseconds."""
    return None if ttl is None else ttl // MICRO


def product(
    files: Mapping[str, bytes], config: Mapping[str, Any], folder: Path, caches: list[Setting], *, per_template: bool
) -> dict[str, Any]:
    """The document of the product for logs in memory."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sources = discover([str(folder / name) for name in files], folder)
    options = pipeline.Options(cache=False)
    result = pipeline.simulate(
        sources, settings_of(config, "generated"), options, caches, lambda *_: None, per_template=per_template
    )
    return document(result)


def expected(slow: SlowReplay, figures: Figures) -> dict[str, Any]:
    """The figures of one row."""
    return {
        "renders": figures.renders,
        "hits": figures.hits,
        "coalesced": figures.coalesced,
        "served_ratio": ratio(figures.hits + figures.coalesced, slow.requests),
        "miss_ratio": ratio(figures.renders, slow.requests),
        "byte_miss_ratio": ratio(figures.missed_bytes, slow.bytes),
        "credits": number(figures.credits),
        "stale_served": figures.stale,
    }


def bills(row: Mapping[str, Any]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """By account."""
    return {
        (b["provider"], b["account"]): (b["plan"], b["bill"], b["cheapest_plan"], b["cheapest_bill"])
        for b in row["bill"]
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_figure_is_that_of_the_slow_reading(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts, ratios, credits, staleness, bills and the sums of each template agree exactly."""
    files, config = demand_log(seed, SIZES[seed % 3])
    if seed % 4 == 0:
        monkeypatch.setattr("auditor.replay.caches.COMPILE_FROM", 0)
    if seed % 3 == 0:
        monkeypatch.setattr("auditor.simulation.outcomes.MEMORY", 20_000)
    caches = settings(seed)
    slow = SlowReplay(Audit(files, config))
    report = product(files, config, tmp_path, caches, per_template=bool(seed % 2))
    assert report["demand"] == slow.requests
    assert report["demand_bytes"] == slow.bytes
    assert len(report["rows"]) == len(caches)
    renders = {}
    for cache, row in zip(caches, report["rows"], strict=True):
        figures = slow.run(
            None if cache.ttl_us is None else MICRO * cache.ttl_us,
            coalescing=cache.coalescing,
            entries=cache.capacity_entries,
            size=cache.capacity_bytes,
        )
        renders[cache] = figures.renders
        want = expected(slow, figures)
        assert {name: row[name] for name in want} == want, cache
        assert bills(row) == {
            name: (plan, cents(paid), best, cents(least))
            for name, (plan, paid, best, least) in slow.bills(figures).items()
        }
        for each in report["templates"]:
            own = next(
                r for r in each["rows"]
                if (r["ttl_seconds"], r["coalescing"], r["capacity_entries"], r["capacity_bytes"])
                == (row["ttl_seconds"], row["coalescing"], row["capacity_entries"], row["capacity_bytes"])
            )  # fmt: skip
            figure = figures.by_template[each["provider"], each["account"], each["template"]]
            assert [own[n] for n in ("renders", "hits", "coalesced", "credits", "stale_served")] == [
                *figure[:3], number(Fraction(figure[3])), figure[4],
            ]  # fmt: skip
    times = [e["at"] for e in slow.audit.events]
    span = micros(max(times) - min(times)) if times else 0
    within = {cache: n for cache, n in renders.items() if cache.ttl_us is not None and cache.ttl_us <= span}
    near = [cache for cache, n in within.items() if n * 100 <= min(within.values()) * 105]
    knee = min((cache.ttl_us for cache in near), default=None)
    assert (report["knee"] or {}).get("ttl_seconds") == (None if knee is None else number(Fraction(knee, 10**6)))
    fewest = min((renders[cache] for cache in near if cache.ttl_us == knee), default=0)
    assert (report["recommendation"] is not None) == (bool(near) and fewest < report["logged"]["renders"])
    if near:
        assert report["knee"]["renders"] == fewest
