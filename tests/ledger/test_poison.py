"""Nothing that a line or a file can hold stops the ledger: it is booked exactly, or set aside, counted and shown."""

import json
import os
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot
from sqlalchemy import select
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from auditor.config import settings_of
from auditor.feed.follow import Follow
from auditor.ledger import booking, schema
from auditor.ledger.database import Ledger, LedgerError
from auditor.ledger.ingest import Ingest
from auditor.ledger.piece import of_the_data
from auditor.ledger.record import Record
from auditor.ledger.sources import files_set_aside
from tests.conftest import command, event, lines
from tests.ledger.conftest import counts, feed, sums

MOST = "999999999999.999999999999999999"
HUGE: dict[str, tuple[int, dict[str, Any]]] = {
    "bytes of twelve hits": (12, {"outcome": "hit", "count": 10**15, "bytes": 999}),
    "bytes of ten large ones": (10, {"outcome": "hit", "count": 10**6, "bytes": 10**12}),
    "requests": (9_300, {"outcome": "hit", "count": 10**15}),
    "credits": (40, {"credits": MOST}),
}


@pytest.mark.parametrize("kind", HUGE)
def test_sums_have_no_end(kind: str, where: Callable[[], str], tmp_path: Path) -> None:
    """Valid lines whose sum is beyond 64 bits: exact on both databases, the audit's figures, and good files go on."""
    count, fields = HUGE[kind]
    folder = tmp_path / "usage"
    folder.mkdir()
    huge = lines(event(f"e{n}", **fields) for n in range(count)).replace(f'"{MOST}"'.encode(), MOST.encode())
    (folder / "a.jsonl").write_bytes(huge)
    (folder / "b.jsonl").write_bytes(lines(event(f"good{n}") for n in range(5)))
    address = where()
    with Ledger(address) as ledger:
        feed(ledger, folder / "a.jsonl", folder / "b.jsonl")
        found = [sums(ledger, table)[()] for table in ("rollups", "periods", "totals")]
        body = Snapshot([LedgerCollector(ledger, settings_of({}, "test"))]).exposition()[0]
    assert found[0] == found[1] == found[2]
    assert b'imgrender_scrape_collector_success{collector="ledger"} 1' in body
    total = json.loads(command("audit", str(folder), "--format", "json").stdout)["totals"]
    each = fields.get("count", 1)
    assert found[0].requests == total["requests"] == count * each + 5
    assert found[0].bytes == total["bytes"] == count * each * fields.get("bytes", 0)
    assert found[0].credits == 5 + (count * Fraction(MOST) if "credits" in fields else 0)
    done = command("ingest", str(folder), "--ledger", address)
    assert done.returncode == 0, done.stderr


NAMES = {
    "long": lambda: os.urandom(400_000).hex(), "wide": lambda: "\U0001f4b8" * 5_000, "nul": lambda: "\0" * 900,
    "odd": lambda: "\uffff" * 900, "other": lambda: "other", "empty like": lambda: "\u200b",
}  # fmt: skip


@pytest.mark.parametrize("kind", NAMES)
def test_no_name_is_too_long_for_an_index(kind: str, ledger: Ledger, tmp_path: Path) -> None:
    """Of an account, an environment, a key, a provider, told apart and added up."""
    log = tmp_path / "usage.jsonl"
    made = [event(f"{field}{n}", **{field: NAMES[kind]() + str(n)})
            for field in ("provider", "account", "environment", "key", "template") for n in range(2)]  # fmt: skip
    log.write_bytes(lines([*made, *made]))
    assert feed(ledger, log).counts == {"lines": 20, "events": 10, "duplicates": 10}
    assert len(sums(ledger, "rollups", "provider", "account", "environment")) == 7
    assert sums(ledger, "totals")[()].credits == 10


class Poisoned:
    """Booking that fails at some ids, as by a fault that nobody knows of yet."""

    def __init__(self, ids: set[str], error: Exception) -> None:
        self.ids, self.error, self.book = ids, error, booking.Booking.book

    def __call__(self, one: booking.Booking, records: list[Record]) -> None:
        """Half of the work is done by then, which must not stay."""
        self.book(one, records)
        if self.ids & {record.id for record in records}:
            raise self.error


