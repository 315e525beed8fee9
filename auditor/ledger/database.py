"""A ledger's database: SQLite by default, PostgreSQL by URL; one writer at a time, readers never wait.

SQLite's deferred transactions fail when two of them turn into writers; IMMEDIATE ones queue. PostgreSQL's writers queue
at an advisory lock, so that what one of them read is still so when it writes.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from auditor.ledger.migrations import NoLedgerError, expect_current, migrate
from auditor.ledger.sqlite import engine_of, look
from auditor.model.errors import AuditorError, ConfigError, InputError, MissingExtraError

_LOCK = 7_246_391_105_318_204
"""Of the advisory lock; any number that others do not use."""


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
        if reader:
            with self.read() as connection:
                expect_current(connection, self.name)
        else:
            with self.write() as connection:
                migrate(connection, self.name)
        self._failure = LedgerError, "the database fails"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that nobody else writes beside. `LedgerError` if the database fails."""
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

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    def __exit__(self, *_: object) -> None:
        self.close()


def _url(where: str) -> URL:
    if "://" not in where:
        return _named(URL.create("sqlite", database=where))
    try:
        if where.count("@") > 1 and not where.startswith("sqlite"):
            raise ValueError  # what follows the first one would be taken for the host, and shown
        url = make_url(where)
    except (ArgumentError, ValueError):
        raise ConfigError(
            "--ledger is no URL; write a path, sqlite:///PATH or postgresql://user@host/name, and in a password %40 "
            "for @, %3A for : and %2F for /"
        ) from None
    backend = url.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise ConfigError(f"--ledger: {backend} is not supported; ledgers are SQLite or PostgreSQL")
    return url.set(drivername="postgresql+psycopg") if backend == "postgresql" else _named(url)


def _named(url: URL) -> URL:
    """SQLite takes some names for a database that is gone at the end: whatever is booked there is lost."""
    name = url.database or ""
    if not name.strip() or name == ":memory:" or name.startswith("file:"):
        raise ConfigError("--ledger names no file; write a path, as in --ledger auditor.db")
    if name.endswith("/"):
        raise ConfigError(f"--ledger {name}: a folder is no ledger; name a file, as in --ledger auditor.db")
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
