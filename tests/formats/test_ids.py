"""Ids of foreign logs: whose they are, and when they are none."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from auditor.model.errors import InputError
from auditor.reading.ids import IdChoice
from tests.conftest import command
from tests.formats.test_number_columns import audited

HEAD = "id,template,created_at,status,workspace"


def export(ids: Iterable[object], status: str = "completed", workspace: str = "", head: str = HEAD, at: int = 0) -> str:
    """A row a minute."""
    rows = [
        f"{own},og,2026-09-{1 + (at + n) // 1440:02}T{(at + n) // 60 % 24:02}:{(at + n) % 60:02}:00Z,{status},{workspace}"
        for n, own in enumerate(ids)
    ]
    return "\n".join([head, *rows]) + "\n"


def counts(report: dict[str, object]) -> tuple[int, int]:
    """(events, duplicates)"""
    inputs = report["inputs"]
    assert isinstance(inputs, dict)
    return inputs["events"], inputs["duplicates"]


def cloudflare(*rays: str, host: str = "a.example") -> str:
    """A request a second, by the ids of their lines."""
    return "".join(
        json.dumps(
            {
                "RayID": ray, "EdgeStartTimestamp": f"2026-09-01T08:{n // 60:02}:{n % 60:02}Z",
                "ClientRequestMethod": "GET", "ClientRequestURI": f"/img/{n}.png", "ClientRequestHost": host,
                "EdgeResponseStatus": 200, "CacheCacheStatus": "miss",
            }
        ) + "\n"
        for n, ray in enumerate(rays)
    )  # fmt: skip


SOURCES = {
    "sources": {
        "b": {"path": "/img/.*", "host": "b[.]example", "account": "b"},
        "a": {"path": "/img/.*", "account": "a"},
        "c": {"path": "/pic/.*", "account": "c"},
    }
}


@pytest.mark.parametrize(
    "files",
    [
        {"bannerbear.csv": export([1, 2]), "placid.csv": export([1, 2], at=600)},
        {"a.csv": export([1, 2], workspace="x"), "b.csv": export([1, 2], workspace="y", at=600)},
        {"a.csv": export([1, 2], workspace="x") + export([1, 2], workspace="y", at=600).partition("\n")[2]},
        {"a.csv": export([1, 2], head=HEAD.replace("workspace", "provider"), workspace="orshot"),
         "b.csv": export([1, 2], head=HEAD.replace("workspace", "provider"), workspace="placid")},
        {"a.csv": export(["a:b", "c"], workspace="x"), "b.csv": export(["c", "b:c"], workspace="x:a", at=9)},
        {"a.json": cloudflare("r1", "r2"), "b.json": cloudflare("r1", "r2", host="b.example")},
        {"a.json": cloudflare("1", "2"), "a.csv": export(["1", "2"], workspace="a")},
    ],
)  # fmt: skip
def test_ids_of_different_owners_are_apart(tmp_path: Path, files: dict[str, str]) -> None:
    """Providers, accounts and formats that count their rows alike; also where the rows are of the same minutes."""
    report = audited(tmp_path, files, SOURCES)
    assert counts(report) == (4, 0)
    assert report["waste"]["total"] == 0


@pytest.mark.parametrize("text", [export([1, 2, 3]), export(["", "", ""]), export(["x", "x", "x"], at=0)])
def test_a_copy_of_a_file_stays_a_duplicate(tmp_path: Path, text: str) -> None:
    """By the ids of its rows, or by where they stand."""
    assert counts(audited(tmp_path, {"a.csv": text, "b.csv": text})) == (3, 3)


@pytest.mark.parametrize("own", ["2.0260901E+16", "0", "#REF!", "1,00E+05"])
def test_ids_that_a_spreadsheet_spoiled_are_none(tmp_path: Path, own: str) -> None:
    """Forty rows of forty minutes are forty renders, none of which repeats another, and the report says so."""
    report = audited(tmp_path, {"a.csv": export([f'"{own}"'] * 40)})
    assert counts(report) == (40, 0)
    assert (report["totals"]["credits"], report["waste"]["total"]) == (40, 0)
    assert report["inputs"]["files"][0]["assumed"] == {"ids_repeat": 40, "no_inputs": 40}


@pytest.mark.parametrize(("rows", "events", "duplicates"), [(199, 199, 0), (200, 199, 1)])
def test_one_row_in_a_hundred(tmp_path: Path, rows: int, events: int, duplicates: int) -> None:
    """Two of 199 rows are more than 1 %, two of 200 are not."""
    ids = ["same", *map(str, range(rows - 2)), "same"]
    assert counts(audited(tmp_path, {"a.csv": export(ids)})) == (events, duplicates)


def test_rows_of_one_time_repeat_an_id_rightly(tmp_path: Path) -> None:
    """The same row twice is one event, however often that is so."""
    once = export(range(20))
    assert counts(audited(tmp_path, {"a.csv": once + once.partition("\n")[2]})) == (20, 20)


STAGES = export(range(10), "pending") + export(range(10), "completed", at=600).partition("\n")[2]


@pytest.mark.slow
def test_a_table_with_stages_is_asked_about(tmp_path: Path) -> None:
    """One job of two rows, or two jobs: the option says it."""
    with pytest.raises(InputError, match=r"a\.csv: 20 of 20 rows share an id .*--ids keep.*--ids rows"):
        audited(tmp_path, {"a.csv": STAGES})
    kept = audited(tmp_path, {"a.csv": STAGES}, {"ids": "keep"})
    assert (counts(kept), kept["inputs"]["superseded"], kept["totals"]["credits"]) == ((10, 0), 10, 10)
    rows = audited(tmp_path, {"a.csv": STAGES}, {"ids": "rows"})
    assert (counts(rows), rows["totals"]["unresolved"]) == ((20, 0), 10)


def test_stages_of_one_time_are_one_event(tmp_path: Path) -> None:
    """Where the time is that of the job, nothing is unclear."""
    text = export(range(10), "queued") + export(range(10), "done").partition("\n")[2]
    report = audited(tmp_path, {"a.csv": text})
    assert (counts(report), report["inputs"]["superseded"]) == ((10, 0), 10)


CLOUDFRONT = (
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs-uri-query "
    "x-edge-result-type x-edge-request-id\n"
    + "".join(f"2026-09-01\t08:00:0{n}\tX\t9\t1.2.3.4\tGET\ta.example\t/img/{n}.png\t200\t-\tMiss\tsame\n" for n in range(3))
)  # fmt: skip
TABLE = (
    "EdgeStartTimestamp,ClientRequestMethod,ClientRequestURI,ClientRequestHost,EdgeResponseStatus,RayID\n"
    + "".join(f"2026-09-01T08:00:0{n}Z,GET,/img/{n}.png,a.example,200,same\n" for n in range(3))
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", cloudflare("same", "same", "same")), ("a.log", CLOUDFRONT), ("a.csv", TABLE)],
)
def test_a_log_of_requests_is_asked_about(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputError, match="3 of 3 rows share an id"):
        audited(tmp_path, {name: text}, SOURCES)
    assert counts(audited(tmp_path, {name: text}, {**SOURCES, "ids": "keep"})) == (1, 2)
    assert counts(audited(tmp_path, {name: text}, {**SOURCES, "ids": "rows"})) == (3, 0)
    assert counts(audited(tmp_path / "copies", {name: text, f"b{name}": text}, {**SOURCES, "ids": "rows"})) == (3, 3)


def test_lines_that_were_delivered_twice_count_once(tmp_path: Path) -> None:
    text = cloudflare(*(f"r{n}" for n in range(30)))
    assert counts(audited(tmp_path, {"a.json": text + text}, SOURCES)) == (30, 30)


def test_long_ids_stay_ids(tmp_path: Path) -> None:
    """Of up to 200 characters, and apart from each other."""
    ids = [str(n) + "x" * 198 for n in range(3)]
    text = export(ids)
    assert counts(audited(tmp_path, {"a.csv": text, "b.csv": text})) == (3, 3)


@pytest.mark.parametrize(("choice", "events"), [(IdChoice.KEEP, "10"), (IdChoice.ROWS, "20")])
def test_the_option(tmp_path: Path, choice: IdChoice, events: str) -> None:
    (tmp_path / "a.csv").write_text(STAGES)
    asked = command("audit", str(tmp_path / "a.csv"))
    assert asked.returncode == 3
    assert b"--ids keep" in asked.stderr
    done = command("audit", str(tmp_path / "a.csv"), "--ids", choice.value, "--format", "json")
    assert f'"events": {events}' in done.stdout.decode()
