"""Booking: records into the ledger, with every sum that they change, in the caller's transaction."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, select, tuple_, update

from auditor.events import MIN_TS_US, Outcome
from auditor.ledger.record import Place, Record, Sums
from auditor.ledger.schema import BUCKET_US, corrections, events, inputs, paid, periods, pictures, rollups, totals
from auditor.plans import cycles
from auditor.settings import Settings

_CHUNK = 500
"""Keys in one query; SQLite takes 32,766 parameters, and plans are the same for any number."""


@dataclass(slots=True)
class _State:
    """What the ledger knows of one id."""

    best: Record
    attempts: int
    finals: int
    stored: bool
    changed: bool = False


@dataclass
class Booking:
    """One batch. *horizon_us*: what is older was pruned, and comes too late."""

    connection: Connection
    settings: Settings
    horizon_us: int = MIN_TS_US
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._buckets: dict[tuple[int, Place], Sums] = defaultdict(Sums)
        self._cycles: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
        self._paid: dict[tuple[str, str, str], int] = {}

    def book(self, records: Sequence[Record]) -> None:
        """Add records; the ledger is then as if they had come in any other order, but for `corrections`."""
        fresh = [record for record in records if record.event.ts_us >= self.horizon_us]
        self.counts["late"] += len(records) - len(fresh)
        states = self._known({record.event.id for record in fresh})
        renders: list[Record] = []
        for record in fresh:
            state = states.get(record.event.id)
            if state is None:
                states[record.event.id] = _State(
                    record, int(not record.final), int(record.final), stored=False, changed=True
                )
                self.counts["events"] += 1
                self._add(record)
                renders += [record] if record.event.outcome is Outcome.RENDER else []
            else:
                self._again(state, record, renders)
        self._write(states)
        self._duplicates(renders)
        self._add_up()
        self._last_paid()
        count(self.connection, self.counts)

    def _known(self, ids: Iterable[str]) -> dict[str, _State]:
        found = {}
        for chunk in _chunks(sorted(ids)):
            query = select(events).where(events.c.id.in_(chunk))
            for row in self.connection.execute(query):
                found[row.id] = _State(
                    Record.of(row.line, self.settings.timezone), row.attempts, row.finals, stored=True
                )
        return found

    def _again(self, state: _State, record: Record, renders: list[Record]) -> None:
        """Another record of an id that is known: superseded, or a duplicate, or the one that counts from now on."""
        if record.final:
            if state.finals:
                self.counts["duplicates"] += 1
            else:
                self.counts["superseded"] += state.attempts
                self.counts["duplicates"] -= state.attempts - 1
        else:
            self.counts["superseded" if state.finals else "duplicates"] += 1
        state.attempts += not record.final
        state.finals += record.final
        state.changed = True
        if record.beats(state.best):
            self._add(state.best, -1)
            self._add(record)
            renders += [record] if record.event.outcome is Outcome.RENDER != state.best.event.outcome else []
            state.best = record

    def _add(self, record: Record, sign: int = 1) -> None:
        event = record.event
        self._sum(event.ts_us, record.place, record.sums, sign)
        if sign > 0 and event.credits:
            where = (event.provider, event.account, event.environment)
            self._paid[where] = max(event.ts_us, self._paid.get(where, 0))

    def _sum(self, ts_us: int, place: Place, sums: Sums, sign: int = 1) -> None:
        """Into its quarter of an hour; periods and totals are sums of those."""
        bucket = (ts_us // BUCKET_US * BUCKET_US, place)
        self._buckets[bucket] = self._buckets[bucket].plus(sums, sign)

    def _add_up(self) -> None:
        buckets: dict[tuple[Any, ...], Sums] = {}
        by_period: dict[tuple[Any, ...], Sums] = defaultdict(Sums)
        by_place: dict[Place, Sums] = defaultdict(Sums)
        for (bucket_us, place), sums in self._buckets.items():
            buckets[bucket_us, *place] = sums
            period = (*place[:3], self._start(bucket_us, place))
            by_period[period] = by_period[period].plus(sums)
            by_place[place] = by_place[place].plus(sums)
        add_to(self.connection, rollups, ("bucket_us", *Place._fields), buckets)
        add_to(self.connection, periods, ("provider", "account", "environment", "start_us"), by_period, self._cut)
        self._add_totals(by_place)

    def _start(self, ts_us: int, place: Place) -> int:
        account = self.settings.account(place.provider, place.account)
        for start, end in self._cycles[account.anchor_day, str(account.timezone)]:
            if start <= ts_us < end:
                return start
        (cycle,) = cycles(ts_us, ts_us, account.anchor_day, account.timezone)
        self._cycles[account.anchor_day, str(account.timezone)].insert(0, (cycle.start_us, cycle.end_us))
        return cycle.start_us

    def _cut(self, key: tuple[Any, ...]) -> dict[str, Any]:
        """The other end of a period that is new."""
        account = self.settings.account(key[0], key[1])
        (cycle,) = cycles(key[3], key[3], account.anchor_day, account.timezone)
        return {"end_us": cycle.end_us}

    def _write(self, states: Mapping[str, _State]) -> None:
        rows = [
            {"id": identity, "ts_us": state.best.event.ts_us, "attempts": state.attempts, "finals": state.finals,
             "line": state.best.line, "stored": state.stored}
            for identity, state in states.items() if state.changed
        ]  # fmt: skip
        new = [{name: value for name, value in row.items() if name != "stored"} for row in rows if not row["stored"]]
        old = [
            {"known": row["id"], **{name: row[name] for name in ("ts_us", "attempts", "finals", "line")}}
            for row in rows if row["stored"]
        ]  # fmt: skip
        if new:
            self.connection.execute(insert(events), new)
        if old:
            self.connection.execute(update(events).where(events.c.id == bindparam("known")), old)

    def _duplicates(self, renders: list[Record]) -> None:
        """Paid renders whose key had a picture that was good still: as they come, which the audit does in order."""
        renders.sort(key=lambda record: (record.event.ts_us, record.event.id))
        keys = {(e.provider, e.account, e.environment, e.key) for e in (record.event for record in renders)}
        columns = (pictures.c.provider, pictures.c.account, pictures.c.environment, pictures.c.key)
        known: dict[tuple[Any, ...], tuple[int, str | None]] = {}
        for chunk in _chunks(sorted(keys)):
            for row in self.connection.execute(select(pictures).where(tuple_(*columns).in_(chunk))):
                known[row.provider, row.account, row.environment, row.key] = (row.done_us, row.digest)
        before = set(known)
        for record in renders:
            event = record.event
            key = (event.provider, event.account, event.environment, event.key)
            done = event.ts_us + (event.duration_us or 0)
            if key in known:
                until, digest = known[key]
                concurrent = event.ts_us < until
                changed = not concurrent and None not in (digest, event.digest) and digest != event.digest
                if event.ts_us < until + self.settings.ttl_us and not changed:
                    self._sum(event.ts_us, record.place, Sums(duplicates=1))
                    continue
            known[key] = (done, event.digest)
        rows = {key: {"done_us": known[key][0], "digest": known[key][1]} for key in keys if key in known}
        _replace(self.connection, pictures, ("provider", "account", "environment", "key"), rows, before)

    def _add_totals(self, changes: Mapping[Place, Sums]) -> None:
        """Counters do not fall: what would lower one is booked as a correction instead."""
        raised: dict[Place, Sums] = {}
        fallen: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        for place, sums in changes.items():
            up: dict[str, Any] = {}
            for name, value in sums._asdict().items():
                if value < 0 and name != "uncertain":
                    fallen[place.provider, place.account, name] += Decimal(-value)
                else:
                    up[name] = value
            raised[place] = Sums(**up)
        add_to(self.connection, totals, Place._fields, raised)
        if fallen:
            found = {
                (row.provider, row.account, row.sum): row.amount for row in self.connection.execute(select(corrections))
            }
            rows = {key: {"amount": found.get(key, Decimal(0)) + amount} for key, amount in fallen.items()}
            _replace(self.connection, corrections, ("provider", "account", "sum"), rows, set(found))

    def _last_paid(self) -> None:
        found = {
            (row.provider, row.account, row.environment): row.ts_us for row in self.connection.execute(select(paid))
        }
        later = {key: {"ts_us": ts} for key, ts in self._paid.items() if ts > found.get(key, 0)}
        _replace(self.connection, paid, ("provider", "account", "environment"), later, set(found))


def _chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def add_to(
    connection: Connection, table: Table, names: Sequence[str], sums: Mapping[Any, Sums],
    more: Callable[[tuple[Any, ...]], dict[str, Any]] = lambda _: {},
) -> None:  # fmt: skip
    """Add to rows by key; exact sums are added here, since a database would round them."""
    changed = {tuple(key): value for key, value in sums.items() if not value.nothing}
    if not changed:
        return
    columns = [table.c[name] for name in names]
    found: dict[tuple[Any, ...], Sums] = {}
    for chunk in _chunks(sorted(changed)):
        for row in connection.execute(select(table).where(tuple_(*columns).in_(chunk))):
            found[tuple(getattr(row, name) for name in names)] = Sums(*(getattr(row, name) for name in Sums._fields))
    rows = {key: found.get(key, Sums()).plus(value)._asdict() for key, value in changed.items()}
    _replace(connection, table, names, {k: v if k in found else v | more(k) for k, v in rows.items()}, set(found))


def _replace(
    connection: Connection, table: Table, names: Sequence[str], rows: Mapping[tuple[Any, ...], Mapping[str, Any]],
    known: set[tuple[Any, ...]],
) -> None:  # fmt: skip
    """Insert rows that are new, update those that are known."""
    new = [dict(zip(names, key, strict=True)) | dict(row) for key, row in rows.items() if key not in known]
    old = [
        {f"at_{n}": v for n, v in zip(names, key, strict=True)} | dict(row) for key, row in rows.items() if key in known
    ]
    if new:
        connection.execute(insert(table), new)
    if old:
        connection.execute(update(table).where(*(table.c[name] == bindparam(f"at_{name}") for name in names)), old)


def count(connection: Connection, counts: Mapping[str, int]) -> None:
    """Add to the counts of the conservation line."""
    found = {row.name: row.total for row in connection.execute(select(inputs.c.name, inputs.c["count"].label("total")))}
    rows = {(name,): {"count": found.get(name, 0) + value} for name, value in counts.items() if value}
    _replace(connection, inputs, ("name",), rows, {(name,) for name in found})
