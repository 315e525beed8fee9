"""The ledger's sums as metrics: fresh families at each collection, from tables that do not grow with history."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, select

from auditor import __version__
from auditor.events import Outcome
from auditor.ledger.database import Ledger
from auditor.ledger.record import Sums
from auditor.ledger.schema import corrections, facts, inputs, paid, periods, totals
from auditor.ledger.upkeep import HEARTBEAT
from auditor.metrics import OTHER
from auditor.plans import Cycle, cycles
from auditor.settings import Settings
from exporters.families import Families, Folded, Labels
from exporters.recent import add_recent

FATES = ("events", "superseded", "duplicates", "rejected", "late")
_SAVED = (Outcome.HIT, Outcome.COALESCED)


class LedgerCollector:
    """Reads one ledger; *settings* say which plan an account has, and which environments are production."""

    name = "ledger"

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger, self._settings = ledger, settings
        self._folded = Folded()
        self._labels = Labels(self._folded, settings, "app_env", settings.production)

    def collect(self, families: Families, now: float) -> None:
        """Add what the ledger has; *now* in seconds since 1970."""
        with self._ledger.read() as connection:
            found = self._totals(connection, families)
            self._periods(connection, families, int(now * 1_000_000))
            self._unspent(connection, families)
            self._times(connection, families)
            self._inputs(connection, families)
            configured = {(account.provider, name) for name, account in self._settings.accounts.items()}
            known = {each: self._labels.payer(*each) for each in sorted(found | configured)}
            current = {each: self._plan(families, *each, int(now * 1_000_000)) for each in known}
            named = {each: current[each] for each, labels in known.items() if labels[1] != OTHER}
            add_recent(connection, families, named, known, int(now * 1_000_000))
        self._folded.add_to(families)
        families.add("exporter_build_info", (__version__,), 1)

    def _place(self, row: Any) -> tuple[str, str, str, str]:
        return self._labelled(row.provider, row.account, row.environment)

    def _labelled(self, provider: str, account: str, environment: str) -> tuple[str, str, str, str]:
        production = "true" if environment in self._settings.production else "false"
        return *self._labels.place(provider, account, environment), production

    def _totals(self, connection: Connection, families: Families) -> set[tuple[str, str]]:
        found = set()
        for row in connection.execute(select(totals).order_by(*totals.primary_key)):
            found.add((row.provider, row.account))
            account = self._labels.payer(row.provider, row.account)
            sums = Sums(*(getattr(row, name) for name in Sums._fields))
            if row.outcome != Outcome.ATTEMPT:
                families.add("requests_total", (*account, row.outcome), sums.requests)
            families.add("credits_used_total", self._place(row), sums.credits)
            families.add("duplicate_renders_total", account, sums.duplicates)
            families.add("retries_total", account, sums.retries)
            if row.outcome in _SAVED:
                families.add("credits_saved_total", (*account, row.outcome), sums.requests)
            if sums.bytes:
                families.add("output_bytes_total", (*account, row.format or OTHER), sums.bytes)
        for row in connection.execute(select(corrections)):
            account = self._labels.payer(row.provider, row.account)
            families.add("ledger_corrections_total", (*account, row.sum), row.amount)
        return found

    def _periods(self, connection: Connection, families: Families, now_us: int) -> None:
        current = select(periods).where(periods.c.start_us <= now_us, periods.c.end_us > now_us)
        for row in connection.execute(current):
            families.add("period_credits_used", self._place(row), row.credits)
            families.add("period_credits_uncertain", self._place(row), row.uncertain)

    def _unspent(self, connection: Connection, families: Families) -> None:
        """0 for whoever spent before and for configured accounts: without it, what compares with it says nothing."""
        places = {(row.provider, row.account, row.environment) for row in connection.execute(select(paid))}
        idle = {(account.provider, name) for name, account in self._settings.accounts.items()}
        idle -= {place[:2] for place in places}
        for place in sorted(places | {(*account, "production") for account in idle}):
            labels = self._labelled(*place)
            families.add("period_credits_used", labels, 0)
            families.add("period_credits_uncertain", labels, 0)

    def _times(self, connection: Connection, families: Families) -> None:
        for row in connection.execute(select(paid)):
            families.put("last_paid_render_timestamp_seconds", self._place(row), Decimal(row.ts_us) / 1_000_000)
        beat = connection.execute(select(facts.c.value).where(facts.c.name == HEARTBEAT)).scalar()
        if beat is not None:
            families.put("ingest_last_success_timestamp_seconds", (), Decimal(beat) / 1_000_000)

    def _inputs(self, connection: Connection, families: Families) -> None:
        counts: dict[str, int] = defaultdict(int)
        for row in connection.execute(select(inputs.c.name, inputs.c["count"].label("total"))):
            counts[row.name] = row.total
        for fate in FATES:
            families.add("ledger_lines_total", (fate,), counts[fate])
        families.add("ledger_events", (), counts["events"] - counts["pruned"])

    def _plan(self, families: Families, provider: str, account: str, now_us: int) -> Cycle:
        settings = self._settings.account(provider, account)
        labels = self._labels.payer(provider, account)
        (cycle,) = cycles(now_us, now_us, settings.anchor_day, settings.timezone)
        families.put("period_start_timestamp_seconds", labels, Decimal(cycle.start_us) / 1_000_000)
        families.put("period_end_timestamp_seconds", labels, Decimal(cycle.end_us) / 1_000_000)
        current = settings.plan_of(cycle)
        if current is not None and labels[1] != OTHER:
            families.put("plan_credits", labels, current.included)
            plan = (*labels, current.name, current.currency)
            families.put("plan_info", plan, 1)
            families.put("plan_price", plan, current.price)
        return cycle
