"""The recommendation of a simulation against a slow reading of docs/semantics.md, on random logs."""

import json
import os
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.results.simulation import Setting
from tests.bruteforce import DAY, Audit, advise, bill, folded
from tests.conftest import event, lines
from tests.examined import ran
from tests.simulation.test_simulate_oracle import MICRO, demand_log, micros, product
from tests.slow_replay import SlowReplay

SEEDS = int(os.environ.get("RECOMMENDATION_SEEDS", "60"))
TTLS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 60, 360, 1440, 7 * 1440, 30 * 1440))
Name = tuple[str, str]
Spent = dict[Any, Fraction]
"""Credits by (provider, account, start of the cycle)."""


def cycles_of(slow: SlowReplay, name: Name, credits: Spent, unknown: Counter[Any]) -> tuple[list[Any], list[datetime]]:
    """The listed cycles of an account with what was spent in them, and when its events were."""
    times = [e["at"] for e in slow.audit.events if (e["provider"], e["account"]) == name]
    own = [(start, end, [at for at in times if start <= at < end]) for start, end in slow.cycles(*name)]
    return [
        {
            "start": start, "end": end, "wasted": Fraction(0),
            "credits": credits[*name, start], "demand": credits[*name, start] + unknown[*name, start],
            "complete": min(times) <= start + DAY and max(times) >= end - DAY,
        }
        for start, end, _ in folded(own)[0]
    ], times  # fmt: skip


