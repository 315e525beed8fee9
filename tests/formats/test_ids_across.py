"""Ids that repeat in another file of the same format, provider and account, and what of it is counted as assumed."""

import gzip
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from auditor.intake import cache as intake_cache
from auditor.model.errors import InputError
from tests.conftest import command, documented, event, lines
from tests.formats.test_ids import SOURCES, cloudflare, counts

HEAD = "id,template,created_at,status,workspace,modifications"


def month(number: int, rows: int = 28, status: str = "completed", workspace: str = "w", day: int = 1) -> str:
    """An export that numbers its rows from 1, a row an hour from a day of a month on."""
    made = [
        f"{n + 1},og,2026-{number:02}-{day + n // 24:02}T{n % 24:02}:00:00Z,{status},{workspace},m{number}-{n}"
        for n in range(rows)
    ]
    return "\n".join([HEAD, *made]) + "\n"


def audited(
    folder: Path, files: Mapping[str, bytes | str], config: Mapping[str, Any] | None = None, **options: Any
) -> Any:
    """JSON of some files, without findings."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    now = datetime(2026, 10, 1, tzinfo=UTC)
    return documented([folder], folder, config, **{"findings": False, "now": lambda: now, **options})


def repeats(report: Mapping[str, Any]) -> list[int]:
    """Events of each file whose ids are none."""
    return [file["assumed"].get("ids_repeat", 0) for file in report["inputs"]["files"]]


def parquet(folder: Path, text: str) -> bytes:
    """The same table, packed."""
    table = pa.csv.read_csv(pa.py_buffer(text.encode()))
    pq.write_table(table.set_column(2, "created_at", table["created_at"].cast(pa.string())), folder / "made")
    data = (folder / "made").read_bytes()
    (folder / "made").unlink()
    return data


@pytest.mark.parametrize(
    "made",
    [
        lambda _: {"aug.csv": month(8), "sep.csv": month(9)},
        lambda _: {"jul.csv": month(7), "aug.csv": month(8), "sep.csv": month(9)},
        lambda _: {"aug.tsv": month(8).replace(",", "\t"), "sep.csv": month(9).replace(",", ";")},
        lambda _: {"aug.csv.gz": gzip.compress(month(8).encode()), "sep.csv": month(9)},
        lambda _: {"hcti-aug.csv": month(8), "hcti-sep.csv": month(9)},
        lambda folder: {"aug.parquet": parquet(folder, month(8)), "sep.parquet": parquet(folder, month(9))},
    ],
)
def test_exports_that_count_their_rows_from_1_are_all_counted(
    tmp_path: Path, made: Callable[[Path], dict[str, bytes | str]]
) -> None:
    """28 rows of each month are 28 events of each, whatever the files look like."""
    files = made(tmp_path)
    report = audited(tmp_path / "logs", files)
    assert counts(report) == (28 * len(files), 0)
    assert report["waste"]["total"] == 0
    assert repeats(report) == [28] * len(files)


def test_of_a_copy_each_row_is_still_one(tmp_path: Path) -> None:
    report = audited(tmp_path / "logs", {"aug.csv": month(8), "copy.csv": month(8), "sep.csv": month(9)})
    assert (counts(report), sum(repeats(report))) == ((56, 28), 56)


def test_exports_that_overlap_keep_their_ids(tmp_path: Path) -> None:
    """The same row in two exports, of the same time, is one event wherever it stands."""
    head, *rows = month(8, 60).splitlines()
    halves = ["\n".join([head, *rows[:40]]), "\n".join([head, *rows[20:]])]
    report = audited(tmp_path / "logs", {"a.csv": halves[0], "b.csv": halves[1]})
    assert (counts(report), repeats(report)) == ((60, 20), [0, 0])


@pytest.mark.parametrize(("few", "events", "which"), [(3, 303, [0, 3]), (4, 304, [300, 4])])
def test_each_file_is_judged_by_its_own_rows(tmp_path: Path, few: int, events: int, which: list[int]) -> None:
    """3 of 300 rows are 1 % and keep their ids, 4 are more; of the small file all rows share theirs."""
    report = audited(tmp_path / "logs", {"a.csv": month(8, 300), "b.csv": month(9, few)})
    assert (counts(report), repeats(report)) == ((events, 0), which)


def test_accounts_and_providers_of_other_files_do_not_count(tmp_path: Path) -> None:
    files = {"a.csv": month(8), "b.csv": month(9, workspace="x"), "hcti.csv": month(9)}
    report = audited(tmp_path / "logs", files)
    assert (counts(report), repeats(report)) == ((84, 0), [0, 0, 0])


def test_our_own_events_keep_their_ids(tmp_path: Path) -> None:
    """In files of their own and in columns: an id is an event, whatever its time."""
    own = [lines([event("a@0123456789ab", f"2026-0{n}-01T08:00:00Z")]) for n in (8, 9)]
    names = ("v", "id", "ts", "outcome", "provider", "account", "environment", "template", "key")
    tables = [
        ",".join(names) + "\n" + ",".join(str(event("b", f"2026-0{n}-01T08:00:00Z")[name]) for name in names)
        for n in (8, 9)
    ]
    files = {"a.jsonl": own[0], "b.jsonl": own[1], "a.csv": tables[0], "b.csv": tables[1]}
    report = audited(tmp_path / "logs", files)
    assert (counts(report), repeats(report)) == ((2, 2), [0] * 4)


def test_what_counts_is_not_what_since_leaves(tmp_path: Path) -> None:
    """Ids are judged over the whole files; what is told of it are the events that are left."""
    since = datetime(2026, 9, 1, tzinfo=UTC)
    report = audited(tmp_path / "logs", {"aug.csv": month(8), "sep.csv": month(9)}, since=since)
    assert (counts(report), report["inputs"]["filtered"], repeats(report)) == ((28, 0), 28, [0, 28])


def test_rows_of_odd_times_do_not_count(tmp_path: Path) -> None:
    """They are no events, so that they repeat no other's id."""
    odd = month(9).replace("2026-", "1970-")
    report = audited(tmp_path / "logs", {"aug.csv": month(8), "odd.csv": odd})
    assert (counts(report), report["inputs"]["reasons"], repeats(report)) == ((28, 0), {"odd_time": 28}, [0, 0])


