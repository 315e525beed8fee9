"""Every query of every dashboard, on a real Prometheus over two weeks that the real exporter and client have shown."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from auditor.ledger.database import Ledger
from auditor.ledger.schema import periods, rollups
from auditor.model.events import DELIVERED
from tests.grafana.history import END, FIRST_HOUR, NO_PLAN, START, Scene
from tests.grafana.processes import STEP
from tests.grafana.prometheus import Matrix, Prometheus, past
from tests.services import ROOT

DAY = 86_400
ALL = {"job": ".+", "provider": ".+", "account": ".+", "app_env": ".+", "datasource": "x", "runbooks": "x"}
PICKED = ALL | {"job": "(imgrender|shop)", "account": "main", "app_env": "staging"}
LAST = END.timestamp()
MAY_BE_EMPTY: Mapping[tuple[str, str], str] = {
    ("overview", "What is missing"): "nothing is: see the test of a new shop",
    ("findings", "Money"): "bytes have no price there: see tests/grafana/test_panels.py",
    ("overview", "Credits last for"): "each color has a query of its own",
}
"""(dashboard, panel) -> why a query of it gives nothing."""


def dashboards() -> Iterator[tuple[str, dict[str, Any]]]:
    """As shipped."""
    for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def filled(expr: str, variables: Mapping[str, str], span: int, step: int = STEP) -> str:
    """As Grafana puts variables in."""
    known = dict(variables) | {
        "__rate_interval": f"{max(4 * STEP, step + STEP)}s", "__interval": f"{step}s", "__range": f"{span}s",
        "__range_s": str(span),
    }  # fmt: skip
    return re.sub(r"\$\{?(\w+)\}?", lambda found: known[found[1]], expr)


@dataclass
class Asked:
    """One query of one panel, and what came of it."""

    dashboard: str
    panel: str
    letter: str
    unit: str
    expr: str
    found: Matrix = field(default_factory=list)

    @property
    def values(self) -> list[float]:
        """Of all series at all times."""
        return [
            float(value) for series in self.found for _, value in series.get("values") or [series["value"]]
        ]  # fmt: skip

    def faults(self, *, empty: bool = False) -> Iterator[str]:
        """What a user would not believe; *empty* is allowed where there is nothing yet."""
        where = f"{self.dashboard}, {self.panel} {self.letter}"
        if not self.found and not empty:
            yield f"{where}: no series"
        bad = [value for value in self.values if not math.isfinite(value)]
        if bad:
            yield f"{where}: {len(bad)} of {len(self.values)} values are {bad[0]}"
        fixes = re.search("monthly_saving|bytes_cost", self.expr)  # (some cost)
        if any(value < 0 for value in self.values) and not fixes:
            yield f"{where}: goes below 0"
        share = self.unit == "percentunit" and "plan_credits" not in self.expr  # (a plan may be exceeded)
        if share and any(value > 1 for value in self.values):
            yield f"{where}: a share above 1"


def queries(variables: Mapping[str, str]) -> Iterator[tuple[Asked, bool, int]]:
    """(query, whether it is instant, seconds that are shown) of all panels and annotations."""
    for name, document in dashboards():
        span = int(document["time"]["from"].removeprefix("now-")[:-1]) * (
            DAY if "d" in document["time"]["from"] else 3600
        )
        for panel in document["panels"]:
            unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "")
            for target in panel.get("targets", []):
                expr = filled(target["expr"], variables, span)
                yield Asked(name, panel["title"], target["refId"], unit, expr), target["instant"], span
        for annotation in document["annotations"]["list"]:
            if "expr" in annotation:
                yield Asked(name, annotation["name"], "-", "", filled(annotation["expr"], variables, span)), False, span


def ask(server: Prometheus, variables: Mapping[str, str], now: float) -> list[Asked]:
    """All of them at a time."""
    done = []
    for asked, instant, span in queries(variables):
        asked.found = server.at(asked.expr, now) if instant else server.over(asked.expr, now - span, now, STEP)
        done.append(asked)
    return done


def table(done: Sequence[Asked]) -> str:
    """dashboard | panel | rows | min | max."""
    lines = ["| dashboard | panel | rows | min | max |", "| --- | --- | --- | --- | --- |"]
    for each in done:
        low, high = (f"{edge(each.values):.6g}" for edge in (min, max))
        lines.append(f"| {each.dashboard} | {each.panel} {each.letter} | {len(each.found)} | {low} | {high} |")
    return "\n".join(lines)


def by_account(found: Matrix) -> dict[str, float]:
    """Account -> the newest value."""
    return {each["metric"]["account"]: float((each.get("values") or [each["value"]])[-1][1]) for each in found}


def ledger_credits(ledger: Ledger, now: float) -> dict[tuple[str, str], tuple[Decimal, int]]:
    """(account, environment) -> credits of the cycle that holds *now*, and calls that may have been billed: plain SQL."""
    current = select(periods).where(periods.c.start_us <= now * 1e6, periods.c.end_us > now * 1e6)
    with ledger.read() as connection:
        return {(row.account, row.environment): (row.credits, row.uncertain) for row in connection.execute(current)}


def test_every_query_gives_what_is_true() -> None:
    """It succeeds, gives finite numbers and shares of 0 to 1; credits are the ledger's; and a new or quiet shop is no NaN."""
    with past() as (server, ledger):
        done = ask(server, ALL, LAST)
        print(table([each for each in done if each.found]))
        assert [
            fault for each in done for fault in each.faults(empty=(each.dashboard, each.panel) in MAY_BE_EMPTY)
        ] == []
        for now, variables in (
            (LAST, PICKED),
            (START.timestamp() - 30 * DAY, ALL),
            (START.timestamp() + 2 * STEP, ALL),
        ):
            quiet = ask(server, variables, now)
            assert [fault for each in quiet for fault in each.faults(empty=True)] == []
        credits_are_the_ledgers(done, ledger_credits(ledger, LAST))
        shares_are_the_ledgers(done, ledger)
        arrival_is_the_ledgers(done)
        money_is_right(done)
        colors_follow_the_cycle(done)
        variables_have_values(server)


