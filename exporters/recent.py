"""The last two weeks of the accounts that have a label, by the time of their events, from the ledger's rollups."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select, tuple_

from auditor.events import EXACT, Outcome
from auditor.ledger.schema import BUCKET_US, rollups
from auditor.ledger.state import Payer
from exporters.families import Families
from exporters.pace import DAY, HISTORY, QUARTERS, SOON, WEEK, WINDOWS, Pace

HOURS = 3 * QUARTERS
"""Buckets over which requests are compared with those of a day and of a week before."""
_AGO: Mapping[str, int] = {"0d": 0, "1d": DAY, "7d": WEEK}
_CHUNK = 400
"""Accounts that are asked for at once."""


def add_recent(
    connection: Connection, families: Families, accounts: Mapping[Payer, tuple[int, int]],
    labels: Mapping[Payer, Payer], now_us: int,
) -> None:  # fmt: skip
    """Add what the *accounts* spent and asked for lately.

    Each has the start and the end of its current billing period, in microseconds since 1970, and its *labels*.
    """
    now = now_us // BUCKET_US
    credits: dict[Payer, dict[int, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    requests: dict[Payer, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    duplicates: dict[Payer, int] = defaultdict(int)
    for row in _of(connection, accounts, _history(now)):
        account, bucket = (row.provider, row.account), row.bucket_us // BUCKET_US
        if row.credits:
            credits[account][bucket] = EXACT.add(credits[account][bucket], row.credits)
        for ago, back in _AGO.items():
            if 0 <= now - back - bucket < HOURS:
                requests[account][row.outcome, ago] += row.requests
                duplicates[account] += 0 if back else row.duplicates
    older = {(row.provider, row.account) for row in _of(connection, accounts, _before(now))}
    for account, (start_us, end_us) in accounts.items():
        label = labels[account]
        since, until = start_us // BUCKET_US, end_us // BUCKET_US
        _add_pace(families, label, Pace.of(credits[account], now, since, until, 0 if account in older else None))
        for (outcome, ago), count in requests[account].items():
            if outcome != Outcome.ATTEMPT:
                families.add("recent_requests", (*label, outcome, ago), count)
        families.add("recent_duplicate_renders", label, duplicates[account])


def _add_pace(families: Families, label: Payer, pace: Pace) -> None:
    for name, window in WINDOWS.items():
        families.add("credits_spent", (*label, name), pace.spent(window))
        families.add("credits_spent_fastest", (*label, name), pace.fastest(window))
        families.add("credits_spent_usual", (*label, name), pace.usual(window))
    families.put("credits_forecast_week_ratio", label, Decimal(pace.days) / 7)
    for name, horizon in (("60h", SOON), ("period", pace.until - pace.now)):
        forecast = pace.forecast(horizon)
        if forecast is not None:
            families.add("credits_forecast", (*label, name), forecast)


def _of(connection: Connection, accounts: Collection[Payer], query: Select[Any]) -> Iterator[Any]:
    """The rows of these accounts, and of no other: there may be a hundred thousand more."""
    wanted = sorted(accounts)
    for start in range(0, len(wanted), _CHUNK):
        chosen = tuple_(rollups.c.provider, rollups.c.account).in_(wanted[start : start + _CHUNK])
        yield from connection.execute(query.where(chosen))


def _history(now: int) -> Select[Any]:
    """Credits of the whole history, and requests of the hours that are compared."""
    columns = rollups.c
    compared = [
        and_(columns.bucket_us > (now - back - HOURS) * BUCKET_US, columns.bucket_us <= (now - back) * BUCKET_US)
        for back in _AGO.values()
    ]
    return select(
        columns.bucket_us, columns.provider, columns.account, columns.outcome, columns.requests, columns.duplicates,
        columns.credits,
    ).where(
        columns.bucket_us > (now - HISTORY) * BUCKET_US, columns.bucket_us <= now * BUCKET_US,
        or_(columns.credits != Decimal(0), *compared),
    )  # fmt: skip


def _before(now: int) -> Select[Any]:
    """Those that were at work in the month before the history, so that it has no beginning of theirs."""
    columns = rollups.c
    return select(columns.provider, columns.account).distinct().where(
        columns.bucket_us > (now - HISTORY - 30 * DAY) * BUCKET_US, columns.bucket_us <= (now - HISTORY) * BUCKET_US
    )  # fmt: skip
