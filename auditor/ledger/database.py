"""A ledger's database: SQLite by default, PostgreSQL by URL; one writer at a time, readers never wait.

SQLite's deferred transactions fail when two of them turn into writers; IMMEDIATE ones queue. PostgreSQL's writers queue
at an advisory lock, so that what one of them read is still so when it writes.

Numbered migrations, each with its reason, bring a ledger up to date. It remembers the last one; a newer ledger is
refused.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Select, Table, create_engine, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from auditor.ledger import schema
from auditor.ledger.record import Place, Sums
from auditor.ledger.rows import put
from auditor.ledger.schema import facts, paid, periods, rollups, totals
from auditor.ledger.scrape import Names, fill_days
from auditor.ledger.sqlite import engine_of, look
from auditor.ledger.state import state_of
from auditor.ledger.upkeep import recut
from auditor.model.errors import AuditorError, ConfigError, InputError, MissingExtraError

_LOCK = 7_246_391_105_318_204
"""Of the advisory lock; any number that others do not use."""
VERSION = "version"


class NoLedgerError(InputError):
    """There is none that can be read yet: `auditor ingest` makes it, or brings it up to date."""


class LedgerError(InputError):
    """The database fails, in its own words."""


class Ledger(AbstractContextManager["Ledger"]):
    """An open ledger. *where* may be a path, `sqlite:///PATH` or `postgresql://…`; its password is never shown.

    A *reader* makes no ledger, changes none and migrates none; nor is one made that may not be *new*. `InputError`
    where there is none, `ConfigError` where the name can be no ledger's.
    """

    def __init__(self, where: str | Path, *, reader: bool = False, new: bool = True) -> None:
        url = _url(str(where))
        self._secrets = [value for value in _secrets(url) if value]
        self._failure: tuple[type[AuditorError], str] = (ConfigError, "cannot be opened as a ledger")
        self.name = url.set(query={}).render_as_string(hide_password=True)
        makes, in_file = new and not reader, url.get_backend_name() == "sqlite"
        if in_file and look(Path(url.database or ""), self.name, links=makes) is None and not makes:
            raise NoLedgerError(f"{self.name}: there is no such ledger; fill one with: auditor ingest")
        self.engine = engine_of(url, self.name, reader=reader) if in_file else _postgresql(url, self.name)
        with self.read() if reader else self.write() as connection:
            migrate(connection, self.name, reader=reader)
        self._failure = LedgerError, "the database fails"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction beside which no other writes. `LedgerError` if the database fails."""
        with self._begun("BEGIN IMMEDIATE", f"SELECT pg_advisory_xact_lock({_LOCK})") as connection:
            yield connection
            connection.commit()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view. `LedgerError` if the database fails."""
        with self._begun("BEGIN", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ") as connection:
            yield connection
            if (alone := connection.info.get("alone")) and alone.written():
                raise LedgerError(f"{self.name}: it was written while it was read; read it again")

    @contextmanager
    def _begun(self, sqlite: str, postgresql: str) -> Iterator[Connection]:
        """A connection whose transaction began with a statement of its database; it is rolled back at the end."""
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql(sqlite if connection.dialect.name == "sqlite" else postgresql)
                yield connection
        except DBAPIError as error:
            kind, what = self._failure
            raise kind(f"{self.name}: {what} ({self._words(error)})") from None

    def _words(self, error: DBAPIError) -> str:
        """What the database says; a driver may repeat what it was given to connect with."""
        words = (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
        for secret in self._secrets:
            words = words.replace(secret, "***")
        return words

    def export(self, path: Path) -> int:
        """Write the events as a log, for audits: each once, as the line that counts, by time; how many there were."""
        count = 0
        query = select(schema.events.c.line).order_by(schema.events.c.ts_us, schema.events.c.id)
        with self.read() as connection, path.open("wb") as file:
            for line in connection.execution_options(yield_per=10_000).execute(query).scalars():
                file.write(line + b"\n")
                count += 1
        return count

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    def __exit__(self, *_: object) -> None:
        self.close()


def _url(where: str) -> URL:
    url = URL.create("sqlite", database=where)
    if "://" in where:
        try:
            if where.count("@") > 1 and not where.startswith("sqlite"):
                raise ValueError  # what follows the first one would be taken for the host, and shown
            url = make_url(where)
        except (ArgumentError, ValueError):
            raise ConfigError(
                "--ledger is not a URL; write a path, sqlite:///PATH or postgresql://user@host/name, and in a password "
                "%40 for @, %3A for : and %2F for /"
            ) from None
    backend, name = url.get_backend_name(), url.database or ""
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ConfigError(f"--ledger: {backend} is not supported; ledgers are SQLite or PostgreSQL")
    # SQLite takes some names for a database that is gone at the end: whatever is booked there is lost.
    if not name.strip() or name == ":memory:" or name.startswith("file:"):
        raise ConfigError("--ledger names no file; write a path, as in --ledger auditor.db")
    if name.endswith("/"):
        raise ConfigError(f"--ledger {name}: a folder is not a ledger; name a file, as in --ledger auditor.db")
    return url


def _secrets(url: URL) -> Iterator[str]:
    """Passwords of an address, as they are written and as they are meant."""
    if url.password is not None:
        yield str(url.password)
        yield url.render_as_string(hide_password=False).partition("://")[2].rpartition("@")[0].partition(":")[2]
    for name, values in url.normalized_query.items():
        if "pass" in name.lower():
            yield from values


def _postgresql(url: URL, name: str) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the ledger {name}", "postgres", str(error.name)) from None


def _first(connection: Connection) -> None:
    """Events, checkpoints, rollups, totals, cycles."""


def _second(connection: Connection) -> None:
    """Sums of any size, accounts with their plans, cycles that cannot overlap, few names."""
    connection.execute(text("ALTER TABLE accounts ADD COLUMN plans TEXT"))
    # These may be the defaults of whichever process came last; other values were in a user's file.
    default = schema.accounts.c.anchor_day == 1, schema.accounts.c.timezone == "UTC"
    connection.execute(schema.accounts.delete().where(*default))
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
    """Days, from which a scrape reads the last weeks."""
    schema.days.create(connection)
    fill_days(connection)


def _fourth(connection: Connection) -> None:
    """Objects of stores that need not be looked at again."""
    schema.objects.create(connection)


def _old(table: Table, *new: str) -> Select[Any]:
    """Of a table that was renamed, by its key, all columns that it had."""
    old = table.to_metadata(MetaData(), name=f"old_{table.name}")
    return select(*(column for column in old.columns if column.name not in new)).order_by(*old.primary_key)


MIGRATIONS: Sequence[Callable[[Connection], None]] = (_first, _second, _third, _fourth)
"""One step a version, from 1; each runs in the transaction that also writes its number."""


def migrate(connection: Connection, where: str, *, reader: bool) -> None:
    """Bring a ledger up to date. `ConfigError` if it is newer than this program.

    A *reader* migrates none: `NoLedgerError` for what is not a ledger of this program's version.
    """
    newest, found = len(MIGRATIONS), None
    if inspect(connection).has_table(facts.name):
        found = int(connection.execute(select(facts.c.value).where(facts.c.name == VERSION)).scalar_one())
        if found > newest:
            newer = f"is of version {found}, newer than this program ({newest}); upgrade render-auditor"
            raise ConfigError(f"{where}: {newer}")
    if reader and found != newest:
        older = f"is of version {found}, older than this program ({newest}); run: auditor ingest"
        raise NoLedgerError(f"{where}: {older if found else 'is no ledger; fill one with: auditor ingest'}")
    if found is None:
        schema.metadata.create_all(connection)
        found = newest
        connection.execute(facts.insert().values(name=VERSION, value=str(found)))
    for number, apply in enumerate(MIGRATIONS[found:], found + 1):
        apply(connection)
        connection.execute(facts.update().where(facts.c.name == VERSION).values(value=str(number)))
