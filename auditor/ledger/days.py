"""Days: the quarters of an hour of an account's day in one row, so that a scrape reads weeks of them in little time.

They say nothing that `rollups` do not. A quarter without anything is not written.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, select

from auditor.ledger.record import Place, Sums
from auditor.ledger.rows import Row, find, put
from auditor.ledger.schema import BUCKET_US, days, rollups
from auditor.model.events import EXACT

DAY_US = 86_400 * 10**6
_REQUESTS, _DUPLICATES, _CREDITS = map(Sums._fields.index, ("requests", "duplicates", "credits"))


def add_to_days(connection: Connection, sums: Iterable[tuple[int, Place, Sequence[Any]]]) -> None:
    """Add (start of a bucket, place, values of `Sums`) to the days of the accounts."""
    changes: dict[Row, dict[int, list[Any]]] = {}
    for bucket_us, place, added in sums:
        since = bucket_us % DAY_US
        key: Row = (place[0], place[1], bucket_us - since, place[3])
        of_day = changes.get(key)
        if of_day is None:
            of_day = changes[key] = {}
        _add(of_day, since // BUCKET_US, added[_REQUESTS], added[_DUPLICATES], added[_CREDITS])
    for *known, requests, credits in find(connection, days, list(changes)):
        into = changes[tuple(known)]
        for quarter, (asked, again) in requests_of(requests):
            _add(into, quarter, asked, again, Decimal(0))
        for quarter, amount in credits_of(credits):
            _add(into, quarter, 0, 0, amount)
    put(connection, days, [(*key, *_written(quarters)) for key, quarters in changes.items()])


def fill_days(connection: Connection) -> None:
    """All days, from the rollups of a ledger that has none."""
    query = select(rollups).order_by(*rollups.primary_key)
    for rows in connection.execute(query, execution_options={"yield_per": 10_000}).partitions():
        add_to_days(connection, ((row[0], Place(*row[1:6]), row[6:]) for row in rows))


def requests_of(text: str) -> Iterable[tuple[int, tuple[int, int]]]:
    """(quarter of the day, (requests, duplicates)) of the column `requests`."""
    for each in text.split():
        quarter, requests, duplicates = each.split(":")
        yield int(quarter), (int(requests), int(duplicates))


def credits_of(text: str) -> Iterable[tuple[int, Decimal]]:
    """(quarter of the day, credits) of the column `credits`."""
    for each in text.split():
        quarter, _, amount = each.partition(":")
        yield int(quarter), Decimal(amount)


def _add(quarters: dict[int, list[Any]], quarter: int, requests: int, duplicates: int, credits: Decimal) -> None:
    into = quarters.get(quarter)
    if into is None:
        quarters[quarter] = [requests, duplicates, credits]
        return
    into[0] += requests
    into[1] += duplicates
    if credits:
        into[2] = EXACT.add(into[2], credits)


def _written(quarters: dict[int, list[Any]]) -> tuple[str, str]:
    known = sorted(quarters.items())
    return (
        " ".join(f"{quarter}:{requests}:{again}" for quarter, (requests, again, _) in known if requests or again),
        " ".join(f"{quarter}:{credits:f}" for quarter, (_, _, credits) in known if credits),
    )
