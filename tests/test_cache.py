"""What was read of a big input is kept for the user alone: quick, harmless, and never believed for other bytes."""

import json
import multiprocessing
import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.config import settings_of
from auditor.intake import cache as intake_cache
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit
from auditor.results.audit import document
from tests.conftest import event, lines
from tests.formats.samples import FOLDER, SAMPLES

with (FOLDER / "auditor.toml").open("rb") as _file:
    SAMPLE_SETTINGS = tomllib.load(_file)
LOG = lines([event("a"), event("b", "2026-09-01T09:00:00Z"), event("c", api_key="0123456789abcdefX")]) + b"damage\n"


def run(
    log: Path, note: Callable[[str], object] = lambda _: None, *, cache: bool = True, **config: Any
) -> dict[str, Any]:
    """JSON report of a log, with the cache or without."""
    options = Options(note=note, cache=cache)
    result = audit(discover([str(log)], log.parent), settings_of(config, "test"), options, lambda *_: None)
    return {**json.loads(json.dumps(document(result))), "generated_at": None}


def test_a_name_that_is_no_text_is_read_all_the_same(log: Path) -> None:
    """As a file of a big archive from another system may have."""
    odd = Path(os.fsdecode(os.fsencode(log.parent) + b"/us\xffage.jsonl"))
    odd.write_bytes(LOG)
    expected, found = run(log), run(odd)
    assert found["totals"] == expected["totals"] and found["inputs"]["rejected"] == 1


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log that counts as big."""
    monkeypatch.setattr("auditor.intake.cache.FROM", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    path = tmp_path / "logs" / "usage.jsonl"
    path.parent.mkdir()
    path.write_bytes(LOG)
    return path


def kept() -> Path:
    """The only file that is kept."""
    (path,) = intake_cache.folder().glob("*.parquet")
    return path


def is_used(log: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether an audit reads the cache: nothing can be parsed meanwhile."""
    with monkeypatch.context() as patched:
        patched.setattr("auditor.formats.jsonl.parse_event", None)
        try:
            run(log)
        except TypeError:
            return False
    return True


