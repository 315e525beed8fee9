"""What the demo does now: credits beside the invoice, plans, hit rate, burn rate, and the alerts that fire."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from scripts.live.house import House

_BY_ACCOUNT: Mapping[str, str] = {
    "used": "sum by (account) (account:imgrender_period_credits_used:sum)",
    "plan": "sum by (account) (account:imgrender_plan_credits:max)",
    "burn": "sum by (account) (account:imgrender_plan_burn:ratio_long)",
    "hits": '(sum by (account) (increase(imgrender_requests_total{result=~"hit|coalesced"}[5m]))'
    " or 0 * sum by (account) (increase(imgrender_requests_total[5m])))"
    " / (sum by (account) (increase(imgrender_requests_total[5m])) > 0)",
}


@dataclass(frozen=True, slots=True)
class Account:
    """One account; None is not known yet."""

    name: str
    used: float | None
    plan: float | None
    hits: float | None
    """Share of the last five minutes."""
    burn: float | None
    """Times faster than evenly, over the last hour."""


@dataclass(frozen=True, slots=True)
class Summary:
    """All of it at one time."""

    metrics: float | None
    """Credits of the cycle, as Prometheus has them."""
    history: int
    invoice: int
    accounts: list[Account]
    firing: list[str]

    @classmethod
    def of(cls, house: House) -> "Summary":
        """Asks Prometheus and the sandbox."""
        found = {name: _by_account(house, query) for name, query in _BY_ACCOUNT.items()}
        accounts = [
            Account(name, *(found[column].get(name) for column in ("used", "plan", "hits", "burn")))
            for name in house.past.spent
        ]
        alerts = house.prometheus.get("/api/v1/query", query='ALERTS{alertstate="firing"}')["result"]
        names = {
            f"{each['metric']['alertname'].removeprefix('ImgRender')} ({each['metric'].get('account') or 'all'})"
            for each in alerts
        }
        return cls(
            house.value("sum(imgrender_period_credits_used)"), house.past.credits, house.invoice(), accounts,
            sorted(names),
        )  # fmt: skip

    def line(self) -> str:
        """For a log."""
        accounts = "; ".join(
            f"{each.name} {_number(each.used)} of {_number(each.plan)}, hits {_share(each.hits)}, "
            f"burn {_rate(each.burn)}"
            for each in self.accounts
        )
        return (
            f"{time.strftime('%H:%M:%S')} credits {_number(self.metrics)}, history {self.history:,} + invoice "
            f"{self.invoice:,}; {accounts}; firing: {', '.join(self.firing) or 'none'}"
        )

    def shown(self) -> RenderableType:
        """For a terminal."""
        table = Table()
        for name in ("account", "credits of the cycle", "plan", "hit rate (5m)", "burn rate (1h)"):
            table.add_column(name, justify="left" if name == "account" else "right")
        for each in self.accounts:
            table.add_row(each.name, _number(each.used), _number(each.plan), _share(each.hits), _rate(each.burn))
        counts = f"credits {_number(self.metrics)}: history {self.history:,} + the sandbox's invoice {self.invoice:,}"
        return Group(Text(counts), table, Text(f"firing: {', '.join(self.firing) or 'none'}"))


def _by_account(house: House, query: str) -> dict[str, float]:
    found = house.prometheus.get("/api/v1/query", query=query)["result"]
    return {each["metric"]["account"]: float(each["value"][1]) for each in found}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
