"""Booking: records into the ledger, with every sum that they change, in the caller's transaction."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, func, select

from auditor.ledger.record import Place, Record, Sums, sum_into
from auditor.ledger.rows import Row, add, find, merge, put
from auditor.ledger.schema import BUCKET_US, corrections, events, inputs, paid, periods, pictures, rollups, totals
from auditor.ledger.scrape import Names, add_to_days
from auditor.ledger.state import State
from auditor.model.events import EXACT, MIN_TS_US, Outcome
from auditor.model.settings import Settings

_RENDER = str(Outcome.RENDER)
_WIDTH = len(Sums._fields)
_DUPLICATES = Sums._fields.index("duplicates")
_nothing: Callable[[], list[Any]] = partial(list, Sums())


@dataclass(slots=True)
class _Known:
    """What the ledger knows of one id."""

    best: Record
    attempts: int
    finals: int
    changed: bool = False


@dataclass
class Booking:
    """One batch at *now_us*. *settings* are those of the process; what is older than *horizon_us* was pruned."""

    connection: Connection
    settings: Settings
    state: State
    now_us: int
    horizon_us: int = MIN_TS_US
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._names = Names(self.connection)
        self._buckets: dict[Row, list[Any]] = defaultdict(_nothing)
        self._paid: dict[tuple[str, str, str], int] = {}

    def book(self, records: Sequence[Record]) -> None:
        """Add records; the ledger is then as if they had come in any other order, but for `corrections`."""
        fresh = [record for record in records if record.ts_us >= self.horizon_us]
        self.counts["late"] += len(records) - len(fresh)
        ids = [(identity,) for identity in sorted({record.id for record in fresh})]
        known = {
            identity: _Known(Record.of(line, self.settings.timezone, ts_us), attempts, finals)
            for identity, ts_us, attempts, finals, line in find(self.connection, events, ids)
        }
        before = len(known)
        renders: list[Record] = []
        for record in fresh:
            found = known.get(record.id)
            if found is None:
                known[record.id] = _Known(record, 0, 1) if record.final else _Known(record, 1, 0)
                self._add(record)
                if record.place.outcome == _RENDER:
                    renders.append(record)
            else:
                self._again(found, record, renders)
        self.counts["events"] += len(known) - before
        rows = [(key, each.best.ts_us, each.attempts, each.finals, each.best.line) for key, each in known.items()]
        put(self.connection, events, [row for row in rows[:before] if known[row[0]].changed])
        add(self.connection, events, rows[before:])
        self._duplicates(renders)
        self._add_up()
        self._last_paid()
        self._names.save()
        count(self.connection, self.counts)

    def _again(self, known: _Known, record: Record, renders: list[Record]) -> None:
        """Another record of an id that is known: superseded, or a duplicate, or the one that counts from now on."""
        if record.final:
            if known.finals:
                self.counts["duplicates"] += 1
            else:
                self.counts["superseded"] += known.attempts
                self.counts["duplicates"] -= known.attempts - 1
        else:
            self.counts["superseded" if known.finals else "duplicates"] += 1
        known.attempts += not record.final
        known.finals += record.final
        known.changed = True
        if record.beats(known.best):
            self._add(known.best, -1)
            self._add(record)
            renders += [record] if record.place.outcome == _RENDER != known.best.place.outcome else []
            known.best = record

    def _add(self, record: Record, sign: int = 1) -> None:
        """To its quarter of an hour; periods and totals are sums of those."""
        sum_into(self._bucket(record), record.sums, sign)
        if record.credits and sign > 0:
            where = record.place[:3]
            self._paid[where] = max(record.ts_us, self._paid.get(where, 0))

    def _bucket(self, record: Record) -> list[Any]:
        return self._buckets[(record.ts_us - record.ts_us % BUCKET_US, *record.place)]

    def _add_up(self) -> None:
        by_period: dict[Row, list[Any]] = defaultdict(_nothing)
        by_total: dict[Place, list[Any]] = defaultdict(_nothing)
        cycle = self.state.cycle
        for (bucket_us, *where, outcome, picture_format), sums in self._buckets.items():
            total = Place(*self._names.shown(*where), outcome, picture_format)
            sum_into(by_period[(*total[:3], cycle(*total[:2], bucket_us)[0])], sums)
            sum_into(by_total[total], sums)
        newest = self.connection.execute(select(func.max(rollups.c.bucket_us))).scalar()
        # Most of a log that grows is new.
        add_to(self.connection, rollups, self._buckets, new=lambda key: newest is None or key[0] > newest)
        add_to_days(self.connection, self._buckets.items())
        add_to(self.connection, periods, by_period, lambda key: cycle(key[0], key[1], key[3])[1:])
        self._add_totals({place: Sums(*sums) for place, sums in by_total.items()})

    def _duplicates(self, renders: list[Record]) -> None:
        """Paid renders whose key had an image that was good still: as they come, which the audit does in order."""
        renders.sort(key=lambda record: (record.ts_us, record.id))
        keys = {(*record.place[:3], record.key) for record in renders}
        known = {row[:4]: row[4:] for row in find(self.connection, pictures, sorted(keys))}
        before = set(known)
        for record in renders:
            key = (*record.place[:3], record.key)
            if key in known:
                until, digest = known[key]
                concurrent = record.ts_us < until
                changed = not concurrent and None not in (digest, record.digest) and digest != record.digest
                if record.ts_us < until + self.settings.ttl_us and not changed:
                    self._bucket(record)[_DUPLICATES] += 1
                    continue
            known[key] = (record.done_us, record.digest)
        put(self.connection, pictures, [(*key, *known[key]) for key in before])
        add(self.connection, pictures, [(*key, *known[key]) for key in keys - before])

    def _add_totals(self, changes: Mapping[Place, Sums]) -> None:
        """Counters do not fall: what would lower one is booked as a correction instead."""
        raised: dict[Row, Sums] = {}
        fallen: dict[tuple[str, str], Sums] = defaultdict(Sums)
        for place, sums in changes.items():
            fell = {name: value for name, value in sums._asdict().items() if value < 0 and name != "uncertain"}
            down = Sums().plus(Sums(**fell), -1)  # exactly: minus rounds to 28 digits
            raised[place] = sums.plus(down)
            fallen[place.provider, place.account] = fallen[place.provider, place.account].plus(down)
        add_to(self.connection, totals, raised, lambda _: (self.now_us,))
        correct(self.connection, fallen)

    def _last_paid(self) -> None:
        newest: dict[Row, int] = {}
        for where, ts_us in self._paid.items():
            shown = self._names.shown(*where)
            newest[shown] = max(ts_us, newest.get(shown, 0))
        merge(self.connection, paid, newest, max)


def add_to(
    connection: Connection, table: Table, sums: Mapping[Any, Sequence[Any]], more: Callable[[Row], Row] = lambda _: (),
    new: Callable[[Row], bool] = lambda _: False,
) -> None:  # fmt: skip
    """Add values of `Sums` to rows by key, here, since a database would round them.

    *more* is what stands between key and sums; *new* tells keys that the table cannot have.
    """
    width = len(table.primary_key)
    changed = {key: value for key, value in sums.items() if any(value)}
    rows = []
    for row in find(connection, table, [key for key in changed if not new(key)]):
        value = Sums(*row[-_WIDTH:]).plus(Sums(*changed.pop(row[:width])))
        rows.append((*row[:-_WIDTH], *value))
    put(connection, table, rows)
    add(connection, table, [(*key, *more(key), *value) for key, value in changed.items()])


def correct(connection: Connection, fallen: Mapping[tuple[str, str], Sums]) -> None:
    """Note by how much more the totals of (provider, account) are above the exact sums."""
    amounts: dict[Row, Decimal] = {
        (*payer, name): Decimal(value)
        for payer, sums in fallen.items() for name, value in sums._asdict().items() if value and name != "uncertain"
    }  # fmt: skip
    merge(connection, corrections, amounts, EXACT.add)


def count(connection: Connection, counts: Mapping[str, int]) -> None:
    """Add to the counts of the conservation line."""
    merge(connection, inputs, {(name,): value for name, value in counts.items() if value}, int.__add__)
