"""Durations: in the unit that a name or a vendor's page gives, else in the only one that fits the file, else not at all."""

import io
import json
import random
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.config import settings_of
from auditor.exchanges import units
from auditor.exchanges.mapper import Mapper
from auditor.exchanges.units import Units
from auditor.formats.log_format import LogFormat
from auditor.intake.columnar.template_columns import TemplateBlocks
from auditor.intake.columns import batches
from auditor.intake.sources import discover
from auditor.model.errors import ConfigError
from auditor.model.events import BadRecordError
from auditor.pipeline import Options, audit
from auditor.reading.durations import durations, unit_of
from auditor.reading.lines import read_exactly
from auditor.reading.reader import Reading, Tally
from auditor.reports.text import Text
from tests.conftest import command
from tests.formats.test_foreign import report

CALL = "https://render.imejis.io/v1/og-card?title.text=Hi"
OWN = {"sources": {"img": {"path": "/img/.*"}}}
UTC = ZoneInfo("UTC")


def structlog(path: Path, field: str, values: Sequence[Any], start: str = "06:00") -> Path:
    """A minute apart, an answer each."""
    hour, minute = map(int, start.split(":"))
    path.write_text(
        "".join(
            json.dumps({
                "timestamp": f"2026-09-01T{hour + (minute + n) // 60:02}:{(minute + n) % 60:02}:10Z", "method": "GET", "url": CALL,
                "status_code": 200, field: value,
            }) + "\n"
            for n, value in enumerate(values)
        )
    )  # fmt: skip
    return path


def assumed(found: dict[str, Any]) -> dict[str, int]:
    """What was assumed of durations."""
    (file,) = found["inputs"]["files"]
    return {name: events for name, events in file["assumed"].items() if name.startswith("duration")}


@pytest.mark.parametrize(
    ("field", "values", "start"),
    [
        ("latency", [842], "2026-09-01T06:00:09.158000Z"),  # ms: 842 s is too long, 842 µs too short
        ("response_time", [250, 310], "2026-09-01T06:00:09.750000Z"),
        ("duration", [0.842], "2026-09-01T06:00:09.158000Z"),  # s
        ("elapsed", [842_000], "2026-09-01T06:00:09.158000Z"),  # µs
        ("took", [842_000_000], "2026-09-01T06:00:09.158000Z"),  # ns
        ("requestTime", ["842"], "2026-09-01T06:00:09.158000Z"),  # whatever the spelling, as text, too
    ],
)
def test_the_only_unit_that_fits_is_assumed(tmp_path: Path, field: str, values: list[Any], start: str) -> None:
    found = report(structlog(tmp_path / "calls.jsonl", field, values))
    assert found["window"]["start"] == start
    assert assumed(found) == {"duration_unit": len(values)}
    assert "is the only one that fits" in found["inputs"]["files"][0]["explained"]["duration_unit"]


@pytest.mark.parametrize(
    ("values", "units"),
    [
        ([5], "s ms"), ([1, 120], "s ms"), ([0], "s ms us ns"), ([10**13], "s ms us ns"), ([5, 0, 6], "s ms"),
        ([1000], "ms us"), ([120_000], "ms us"), ([10**6], "us ns"), ([0.0000001], "s ms us ns"), (["soon"], ""),
    ],
)  # fmt: skip
def test_where_several_units_fit_or_none_the_start_is_not_shifted(
    tmp_path: Path, values: list[Any], units: str
) -> None:
    """5 may be seconds or milliseconds: the end stays where it is, and the lines to copy are those that may be right."""
    log = structlog(tmp_path / "calls.jsonl", "latency", values)
    found = report(log)
    assert found["window"]["start"] == "2026-09-01T06:00:10Z"
    unknown = {"duration_unknown": len(values)} if values != ["soon"] else {}
    assert assumed(found) == unknown
    assert found["inputs"]["files"][0]["assumed"]["end_as_start"] == len(values)
    if unknown:
        offered = " or ".join(f"--duration-unit {unit}" for unit in units.split())
        told = found["inputs"]["files"][0]["explained"]["duration_unknown"]
        assert f"name it with {offered}, or with duration_unit in a [sources] table" in told


@pytest.mark.parametrize(
    ("value", "number"),
    [("250,5", "250.5"), ("0,25", "0.25"), ("1.250,5", "1250.5"), ("1,250.5", "1250.5"), ("1 250,5", "1250.5"), ("0,250", "0.25")],
)  # fmt: skip
def test_a_decimal_comma_that_can_be_nothing_else(value: str, number: str) -> None:
    assert durations({"latency": value}).took == (("latency", Decimal(number)),)


