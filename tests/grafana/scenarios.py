"""Months of spending as the exporter would show them, and what the alerts make of them, judged by promtool."""

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from pathlib import Path

import yaml
from auditor_exporter.alertfiles import contents
from auditor_exporter.alerts import Parameters
from auditor_exporter.pace import HISTORY, QUARTERS, SOON, WINDOWS, Pace

HOUR, DAY = 3600, 86_400
QUARTER = HOUR // QUARTERS
MONTH = 30 * DAY
BEFORE = 16 * DAY
"""Seconds of spending before the first scrape, so that an account has a past."""
NEVER = float("inf")


@dataclass(frozen=True)
class Account:
    """One account of a scenario. *spends* gives the credits from a second to another one, 0 at the first scrape."""

    spends: Callable[[float, float], float]
    plan: float = 1000
    price: float = 14.99
    hard_cap: bool = True
    overage: float | None = None
    born: float = -BEFORE
    cycles: Sequence[tuple[float, float]] = ((0, MONTH), (MONTH, 2 * MONTH))
    name: str = "main"
    arrives: Callable[[float], float] = lambda at: at
    """Up to when events are in the ledger at a time: less than *at* while nothing is ingested."""
    larger: tuple[float, float] = (NEVER, 0)
    """(when, credits) of a larger plan that takes the place of the first one."""

    def holds(self, when: float) -> float:
        """Credits of the plan at a time."""
        return self.plan if when < self.larger[0] else self.larger[1]


