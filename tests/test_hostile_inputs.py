"""Inputs made to take the machine's memory or time: each ends in a sentence, within `MEMORY` and `SECONDS`."""

import gzip
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.intake.read import detected_in
from auditor.intake.sources import Source, discover
from auditor.model.errors import InputError
from auditor.model.settings import Settings
from auditor.reading.lines import LineReader
from auditor.reading.packed import decompressed
from auditor.system import memory
from scripts.hostile import INPUTS, MEMORY, SECONDS, make, measured
from tests.conftest import Report, command, event, lines


@pytest.mark.parametrize("name", INPUTS)
def test_a_hostile_input_is_bounded_and_told(name: str, tmp_path: Path) -> None:
    row = measured(make(name, tmp_path))
    assert row.code == 3, row
    assert row.said.startswith("auditor: ") and name in row.said and "Traceback" not in row.said
    assert row.said.count("\n") == 1, row.said
    assert row.peak < MEMORY and row.seconds < SECONDS, row


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can be told")
def test_what_no_reader_foresees_meets_the_cap(tmp_path: Path) -> None:
    """Whatever asks for more gets an error at once, and the name of the option; afterwards the limit is gone."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines([event()]))
    told = pytest.raises(InputError, match=r"a\.jsonl: takes more than 300 MiB .*--max-memory")
    with told, Source("a.jsonl", path, max_memory=300 << 20).reading():
        bytearray(2 << 30)
    assert len(bytearray(400 << 20)) == 400 << 20
    with memory.capped(1 << 30):
        assert len(bytearray(100 << 20)) == 100 << 20


def test_max_memory_is_an_option(tmp_path: Path) -> None:
    """A value of 300 MiB is more than 256 MiB allow, and less than 4 GiB do: then its row is merely too long."""
    path = tmp_path / "a.parquet"
    column = pa.array(["/" + "a" * (300 << 20)], pa.large_string())
    rows = {"time": ["2026-09-01T08:00:00Z"], "method": ["GET"], "path": column, "status": [200]}
    pq.write_table(pa.table(rows), path, compression="none", use_dictionary=False)
    small = command("audit", str(path), "--max-memory", "300MB")
    assert small.returncode == 3 and b"--max-memory" in small.stderr
    large = command("audit", str(path), "--max-memory", "4GiB")
    assert large.returncode == 3 and b"too_long" in large.stderr
    mapped = command("map", str(path), "--max-memory", "300MB")
    assert mapped.returncode == 3 and b"--max-memory" in mapped.stderr
    for wrong in ("1MB", "much"):
        done = command("audit", str(path), "--max-memory", wrong)
        assert done.returncode == 2 and b"--max-memory" in done.stderr


def _events(count: int) -> bytes:
    return lines(event(f"e{n}") for n in range(count))


@pytest.mark.parametrize("packed", [True, False])
def test_a_log_that_repeats_itself_is_read_whole(packed: bool, tmp_path: Path) -> None:
    """300 MB of 20,000 lines again and again, which pack to less than a hundredth."""
    one = _events(20_000)
    log = tmp_path / ("usage.jsonl.gz" if packed else "usage.jsonl")
    block = gzip.compress(one, 9) if packed else one
    times = 300_000_000 // len(one) + 1
    with log.open("wb") as out:
        for _ in range(times):
            out.write(block)
    with log.open("rb") as raw:
        assert sum(map(len, LineReader(decompressed(raw)).chunks())) == len(one) * times


def test_rows_of_repetition_are_read_whole(report: Report, tmp_path: Path) -> None:
    """A Parquet file that is a hundredth of its rows."""
    count = 50_000
    rows = {
        "time": ["2026-09-01T08:00:00Z"] * count, "method": ["GET"] * count, "status": [200] * count,
        "path": ["/og/" + "a" * 200] * count,
    }  # fmt: skip
    path = tmp_path / "access.parquet"
    pq.write_table(pa.table(rows), path, compression="zstd")
    assert path.stat().st_size * 100 < 220 * count
    (source,) = discover([str(path)], tmp_path)
    detected = detected_in(source, _settings(), None)
    with source.reading() as raw:
        kind = detected.kind(_settings().timezone)
        assert sum(1 for _ in kind.records(path, detected.reader(raw))) == count


def _settings() -> Settings:
    from auditor.config import settings_of

    return settings_of({}, "test")


def test_links_and_special_files_of_a_folder_stay_unread(tmp_path: Path) -> None:
    """A link out of the folder, a FIFO, a folder elsewhere: the first three of each kind are named on stderr. Links inside the folder are read."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jsonl").write_bytes(b"TOKEN=canary\n")
    folder = tmp_path / "logs"
    (folder / "deep").mkdir(parents=True)
    (folder / "usage.jsonl").write_bytes(lines([event()]))
    (folder / "current.jsonl").symlink_to("usage.jsonl")
    (folder / "deep" / "up.jsonl").symlink_to("../usage.jsonl")
    (folder / "env.jsonl").symlink_to("/proc/self/environ")
    (folder / "kmsg.jsonl").symlink_to("/dev/zero")
    (folder / "two.jsonl").symlink_to(folder / "three.jsonl")
    (folder / "three.jsonl").symlink_to(outside / "secret.jsonl")
    (folder / "elsewhere").symlink_to(outside)
    os.mkfifo(folder / "pipe.jsonl")
    notes: list[str] = []
    assert [Path(source.label).name for source in discover([str(folder)], tmp_path, note=notes.append)] == [
        "current.jsonl"
    ]
    assert [Path(note.split()[0]).name for note in notes] == [
        "env.jsonl", "kmsg.jsonl", "three.jsonl", "logs:", "pipe.jsonl",
    ]  # fmt: skip
    assert notes[3].endswith(": 1 more, each a link out of the folder and not followed")
    done = command("audit", str(folder), "--format", "json")
    assert done.returncode == 0 and b"canary" not in done.stdout + done.stderr and b"env.jsonl" in done.stderr
    named = discover([str(folder / "three.jsonl"), str(folder / "t*.jsonl")], tmp_path)
    assert [Path(source.label).name for source in named] == ["three.jsonl"]


def test_links_of_a_folder_of_pictures_stay_unread(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").symlink_to("/proc/self/environ")
    (folder / "b.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "c.png")
    (folder / "d.png").write_bytes(b"no picture")
    done = command("inspect", str(folder), "--max-refused", "100")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b"not followed") == 2 and done.stderr.count(b"not read") == 1
    assert b"1 refused" in done.stdout


@pytest.mark.parametrize(
    "line",
    ['{"url": ' + "[" * 100_000, '{"a": ' * 100_000, '{"url": ' + "1" * 10_000 + "}", "x" * (3 << 20), "\xff\xfe"],
)
@pytest.mark.parametrize("standard_input", [True, False])
def test_a_list_of_addresses_may_hold_anything(tmp_path: Path, line: str, standard_input: bool) -> None:
    path = tmp_path / "list.jsonl"
    path.write_bytes(line.encode("latin-1"))
    done = command("inspect", "--urls", "-" if standard_input else str(path), stdin=path.read_bytes())
    assert done.returncode == 0 and b"without an address" in done.stderr and b"Traceback" not in done.stderr
    assert len(done.stderr) < 1000
