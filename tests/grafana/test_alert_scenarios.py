"""Which alerts a pace of spending raises, and when: months of accounts, through the exporter's arithmetic and promtool.

Three rules hold for every scenario: an exhaustion is announced in time, a cycle that ends inside its plan raises no page
and at most one warning, and nothing resolves and fires again within a day.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from auditor_exporter.alerts import source

from tests.grafana.scenarios import DAY, HOUR, QUARTER, Account, Scene, Timeline, timeline
from tests.services import ROOT, need

Spends = Callable[[float, float], float]
SEVERITY = {alert.alert.removeprefix("ImgRender"): alert.severity for alert in source().alerts}


def flat(a_day: float) -> Spends:
    """The same at every moment."""
    return lambda low, high: a_day * (high - low) / DAY


def at(credits: float, hour: float, lasts: float, days: Callable[[int], bool] = lambda _: True) -> Spends:
    """Credits of each day, by number, within *lasts* hours from *hour* on."""

    def spends(low: float, high: float) -> float:
        total = 0.0
        for day in range(int(low // DAY) - 1, int(high // DAY) + 1):
            start = day * DAY + hour * HOUR
            if days(day):
                total += credits * max(0.0, min(high, start + lasts * HOUR) - max(low, start)) / (lasts * HOUR)
        return total

    return spends


def weekdays(day: int) -> bool:
    """Five of seven."""
    return day % 7 < 5


def weekends(day: int) -> bool:
    """The two others."""
    return not weekdays(day)


def during(spends: Spends, start: float, end: float = float("inf")) -> Spends:
    """Only from a day to another."""
    low_, high_ = start * DAY, end * DAY
    return lambda low, high: spends(max(low, low_), min(high, high_)) if min(high, high_) > max(low, low_) else 0.0


def both(*parts: Spends) -> Spends:
    """Their sum."""
    return lambda low, high: sum(part(low, high) for part in parts)


@dataclass(frozen=True)
class Scenario:
    """Accounts, and when alerts are to fire: by name, the days at which each begins to."""

    account: Account
    fires: Mapping[str, list[float]]
    pace: float | None = None
    """The day on which the pace that exhausts the plan began, where it does."""
    days: float = 30
    step: int = HOUR
    down: tuple[tuple[float, float], ...] = ()
    jobs: tuple[str, ...] = ("x",)
    beside: Account | None = None
    """Another account of the same exporter."""
    beside_fires: Mapping[str, list[float]] = field(default_factory=dict)


FEBRUARY = ((0, 28 * DAY), (28 * DAY, 59 * DAY))
ANCHORED = ((-15 * DAY, 15 * DAY), (15 * DAY, 45 * DAY), (45 * DAY, 75 * DAY))
NIGHTLY, WEEKLY = at(25, 2, 0.34), at(100, 3, 1, lambda day: day % 7 == 2)
LOOP = flat(0.5 * DAY)
"""One render every two seconds."""
SCENARIOS: Mapping[str, Scenario] = {
    # Those that end inside the plan.
    "quiet, 30 % of the plan": Scenario(Account(flat(10)), {"PlanUnused": [24.1]}),
    "right-sized, office hours, weekends": Scenario(Account(at(43.7, 9, 8, weekdays)), {"PlanAlmostUsed": [24.5]}),
    "right-sized, another weekday first": Scenario(Account(at(43.7, 9, 8, lambda day: weekdays(day + 3))), {"PlanAlmostUsed": [26.5]}),
    "nightly prerender, 75 %": Scenario(Account(NIGHTLY), {}),
    "nightly prerender, a new account": Scenario(Account(NIGHTLY, born=0), {}),
    "free plan, 3 renders a day in 20 minutes": Scenario(Account(at(3, 2, 0.34), plan=100, price=0), {"PlanAlmostUsed": [26.1]}),
    "weekly batch of 100 and 500 a month": Scenario(Account(both(WEEKLY, flat(500 / 30))), {"PlanAlmostUsed": [24.0]}),
    "monthly batch of 300 on the second day": Scenario(
        Account(both(during(at(300, 2, 1), 1, 2), flat(500 / 30))), {"CreditsExhaustSoon": [1.2], "PlanAlmostUsed": [30.0]}
    ),
    "first monthly batch, 65 % in two hours": Scenario(
        Account(both(during(at(650, 2, 2), 12, 13), flat(250 / 30))), {"CreditsExhaustSoon": [12.1], "PlanAlmostUsed": [18.0]}, step=HOUR // 2
    ),
    "the same on the last day but one, a third more": Scenario(
        Account(both(during(at(650, 2, 2), 28, 29), flat(10))), {"PlanUnused": [24.1], "CreditsExhaustSoon": [28.1], "PlanAlmostUsed": [28.2]}, step=HOUR // 2
    ),
    "the same in ten minutes, a new account": Scenario(
        Account(both(during(at(650, 2, 0.17), 9, 10), flat(250 / 30)), born=-3 * DAY), {"CreditsExhaustSoon": [9.1], "PlanAlmostUsed": [18.0]}, step=HOUR // 2
    ),
    "a campaign of two days": Scenario(Account(both(during(flat(150), 10, 12), flat(500 / 30))), {"PlanAlmostUsed": [30.0]}),
    "a big account, busy by day": Scenario(Account(both(at(250, 8, 12), flat(50)), plan=10_000, price=24.99), {"PlanAlmostUsed": [26.7]}),
    "a weekend without traffic": Scenario(Account(both(during(flat(25), -16, 10), during(flat(25), 12))), {}),
    "pace falls by half in the middle": Scenario(Account(both(during(flat(40), -16, 15), during(flat(20), 15))), {"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [25.0]}),
    "ten hours of events arrive at once": Scenario(
        Account(flat(28), arrives=lambda now: 10 * DAY if 10 * DAY <= now < 10.4 * DAY else now), {}, days=15
    ),
    "two exporters show one ledger": Scenario(Account(at(30, 9, 8)), {}, days=12, jobs=("x", "y")),
    # Those that do not.
    "nightly 36, 108 %": Scenario(Account(at(36, 2, 0.34)), {"CreditsProjectedOverPlan": [8.9], "PlanAlmostUsed": [22.1], "CreditsExhaustSoon": [24.7], "PlanUsedUp": [27.1]}, pace=-16),
    "130 %, weekends at a third": Scenario(Account(both(at(39.4, 0, 24, weekdays), flat(16.9))), {"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [17.0], "CreditsExhaustSoon": [19.5], "PlanUsedUp": [22.0]}, pace=-16),
    "103 %": Scenario(Account(flat(34.4)), {"CreditsProjectedOverPlan": [16.8], "PlanAlmostUsed": [23.3], "CreditsExhaustSoon": [26.7], "PlanUsedUp": [29.1]}, pace=-16),
    "anchor 15, two cycles of 130 %": Scenario(Account(flat(43.3), cycles=ANCHORED), {"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [3.5, 33.5], "CreditsExhaustSoon": [5.7, 35.7], "PlanUsedUp": [8.1, 38.1]}, pace=-16, days=60),
    "doubles at mid-month": Scenario(Account(both(flat(33), during(flat(33), 15))), {"CreditsProjectedOverPlan": [16.3], "PlanAlmostUsed": [19.6], "CreditsExhaustSoon": [20.2], "PlanUsedUp": [22.7]}, pace=15),
    "20 % more, late": Scenario(Account(both(flat(33), during(flat(6.6), 26))), {"PlanAlmostUsed": [24.2], "CreditsExhaustSoon": [27.5], "PlanUsedUp": [29.6]}, pace=26),
    "doubles late, gone just before the end": Scenario(
        Account(both(flat(28.4), during(flat(28.4), 24.5))), {"PlanAlmostUsed": [26.3], "CreditsExhaustSoon": [27.4], "PlanUsedUp": [29.9]}, pace=24.5
    ),
    "doubles for the last weekdays": Scenario(
        Account(both(at(40, 9, 8, weekdays), during(at(40, 9, 8, weekdays), 21))), {"CreditsExhaustSoon": [21.7], "PlanAlmostUsed": [23.5], "PlanUsedUp": [25.7]}, pace=21
    ),
    "a new account in mid-month, 80 a day": Scenario(Account(flat(80), born=15 * DAY), {"CreditsProjectedOverPlan": [18.0], "PlanAlmostUsed": [25.0], "CreditsExhaustSoon": [25.1], "PlanUsedUp": [27.5]}, pace=15),
    "130 % from the first day of the account": Scenario(Account(flat(43.3), born=0), {"CreditsProjectedOverPlan": [4.0], "PlanAlmostUsed": [18.5], "CreditsExhaustSoon": [20.7], "PlanUsedUp": [23.1]}, pace=0),
    "ten times the pace from the first day": Scenario(Account(flat(333), born=0), {"CreditsExhaustSoon": [0.5], "PlanAlmostUsed": [2.4], "PlanUsedUp": [3.0]}, pace=0, days=5, step=HOUR // 2),
    "gone in 73 hours": Scenario(Account(both(flat(20), during(flat(260), 0))), {"CreditsExhaustSoon": [1.1], "PlanAlmostUsed": [2.9], "PlanUsedUp": [3.6]}, pace=0, days=4, step=HOUR // 2),
    "gone in 60 hours": Scenario(Account(both(flat(20), during(flat(380), 0))), {"CreditsExhaustSoon": [0.4], "PlanAlmostUsed": [2.0], "PlanUsedUp": [2.5]}, pace=0, days=3, step=600),
    "gone in 20 hours": Scenario(Account(both(flat(20), during(flat(1180), 0))), {"CreditsExhaustSoon": [0.1], "PlanAlmostUsed": [0.7], "PlanUsedUp": [0.8]}, pace=0, days=2, step=300),
    "a loop on Basic": Scenario(Account(both(flat(20), during(LOOP, 0, 0.1))), {"CreditsExhaustSoon": [0.0], "PlanAlmostUsed": [0.0], "CreditsFastBurn": [0.0], "PlanUsedUp": [0.0]}, pace=0, days=0.2, step=60),
    "a loop on Pro": Scenario(
        Account(both(flat(200), during(LOOP, 0, 0.5)), plan=10_000, price=24.99), {"CreditsExhaustSoon": [0.0], "PlanAlmostUsed": [0.2], "CreditsFastBurn": [0.2], "PlanUsedUp": [0.2]}, pace=0, days=0.6, step=120
    ),
    "a loop on a free plan": Scenario(
        Account(both(flat(1.5), during(LOOP, 0, 0.1)), plan=100, price=0), {"CreditsExhaustSoon": [0.0], "PlanAlmostUsed": [0.0], "PlanUsedUp": [0.0]}, pace=0, days=0.1, step=60
    ),
    "a loop that is stopped by hand": Scenario(
        Account(both(flat(20), during(LOOP, 0, 0.0208))), {"CreditsExhaustSoon": [0.0], "PlanAlmostUsed": [0.0], "CreditsFastBurn": [0.0]}, pace=None, days=3, step=120
    ),
    "the exporter is down for two hours": Scenario(
        Account(flat(45)), {"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [17.8], "CreditsExhaustSoon": [19.8], "PlanUsedUp": [22.2], "ExporterDown": [22.3], "IngestStale": [22.3]}, pace=-16, step=HOUR // 2, down=((22.3 * DAY, 22.3 * DAY + 2 * HOUR),)
    ),
    "overage, 135 %": Scenario(
        Account(flat(45), hard_cap=False, overage=0.02), {"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [17.8], "CreditsExhaustSoon": [19.8], "OverageBill": [22.2]}, pace=-16
    ),
    "overage, inside the plan": Scenario(Account(flat(28), hard_cap=False, overage=0.02), {"PlanAlmostUsed": [28.6]}),
    "overage, a loop": Scenario(
        Account(both(flat(20), during(LOOP, 0, 0.1)), hard_cap=False, overage=0.02), {"CreditsExhaustSoon": [0.0], "PlanAlmostUsed": [0.0], "CreditsFastBurn": [0.0], "OverageBill": [0.0]}, pace=0, days=0.2, step=60
    ),
    "two accounts, one quiet and one at 130 %": Scenario(
        Account(flat(10)), {"PlanUnused": [24.1]}, beside=Account(flat(43.3), name="shop"),
        beside_fires={"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [18.5], "CreditsExhaustSoon": [20.7], "PlanUsedUp": [23.1]},
    ),
    "two accounts, a hard cap and overage": Scenario(
        Account(flat(45)), {"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [17.8], "CreditsExhaustSoon": [19.8], "PlanUsedUp": [22.2]}, pace=-16,
        beside=Account(flat(45), name="shop", hard_cap=False, overage=0.02),
        beside_fires={"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [17.8], "CreditsExhaustSoon": [19.8], "OverageBill": [22.2]},
    ),
    "weekends only, 92 %": Scenario(Account(at(115, 9, 8, weekends)), {"PlanAlmostUsed": [26.7]}),
    "weekends only, 125 %": Scenario(Account(at(156, 9, 8, weekends)), {"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [20.5], "CreditsExhaustSoon": [24.1], "PlanUsedUp": [26.5]}, pace=-16),
    "a week in which the clocks change": Scenario(
        Account(both(during(at(30, 9, 1), -16, 12), during(at(30, 8, 1), 12))), {"PlanAlmostUsed": [26.4]}
    ),
    "February, 93 %": Scenario(Account(flat(33.2), cycles=FEBRUARY), {"PlanAlmostUsed": [24.1]}, days=35),
    "February, 112 %": Scenario(Account(flat(40), cycles=FEBRUARY), {"CreditsProjectedOverPlan": [4.5], "PlanAlmostUsed": [20.0], "CreditsExhaustSoon": [22.5], "PlanUsedUp": [25.0]}, pace=-16, days=28),
    "an account that stops": Scenario(Account(during(flat(60), -16, 11)), {"CreditsProjectedOverPlan": [0.0]}),
    "an outage of two days and overage": Scenario(
        Account(flat(45), hard_cap=False, overage=0.02, arrives=lambda now: 15 * DAY if 15 * DAY <= now < 17 * DAY else now), {"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [17.8], "CreditsExhaustSoon": [19.8], "OverageBill": [22.2]}, pace=-16
    ),
    "an outage of two days inside the plan": Scenario(
        Account(flat(28), hard_cap=False, overage=0.02, arrives=lambda now: 15 * DAY if 15 * DAY <= now < 17 * DAY else now), {"PlanAlmostUsed": [28.5]},
    ),
    "a batch every second week": Scenario(Account(both(at(200, 3, 1, lambda day: day % 14 == 5), flat(16))), {"PlanAlmostUsed": [25.0]}),
    "a week of holidays": Scenario(Account(both(during(flat(40), -16, 8), during(flat(40), 15))), {"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [27.0]}),
    "a larger plan in mid-cycle": Scenario(Account(flat(50), larger=(15 * DAY, 2000)), {"CreditsProjectedOverPlan": [0.0]}),
    "a larger plan that is too small as well": Scenario(Account(flat(60), larger=(15 * DAY, 1500)), {"CreditsProjectedOverPlan": [0.0], "PlanAlmostUsed": [13.3, 20.0], "CreditsExhaustSoon": [14.2, 22.6], "PlanUsedUp": [25.0]}, pace=-16),
    "two accounts of one provider, one idle": Scenario(
        Account(flat(30)), {"PlanAlmostUsed": [26.8]}, beside=Account(flat(0), name="idle"), beside_fires={"PlanUnused": [24.1]},
    ),
    "a scrape is missed every hour": Scenario(
        Account(flat(45)), {"CreditsProjectedOverPlan": [0.0]}, pace=-16, days=2, step=300, down=tuple((hour * HOUR, hour * HOUR + 1) for hour in range(48))
    ),
}  # fmt: skip
FIRES = {name for scenario in SCENARIOS.values() for name in scenario.fires}
"""Alerts that fire here."""


def told(fires: Mapping[str, list[float]]) -> str:
    """For the table in docs/exporter.md."""
    return ", ".join(f"{alert} {'/'.join(f'{day:g}' for day in days)}" for alert, days in fires.items()) or "none"


def test_the_documented_table_is_this_one() -> None:
    """docs/exporter.md says for each scenario what fires when."""
    text = (ROOT / "docs" / "exporter.md").read_text(encoding="utf-8")
    rows = [
        f"| {name} | {told(each.fires)} |" if each.beside is None
        else f"| {name} | `main`: {told(each.fires)}; `{each.beside.name}`: {told(each.beside_fires)} |"
        for name, each in SCENARIOS.items()
    ]  # fmt: skip
    assert "\n".join(rows) in text


def run(scenario: Scenario, folder: Path) -> Timeline:
    """What fires when."""
    scene = Scene(scenario.step, round(scenario.days * DAY / scenario.step), scenario.down, scenario.jobs)
    scene.add(scenario.account)
    if scenario.beside is not None:
        scene.add(scenario.beside)
    scene.exporter()
    return timeline(need("prometheus", "promtool"), folder, scene)


def exhausted(account: Account, cycle: tuple[float, float]) -> float | None:
    """When a cycle's credits are used up."""
    total, now = 0.0, max(cycle[0], account.born, -16 * DAY)
    while now < cycle[1]:
        total += account.spends(now, now + QUARTER / 15)
        now += QUARTER / 15
        if total >= account.holds(now) - 0.001:
            return now
    return None


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, tmp_path: Path) -> None:
    """Those alerts, then, and no others; and the three rules."""
    scenario = SCENARIOS[name]
    found = run(scenario, tmp_path)
    print(
        "FIRES",
        repr(name),
        {alert: [round(start / DAY, 1) for start, _ in spans] for (alert, _), spans in found.items()},
    )
    account, end = scenario.account, scenario.days * DAY
    for spans in found.values():
        assert all(later[0] - earlier[1] >= DAY for earlier, later in pairwise(spans)), "resolved and fired again"
    for cycle in account.cycles:
        if cycle[0] >= end:
            continue
        gone = exhausted(account, cycle)
        begun = [
            (alert, start) for (alert, who), spans in found.items() if who == account.name
            for start, _ in spans if max(0, cycle[0]) <= start < cycle[1]
        ]  # fmt: skip
        warned = [start for alert, start in begun if SEVERITY[alert] in ("warning", "critical")]
        if gone is None:
            assert not [alert for alert, _ in begun if SEVERITY[alert] == "critical"], "a page for nothing"
            assert len(warned) <= 1, "more than one warning for nothing"
        elif gone < end and scenario.pace is not None:
            began = scenario.pace * DAY
            takes = gone - began
            latest = gone - 2 * DAY if takes > 3 * DAY else began + max(15 * 60, 0.2 * takes)
            assert min(warned) <= latest, f"announced {(gone - min(warned)) / HOUR:.1f} h ahead"
    other = "" if scenario.beside is None else scenario.beside.name
    for mine, fires in ((True, scenario.fires), (False, scenario.beside_fires)):
        starts = {
            alert: [start / DAY for start, _ in spans]
            for (alert, who), spans in found.items() if mine is (not other or who != other)
        }  # fmt: skip
        assert starts.keys() == fires.keys()
        for alert, days in fires.items():
            assert starts[alert] == pytest.approx(days, abs=0.1), alert
