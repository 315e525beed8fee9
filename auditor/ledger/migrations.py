"""Numbered migrations, each with its reason. A ledger remembers the last one; a newer ledger is refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, inspect, select, update

from auditor.errors import ConfigError, InputError
from auditor.ledger.schema import facts, metadata

VERSION = "version"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step; *apply* runs in the transaction that also writes its number."""

    number: int
    reason: str
    apply: Callable[[Connection], None]


def _first(connection: Connection) -> None:
    metadata.create_all(connection, tables=[table for table in metadata.sorted_tables if table is not facts])


MIGRATIONS: Sequence[Migration] = (Migration(1, "events, checkpoints, rollups, totals, cycles", _first),)


def expect_current(connection: Connection, where: str) -> None:
    """Raise `InputError` for what is no ledger of this program's version: whoever only reads migrates none."""
    if not inspect(connection).has_table(facts.name):
        raise InputError(f"{where}: is no ledger; fill one with: auditor ingest")
    found = int(connection.execute(select(facts.c.value).where(facts.c.name == VERSION)).scalar_one())
    newest = MIGRATIONS[-1].number
    if found > newest:
        raise ConfigError(f"{where}: is of version {found}, newer than this program ({newest}); upgrade render-auditor")
    if found < newest:
        raise InputError(f"{where}: is of version {found}, older than this program ({newest}); run: auditor ingest")


def migrate(connection: Connection, where: str) -> None:
    """Bring a ledger up to date. `ConfigError` if it is newer than this program."""
    if not inspect(connection).has_table(facts.name):
        facts.create(connection)
        connection.execute(insert(facts).values(name=VERSION, value="0"))
    found = int(connection.execute(select(facts.c.value).where(facts.c.name == VERSION)).scalar_one())
    newest = MIGRATIONS[-1].number
    if found > newest:
        raise ConfigError(f"{where}: is of version {found}, newer than this program ({newest}); upgrade render-auditor")
    for migration in MIGRATIONS[found:]:
        migration.apply(connection)
        connection.execute(update(facts).where(facts.c.name == VERSION).values(value=str(migration.number)))
