"""Days say what the rollups say, whatever came in which order and from whichever version of the ledger."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from sqlalchemy import select

from auditor.ledger import schema
from auditor.ledger.database import VERSION, Ledger
from auditor.ledger.upkeep import prune
from tests.conftest import event, lines
from tests.ledger.conftest import feed, quarters, quarters_of_rollups, sums
from tests.ledger.test_ingest import a_log

LIMIT = 10**15
"""The most images of an event."""


def older(ledger: Ledger) -> None:
    """As version 2 was."""
    with ledger.write() as connection:
        schema.days.drop(connection)
        schema.objects.drop(connection)
        connection.execute(schema.facts.update().where(schema.facts.c.name == VERSION).values(value="2"))


def test_an_older_ledger_gets_its_days(where: Callable[[], str], tmp_path: Path) -> None:
    """From the rollups, also of pruned events; with everything else left alone."""
    log, address = tmp_path / "usage.jsonl", where()
    log.write_bytes(b"".join(a_log(11)))
    with Ledger(address) as ledger:
        feed(ledger, log)
        with ledger.write() as connection:
            times = sorted(connection.execute(select(schema.events.c.ts_us)).scalars())
            assert prune(connection, times[len(times) // 2])
        before = quarters(ledger), sums(ledger, "rollups"), sums(ledger, "totals"), sums(ledger, "periods")
        older(ledger)
    for _ in range(2):
        with Ledger(address) as ledger:
            assert (
                quarters(ledger),
                sums(ledger, "rollups"),
                sums(ledger, "totals"),
                sums(ledger, "periods"),
            ) == before
            assert before[0] == quarters_of_rollups(ledger) != {}


def test_an_answer_that_comes_late_moves_what_it_moves(ledger: Ledger, tmp_path: Path) -> None:
    """An error that was a render after all, in another quarter and on another day; nothing of it is left behind."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines([
        event("a", "2026-09-01T23:59:00Z", outcome="error", credits=0, status=500),
        event("b", "2026-09-01T00:00:00Z", outcome="attempt"),
        event("c", "1969-12-31T23:59:59Z"),
        event("a", "2026-09-02T00:01:00Z", credits=2.5),
        event("b", "2026-09-01T00:16:00Z", outcome="hit", credits=0),
    ]))  # fmt: skip
    feed(ledger, log)
    found = quarters(ledger)
    assert found == quarters_of_rollups(ledger)
    assert sum(spent for _, _, spent in found.values()) >= Decimal("2.5")
    assert not [at for at in found if at[2] in ("error", "attempt")]


def test_neither_names_nor_sums_break_a_day(ledger: Ledger, tmp_path: Path) -> None:
    """Accounts with spaces, colons, NUL and of any length; the largest counts; credits of many digits."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines(
        event(f"{account}-{number}"[-90:], account=account, key=f"k1:{number}", **fields)
        for account in ("a b", "a:1 2:3", "nul\0", "long" * 40)
        for number, fields in enumerate(({"outcome": "hit", "count": LIMIT}, {"credits": 123456.000001}) * 3)
    ))  # fmt: skip
    feed(ledger, log)
    found = quarters(ledger)
    assert found == quarters_of_rollups(ledger)
    assert len(found) == 8 and {values[0] for values in found.values()} == {3, 3 * LIMIT}
    assert {values[2] for values in found.values()} == {0, Decimal("370368.000003")}


def test_formats_and_environments_make_no_more_days(ledger: Ledger, tmp_path: Path) -> None:
    """A scrape reads a row for an account's day and outcome, however many rollups that are."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines(
        event(f"{hour}-{kind}-{environment}", f"2026-09-0{1 + hour // 24}T{hour % 24:02}:00:00Z", format=kind,
              environment=environment, key=f"k1:{hour}{kind}{environment}")
        for hour in range(48) for kind in ("png", "jpeg", "webp") for environment in ("production", "staging")
    ))  # fmt: skip
    feed(ledger, log)
    with ledger.read() as connection:
        assert len(connection.execute(select(schema.rollups)).all()) == 288
        assert len(connection.execute(select(schema.days)).all()) == 2