def test_a_second_audit_reads_the_cache_and_says_the_same(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejections and secrets come back too; the log itself is not parsed again, and its folder is as it was."""
    said: list[str] = []
    first = run(log, said.append)
    assert str(intake_cache.folder()) in said[0] and "--no-cache" in said[0] and len(said) == 1
    monkeypatch.setattr("auditor.formats.jsonl.parse_event", None)
    assert run(log, said.append) == first
    assert len(said) == 1
    assert first["inputs"]["rejected"] == 1
    assert any(finding["rule"] == "secret-in-log" for finding in first["findings"])
    assert [path.name for path in log.parent.iterdir()] == ["usage.jsonl"]


@pytest.mark.slow
def test_other_bytes_are_read_again(log: Path) -> None:
    """Even of the same size, with the same modification time; so is another time zone."""
    run(log)
    before = log.stat()
    log.write_bytes(LOG.replace(b'"render"', b'"hit"   ', 1))
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert log.stat().st_size == before.st_size
    assert run(log)["totals"]["hits"] == 1
    assert run(log, timezone="Asia/Tokyo")["options"]["timezone"] == "Asia/Tokyo"
    assert len(list(intake_cache.folder().glob("*.parquet"))) == 1


@pytest.mark.slow
def test_a_damaged_cache_is_not_believed(log: Path) -> None:
    """Cut short, or something else entirely: the log is read."""
    first = run(log)
    whole = kept().read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"PAR1"):
        kept().write_bytes(damaged)
        assert run(log) == first


def _fewer_rows(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 1).replace_schema_metadata(table.schema.metadata), path)


def _another_schema(path: Path) -> None:
    metadata = pq.read_schema(path).metadata
    pq.write_table(pa.table({"line": [1]}).replace_schema_metadata(metadata), path)


def _another_key(path: Path) -> None:
    path.with_name("key").write_bytes(b"k" * 32)


FORGED: dict[str, Callable[[Path], object]] = {
    "fewer rows": _fewer_rows,
    "another schema": _another_schema,
    "another user's key": _another_key,
    "a short key": lambda path: path.with_name("key").write_bytes(b""),
    "a readable key": lambda path: path.with_name("key").chmod(0o644),
    "a file that others may write": lambda path: path.chmod(0o666),
    "a folder that others may write": lambda path: path.parent.chmod(0o777),
    "a link": lambda path: path.symlink_to(path.rename(path.with_name("elsewhere"))),
    "another input's": lambda path: path.rename(path.with_name("0" * 32 + path.name[32:])),
}


@pytest.mark.slow
@pytest.mark.parametrize("forged", FORGED)
def test_what_others_may_have_written_is_not_believed(log: Path, forged: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither rows nor a schema of somebody else; the figures stay those of the log."""
    first = run(log)
    assert is_used(log, monkeypatch)
    FORGED[forged](kept())
    assert not is_used(log, monkeypatch)
    assert run(log) == first


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the system has no users")
@pytest.mark.parametrize("whose", ["key", "*.parquet", "."])
def test_what_belongs_to_another_user_is_not_believed(log: Path, whose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(log)
    place = intake_cache.folder()
    others = {path.stat().st_ino for path in ([place] if whose == "." else place.glob(whose))}
    lstat = Path.lstat

    def foreign(self: Path) -> os.stat_result:
        status = lstat(self)
        return os.stat_result((*status[:4], status.st_uid + 1, *status[5:10])) if status.st_ino in others else status

    with monkeypatch.context() as patched:
        patched.setattr(Path, "lstat", foreign)
        assert not is_used(log, monkeypatch)
    assert is_used(log, monkeypatch)


@pytest.mark.slow
def test_another_reader_reads_again(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is the reader's own: a release that reads as before uses what is kept."""
    run(log)
    monkeypatch.setattr("auditor.__version__", "99.0")
    assert is_used(log, monkeypatch)
    monkeypatch.setattr("auditor.intake.cache.READER", intake_cache.READER + 1)
    assert not is_used(log, monkeypatch)


def test_another_log_format_reads_again(log: Path) -> None:
    """What `--input-format` gives is a part of the reading."""
    log.write_text('[01/Sep/2026:08:00:00 +0000] "GET /img/1.png HTTP/1.1" 200 HIT\n')
    settings = settings_of({"sources": {"img": {"path": "/img/.*"}}}, "test")
    hits = []
    for name in ("upstream_cache_status", "upstream_status", "upstream_cache_status"):
        options = Options(input_format=f'[$time_local] "$request" $status ${name}')
        result = audit(discover([str(log)], log.parent), settings, options, lambda *_: None)
        hits.append(document(result)["totals"]["hits"])
    assert hits == [1, 0, 1]


def test_only_the_user_may_read_it(log: Path) -> None:
    """It holds what the log holds."""
    run(log)
    modes = {
        path.name.rpartition(".")[2]: stat.S_IMODE(path.stat().st_mode) for path in intake_cache.folder().iterdir()
    }
    assert modes == {"key": 0o600, "parquet": 0o600}
    assert stat.S_IMODE(intake_cache.folder().stat().st_mode) == 0o700


@pytest.mark.slow
def test_it_is_bounded(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least recently used go; what a killed process left behind goes after a day."""
    others = [log.with_name(f"{name}.jsonl") for name in "abc"]
    for number, other in enumerate(others):
        other.write_bytes(LOG)
        run(other)
        newest = max(intake_cache.folder().glob("*.parquet"), key=lambda path: path.stat().st_ctime_ns)
        os.utime(newest, (number, number))
    size = newest.stat().st_size
    run(others[0])  # used, so it is the newest now
    left = intake_cache.folder() / ".new-left"
    left.write_bytes(b"x")
    os.utime(left, (0, 0))
    monkeypatch.setattr("auditor.intake.cache.MOST", 2 * size + size // 2)
    run(log)
    assert len(list(intake_cache.folder().glob("*.parquet"))) == 2
    assert not left.exists()
    assert [is_used(each, monkeypatch) for each in (log, *others)] == [True, True, False, False]


def test_a_home_without_room_for_a_cache_is_no_error(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that cannot be written is none."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    said: list[str] = []
    monkeypatch.setattr("auditor.intake.cache.tempfile.mkstemp", full)
    assert run(log, said.append)["inputs"]["events"] == 3
    assert not said
    monkeypatch.undo()
    monkeypatch.setattr("auditor.intake.cache.FROM", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert run(log, said.append)["inputs"]["events"] == 3
    assert not said


def test_two_processes_may_write_it_at_once(log: Path) -> None:
    """Each renames a whole file into place; no temporary one is left."""
    with multiprocessing.get_context("fork").Pool(4) as pool:
        found = pool.map(run, [log] * 8)
    assert all(each == found[0] for each in found)
    assert sorted(path.name for path in intake_cache.folder().iterdir()) == sorted(["key", kept().name])


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_cached_sample_is_the_fresh_one(sample: Path, log: Path) -> None:
    """Of every format: files with their assumptions, filtered lines, secrets, figures and findings."""
    copy = log.parent / sample.name
    copy.write_bytes(sample.read_bytes())
    cached_as_fresh(copy, SAMPLE_SETTINGS)


FOREIGN = {
    # Microseconds are the only unit that fits; what stands behind the line is a verdict; a type that is not an image's.
    "calls.jsonl": "".join(
        json.dumps({
            "timestamp": f"2026-09-01T08:00:{n:02}Z", "method": "GET", "url": f"https://a.example/img/{n % 4}.png",
            "status_code": (200, 200, 302, 206)[n % 4], "latency": 250_000 + n, "content_type": "image/png",
        }) + "\n"
        for n in range(12)
    ),
    "unknown.jsonl": "".join(
        json.dumps({
            "timestamp": f"2026-09-01T08:00:{n:02}Z", "method": "POST", "url": "https://render.imejis.io/v1/card",
            "status_code": 200, "elapsed": 40 + n,
        }) + "\n"
        for n in range(12)
    ),
    "access.log": "".join(
        f'1.2.3.4 - - [01/Sep/2026:08:00:{n:02} +0000] "GET /img/{n % 5}.png HTTP/1.1" 200 900 "-" "x" {("HIT", "MISS")[n % 2]}\n'
        for n in range(12)
    ) + "damage\n",
    "old.log": "".join(
        f'1.2.3.4 - - [01/Jan/1970:08:00:{n:02} +0000] "GET /img/{n}.png HTTP/1.1" 200 900 "-" "x" ?\n' for n in range(3)
    ) + '1.2.3.4 - - [01/Sep/2026:08:00:09 +0000] "GET /img/9.png HTTP/1.1" 429 900 "-" "x" ?\n',
    "imejis.csv": "id,template,created_at,status,credits\n" + "".join(
        f"2.0260901E+16,card,2026-09-01T08:{n:02}:00Z,{('completed', 'failed')[n % 3 == 2]},1\n" for n in range(12)
    ),
    "requests.csv": "time,url,status,method,duration,env\n" + "".join(
        f"2026-09-01T08:{n:02}:00,/img/{n % 3}.png,{(200, 499)[n % 4 == 3]},GET,{300 + n}.5,{('staging', '')[n % 2]}\n"
        for n in range(12)
    ),
}  # fmt: skip
"""Logs of which something has to be assumed."""
ASSUMED = {
    "duration_unit", "duration_unknown", "ids_repeat", "no_body", "no_inputs", "no_verdict", "no_environment", "no_account",
    "throttled",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FOREIGN)
def test_what_was_assumed_comes_back(name: str, log: Path) -> None:
    """Each assumption with its number and its sentence, and each reason of a filtered or rejected line."""
    path = log.parent / name
    path.write_text(FOREIGN[name])
    cached_as_fresh(path, {"sources": {"img": {"path": "/img/.*"}}})


@pytest.mark.slow
def test_the_logs_above_have_every_kind_of_assumption(tmp_path: Path) -> None:
    """Else the test above would prove little."""
    found = set()
    for name, text in FOREIGN.items():
        (tmp_path / name).write_text(text)
        report = run(tmp_path / name, cache=False, sources={"img": {"path": "/img/.*"}})
        found |= {assumed for file in report["inputs"]["files"] for assumed in file["assumed"]}
    assert found >= ASSUMED


def cached_as_fresh(path: Path, config: dict[str, Any]) -> None:
    """Audit *path* without a cache, to fill it, and from it."""
    said: list[str] = []
    fresh = run(path, said.append, cache=False, **config)
    assert not said
    assert run(path, said.append, **config) == fresh
    kept_now = len(said)
    assert kept_now == len(list(intake_cache.folder().glob("*.parquet"))) > 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("auditor.intake.read.Intake._read", None)  # nothing can be read but from the cache
        again = run(path, said.append, **config)
    assert again["inputs"]["files"] == fresh["inputs"]["files"]
    assert again == fresh
    assert len(said) == kept_now