@pytest.mark.parametrize(
    "value", ["1,250", "fast", "~250ms", "12:30", [0, 250_000_000], {"a": 1}, "250ms (p95)", "9" * 99]
)
@pytest.mark.parametrize("field", ["latency", "duration_ms", "response-time"])
def test_what_cannot_be_read_is_named(tmp_path: Path, field: str, value: Any) -> None:
    found = report(structlog(tmp_path / "calls.jsonl", field, [value] * 3))
    (file,) = found["inputs"]["files"]
    assert file["assumed"]["unread_duration"] == file["assumed"]["end_as_start"] == 3
    assert f"`{field.replace('-', '_')}`" in file["explained"]["unread_duration"]
    assert found["window"]["start"] == "2026-09-01T06:00:10Z"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"timing": {"duration_ms": 250}}, "timing.duration_ms"),
        ({"http": {"response": {"latency": "250ms"}}}, "http.response.latency"),
        ({"res": {"responseTime": 5}}, "res.response_time"),
        ({"request_body": {"duration": 5}}, ""),  # of what was asked for
        ({"timing": {"duration_ms": 250}, "duration_ms": 3}, ""),
        ({"timing": {"duration_ms": None}}, ""),
    ],
)
def test_a_duration_at_another_place_is_named(tmp_path: Path, more: dict[str, Any], field: str) -> None:
    line = {"timestamp": "2026-09-01T06:00:10Z", "method": "GET", "url": CALL, "status_code": 200, **more}
    (tmp_path / "calls.jsonl").write_text(json.dumps(line) + "\n")
    told = report(tmp_path / "calls.jsonl")["inputs"]["files"][0]["explained"].get("unread_duration", "")
    assert (f"`{field}`" in told) if field else not told


@pytest.mark.parametrize("value", ["", "-", "null", -1, "-1", True, None, {}, []])
def test_no_duration_is_not_unread(tmp_path: Path, value: Any) -> None:
    found = report(structlog(tmp_path / "calls.jsonl", "latency", [value]))
    assert "unread_duration" not in found["inputs"]["files"][0]["assumed"]


def test_the_report_asks_in_one_line_that_the_command_takes(tmp_path: Path) -> None:
    log = structlog(tmp_path / "calls.jsonl", "latency", [5, 7])
    settings = settings_of({}, "test")
    out = io.StringIO()
    Text().write(audit(discover([str(log)], tmp_path), settings, Options(cache=False), lambda *_: None), out)
    said = " ".join(out.getvalue().split())
    assert "`latency` (s or ms fits): they are not used; name it with --duration-unit s or --duration-unit ms" in said
    done = command("audit", str(log), "--no-cache", "--duration-unit", "ms", "--format", "json")
    found = json.loads(done.stdout)
    assert found["window"]["start"] == "2026-09-01T06:00:09.995000Z"
    assert assumed(found) == {}
    assert command("audit", str(log), "--duration-unit", "minutes").returncode == 2


def test_a_table_names_the_unit_of_its_own_requests(tmp_path: Path) -> None:
    """And of no others: calls to a provider have the unit of the table that says whose they are."""
    log = structlog(tmp_path / "calls.jsonl", "latency", [5])
    owner = {"provider": "imejis", "account": "main", "duration_unit": "s"}
    found = report(log, config={"sources": {"calls": owner}})
    assert (found["window"]["start"], assumed(found)) == ("2026-09-01T06:00:05Z", {})
    elsewhere = report(log, config={"sources": {"img": {"path": "/img/.*", "duration_unit": "s"}}})
    assert assumed(elsewhere) == {"duration_unknown": 1}
    with pytest.raises(ConfigError, match=r"sources\.x\.duration_unit = 'h' is none of s, ms, us, ns"):
        settings_of({"sources": {"x": {"path": "/", "duration_unit": "h"}}}, "auditor.toml")


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("duration_ms", "ms"), ("responseTimeMs", "ms"), ("elapsedMillis", "ms"), ("latency_in_ms", "ms"),
        ("Duration (µs)", "us"), ("took_us", "us"), ("request_time_nanos", "ns"), ("elapsed_s", "s"),
        ("Response time (seconds)", "s"), ("durationNs", "ns"), ("latency", None), ("Request Duration", None),
    ],
)  # fmt: skip
def test_names_that_tell_the_unit(name: str, unit: str | None) -> None:
    found = unit_of(name)
    assert found is not None
    assert found[1] == unit


