"""The ledger's sums as metrics: fresh families at each collection, from tables that do not grow with history."""

from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from auditor.ledger.database import Ledger
from auditor.ledger.record import Sums
from auditor.ledger.schema import corrections, folded, inputs, paid, periods, totals
from auditor.ledger.scrape import CAPS
from auditor.ledger.sources import files_set_aside, last_seen
from auditor.ledger.state import Payer, State, fact, state_of
from auditor.ledger.upkeep import HEARTBEAT, reported, source_of
from auditor.model.allowance import fold
from auditor.model.events import EXACT, Outcome
from auditor.model.metrics import OTHER
from auditor.model.plans import Plan, cycles
from auditor.model.settings import Account, Settings
from auditor_exporter.bill import bill_of
from auditor_exporter.families import Families, Folded, Labels, Value
from auditor_exporter.recent import add_recent

FATES = ("events", "superseded", "duplicates", "rejected", "set_aside", "late")
_RESULTS = tuple(str(outcome) for outcome in Outcome if outcome is not Outcome.ATTEMPT)
_SAVED = (Outcome.HIT, Outcome.COALESCED)
SOURCES = 100
"""Sources that keep their label."""
_LABELS = {"provider": "provider", "account": "account", "environment": "app_env"}
"""Kind of a name that the ledger folds -> label."""


class LedgerCollector:
    """Reads one ledger, which says how accounts are billed; *settings* say which environments are production.

    They are from the auditor.toml at *where*.
    """

    name = "ledger"

    def __init__(self, ledger: Ledger, settings: Settings, where: Path | None = None) -> None:
        self._ledger, self._settings, self._source = ledger, settings, source_of(where)
        self._accounts: dict[Payer, Account] = {}
        self._relabel({})

    def _relabel(self, accounts: dict[Payer, Account]) -> None:
        self._accounts, self._folded = accounts, Folded()
        self._labels = Labels(
            self._folded, self._settings, "app_env", self._settings.production, accounts, CAPS["account"]
        )

    def collect(self, families: Families, now: float) -> None:
        """Add what the ledger has; *now* in seconds since 1970."""
        now_us = int(now * 1_000_000)
        with self._ledger.read() as connection:
            state = state_of(connection)
            accounts = state.seen_by(self._settings)
            if accounts != self._accounts:
                self._relabel(accounts)
            found = self._totals(connection, families)
            used = self._periods(connection, families, now_us)
            self._paid(connection, families)
            self._sources(connection, families, now_us)
            self._inputs(connection, families, now_us)
            self._conflicts(connection, families, state, now_us)
            current = {payer: state.cycle(*payer, now_us) for payer in sorted(found | set(accounts))}
            labels = {payer: self._labels.payer(*payer) for payer in current}
            named = {payer: cycle for payer, cycle in current.items() if labels[payer][1] != OTHER}
            needed = add_recent(connection, families, named, labels, now_us)
            for payer, cycle in current.items():
                account = accounts.get(payer) or state.account(*payer)
                projected = used[payer] + needed[payer] if payer in needed else None
                self._plan(connection, families, payer, account, cycle, now_us, projected)
        self._folded.add_to(families)

    def _place(self, row: Any) -> tuple[str, str, str, str]:
        return self._labeled(row.provider, row.account, row.environment)

    def _labeled(self, provider: str, account: str, environment: str) -> tuple[str, str, str, str]:
        production = "true" if environment in self._settings.production else "false"
        return *self._labels.place(provider, account, environment), production

    def _totals(self, connection: Connection, families: Families) -> set[tuple[str, str]]:
        found = set()
        for row in connection.execute(select(totals).order_by(*totals.primary_key)):
            found.add((row.provider, row.account))
            account = self._labels.payer(row.provider, row.account)
            sums = Sums.of(row)
            counted: dict[str, tuple[tuple[str, ...], Value]] = {
                "credits_used_total": (self._place(row), sums.credits),
                "duplicate_renders_total": (account, sums.duplicates),
                "retries_total": (account, sums.retries),
            }
            if row.outcome != Outcome.ATTEMPT:
                counted["requests_total"] = ((*account, row.outcome), sums.requests)
            if row.outcome in _SAVED:
                counted["credits_saved_total"] = ((*account, row.outcome), sums.requests)
            if sums.bytes:
                counted["output_bytes_total"] = ((*account, row.format or OTHER), sums.bytes)
            for name, (labels, value) in counted.items():
                families.add(name, labels, value)
                families.began(name, labels, row.created_us / 1_000_000)
        for row in connection.execute(select(corrections)):
            account = self._labels.payer(row.provider, row.account)
            families.add("ledger_corrections_total", (*account, row.sum), row.amount)
        return found

    def _periods(self, connection: Connection, families: Families, now_us: int) -> dict[Payer, Decimal]:
        """The credits of each account's current period."""
        used: dict[Payer, Decimal] = defaultdict(Decimal)
        current = select(periods).where(periods.c.start_us <= now_us, periods.c.end_us > now_us)
        for row in connection.execute(current):
            families.add("period_credits_used", self._place(row), row.credits)
            families.add("period_credits_uncertain", self._place(row), row.uncertain)
            payer = (row.provider, row.account)
            used[payer] = EXACT.add(used[payer], row.credits)
        return used

    def _paid(self, connection: Connection, families: Families) -> None:
        """0 for accounts that spent before and for configured ones: without it, what compares with it says nothing.

        A counter that is there at 0 also shows its first credits in a rate. And when each of them spent last.
        """
        rows = connection.execute(select(paid)).all()
        places = {(row.provider, row.account, row.environment) for row in rows}
        producing = {place[:2] for place in places if place[2] in self._settings.production}
        idle = {(*account, "production") for account in set(self._accounts) - producing}
        for place in idle:
            families.add("credits_used_total", self._labeled(*place), 0)
        for account in self._accounts:
            labels = self._labels.payer(*account)
            families.add("duplicate_renders_total", labels, 0)
            families.add("retries_total", labels, 0)
            for name, outcomes in (("requests_total", _RESULTS), ("credits_saved_total", _SAVED)):
                for outcome in outcomes:
                    families.add(name, (*labels, outcome), 0)
        for place in sorted(places | idle):
            labeled = self._labeled(*place)
            families.add("period_credits_used", labeled, 0)
            families.add("period_credits_uncertain", labeled, 0)
        for row in rows:
            families.put("last_paid_render_timestamp_seconds", self._place(row), Decimal(row.ts_us) / 1_000_000)

    def _sources(self, connection: Connection, families: Families, now_us: int) -> None:
        """Those that are beyond the cap are as old as the oldest of them."""
        found = list(last_seen(connection, now_us).items())
        shown, rest = found[:SOURCES], found[SOURCES:]
        if rest:
            shown.append((OTHER, min(seen_us for _, seen_us in rest)))
        for name, _ in rest:
            self._folded.tell("source", (name,))
        for name, seen_us in shown:
            families.put("source_last_seen_timestamp_seconds", (name,), Decimal(seen_us) / 1_000_000)

    def _inputs(self, connection: Connection, families: Families, now_us: int) -> None:
        beat = fact(connection, HEARTBEAT)
        if beat is not None:
            families.put("ingest_last_success_timestamp_seconds", (), Decimal(beat) / 1_000_000)
        query = select(inputs.c.name, inputs.c["count"].label("total"))
        counts = Counter({row.name: row.total for row in connection.execute(query)})
        for fate in FATES:
            families.add("ledger_lines_total", (fate,), counts[fate])
        families.add("ledger_events", (), counts["events"] - counts["pruned"])
        families.add("ingest_files_set_aside", (), files_set_aside(connection, now_us))
        for kind, many in connection.execute(select(folded.c.kind, func.count()).group_by(folded.c.kind)):
            families.add("label_values_dropped_total", (_LABELS[kind],), many)

    def _conflicts(self, connection: Connection, families: Families, state: State, now_us: int) -> None:
        """How many auditor.toml say otherwise than the ledger, this process's own among them."""
        differing = set(reported(connection, now_us))
        differing |= {(self._source, payer) for payer in state.differences(self._settings)}
        for payer in (("", ""), *self._accounts):
            families.add("ledger_config_conflict", self._labels.payer(*payer), 0)
        for _, payer in differing:
            families.add("ledger_config_conflict", self._labels.payer(*payer), 1)

    def _plan(
        self, connection: Connection, families: Families, payer: Payer, account: Account, cycle: tuple[int, int],
        now_us: int, projected: Decimal | None,
    ) -> None:  # fmt: skip
        labels = self._labels.payer(*payer)
        families.put("period_start_timestamp_seconds", labels, Decimal(cycle[0]) / 1_000_000)
        families.put("period_end_timestamp_seconds", labels, Decimal(cycle[1]) / 1_000_000)
        (current,) = cycles(now_us, now_us, account.anchor_day, account.timezone)
        plan = account.plan_of(current)
        if plan is None or labels[1] == OTHER:
            return
        hard_cap = "true" if plan.overage is None else "false"
        credits = _allowance(connection, payer, account, plan, current.start_us)
        families.put("plan_credits", (*labels, hard_cap), _decimal(credits))
        named = (*labels, plan.name, plan.currency)
        families.put("plan_info", named, 1)
        families.put("plan_price", named, _decimal(plan.monthly))
        if plan.overage is not None:
            families.put("plan_overage_price", named, plan.overage)
        if projected is not None:
            topups = sum((Fraction(each.price) for each in account.bought(current)), Fraction(0))
            offered = self._settings.catalogue.get(payer[0], ())
            bill = bill_of(Fraction(projected), plan, credits, topups, offered)
            if bill is not None:
                of = (*labels, bill.plan.name, bill.plan.currency)
                families.put("period_projected_bill", of, _decimal(bill.amount))