def whole(cycles: list[Any], times: list[datetime], what: str) -> list[Fraction]:
    """An amount of each complete cycle, else of the newest one, projected."""
    complete = [cycle[what] for cycle in cycles if cycle["complete"]]
    newest = cycles[-1]
    elapsed = max(times) - max(newest["start"], min(times))
    return complete or [newest[what] * Fraction((newest["end"] - newest["start"]) // MICRO, elapsed // MICRO)]


def mean_bill(offers: dict[str, Any], plan: str | None, cycles: list[Any], times: list[datetime]) -> Fraction | None:
    """Of the credits on the plan."""
    if plan is None:
        return None
    amounts = [bill(offers[plan], credits) for credits in whole(cycles, times, "credits")]
    return None if None in amounts else sum(filter(None, amounts), Fraction(0)) / len(amounts)


def closest(
    offers: dict[str, Any], then: str | None, cycles: list[Any], times: list[datetime]
) -> tuple[str, Fraction] | None:
    """The cheaper plan that lacks least."""
    complete = any(cycle["complete"] for cycle in cycles)
    needed = whole(cycles, times, "credits")
    needed += [cycle["credits"] for cycle in cycles if not (complete and cycle["complete"])]
    short = []
    for name, plan in offers.items():
        lacks = max(needed) - Fraction(plan["included"])
        cheaper = then is None or Fraction(plan["price"]) < Fraction(offers[then]["price"])
        if cheaper and "overage" not in plan and lacks > 0:
            short.append((lacks, Fraction(plan["price"]), name))
    return (min(short)[2], min(short)[0]) if short else None


@pytest.mark.slow
@pytest.mark.usefixtures("random_now")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_recommendation_is_that_of_the_slow_reading(seed: int, tmp_path: Path) -> None:
    """The knee, whether it is worth it, what it saves, and which plan each account then needs."""
    files, config = demand_log(seed, (30, 150, 400)[seed % 3])
    slow = SlowReplay(Audit(files, config))
    report = product(files, config, tmp_path, [Setting.of(micros(ttl)) for ttl in TTLS], per_template=False)
    times = [e["at"] for e in slow.audit.events]
    fitting = [ttl for ttl in TTLS if times and ttl <= max(times) - min(times)]
    runs = {ttl: slow.run(ttl) for ttl in fitting}
    rendered = [e for e in slow.demand if e["outcome"] == "render"]
    fewest = min((run.renders for run in runs.values()), default=0)
    knee = next((ttl for ttl in fitting if runs[ttl].renders * 100 <= fewest * 105), None)
    if knee is None:
        assert (report["knee"], report["recommendation"]) == (None, None)
        return
    assert report["knee"] == {"ttl_seconds": knee.total_seconds(), "renders": runs[knee].renders}
    assert (report["recommendation"] is not None) == (runs[knee].renders < len(rendered))
    if report["recommendation"] is None:
        return
    found = report["recommendation"]
    assert (found["ttl_seconds"], found["renders"], found["hits"], found["stale_served"]) == (
        knee.total_seconds(), runs[knee].renders, runs[knee].hits, runs[knee].stale,
    )  # fmt: skip
    assert found["renders_saved"] == len(rendered) - runs[knee].renders
    logged, unknown = defaultdict(Fraction), Counter[Any]()
    for e in slow.demand:
        at = (e["provider"], e["account"], slow.cycle(e))
        logged[at] += e["cost"] or 0
        unknown[at] += e["cost"] is None
    left: Spent = defaultdict(Fraction, runs[knee].by_account)
    for account in found["accounts"]:
        name = (account["provider"], account["account"])
        offers = slow.audit.plans(name[0])
        now, span = cycles_of(slow, name, logged, unknown)
        then, _ = cycles_of(slow, name, left, Counter())
        best, projected, why = advise(offers, then, min(span), max(span), fixed=False)
        assert (account["plan_then"], account["projected"], account["advice"]) == (best, projected, why), name
        if why:
            assert (account["plan_logged"], account["monthly_saving"], account["closest_plan"]) == (None, None, None)
            continue
        renders = sum((e["provider"], e["account"]) == name for e in rendered)
        credits, calls = (sum(each[key] for key in each if key[:2] == name) for each in (logged, unknown))
        known = bool(credits) or not calls or renders > calls
        right = advise(offers, now, min(span), max(span), fixed=False)[0] if known else None
        assert account["plan_logged"] == right, name
        before, after = mean_bill(offers, right, now, span), mean_bill(offers, best, then, span)
        assert account["monthly_saving"] == (None if before is None or after is None else cents(before - after)), name
        lacks = closest(offers, best, then, span)
        assert (account["closest_plan"], account["short_by"]) == (
            (lacks[0], number(lacks[1])) if lacks else (None, None)
        )


def recommended(folder: Path, events: list[dict[str, Any]], plan: str) -> dict[str, Any]:
    """The one account of the recommendation for a TTL of a day, on a plan of Imejis."""
    (folder / "usage.jsonl").write_bytes(lines(events))
    (folder / "auditor.toml").write_text(f'[accounts.main]\nprovider = "imejis"\nplan = "{plan}"\n')
    done = ran("simulate", str(folder / "usage.jsonl"), "--ttl", "24h", "--format", "json")
    (account,) = json.loads(done.out)["recommendation"]["accounts"]
    assert isinstance(account, dict)
    return account


def burst(start: str, keys: int, times: int, **fields: Any) -> list[dict[str, Any]]:
    """So many keys, each rendered so often, an hour apart."""
    first = datetime.fromisoformat(start)
    return [
        event(f"{start}-{n}-{key}", (first + timedelta(hours=n)).isoformat(), key=f"{start}-{key}", **fields)
        for n in range(times)
        for key in range(keys)
    ]


EDGES = [event("first", "2026-09-01T01:00:00Z", key="first"), event("last", "2026-09-30T23:00:00Z", key="last")]


def test_a_running_cycle_counts_in_what_a_plan_lacks(tmp_path: Path) -> None:
    """September needs 102 once cached, the first days of October 130: Free lacks 30 of them, though no bill is due yet."""
    events = [*EDGES, *burst("2026-09-10T00:00:00+00:00", 50, 30), *burst("2026-10-02T00:00:00+00:00", 130, 2)]
    found = recommended(tmp_path, events, "Pro")
    assert (found["plan_logged"], found["plan_then"], found["monthly_saving"]) == ("Pro", "Basic", "10.00")
    assert (found["closest_plan"], found["short_by"]) == ("Free", 30)
    told = " ".join(ran("simulate", str(tmp_path / "usage.jsonl"), "--ttl", "24h").out.split())
    assert (
        "Basic holds what is left, Pro is no longer needed: 10.00 USD a month less; Free is short by up to 30" in told
    )


def test_what_may_have_been_billed_counts_in_what_was_needed(tmp_path: Path) -> None:
    """90 known credits fit Free; with 30 calls of unknown credits the log needs Basic, and the cache makes it Free."""
    unknown = burst("2026-09-20T00:00:00+00:00", 1, 30, credits=None)
    found = recommended(tmp_path, [*EDGES, *burst("2026-09-10T00:00:00+00:00", 44, 2), *unknown], "Basic")
    assert (found["plan_logged"], found["plan_then"], found["monthly_saving"]) == ("Basic", "Free", "14.99")


def test_a_plan_that_was_too_large_all_along_is_no_saving_of_the_cache(tmp_path: Path) -> None:
    """Free holds what was logged: nothing is saved twice."""
    found = recommended(tmp_path, [*EDGES, *burst("2026-09-10T00:00:00+00:00", 9, 9)], "Pro")
    assert (found["plan"], found["plan_logged"], found["plan_then"]) == ("Pro", "Free", "Free")
    assert (found["monthly_saving"], found["closest_plan"], found["short_by"]) == ("0.00", None, None)