def credits_are_the_ledgers(done: Sequence[Asked], exact: Mapping[tuple[str, str], tuple[Decimal, int]]) -> None:
    """To the credit, wherever a panel shows credits."""

    def shown(panel: str, letter: str = "A") -> Matrix:
        (found,) = [each.found for each in done if (each.panel, each.letter) == (panel, letter)]
        return found

    def number(panel: str) -> float:
        return float(shown(panel)[0]["value"][1])

    accounts = {account for account, _ in exact}
    used = {name: float(sum(credits for (a, _), (credits, _) in exact.items() if a == name)) for name in accounts}
    unsure = {name: sum(calls for (a, _), (_, calls) in exact.items() if a == name) for name in accounts}
    assert accounts == {"main", "campaigns"}
    assert all(used.values())
    assert by_account(shown("Accounts")) == used
    assert by_account(shown("Credits of the cycle")) == used
    assert by_account(shown("Accounts", "B")) == unsure
    assert number("Calls that may have been billed") == sum(unsure.values())
    assert number("Non-production credits") == float(exact["main", "staging"][0]) > 0
    both = "Credits, by the ledger and by the provider"
    assert by_account(shown(both)) == by_account(shown(both, "B")) == {"campaigns": used["campaigns"]}
    assert by_account(shown("Provider: left")) == {"campaigns": 1000 - used["campaigns"]}
    assert by_account(shown("Difference")) == {"campaigns": 0}
    plans = {"main": 10_000, "campaigns": 1000}
    assert by_account(shown("Accounts", "C")) == plans
    for account, share in by_account(shown("Plan used")).items():
        assert share == used[account] / plans[account]


def arrival_is_the_ledgers(done: Sequence[Asked]) -> None:
    """What stopped, what was not counted and who differs are shown as they are."""
    found = {(each.panel, each.letter): each for each in done}
    assert [value for value in found["Sources", "A"].values if value > STEP] == []
    assert found["Sources", "B"].values == [0]
    (lines,) = [
        float(each["value"][1])
        for each in found["Lines not counted", "A"].found
        if each["metric"]["fate"] == "rejected"
    ]
    assert lines == pytest.approx(3, abs=0.2)
    assert found["Files set aside", "A"].values == [0]
    assert found["Files that differ", "A"].values == found["Accounts that differ", "A"].values == [1]
    assert by_account(found["Accounts that differ", "A"].found) == {"main": 1}
    assert by_account(found["Overage of the cycle", "A"].found) == {"campaigns": 0}


def money_is_right(done: Sequence[Asked]) -> None:
    """The bill is that of the projection, and each step of what can be saved is in the sum."""
    found = {(each.dashboard, each.panel, each.letter): each.found for each in done}
    projected = by_account(found["overview", "Credits of the cycle", "C"])
    bill = {
        (each["metric"]["account"], each["metric"]["plan"], each["metric"]["currency"]): float(each["value"][1])
        for each in found["overview", "This cycle will cost", "A"]
    }
    assert projected["campaigns"] > 1000 and projected["main"] < 10_000
    over = pytest.approx(14.99 + (projected["campaigns"] - 1000) * 0.02)
    assert bill == {("main", "Pro", "USD"): 24.99, ("campaigns", "Small", "USD"): over}
    steps = {
        (each["metric"]["account"], each["metric"]["action"]): float(each["value"][1])
        for each in found["overview", "What to do now", "A"]
    }
    for account, saved in by_account(found["overview", "Can be saved each month", "A"]).items():
        assert saved == pytest.approx(sum(steps.get((account, step), 0) for step in ("plan", "fixes")))
    assert ("main", "fixes") in steps