@pytest.mark.parametrize("name", ["status", "timestamp", "class", "bytes", "request_times", "ttl_ms", "msec"])
def test_names_that_are_no_durations(name: str) -> None:
    assert unit_of(name) is None


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ({"latency": 5, "duration_ms": 250}, 250_000),
        ({"latency": "250ms"}, 250_000),
        ({"elapsed": "0:00:00.250000"}, 250_000),
        ({"latency_ms": -1, "latency": 5}, None),
        ({"latency_ms": True}, None),
        ({"duration_ms": "1e400"}, None),
        ({"latency_ms": "250,5"}, 250_500),
        ({"duration_ms": "0.25s"}, 250_000),
        ({"latency": "PT0.25S"}, 250_000),
        ({"latency": "P0DT0H0M0.25S"}, 250_000),
        ({"elapsed": "PT1M0,5S"}, 60_500_000),
        ({"latency": "250,5 ms"}, 250_500),
        ({"latency": "0.25 sec"}, 250_000),
        ({"took": "250 milliseconds"}, 250_000),
        ({"took": "1 min 2 s"}, 62_000_000),
        ({"elapsed": "00:00.250"}, 250_000),
        ({"elapsed": "00:00:00,2500000"}, 250_000),
        ({"elapsed": "1 day, 0:00:01"}, 86_401_000_000),
        ({"latency": {"seconds": 1, "nanos": 250_000_000}}, 1_250_000),
        ({"latency": {"value": 250, "unit": "ms"}}, 250_000),
        ({"latency": "1,250ms"}, None),
        ({"latency": "12:30"}, None),
        ({"latency": "5M"}, None),
        ({"latency": "3ms 2s"}, None),
    ],
)  # fmt: skip
def test_a_unit_in_a_name_or_a_value_comes_first(fields: dict[str, Any], known: int | None) -> None:
    assert durations(fields).known_us == known


@pytest.mark.parametrize(
    ("values", "fitting"),
    [
        ([Decimal("0.001")], ("s",)),  # 1 ms, bound included
        ([Decimal(120)], ("s", "ms")),  # 120 s, bound included
        ([Decimal("120.001")], ("ms",)),
        ([Decimal("0.999999")], ("s",)),  # 0.99 ms does not fit
        ([Decimal("0.5"), Decimal(500)], ("s",)),  # the lower median of an even number
        ([Decimal(0), Decimal(0), Decimal(250)], ("ms",)),  # only what is above 0 counts
        ([], ()),
        ([Decimal(1000)], ("ms", "us")),
        ([Decimal(10**6)], ("us", "ns")),
    ],
)
def test_bounds_and_the_median(values: list[Decimal], fitting: tuple[str, ...]) -> None:
    assert Units(lambda: [(("latency", value),) for value in values]).fitting("latency") == fitting


def test_the_first_ten_thousand_values_decide_field_by_field() -> None:
    took = [(("a", Decimal(250)),)] * 10_000 + [(("a", Decimal("0.2")),)] * 30_000 + [(("b", Decimal("0.2")),)]
    read = Units(lambda: took)
    assert read.fitting("a") == ("ms",)
    assert read.fitting("b") == ("s",)
    assert Units(lambda: took[1:]).fitting("a") == ("ms",)
    assert Units(lambda: took[10_000:]).fitting("a") == ("s",)


def test_a_field_that_begins_late_is_still_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "HEAD", 3)
    one = structlog(tmp_path / "a.jsonl", "latency", [250] * 9).read_text()
    two = structlog(tmp_path / "b.jsonl", "elapsed", [0.25] * 9, "07:00").read_text()
    log = tmp_path / "calls.jsonl"
    log.write_text(one + two)
    found = report(log)
    assert assumed(found) == {"duration_unit": 18}
    assert found["window"] == {"start": "2026-09-01T06:00:09.750000Z", "end": "2026-09-01T07:08:09.750000Z"}


ROW = "2026-09-01T06:00:10Z,/img/1.png,200,10,{}\n"


