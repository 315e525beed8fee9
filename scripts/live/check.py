"""`make live CHECK=1`: what the demo has to show, and a table of what it showed."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from auditor.system.terminal import is_terminal
from scripts.live.house import House
from scripts.live.panels import EMPTY, ask_all
from scripts.live.shop import SHOP

USED_UP = "ImgRenderPlanUsedUp"
USED = f'sum(imgrender_period_credits_used{{account="{SHOP}"}})'
WIDTH = 120
"""Characters, where there is no terminal."""
VISITS = 120
QUIET = 5.0
"""Seconds, many evaluations and notifications long, for which an alert that must not fire is waited for."""
EXPECTED = frozenset({
    USED_UP, "ImgRenderPlanAlmostUsed", "ImgRenderCreditsExhaustSoon", "ImgRenderCreditsFastBurn",
    "ImgRenderCreditsProjectedOverPlan", "ImgRenderCreditsOutsideProduction", "ImgRenderOverageBill",
    "ImgRenderDuplicateRenders", "ImgRenderHitRateDropped",
})  # fmt: skip
"""What the demo's traffic gives reason for; any other alert says that a part of the house is broken or blind."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was checked."""

    what: str
    shown: str
    good: bool


class Check:
    """Goes through the demo's story and keeps a row for each thing."""

    def __init__(
        self, house: House, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._house, self._clock, self._sleep = house, clock, sleep
        self.rows: list[Row] = []

    def run(self) -> None:
        """The story: traffic, the last credit but one, the last one, a larger plan, more traffic."""
        house = self._house
        for _ in range(VISITS):
            house.traffic.visit()
        house.fault(None, "500")  # (a share of all calls that no alert minds)
        house.traffic.crowd()
        house.traffic.spend(3)
        house.audit()
        self._agree("after the traffic")
        self._last_credit()
        house.processes.until(lambda: not house.processes.busy(), "the audit ends")
        self._dashboards()
        self._larger_plan()
        house.traffic.spend(3)
        self._agree("at the end")
        self._continued()
        unexpected = {each.alert for each in house.receiver.notices} - EXPECTED
        self._row("no alert of a broken or blind part", ", ".join(sorted(unexpected)) or "none", good=not unexpected)

    def _row(self, what: str, shown: str, *, good: bool) -> None:
        self.rows.append(Row(what, shown, good))

    def _agree(self, when: str) -> None:
        """Ledger, invoice and the metrics of the exporter, of the clients and of the recording rules."""
        house, before = self._house, self._house.past.credits
        queries = {
            "metrics": "sum(imgrender_period_credits_used)",
            "counters": f"sum(imgrender_credits_used_total) - {house.past.earlier}",
            "rules": "sum(account:imgrender_period_credits_used:sum)",
            "clients": f'{before} + sum(imgrender_client_credits_used_total{{job="shop",instance="shop-1"}})',
        }
        counts: dict[str, float] = {}

        def all_agree() -> bool:
            counts.update(invoice=before + house.invoice(), ledger=float(house.booked()))
            counts.update(
                (name, -1 if (value := house.value(query)) is None else value) for name, query in queries.items()
            )
            return len(set(counts.values())) == 1

        good = self._came(all_agree, 30)
        shown = ", ".join(f"{name} {value:,.0f}" for name, value in counts.items())
        self._row(f"credits agree {when}", f"{shown} ({before:,} of them before the invoice)", good=good)

    def _last_credit(self) -> None:
        """PlanUsedUp comes to the pager with the last credit, not with the one before."""
        house = self._house
        left = house.past.plans.included - int(house.value(USED) or 0)
        house.traffic.spend(left - 1)
        last_but_one = self._came(lambda: house.value(USED) == house.past.plans.included - 1, 30)
        early = self._came(
            lambda: bool(self._notices("firing")) or house.value(f'ALERTS{{alertname="{USED_UP}"}}'), QUIET
        )
        self._row(
            f"{USED_UP} waits for the last credit",
            f"{left - 1} of {left} spent, {'fired' if early else 'quiet'}",
            good=last_but_one and not early,
        )
        began = self._clock()
        house.traffic.spend(1)
        fired = self._came(lambda: bool(self._notices("firing")), 60)
        self._row(f"{USED_UP} fires after it", self._after(began, "firing"), good=fired and not early)

    def _larger_plan(self) -> None:
        """It resolves once auditor.toml names a larger plan and the exporter was told to reload."""
        house = self._house
        house.past.plans.write(house.place.config, large=True)
        began = self._clock()
        house.exporter.reload()
        resolved = self._came(lambda: bool(self._notices("resolved")), 60)
        self._row(f"{USED_UP} resolves with a larger plan", self._after(began, "resolved"), good=resolved)

    def _notices(self, status: str) -> list[float]:
        """When the pager heard of it."""
        return [each.at for each in self._house.receiver.of(USED_UP, status, SHOP) if each.receiver == "pager"]

    def _after(self, began: float, status: str) -> str:
        heard = self._notices(status)
        return f"at the pager {heard[0] - began:.1f} s later" if heard else "nothing came to the pager"

    def _dashboards(self) -> None:
        """Every query runs, and shows something unless the list says why not."""
        wrong: list[str] = []
        count = 0

        def right() -> bool:
            nonlocal count
            count, wrong[:] = ask_all(self._house.prometheus)
            return not wrong

        good = self._came(right, 20)
        shown = f"{count} queries, {len(EMPTY)} of them empty for a reason"
        self._row("dashboards", "\n".join([shown, *wrong]), good=good)

    def _continued(self) -> None:
        """The exporter's counters went on where the history ends."""
        resets = self._house.value("sum(resets(imgrender_credits_used_total[9d]))")
        days = self._house.value("max(time() - min_over_time(timestamp(imgrender_credits_used_total)[9d:1h])) / 86400")
        good = resets == 0 and days is not None and days > 7
        self._row("counters go on over the history", f"{resets or 0:.0f} resets in {days or 0:.1f} days", good=good)

    def _came(self, condition: Callable[[], object], seconds: float) -> bool:
        """Whether it came about within so many seconds."""
        deadline = self._clock() + seconds
        while not condition():
            self._house.processes.look()
            if self._clock() > deadline:
                return False
            self._sleep(0.1)
        return True


def table(rows: list[Row]) -> Table:
    """What was checked, what was seen, and whether it is right."""
    shown = Table("check", "seen", "", title="make live CHECK=1", title_justify="left")
    for row in rows:
        shown.add_row(row.what, row.shown, "ok" if row.good else "FAILED")
    return shown


def show(rows: list[Row]) -> None:
    """On standard output."""
    Console(width=None if is_terminal(sys.stdout) else WIDTH).print(table(rows))
