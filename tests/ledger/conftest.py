"""Ledgers of both kinds, and what is in them."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from auditor.config import settings_of
from auditor.feed.taken import Ingested
from auditor.ledger import schema
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.record import Sums
from auditor.ledger.scrape import credits_of, requests_of
from auditor.ledger.upkeep import configure
from tests.services import PostgresServer


@pytest.fixture(autouse=True)
def _usual_times(random_now: None) -> None:
    """The events of these tests are of the day on which the random logs are read, whatever their clocks say."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real server."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Addresses of new ledgers."""
    made = iter(range(1000))

    def new() -> str:
        if request.param == "sqlite":
            return str(tmp_path / f"ledger{next(made)}.db")
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.database()

    return new


@pytest.fixture
def ledger(where: Callable[[], str]) -> Iterator[Ledger]:
    """A new ledger."""
    with Ledger(where()) as opened:
        yield opened


def feed(ledger: Ledger, *paths: Path, config: dict[str, Any] | None = None) -> Ingested:
    """Ingest files, as a new process would."""
    return Ingest(ledger, settings_of(config or {}, "test")).run(paths)


def configured(ledger: Ledger, config: dict[str, Any]) -> None:
    """Make a configuration the ledger's, whatever it had."""
    with ledger.write() as connection:
        configure(connection, settings_of(config, "test"), "test", replacing=True)


def sums(ledger: Ledger, table: str, *names: str) -> dict[tuple[Any, ...], Sums]:
    """A table's sums by some of its keys; rows of nothing are left out."""
    found: dict[tuple[Any, ...], Sums] = {}
    with ledger.read() as connection:
        for row in connection.execute(select(schema.metadata.tables[table])):
            key = tuple(getattr(row, name) for name in names)
            found[key] = found.get(key, Sums()).plus(Sums(*(getattr(row, name) for name in Sums._fields)))
    return {key: value for key, value in found.items() if any(value)}


def quarters(ledger: Ledger) -> dict[tuple[Any, ...], tuple[int, int, Decimal]]:
    """(requests, duplicates, credits) of a provider, account, outcome and bucket, as `days` has them."""
    found: dict[tuple[Any, ...], tuple[int, int, Decimal]] = {}
    with ledger.read() as connection:
        for provider, account, day_us, outcome, requests, credits in connection.execute(select(schema.days)):
            asked, spent = dict(requests_of(requests)), dict(credits_of(credits))
            assert all(any(both) for both in asked.values()) and all(spent.values()), "nothing is not written"
            for quarter in asked.keys() | spent.keys():
                at = (provider, account, outcome, day_us + quarter * schema.BUCKET_US)
                found[at] = (*asked.get(quarter, (0, 0)), spent.get(quarter, Decimal(0)))
    return found


def quarters_of_rollups(ledger: Ledger) -> dict[tuple[Any, ...], tuple[int, int, Decimal]]:
    """The same from `rollups`."""
    exact = sums(ledger, "rollups", "provider", "account", "outcome", "bucket_us")
    found = {at: (value.requests, value.duplicates, value.credits) for at, value in exact.items()}
    return {at: values for at, values in found.items() if any(values)}


def counts(ledger: Ledger) -> dict[str, int]:
    """The conservation line since ever."""
    with ledger.read() as connection:
        rows = connection.execute(select(schema.inputs)).all()
        events = len(connection.execute(select(schema.events.c.id)).all())
    found = {row[0]: row[1] for row in rows}
    return {"rows": events, **found}


def corrected(ledger: Ledger) -> dict[str, Decimal]:
    """Corrections by sum."""
    found: dict[str, Decimal] = {}
    with ledger.read() as connection:
        for row in connection.execute(select(schema.corrections)):
            found[row.sum] = found.get(row.sum, Decimal(0)) + row.amount
    return found
