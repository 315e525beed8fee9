"""Large pieces are read by the compiled reader: to the same records, and with the same lines left to the exact one."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from auditor.config import settings_of
from auditor.ledger import piece
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.piece import numbered
from auditor.ledger.record import Record, plain_records
from auditor.model.events import BadRecordError
from tests.ledger.conftest import counts, sums
from tests.ledger.test_ingest import a_log
from tests.random_logs import generate

UTC = ZoneInfo("UTC")


def exact(line: bytes) -> Record | None:
    """What the exact reader makes of a line."""
    try:
        return Record.of(line, UTC)
    except BadRecordError:
        return None


@pytest.mark.parametrize("seed", range(8))
def test_both_readers_make_the_same_records(seed: int) -> None:
    """Field by field; each line is read by exactly one of them, under its own number."""
    files, _ = generate(seed, 300)
    blocks = [
        data[: data.rfind(b"\n") + 1] for data in files.values() if not data.startswith((b"\x1f\x8b", b"\x28\xb5"))
    ]
    plain = 0
    for block in [*blocks, b"".join(a_log(seed))]:
        if not block:
            continue
        records, rest = plain_records(block, 7)
        lines = dict(numbered(block, 7))
        assert sorted([*(n for n, _ in records), *(n for n, _ in rest)]) == sorted(lines)
        for number, record in records:
            assert record == exact(lines[number])
            assert str(record.credits) == str(exact(lines[number]).credits)  # type: ignore[union-attr]
        assert all(lines[number] == line for number, line in rest)
        plain += len(records)
    assert plain > 50


@pytest.mark.parametrize("seed", range(3))
def test_both_ways_book_the_same(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums, cycles and counts of a log in one piece."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(b"".join(a_log(seed)))
    found = []
    for least in (1, 1 << 30):
        monkeypatch.setattr(piece, "BULK_FROM", least)
        with Ledger(tmp_path / f"{least}.db") as ledger:
            Ingest(ledger, settings_of({}, "test")).run([log])
            found.append(
                (counts(ledger), [sums(ledger, table, "account") for table in ("rollups", "periods", "totals")])
            )
    assert found[0] == found[1]