def colors_follow_the_cycle(done: Sequence[Asked]) -> None:
    """Of green, orange and red, an account has the one that its time to the end of the cycle says."""
    lasts = {each.letter: by_account(each.found) for each in done if each.panel == "Credits last for"}
    (left,) = [by_account(each.found) for each in done if each.panel == "Cycle ends in"]
    assert {account for shown in lasts.values() for account in shown} == set(left)
    for account, end in left.items():
        (letter,) = [letter for letter, shown in lasts.items() if account in shown]
        ratio = lasts[letter][account] / end
        assert letter == ("A" if ratio >= 1.1 else "B" if ratio >= 1 else "C")
    assert lasts["C"].keys() == {"campaigns"}, "1.5 weeks, and the cycle ends in 3"


@pytest.mark.parametrize(
    ("scene", "missing"),
    [
        (FIRST_HOUR, {("week of usage", "main"), ("audit", "all")}),
        (NO_PLAN, {("plan", "main"), ("week of usage", "main")}),
    ],
    ids=["first hour", "no plan"],
)
def test_a_new_shop_says_what_is_missing(scene: Scene, missing: set[tuple[str, str]]) -> None:
    """And how to get it; what is not known is not shown, and no query fails or gives NaN."""
    with past(scene) as (server, _):
        done = ask(server, ALL, LAST)
    assert [fault for each in done for fault in each.faults(empty=True)] == []
    rows = [each["metric"] for one in done if one.panel == "What is missing" for each in one.found]
    assert {(row["missing"], row["account"]) for row in rows} == missing
    assert all(len(row["how"]) > 20 for row in rows)
    assert not any(one.found for one in done if one.panel in ("This cycle will cost", "Can be saved each month"))


def ledger_requests(ledger: Ledger, days: int) -> Counter[tuple[str, str]]:
    """(account, outcome) -> requests of the last days: plain SQL."""
    found: Counter[tuple[str, str]] = Counter()
    with ledger.read() as connection:
        for row in connection.execute(select(rollups).where(rollups.c.bucket_us >= (LAST - days * DAY) * 1e6)):
            found[row.account, row.outcome] += row.requests
    return found


def shares_are_the_ledgers(done: Sequence[Asked], ledger: Ledger) -> None:
    """Estimates over the shown time are near: PromQL's increase() is one."""
    week, day = ledger_requests(ledger, 7), ledger_requests(ledger, 1)
    served = sum(count for (_, outcome), count in week.items() if outcome in ("hit", "coalesced"))
    (rate,) = [each for each in done if each.panel == "Hit rate"]
    assert rate.values[0] == pytest.approx(served / week.total(), abs=0.01)
    (cost,) = [each for each in done if each.panel == "Cost of a delivered image"]
    for account, price, days in (("main", 24.99, 30), ("campaigns", 14.99, 30)):
        delivered = sum(count for (a, outcome), count in day.items() if a == account and outcome in DELIVERED)
        assert by_account(cost.found)[account] == pytest.approx(price / days / delivered, rel=0.03)


def variables_have_values(server: Prometheus) -> None:
    """Each has those of the history."""
    _, document = next(dashboards())
    found = {}
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"], re.DOTALL).groups()  # type: ignore[union-attr]
            found[variable["name"]] = server.values(label, filled(series, ALL, DAY), LAST - DAY, LAST)
    assert found == {
        "job": ["campaigns", "imgrender", "shop", "staging"], "provider": ["imejis", "templated"], "account": ["campaigns", "main"],
        "app_env": ["production", "staging"],
    }  # fmt: skip


def asked(unit: str, *values: str, expr: str = "x") -> Asked:
    """A query that gave these."""
    return Asked("d", "p", "A", unit, expr, [{"metric": {}, "value": [0, value]} for value in values])


@pytest.mark.parametrize(
    ("unit", "values", "said"),
    [("short", [], "no series"), ("short", ["1", "NaN"], "nan"), ("short", ["+Inf"], "inf"), ("short", ["-1"], "below 0"),
     ("percentunit", ["1.01"], "above 1"), ("percentunit", ["0", "1"], ""), ("short", ["1.01"], "")],
)  # fmt: skip
def test_what_nobody_would_believe_is_a_fault(unit: str, values: list[str], said: str) -> None:
    """The judge itself."""
    faults = list(asked(unit, *values).faults())
    assert bool(faults) == bool(said)
    assert said in "".join(faults)
