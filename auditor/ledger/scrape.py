"""What a scrape reads: which names have rows of their own, and the days of accounts, so that it takes little time.

Writers of events choose the names in them, and a hundred thousand of them would make every scrape slow. The first of
each kind and the configured ones are told apart in `totals`, `periods` and `paid`; the others are added up as `other`,
and counted. `rollups` and `events` have them all.

A day has the quarters of an hour of an account in one row, so that a scrape reads weeks of them. Days say nothing that
`rollups` do not. A quarter without anything is not written.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from hashlib import blake2b
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select

from auditor.ledger.record import Sums, sum_into
from auditor.ledger.rows import Row, find, put
from auditor.ledger.schema import BUCKET_US, days, folded, names, rollups
from auditor.model.metrics import OTHER

CAPS = {"provider": 20, "account": 50, "environment": 20}
"""Names that come first; accounts with their provider."""

Shown = tuple[str, str, str]
"""(provider, account, environment)."""

DAY_US = 86_400 * 10**6
_chosen = itemgetter(*map(Sums._fields.index, ("requests", "duplicates", "credits")))


class Names:
    """Those that the ledger has; `save` adds the ones that were met since."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, set[tuple[str, str]]] = {kind: set() for kind in CAPS}
        for row in connection.execute(select(names)):
            self._known[row.kind].add((row.provider, row.name))
        self._new: list[tuple[str, str, str]] = []
        self._folded: set[tuple[str, int]] = set()
        self._shown: dict[Shown, Shown] = {}

    def shown(self, provider: str, account: str, environment: str) -> Shown:
        """What those three are called in what a scrape reads."""
        place = (provider, account, environment)
        if place not in self._shown:
            told = self._kept("provider", "", provider)
            self._shown[place] = (
                provider if told else OTHER,
                account if self._kept("account", provider, account, room=told) else OTHER,
                environment if self._kept("environment", "", environment) else OTHER,
            )
        return self._shown[place]

    def has(self, kind: str, provider: str, name: str) -> bool:
        """Whether it has rows of its own."""
        return (provider, name) in self._known[kind]

    def keep(self, kind: str, known: Iterable[tuple[str, str]]) -> bool:
        """Tell those (provider, name) apart from now on, however many there are; whether that is new of any."""
        new = [pair for pair in known if pair not in self._known[kind]]
        self._known[kind].update(new)
        self._new += [(kind, *pair) for pair in new]
        self._shown.clear()
        return bool(new)

    def save(self) -> None:
        """In the transaction of the sums."""
        put(self._connection, names, self._new)
        put(self._connection, folded, sorted(self._folded))
        self._new, self._folded = [], set()

    def _kept(self, kind: str, provider: str, name: str, *, room: bool = True) -> bool:
        known = self._known[kind]
        if (provider, name) not in known and room and len(known) < CAPS[kind]:
            self.keep(kind, [(provider, name)])
        if (provider, name) in known:
            return True
        digest = blake2b(f"{len(provider)}:{provider}{name}".encode(), digest_size=8).digest()
        self._folded.add((kind, int.from_bytes(digest, signed=True)))
        return False


def add_to_days(connection: Connection, sums: Iterable[tuple[Row, Sequence[Any]]]) -> None:
    """Add values of `Sums` by (start of a bucket, *place) to the days of the accounts."""
    changes: dict[Row, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, Decimal(0)]))
    for (bucket_us, provider, account, _, outcome, _), added in sums:
        since = bucket_us % DAY_US
        of_day = changes[provider, account, bucket_us - since, outcome]
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
        add_to_days(connection, ((row[:6], row[6:]) for row in rows))


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