@dataclass
class Scene:
    """Series of one scenario, by step."""

    step: int
    steps: int
    down: Sequence[tuple[float, float]] = ()
    """When the exporter cannot be scraped."""
    jobs: Sequence[str] = ("x",)
    """Instances of the exporter."""
    series: dict[str, list[float | None]] = field(default_factory=dict)

    def put(self, name: str, labels: str, index: int, value: float) -> None:
        """One sample, of every instance."""
        for instance in self.jobs:
            text = f'{name}{{job="imgrender",instance="{instance}"{"," * bool(labels)}{labels}}}'
            self.series.setdefault(text, [None] * (self.steps + 1))[index] = value

    def add(self, account: Account) -> None:
        """What the exporter shows of an account at each step."""
        labels = f'provider="imejis",account="{account.name}"'
        place = labels + ',app_env="production",production="true"'
        buckets: dict[int, Decimal] = {}
        for index in range(-BEFORE // QUARTER, self.steps * self.step // QUARTER + 1):
            low, high = max(index * QUARTER, account.born), (index + 1) * QUARTER
            if high > low and (credits := account.spends(low, high)):
                buckets[index] = _exact(credits)
        first = -BEFORE // QUARTER
        numbers = range(first, self.steps * self.step // QUARTER + 2)
        sums = list(accumulate((buckets.get(number, Decimal(0)) for number in numbers), initial=Decimal(0)))

        def before(bucket: float) -> Decimal:
            return sums[max(int(bucket) - first, 0)]

        for index in range(self.steps + 1):
            at = index * self.step
            if any(start <= at < end for start, end in self.down) or at < account.born:
                continue
            start, end = next(cycle for cycle in account.cycles if cycle[0] <= at < cycle[1])
            seen = min(at, account.arrives(at))
            now = int(at // QUARTER)
            last = int(seen // QUARTER)
            begun = max(last * QUARTER, account.born)
            running = _exact(account.spends(begun, seen)) if seen > begun else Decimal(0)
            used = before(last) - before(start // QUARTER) + running
            history = {number: buckets[number] for number in range(now - HISTORY, last) if number in buckets}
            old = -(10**6) if before(now - HISTORY) else None
            pace = Pace.of(history | {last: running}, now, int(start // QUARTER), int(end // QUARTER), old)
            self.put("imgrender_period_credits_used", place, index, float(used))
            cap = "true" if account.hard_cap else "false"
            self.put("imgrender_plan_credits", f'{labels},hard_cap="{cap}"', index, account.holds(at))
            self.put("imgrender_plan_price", f'{labels},plan="Basic",currency="USD"', index, account.price)
            if account.overage is not None:
                self.put(
                    "imgrender_plan_overage_price", f'{labels},plan="Basic",currency="USD"', index, account.overage
                )
            self.put("imgrender_period_start_timestamp_seconds", labels, index, start)
            self.put("imgrender_period_end_timestamp_seconds", labels, index, end)
            for name, window in WINDOWS.items():
                self.put("imgrender_credits_spent", f'{labels},window="{name}"', index, float(pace.spent(window)))
                self.put(
                    "imgrender_credits_spent_fastest", f'{labels},window="{name}"', index, float(pace.fastest(window))
                )
                self.put("imgrender_credits_spent_usual", f'{labels},window="{name}"', index, float(pace.usual(window)))
            self.put("imgrender_credits_forecast_week_ratio", labels, index, pace.days / 7)
            for name, horizon in (("60h", SOON), ("period", pace.until - pace.now)):
                forecast = pace.forecast(horizon)
                if forecast is not None:
                    self.put("imgrender_credits_forecast", f'{labels},horizon="{name}"', index, float(forecast))

    def exporter(self) -> None:
        """What it shows of itself."""
        for index in range(self.steps + 1):
            at = index * self.step
            up = not any(start <= at < end for start, end in self.down)
            self.put("up", "", index, float(up))
            if up:
                self.put("imgrender_ingest_last_success_timestamp_seconds", "", index, at)
                self.put("imgrender_exporter_build_info", 'version="1"', index, 1)
                self.put("imgrender_scrape_collector_success", 'collector="ledger"', index, 1)


def _exact(credits: float) -> Decimal:
    return Decimal(round(credits * 1000)) / 1000


Timeline = Mapping[tuple[str, str], list[tuple[float, float]]]
"""By alert (without its prefix) and account: when it fired, from and until."""

_GOT = re.compile(r'\{__name__="ALERTS"|ALERTS\{')


def timeline(promtool: str, folder: Path, scene: Scene) -> Timeline:
    """When each alert fired. promtool tells only what it did not expect, so nothing is expected."""
    files = []
    for name, text in contents(Parameters()):
        if name.endswith(".yml"):
            path = folder / name.replace("/", "-")
            path.write_text(text)
            files.append(str(path))
    times = [index * scene.step for index in range(scene.steps + 1)]
    test = {
        "rule_files": files,
        "group_eval_order": ["imgrender.rules", "imgrender.alerts"],
        "evaluation_interval": f"{scene.step}s",
        "tests": [{
            "interval": f"{scene.step}s",
            "input_series": [{"series": name, "values": _values(values)} for name, values in scene.series.items()],
            "promql_expr_test": [
                {"expr": 'count by (alertname, severity, account) (ALERTS{alertstate="firing"})', "eval_time": f"{at}s",
                 "exp_samples": [{"labels": '{none="none"}', "value": at}]}
                for at in times
            ],
        }],
    }  # fmt: skip
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(test, width=10**9))
    done = subprocess.run(
        [promtool, "test", "rules", path], capture_output=True, text=True, check=False, env=os.environ | {"GOGC": "400"}
    )  # (by itself it spends a fifth of its time on collecting garbage)
    out = done.stdout + done.stderr
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for at, got in zip(times, re.findall(r"got:(.*)", out), strict=True):
        for alert in re.findall(r"\{([^}]*)\} 1E", got.replace("E+00", "E")):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', alert))
            key = (labels["alertname"].removeprefix("ImgRender"), labels.get("account", ""))
            spans = found.setdefault(key, [])
            if spans and spans[-1][1] == at:
                spans[-1] = (spans[-1][0], at + scene.step)
            else:
                spans.append((at, at + scene.step))
    return found


def _values(values: Sequence[float | None]) -> str:
    """In promtool's notation; equal neighbors as one."""
    parts: list[str] = []
    index = 0
    while index < len(values):
        end = index
        while end + 1 < len(values) and values[end + 1] == values[index]:
            end += 1
        value, repeats = values[index], end - index
        if value is None:
            parts.append(f"_x{repeats + 1}")
        else:
            parts.append(f"{value:.12g}x{repeats}" if repeats else f"{value:.12g}")
        index = end + 1
    return " ".join(parts)
