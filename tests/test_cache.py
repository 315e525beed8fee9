"""The Parquet file beside a big input: quick, harmless, and never believed for other bytes."""

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from auditor.config import settings_of
from auditor.intake import CACHE_SUFFIX
from auditor.pipeline import Options, audit
from auditor.reports.json_v1 import document
from auditor.sources import discover
from tests.conftest import event, lines

LOG = lines([event("a"), event("b", "2026-09-01T09:00:00Z"), event("c", api_key="0123456789abcdefX")]) + b"damage\n"


def run(log: Path, **config: Any) -> dict[str, Any]:
    """JSON v1 of a log, with the cache."""
    result = audit(discover([str(log)], log.parent), settings_of(config, "test"), Options(), lambda *_: None)
    return {**json.loads(json.dumps(document(result))), "generated_at": None}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log that counts as big."""
    monkeypatch.setattr("auditor.intake.CACHE_FROM", 0)
    path = tmp_path / "usage.jsonl"
    path.write_bytes(LOG)
    return path


def test_a_second_audit_reads_the_cache_and_says_the_same(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejections and secrets come back too; the log itself is not parsed again."""
    first = run(log)
    monkeypatch.setattr("auditor.formats.jsonl.parse_event", None)
    assert run(log) == first
    assert first["inputs"]["rejected"] == 1
    assert any(finding["rule"] == "secret-in-log" for finding in first["findings"])


def test_other_bytes_are_read_anew(log: Path) -> None:
    """Even of the same size, with the same modification time; so is another time zone."""
    run(log)
    before = log.stat()
    log.write_bytes(LOG.replace(b'"render"', b'"hit"   ', 1))
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert log.stat().st_size == before.st_size
    assert run(log)["totals"]["hits"] == 1
    assert run(log, timezone="Asia/Tokyo")["options"]["timezone"] == "Asia/Tokyo"


def test_a_damaged_cache_is_not_believed(log: Path) -> None:
    """Cut short, or something else entirely: the log is read."""
    first = run(log)
    cache = log.with_name(log.name + CACHE_SUFFIX)
    whole = cache.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"PAR1"):
        cache.write_bytes(damaged)
        assert run(log) == first


def test_a_folder_without_room_for_a_cache_is_audited(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that cannot be written is no error."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("auditor.intake.tempfile.mkstemp", full)
    assert run(log)["inputs"]["events"] == 3
    assert not log.with_name(log.name + CACHE_SUFFIX).exists()


def test_two_processes_may_write_it_at_once(log: Path) -> None:
    """Each renames a whole file into place; no temporary one is left."""
    with multiprocessing.get_context("fork").Pool(4) as pool:
        found = pool.map(run, [log] * 8)
    assert all(each == found[0] for each in found)
    assert sorted(path.name for path in log.parent.iterdir()) == ["usage.jsonl", "usage.jsonl" + CACHE_SUFFIX]