ERRORS = [
    OverflowError("too large"), ValueError("?"), RecursionError(), UnicodeEncodeError("utf-8", "x", 0, 1, "?"),
    DataError("x", None, Exception("x")), IntegrityError("x", None, Exception("x")),
]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("bad", [{"e0"}, {"e99"}, {"e3", "e4", "e50"}, {f"e{n}" for n in range(100)}])
def test_a_line_that_cannot_be_booked_is_set_aside(
    bad: set[str], error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It alone, once, with its line; all others are booked exactly, and the file is done."""
    monkeypatch.setattr(booking.Booking, "book", partialmethod(Poisoned(bad, error)))
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines(event(f"e{n}") for n in range(100)))
    with Ledger(tmp_path / "l.db") as ledger:
        done = feed(ledger, log)
        assert done.counts["set_aside"] == len(bad) and done.counts["events"] == 100 - len(bad)
        assert sums(ledger, "rollups").get((), booking.Sums()).requests == 100 - len(bad)
        with ledger.read() as connection:
            kept = connection.execute(select(schema.rejections)).all()
        assert {f"e{row.line - 1}" for row in kept} == bad and {row.reason for row in kept} == {"set_aside"}
        assert len(list(done.complaints())) > 0
        monkeypatch.undo()
        assert feed(ledger, log).counts["lines"] == 0
        known = counts(ledger)
        assert known["lines"] == known["rows"] + known["set_aside"]
        body = Snapshot([LedgerCollector(ledger, settings_of({}, "test"))]).exposition()[0].decode()
    assert f'imgrender_ledger_lines_total{{fate="set_aside"}} {float(len(bad))}' in body


@pytest.mark.parametrize("words", ["database is locked", "database or disk is full", "the server is starting up"])
def test_a_database_that_is_away_is_no_fault_of_the_line(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is set aside, and everything is booked at the next try."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines(event(f"e{n}") for n in range(10)))
    failing = Poisoned({"e3"}, OperationalError("x", None, Exception(words)))
    with Ledger(tmp_path / "l.db") as ledger:
        ingest = Ingest(ledger, settings_of({}, "test"))
        monkeypatch.setattr(booking.Booking, "book", partialmethod(failing))
        with pytest.raises(LedgerError, match=words):
            ingest.run([log])
        monkeypatch.undo()
        assert ingest.run([log]).counts == {"lines": 10, "events": 10}
        assert files(ledger) == 0


def test_errors_of_postgresql_are_told_by_their_code() -> None:
    """A limit on a row is of the data; a full disk, a shutdown and a lost connection are not."""

    def error(code: str) -> Exception:
        original = Exception("x")
        original.sqlstate = code  # type: ignore[attr-defined]
        return OperationalError("x", None, original)

    assert [code for code in ("54000", "54001", "53100", "57P01", "57P03", "08006", "40001") if of_the_data(error(code))] == [
        "54000", "54001",
    ]  # fmt: skip


def files(ledger: Ledger, now_us: int = 0) -> int:
    """How many are set aside."""
    with ledger.read() as connection:
        return files_set_aside(connection, now_us)


def broken(path: Path, kind: str) -> Callable[[], object]:
    """Make a file that cannot be read; what mends it."""
    good = lines([event("a")])
    if kind == "cut gzip":
        import gzip

        path.write_bytes(gzip.compress(good * 50)[:-9])
        return lambda: path.write_bytes(gzip.compress(good))
    if kind == "pipe":
        os.mkfifo(path)
        return lambda: (path.unlink(), path.write_bytes(good))
    if kind == "folder":
        path.mkdir()
        return lambda: (path.rmdir(), path.write_bytes(good))
    path.write_bytes(good)
    return lambda: path.write_bytes(good + lines([event("a two")]))


@pytest.mark.parametrize("kind", ["cut gzip", "folder", "pipe", "unforeseen", "gone"])
def test_a_file_that_cannot_be_read_is_set_aside_and_keeps_no_other_away(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told once, counted in a metric as long as it lasts, and read when it can be read again."""
    bad = tmp_path / "a.jsonl.gz" if kind == "cut gzip" else tmp_path / "a.jsonl"
    mend = broken(bad, kind)
    good = tmp_path / "b.jsonl"
    good.write_bytes(lines([event("b")]))
    read_on = Ingest.read_on

    def unforeseen(self: Ingest, path: Path, *more: Any, **how: Any) -> Any:
        if kind in ("unforeseen", "gone") and path == bad and path.stat().st_size == len(lines([event("a")])):
            raise ValueError("nobody foresaw it")
        return read_on(self, path, *more, **how)

    monkeypatch.setattr(Ingest, "read_on", unforeseen)
    now = [1e9]
    with Ledger(tmp_path / "l.db") as ledger:
        following = Follow(Ingest(ledger, settings_of({}, "test"), lambda: now[0]), lambda: [bad, good])
        said = Counter[str]()
        for _ in range(3):
            now[0] += 60
            said.update(following.look().complaints())
        assert files(ledger, int(now[0] * 1e6) - 1) == 1
        assert sum("a.jsonl" in text for text in said.elements()) == 1
        assert "b" in ids(ledger)
        if kind == "gone":
            bad.unlink()
        else:
            mend()
        now[0] += 60
        following.look()
        now[0] += 60
        following.look()
        assert files(ledger) == 0
        assert kind == "gone" or "a" in ids(ledger)


def ids(ledger: Ledger) -> list[str]:
    """Of all events."""
    with ledger.read() as connection:
        return list(connection.execute(select(schema.events.c.id)).scalars())


def test_a_file_whose_name_is_no_text(ledger: Ledger, tmp_path: Path) -> None:
    """As a shipper in another locale writes it."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jsonl"))
    path.write_bytes(lines([event("a")]) + b"nonsense\n")
    assert feed(ledger, path).counts == {"lines": 2, "events": 1, "rejected": 1}
    assert feed(ledger, path).counts["lines"] == 0