@pytest.mark.parametrize(
    ("text", "name", "config"),
    [
        ("time,url,status,bytes,duration\n" + ROW.format(250), "a.csv", OWN),
        ("time,url,status,bytes,request_time\n" + ROW.format(250), "a.csv", OWN),
        ('{"time":"2026-09-01T06:00:10Z","uri":"/img/1.png","status":200,"request_time":250}\n', "a.log", OWN),
        ('{"time":"2026-09-01T06:00:10Z","uri":"/img/1.png","status":200,"latency":250}\n', "a.log", OWN),
        ('{"time_end":"2026-09-01T06:00:10Z","url":"/img/1.png","status":200,"elapsed":250,"pop":"FRA"}\n', "a.log", OWN),
        ('2026-09-01T06:00:10Z "GET /img/1.png HTTP/1.1" 200 250\n', "a.log",
         {**OWN, "formats": {"x": {"log_format": '$time_iso8601 "$request" $status $request_duration'}}}),
        ('2026-09-01T06:00:10Z "GET /img/1.png HTTP/1.1" 200 250\n', "a.log",
         {**OWN, "formats": {"x": {"log_format": '$time_iso8601 "$request" $status $latency'}}}),
    ],
)  # fmt: skip
def test_readers_of_no_documented_unit(tmp_path: Path, text: str, name: str, config: dict[str, Any]) -> None:
    """What our own page says of generic tables and objects decides nothing."""
    log = tmp_path / name
    log.write_text(text)
    found = report(log, config=config)
    assert (found["window"]["start"], assumed(found)) == ("2026-09-01T06:00:09.750000Z", {"duration_unit": 1})
    log.write_text(text.replace("250", "5"))
    found = report(log, config=config)
    assert (found["window"]["start"], assumed(found)) == ("2026-09-01T06:00:10Z", {"duration_unknown": 1})


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ('{"time_iso8601":"2026-09-01T06:00:10Z","request_uri":"/img/1.png","status":"200","request_time":"5.000"}\n', OWN),
        ('2026-09-01T06:00:10Z "GET /img/1.png HTTP/1.1" 200 5.000 9\n',
         {**OWN, "formats": {"x": {"log_format": '$time_iso8601 "$request" $status $request_time $latency'}}}),
        ('{"time_end":"2026-09-01T06:00:10Z","url":"/img/1.png","status":200,"time_elapsed":5000000,"pop":"FRA"}\n', OWN),
        ('{"ts":1788242410,"request":{"uri":"/img/1.png","method":"GET"},"status":200,"duration":5.0}\n', OWN),
        ('{"timestamp":"2026-09-01T06:00:10Z","event":{"duration":5000000000},"url":"https://h.example/img/1.png",'
         '"status_code":200,"method":"GET"}\n', OWN),
    ],
)  # fmt: skip
def test_what_a_vendor_documents_is_no_assumption(tmp_path: Path, text: str, config: dict[str, Any]) -> None:
    """5 would fit several units; nginx, Fastly, Caddy and ECS say which it is."""
    log = tmp_path / "a.log"
    log.write_text(text)
    found = report(log, config=config)
    assert (found["window"]["start"], assumed(found)) == ("2026-09-01T06:00:05Z", {})


@pytest.mark.slow
def test_tables_of_parquet_and_exports(tmp_path: Path) -> None:
    """The time of an export is no end, so only the duration is read."""
    table = pa.table(
        {"time": ["2026-09-01T06:00:10Z"] * 2, "url": ["/img/1.png"] * 2, "status": [200, 200], "took": [250, 350]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert report(tmp_path / "a.parquet", config=OWN)["window"]["start"] == "2026-09-01T06:00:09.650000Z"
    log = tmp_path / "hcti.csv"
    log.write_text("id,created_at,template,render_time\na,2026-09-01T06:00:10Z,og,250\nb,2026-09-01T06:00:20Z,og,850\n")
    found = report(log)
    assert (found["window"]["start"], assumed(found)) == ("2026-09-01T06:00:10Z", {"duration_unit": 2})
    log.write_text("id,created_at,template,render_time\na,2026-09-01T06:00:10Z,og,2\n")
    assert assumed(report(log)) == {"duration_unknown": 1}
    assert assumed(report(log, config={"sources": {"x": {"provider": "hcti", "duration_unit": "s"}}})) == {}


@pytest.mark.parametrize(
    "text",
    [
        '$time_iso8601 "$request" $status $request_duration',
        '$time_iso8601 "$request" $status $elapsed_ms',
        '$time_iso8601 "$request" $status $request_duration $latency_us',
        '$time_iso8601 "$request" $status $request_time $duration',
    ],
)
@pytest.mark.parametrize("told", [None, "us"])
def test_many_at_once_is_one_by_one(text: str, told: str | None) -> None:
    rng = random.Random(4)
    table = {"path": "/img/.*", **({"duration_unit": told} if told else {})}
    settings = settings_of({"sources": {"img": table, "other": {"path": "/other/.*"}}}, "test")
    columns = text.count("$") - 3
    block = "\n".join(
        f'2026-09-01T06:00:10Z "GET /{rng.choice(["img", "other", "no"])}/{rng.randrange(3)}.png HTTP/1.1" 200 '
        + " ".join(rng.choice(["250", "310", "-", "0", "5.5", "1, 2", "x"]) for _ in range(columns))
        for _ in range(300)
    ).encode()
    kinds = LogFormat.of("own", text)

    def values() -> Any:
        for line in block.split(b"\n"):
            with suppress(BadRecordError):  # `x` is not a value of nginx's own $request_time
                if took := kinds(UTC).parse(line).took:
                    yield took

    found = []
    for compiled in (True, False):
        tally = Tally()
        kind, mapper = kinds(UTC), Mapper(settings, "x", Units(values))
        reading = Reading("x", kind, mapper, tally)
        reader = TemplateBlocks(reading).read if compiled else read_exactly
        batch, rest, _ = reader(block, 0)
        rows = pa.Table.from_batches([*([batch] if batch else []), *batches(reading.events(rest))]).to_pylist()
        found.append((sorted(rows, key=lambda row: row["line"]), tally))
    assert found[0] == found[1]
    assert len(found[0][0]) > 140
