"""Numbered migrations, each with its reason. A ledger remembers the last one; a newer ledger is refused."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, MetaData, Select, Table, delete, insert, inspect, select, text, update

from auditor.ledger import schema
from auditor.ledger.record import Place, Sums
from auditor.ledger.rows import put
from auditor.ledger.schema import facts, paid, periods, rollups, totals
from auditor.ledger.scrape import Names, fill_days
from auditor.ledger.state import state_of
from auditor.ledger.upkeep import recut
from auditor.model.errors import ConfigError, InputError

VERSION = "version"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step; *apply* runs in the transaction that also writes its number."""

    number: int
    reason: str
    apply: Callable[[Connection], None]


def _second(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE accounts ADD COLUMN plans TEXT"))
    # These may be the defaults of whichever process came last; other values were in somebody's file.
    default = schema.accounts.c.anchor_day == 1, schema.accounts.c.timezone == "UTC"
    connection.execute(delete(schema.accounts).where(*default))
    for table in (rollups, totals, periods, paid):
        connection.execute(text(f"ALTER TABLE {table.name} RENAME TO old_{table.name}"))
        table.create(connection)
    for table in (schema.set_aside, schema.conflicts, schema.sources, schema.names, schema.folded):
        table.create(connection)
    columns = [column.name for column in rollups.columns]
    chosen = [f"CAST({name} AS TEXT)" if name in Sums._fields else name for name in columns]
    connection.execute(text(f"INSERT INTO rollups ({', '.join(columns)}) SELECT {', '.join(chosen)} FROM old_rollups"))
    shown, state = Names(connection), state_of(connection)
    shown.keep("account", state.accounts)
    shown.keep("provider", [("", provider) for provider, _ in state.accounts])
    sums: dict[Place, Sums] = defaultdict(Sums)
    for row in connection.execute(_old(totals, "created_us")):
        place = Place(*shown.shown(*row[:3]), *row[3:5])
        sums[place] = sums[place].plus(Sums(*row[5:]))
    put(connection, totals, [(*place, 0, *value) for place, value in sums.items()])
    newest: dict[tuple[str, str, str], int] = {}
    for row in connection.execute(_old(paid)):
        where = shown.shown(*row[:3])
        newest[where] = max(row.ts_us, newest.get(where, 0))
    put(connection, paid, [(*where, ts_us) for where, ts_us in newest.items()])
    recut(connection, state, shown)
    shown.save()
    for table in (rollups, totals, periods, paid):
        connection.execute(text(f"DROP TABLE old_{table.name}"))


def _third(connection: Connection) -> None:
    schema.days.create(connection)
    fill_days(connection)


def _old(table: Table, *new: str) -> Select[Any]:
    """Of a table that was renamed, by its key, all columns that it had."""
    old = table.to_metadata(MetaData(), name=f"old_{table.name}")
    return select(*(column for column in old.columns if column.name not in new)).order_by(*old.primary_key)


MIGRATIONS: Sequence[Migration] = (
    Migration(1, "events, checkpoints, rollups, totals, cycles", lambda _: None),
    Migration(2, "sums of any size, accounts with their plans, cycles that cannot overlap, few names", _second),
    Migration(3, "days, from which a scrape reads the last weeks", _third),
)


class NoLedgerError(InputError):
    """There is none that can be read yet: `auditor ingest` makes it, or brings it up to date."""


def _version(connection: Connection, where: str) -> int | None:
    """That of a ledger, if it is one. `ConfigError` if it is newer than this program."""
    if not inspect(connection).has_table(facts.name):
        return None
    found = int(connection.execute(select(facts.c.value).where(facts.c.name == VERSION)).scalar_one())
    newest = MIGRATIONS[-1].number
    if found > newest:
        raise ConfigError(f"{where}: is of version {found}, newer than this program ({newest}); upgrade render-auditor")
    return found


def expect_current(connection: Connection, where: str) -> None:
    """Raise `NoLedgerError` for what is no ledger of this program's version: a reader migrates none."""
    found, newest = _version(connection, where), MIGRATIONS[-1].number
    if found is None:
        raise NoLedgerError(f"{where}: is no ledger; fill one with: auditor ingest")
    if found < newest:
        raise NoLedgerError(f"{where}: is of version {found}, older than this program ({newest}); run: auditor ingest")


def migrate(connection: Connection, where: str) -> None:
    """Bring a ledger up to date. `ConfigError` if it is newer than this program."""
    found = _version(connection, where)
    if found is None:
        schema.metadata.create_all(connection)
        found = MIGRATIONS[-1].number
        connection.execute(insert(facts).values(name=VERSION, value=str(found)))
    for migration in MIGRATIONS[found:]:
        migration.apply(connection)
        connection.execute(update(facts).where(facts.c.name == VERSION).values(value=str(migration.number)))