def _allowance(connection: Connection, payer: Payer, account: Account, plan: Plan, start_us: int) -> Fraction:
    """What the account may use in the cycle that starts then, as the audit has it: included, carried over, bought."""
    plans = [account.plan, *(each for _, each in account.history)]
    if not account.topups and not any(each and each.rollover for each in plans):
        return Fraction(plan.included)
    used: dict[int, Decimal] = defaultdict(Decimal)
    before = periods.c.provider == payer[0], periods.c.account == payer[1], periods.c.start_us < start_us
    for row in connection.execute(select(periods).where(*before)):
        if any(getattr(row, name) for name in Sums._fields):
            used[row.start_us] = EXACT.add(used[row.start_us], row.credits)
    return _available(account, start_us, tuple(used.items()))


@lru_cache(1000)
def _available(account: Account, now_us: int, used: tuple[tuple[int, Decimal], ...]) -> Fraction:
    """The same from the credits that were *used* by the start of each cycle in which the account did anything."""
    from auditor.analysis.accounts import Payer as Paying
    from auditor.analysis.terms import terms_of  # (the audits' own, with all they need; few accounts carry credits on)

    spent = dict(used)
    first_us = min(spent, default=now_us)
    listed = tuple(cycles(first_us, now_us, account.anchor_day, account.timezone))
    paying = Paying(0, account.provider, "", account, (), listed, first_us, now_us)
    terms = [terms_of(paying, cycle) for cycle in listed]
    balances = fold([each.grant for each in terms], [Fraction(spent.get(cycle.start_us, 0)) for cycle in listed])
    return balances[-1].available


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / value.denominator
