"""The last 17 days of the accounts that have a label, by the time of their events, from the ledger's days."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select

from auditor.ledger.schema import BUCKET_US, days
from auditor.ledger.scrape import DAY_US, credits_of, requests_of
from auditor.ledger.state import Payer
from auditor.model.events import EXACT, Outcome
from auditor_exporter.families import Families
from auditor_exporter.pace import DAY, HISTORY, QUARTERS, SOON, WEEK, WINDOWS, Pace

HOURS = 3 * QUARTERS
"""Buckets over which requests are compared with those of a day and of a week before."""
_AGO: Mapping[str, int] = {"0d": 0, "1d": DAY, "7d": WEEK}
_CHUNK = 100
"""Accounts that are asked for at once."""


@dataclass
class _Lately:
    """What one account's days hold."""

    credits: dict[int, Decimal] = field(default_factory=dict)
    """By bucket of the history."""
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By outcome and name in `_AGO`."""
    duplicates: int = 0
    older: bool = False
    """Whether it was at work in the month before the history, so that the history has no beginning of its own."""

    def take(self, row: Any, now: int) -> None:
        """A day."""
        start, first = row.day_us // BUCKET_US, now - HISTORY + 1
        for quarter, amount in credits_of(row.credits):
            if first <= (bucket := start + quarter) <= now:
                self.credits[bucket] = EXACT.add(self.credits[bucket], amount) if bucket in self.credits else amount
        compared = [(ago, now - back) for ago, back in _AGO.items() if start <= now - back < start + DAY + HOURS]
        for quarter, (many, again) in requests_of(row.requests) if compared or start < first else ():
            self.older |= start + quarter < first
            for ago, end in compared:
                if 0 <= end - start - quarter < HOURS:
                    self.requests[row.outcome, ago] += many
                    self.duplicates += again if end == now else 0


def add_recent(
    connection: Connection, families: Families, accounts: Mapping[Payer, tuple[int, int]],
    labels: Mapping[Payer, Payer], now_us: int,
) -> dict[Payer, Decimal]:  # fmt: skip
    """Add what the *accounts* spent and asked for lately.

    Each has the start and the end of its current billing period, in microseconds since 1970, and its *labels*. Of those
    that a whole week is known of, the credits that the rest of the period will need.
    """
    needed = {}
    now = now_us // BUCKET_US
    found = {account: _Lately() for account in accounts}
    first_us = (now - HISTORY + 1) * BUCKET_US // DAY_US * DAY_US
    for row in _days(connection, accounts, select(days), first_us, now_us):
        found[row.provider, row.account].take(row, now)
    working = select(days.c.provider, days.c.account).distinct()
    for row in _days(connection, accounts, working, first_us - 30 * DAY_US, first_us - 1):
        found[row.provider, row.account].older = True
    for account, (start_us, end_us) in accounts.items():
        label, lately = labels[account], found[account]
        since, until = start_us // BUCKET_US, end_us // BUCKET_US
        pace = Pace.of(lately.credits, now, since, until, 0 if lately.older else None)
        for name, window in WINDOWS.items():
            families.add("credits_spent", (*label, name), pace.spent(window))
            families.add("credits_spent_fastest", (*label, name), pace.fastest(window))
            families.add("credits_spent_usual", (*label, name), pace.usual(window))
        families.put("credits_forecast_week_ratio", label, Decimal(pace.days) / 7)
        for name, horizon in (("60h", SOON), ("period", until - now)):
            forecast = pace.forecast(horizon)
            if forecast is not None:
                families.add("credits_forecast", (*label, name), forecast)
                if name == "period" and pace.days >= 7:
                    needed[account] = forecast
        for (outcome, ago), count in lately.requests.items():
            if outcome != Outcome.ATTEMPT:
                families.add("recent_requests", (*label, outcome, ago), count)
        families.add("recent_duplicate_renders", label, lately.duplicates)
    return needed


def _days(
    connection: Connection, accounts: Collection[Payer], query: Select[Any], from_us: int, until_us: int
) -> Iterator[Any]:
    """Of the days of these accounts, and of no other: there may be a hundred thousand more."""
    wanted = sorted(accounts)
    for start in range(0, len(wanted), _CHUNK):
        # One search of the key for each account; `IN` with pairs reads the whole table in SQLite.
        yield from connection.execute(query.where(or_(*(
            and_(days.c.provider == provider, days.c.account == account, days.c.day_us.between(from_us, until_us))
            for provider, account in wanted[start : start + _CHUNK]
        ))))  # fmt: skip