@pytest.mark.slow
def test_a_kept_reading_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without other files, and both readings of a file stay kept."""
    monkeypatch.setattr("auditor.intake.cache.FROM", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    files = {"aug.csv": month(8), "sep.csv": month(9)}
    first = audited(tmp_path / "logs", files, cache=True)
    kept = {path.name for path in intake_cache.folder().glob("*.parquet")}
    assert audited(tmp_path / "logs", {}, cache=True) == first
    assert counts(first) == (56, 0)
    assert len(kept) == 4
    assert {path.name for path in intake_cache.folder().glob("*.parquet")} == kept
    (tmp_path / "logs" / "aug.csv").unlink()
    alone = audited(tmp_path / "logs", {}, cache=True)
    assert (counts(alone), repeats(alone)) == ((28, 0), [0])


def test_standard_input_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "aug.csv").write_text(month(8))
    done = command("audit", str(tmp_path / "logs"), "-", "--format", "json", stdin=month(9).encode())
    report = json.loads(done.stdout)
    assert (counts(report), repeats(report)) == ((56, 0), [28, 28])


ASKED = [
    {"aug.csv": month(8, status="pending"), "sep.csv": month(9)},
    {"aug.csv": month(8, 27) + month(8, 28, "pending").splitlines()[-1] + "\n", "sep.csv": month(9)},
    {"a.json": cloudflare("r1", "r2"), "b.json": cloudflare("r3", "r1").replace("T08", "T09")},
]


@pytest.mark.slow
@pytest.mark.parametrize(("files", "events"), [*zip(ASKED, (56, 56, 4), strict=True)])
def test_stages_and_requests_are_asked_about(tmp_path: Path, files: dict[str, str], events: int) -> None:
    """One job or request in two files, or two: the option says it."""
    with pytest.raises(InputError, match=r"rows share an id with a row of another time.*--ids keep.*--ids rows"):
        audited(tmp_path / "logs", files, SOURCES)
    rows = audited(tmp_path / "logs", {}, {**SOURCES, "ids": "rows"})
    assert (rows["inputs"]["events"], repeats(rows)) == (events, [0, 0])
    kept = audited(tmp_path / "logs", {}, {**SOURCES, "ids": "keep"})
    assert kept["inputs"]["events"] < events


def test_stages_are_asked_about_where_only_the_other_file_has_them(tmp_path: Path) -> None:
    """The file that would lose its ids tells of finished renders only."""
    with pytest.raises(InputError, match=r"b\.csv: 3 of 3 rows share an id"):
        audited(tmp_path / "logs", {"a.csv": month(8, 300, "queued"), "b.csv": month(9, 3)})
