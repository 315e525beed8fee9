"""Numbers that nothing reads are named: they may count renders, or be a price."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.model.errors import InputError
from tests.conftest import command
from tests.formats.samples import Taken, taken_of
from tests.formats.test_number_columns import SOURCES

UNREAD = "numbers_unread"


def named(found: Taken) -> tuple[int, str]:
    """(events, sentence) of the numbers that are not read."""
    return found.assumed[UNREAD], found.tally.explained.get(UNREAD, "")


def table(column: str, *values: str, by: str = ",") -> str:
    rows = [by.join((f"2026-09-{n:02}T08:00:00Z", "og", f'"{value}"')) for n, value in enumerate(values, 1)]
    return "\n".join([by.join(("timestamp", "template", column)), *rows])


@pytest.mark.parametrize(
    "column",
    ["renders_per_day", "images_rendered", "jobs", "occurrences", "requests per month", "Daily renders", "invocations",
     "generated_images", "screenshots", "renders_this_month", "billable renders", "job_count", "monthly_requests"],
)  # fmt: skip
def test_a_name_that_says_how_many_is_asked_about(tmp_path: Path, column: str) -> None:
    with pytest.raises(InputError, match=r"a\.csv line 2: column .* several renders"):
        taken_of(tmp_path, {"a.csv": table(column, "120", "80")})


@pytest.mark.parametrize(
    "column",
    ["_col2", "f0_", "charge", "fee", "units_billed", "tokens", "sessions", "items", "EXPR$0", "batch_size", "pieces",
     "Render(s)", "cost (USD)", "points"],
)  # fmt: skip
@pytest.mark.parametrize("values", [("120", "80"), ("0,02", "1,5"), ("$1.50", "$3"), ("1.5e-05", "2E-6"), ("7", "")])
def test_a_column_of_numbers_is_named(tmp_path: Path, column: str, values: tuple[str, ...]) -> None:
    found = taken_of(tmp_path, {"a.csv": table(column, *values, by=";")})
    events, text = named(found)
    assert (events, found.count("render")) == (sum(map(bool, values)), 2)
    assert f"`{column}`" in text
    assert "auditor estimate --requests N" in text


@pytest.mark.parametrize(
    ("column", "values"),
    [("render_id", ("1", "2")), ("started", ("1788264000", "1788264060")), ("queue_time_ms", ("12", "9")),
     ("http_status", ("200", "200")), ("image_height", ("630", "640")), ("user", ("anna", "7")), ("note", ("", "")),
     ("upload_size", ("48120", "512")), ("order_id", ("17", "18")), ("total_latency", ("0.5", "0.25")),
     ("", ("0", "1")), ("Unnamed: 0", ("0", "1")), ("level", ("30", "30")), ("cached", ("1", "0"))],
)  # fmt: skip
def test_what_is_evidently_no_count_is_not_named(tmp_path: Path, column: str, values: tuple[str, ...]) -> None:
    assert named(taken_of(tmp_path, {"a.csv": table(column, *values)}))[0] == 0


def test_what_is_read_is_not_named_and_one_line_names_the_rest(tmp_path: Path) -> None:
    text = (
        "timestamp,template,credits,width,height,bytes,duration_ms,modifications,fee,jobs_done,account\n"
        '2026-09-01T08:00:00Z,og,1,600,400,9000,250,17,0.02,12,4711\n2026-09-02T08:00:00Z,og,2,,400,,,"18",,,4711'
    )
    events, told = named(taken_of(tmp_path, {"a.csv": text}))
    assert events == 1
    assert told.startswith("the numbers in `fee`, `jobs_done` are not read")


@pytest.mark.parametrize("column", ["credits", "Credits Used", "credits_charged", "Credit", "cost_in_credits"])
@pytest.mark.parametrize("value", ["1", "1.0", "1,0", "7"])
def test_credits_that_are_what_a_render_costs_anyway_are_taken_of(tmp_path: Path, column: str, value: str) -> None:
    found = taken_of(tmp_path, {"a.csv": table(column, *[value] * 25, by=";")})
    assert named(found)[0] == 0
    assert sum(record["credits"] for record in found.records) == 25 * Decimal(value.replace(",", "."))


def test_credits_of_hits_and_failures_are_taken_of(tmp_path: Path) -> None:
    rows = "\n".join(f"2026-09-0{n}T08:00:00Z,og,{each},0" for n, each in enumerate(("hit", "failed", "hit"), 1))
    found = taken_of(tmp_path, {"a.csv": f"timestamp,template,status,credits\n{rows}"})
    assert (named(found)[0], found.count("hit")) == (0, 2)


def test_of_two_columns_of_credits_the_one_that_counts_is_taken_of(tmp_path: Path) -> None:
    rows = "\n".join(f"2026-09-0{n}T08:00:00Z,og,2,2" for n in range(1, 4))
    found = taken_of(tmp_path, {"a.csv": f"timestamp,template,credits,credits_used\n{rows}"})
    assert named(found)[1].startswith("the numbers in `credits_used` are not read")


@pytest.mark.parametrize(
    "line",
    [
        {"RequestMethod": "GET", "RequestPath": "/img/1.png", "RequestHost": "a.example", "DownstreamStatus": 200,
         "StartUTC": "2026-09-01T08:00:00Z", "RequestCount": 4711, "RetryAttempts": 0, "Overhead": 51234},
        {"ClientRequestMethod": "GET", "ClientRequestURI": "/img/1.png", "ClientRequestHost": "a.example",
         "EdgeResponseStatus": 200, "EdgeStartTimestamp": "2026-09-01T08:00:00Z", "ClientTCPRTTMs": 12,
         "EdgeResponseCompressionRatio": 2.64, "WorkerSubrequestCount": 0, "WorkerCPUTime": 0},
    ],
)  # fmt: skip
def test_documented_numbers_of_a_program_are_not_named(tmp_path: Path, line: dict[str, Any]) -> None:
    assert named(taken_of(tmp_path, {"a.log": json.dumps(line)}, SOURCES)) == (0, "")
    assert "`tokens`" in named(taken_of(tmp_path, {"b.log": json.dumps({**line, "tokens": 7})}, SOURCES))[1]


def test_many_columns_are_one_short_line(tmp_path: Path) -> None:
    names = [f"n{each}x" for each in range(25)] + ["y" * 300]
    head = ",".join(["timestamp", "template", *names])
    text = "\n".join([head, ",".join(["2026-09-01T08:00:00Z", "og", *["7"] * len(names)])])
    told = named(taken_of(tmp_path, {"a.csv": text}))[1]
    assert "`n9x` and 16 more" in told
    assert len(told) < 600


@pytest.mark.parametrize("values", [("120 renders", "80 renders"), ("1.2E+02", "8e1"), ("1.2k", "3k")])
def test_counts_that_are_no_plain_numbers(tmp_path: Path, values: tuple[str, ...]) -> None:
    assert "`count`" in named(taken_of(tmp_path, {"a.csv": table("count", *values)}))[1]


def test_a_column_that_begins_late(tmp_path: Path) -> None:
    found = taken_of(tmp_path, {"a.csv": table("points", *[""] * 8, "90")})
    assert named(found)[0] == 1


@pytest.mark.parametrize("column", ["_col2", "f0_", "charge", "pieces", "credits"])
def test_access_logs_in_tables(tmp_path: Path, column: str) -> None:
    """What Athena, BigQuery and CloudWatch hand out."""
    rows = "\n".join(f"2026-09-01T08:00:0{n}Z,/img/{n}.png,200,{n}20" for n in range(1, 4))
    found = taken_of(tmp_path, {"a.csv": f"time,url,status,{column}\n{rows}"}, SOURCES)
    assert named(found)[0] == found.count("render") == 3
    assert f"`{column}`" in named(found)[1]


def test_parquet(tmp_path: Path) -> None:
    times = ["2026-09-01T08:00:00Z", "2026-09-02T08:00:00Z"]
    columns = {"timestamp": times, "template": ["og", "og"], "bytes": [9, 9], "pieces": [120, 80], "fee": ["$1", "$2"]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert "`pieces`, `fee`" in named(taken_of(tmp_path, {"a.parquet": None}))[1]


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"count": 120}, "`count`"),
        ({"f0_": "120"}, "`f0_`"),
        ({"usage": {"charge": 0.02, "tokens": 7}}, "`usage.charge`, `usage.tokens`"),
        (
            {"renders_per_day": 12, "pid": 7, "level": 30, "durationMs": 12, "headers": {"age": "7"}},
            "`renders_per_day`",
        ),
        ({"pid": 7, "upstream_status": "200", "request_length": 400, "remote_port": 51234}, None),
    ],
)
@pytest.mark.parametrize("call", [True, False])
def test_lines_of_json(tmp_path: Path, more: dict[str, Any], names: str | None, call: bool) -> None:
    line = {"url": "https://render.imejis.io/v1/og"} if call else {"url": "/img/1.png", "host": "a.example"}
    lines = [{"ts": f"2026-09-01T08:00:0{n}Z", "method": "GET", **line, "status": 200, **more} for n in range(3)]
    found = taken_of(tmp_path, {"a.log": "\n".join(map(json.dumps, lines))}, SOURCES)
    events, told = named(found)
    assert events == (3 if names else 0)
    assert f"the numbers in {names} are" in told if names else not told


def test_requests_for_no_picture_name_nothing(tmp_path: Path) -> None:
    line = {"ts": "2026-09-01T08:00:00Z", "method": "GET", "status": 200}
    lines = [{**line, "url": "/img/1.png"}, {**line, "url": "/cart", "items": 7}]
    assert named(taken_of(tmp_path, {"a.log": "\n".join(map(json.dumps, lines))}, SOURCES)) == (0, "")


def test_the_text_names_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table("points", "120", "80"))
    done = command("audit", str(tmp_path / "a.csv"))
    assert b"the numbers in `points` are not read" in done.stdout
