"""Days: the quarters of an hour of an account's day in one row, so that a scrape reads weeks of them in little time.

They say nothing that `rollups` do not. A quarter without anything is not written.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select

from auditor.ledger.record import Place, Sums, sum_into
from auditor.ledger.rows import Row, find, put
from auditor.ledger.schema import BUCKET_US, days, rollups

DAY_US = 86_400 * 10**6
_chosen = itemgetter(*map(Sums._fields.index, ("requests", "duplicates", "credits")))


def add_to_days(connection: Connection, sums: Iterable[tuple[int, Place, Sequence[Any]]]) -> None:
    """Add (start of a bucket, place, values of `Sums`) to the days of the accounts."""
    changes: dict[Row, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, Decimal(0)]))
    for bucket_us, place, added in sums:
        since = bucket_us % DAY_US
        of_day = changes[place[0], place[1], bucket_us - since, place[3]]
        sum_into(of_day[since // BUCKET_US], _chosen(added))
    for *known, requests, credits in find(connection, days, list(changes)):
        of_day = changes[tuple(known)]
        for quarter, counts in requests_of(requests):
            sum_into(of_day[quarter], (*counts, Decimal(0)))
        for quarter, amount in credits_of(credits):
            sum_into(of_day[quarter], (0, 0, amount))
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


def _written(quarters: dict[int, list[Any]]) -> tuple[str, str]:
    known = sorted(quarters.items())
    return (
        " ".join(f"{quarter}:{requests}:{again}" for quarter, (requests, again, _) in known if requests or again),
        " ".join(f"{quarter}:{credits:f}" for quarter, (_, _, credits) in known if credits),
    )
