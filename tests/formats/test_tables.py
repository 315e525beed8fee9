"""CSV, TSV and Parquet: kinds of tables, told by the names of their columns."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.config import settings_of
from auditor.exchanges.exchange import Exchange
from auditor.exchanges.mapper import Mapper
from auditor.formats.csv_table import MAX_ROW_LINES, CsvTable
from auditor.formats.parquet import Parquet
from auditor.model.errors import InputError
from auditor.model.event_reader import parse_event, parse_time
from auditor.model.events import BadRecordError, Outcome, Unknown, UsageEvent
from auditor.reading.format import Format
from auditor.reading.lines import MAX_LINE, LineReader
from auditor.reading.names import column_name
from auditor.reading.reader import Reading, Tally
from tests.records import record_of

ZONE = ZoneInfo("Europe/Berlin")
NOON = parse_time("2026-09-01T12:00:00Z", ZONE)[0]
Item = Exchange | UsageEvent | str


def items(kind: Format, path: Path) -> list[Item]:
    """What each record became; the reason of those that were rejected."""
    found: list[Item] = []
    with path.open("rb") as raw:
        for line in kind.records(path, LineReader(raw)):
            try:
                item = kind.parse(line.data)
            except BadRecordError as bad:
                item = bad.reason.value  # type: ignore[assignment]
            if item is not None:
                found.append(item)
    return found


def table(tmp_path: Path, *lines: str, name: str = "a.csv") -> list[Item]:
    path = tmp_path / name
    path.write_text("\n".join(lines), encoding="utf-8")
    return items(CsvTable(ZONE), path)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("time,method,url,status,duration_ms", "2026-09-01T12:00:00.250Z,GET,https://h.example/a?v=1,200,250"),
        ("Timestamp;Method;Request URL;Status Code;Duration (s)", "2026-09-01 12:00:00.25 UTC;GET;https://h.example/a?v=1;200;0.250"),
        ("timestamp,http_request.request_method,http_request.request_url,http_request.status,http_request.latency",
         "2026-09-01 12:00:00.250000 UTC,GET,https://h.example/a?v=1,200,0.25s"),
        ("date\ttime\thost\tpath\tquery\tstatus\telapsedMs", "2026-09-01\t14:00:00.25\th.example\t/a\tv=1\t200\t250"),
        ("msec|request|host|status|request_time_sec", "1788264000.250|GET /a?v=1 HTTP/1.1|h.example|200|0.250"),
        ("time,url,host,status,duration (µs)", "2026-09-01T12:00:00.25Z,/a?v=1,h.example,200,250000"),
        ("time,url,host,status,latency", "2026-09-01T12:00:00.25Z,/a?v=1,h.example,200,250ms"),
        ("@timestamp,http_method,uri,args,vhost,code,latency_ms", "1788264000250,GET,/a,?v=1,h.example,200,250"),
        ("EdgeStartTimestamp,ClientRequestMethod,ClientRequestURI,ClientRequestHost,EdgeResponseStatus,EdgeTimeToFirstByteMs",
         "2026-09-01T12:00:00Z,GET,/a?v=1,h.example,200,250"),
        ("date,time,x_edge_result_type,cs_method,cs_host,cs_uri_stem,cs_uri_query,sc_status,time_taken",
         "2026-09-01,12:00:00.25,Miss,GET,h.example,/a,v=1,200,0.250"),
        ("date,time,cs-method,cs-host,cs-uri-stem,cs-uri-query,sc-status,time-taken",
         "2026-09-01,12:00:00.25,GET,h.example,/a,v=1,200,250"),
    ],
)  # fmt: skip
def test_access_logs_under_many_names(tmp_path: Path, header: str, row: str) -> None:
    (found,) = table(tmp_path, header, row)
    assert isinstance(found, Exchange)
    assert (found.ts_us, found.duration_us, found.status) == (NOON, 250_000, 200)
    assert found.target.removeprefix("https://h.example") == "/a?v=1"
    assert found.host == "h.example" or "://" in found.target


@pytest.mark.parametrize("name", ["Request URL", "requestUrl", "request_url", "$request-url", " request url "])
def test_names_have_one_spelling(name: str) -> None:
    assert column_name(name) == "request_url"


EVENT = {
    "v": 1, "id": "e1", "ts": "2026-09-01T12:00:00Z", "outcome": "render", "provider": "imejis", "account": "main",
    "environment": "production", "template": "og", "key": "k1:1", "width": 1200, "bytes": 90112, "status": 200,
    "credits": Decimal("1.5"), "duration_ms": Decimal("250.5"), "inputs": {"title": "00"},
}  # fmt: skip


def test_events_of_a_table_are_those_of_json(tmp_path: Path) -> None:
    """Text of numbers is exact; an empty value is an absent one."""
    header = ",".join([*EVENT, "height", "retried"])
    row = ",".join(str(value) for name, value in EVENT.items() if name != "inputs") + ',"{""title"":""00""}",,'
    (found,) = table(tmp_path, header, row)
    assert found == parse_event(EVENT, ZONE)
    (local,) = table(tmp_path, header, row.replace("2026-09-01T12:00:00Z", "2026-09-01 14:00:00"))
    assert local == replace(parse_event(EVENT, ZONE), assumed_timezone=True)
    assert table(tmp_path, header, row.replace("90112", "many")) == ["bad_value"]
    assert table(tmp_path, header, row.replace("1.5", "1e999999")) == ["bad_value"]


def test_quotes_line_breaks_marks_and_hints(tmp_path: Path) -> None:
    lines = (
        "sep=;",
        "Time;URL;Status;Note",
        '2026-09-01T12:00:00Z;/a;200;"x;\n""y"""',
        "",
        "2026-09-01T12:00:00Z;/b;200;z",
    )
    assert len(table(tmp_path, "\ufeff" + lines[1], *lines[2:])) == 2
    first, second = table(tmp_path, *lines)
    assert isinstance(first, Exchange)
    assert isinstance(second, Exchange)
    assert (first.target, second.target) == ("/a", "/b")


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    rows = ["2026-09-01T12:00:00Z,/a,200,x"] * (3 * MAX_ROW_LINES)
    rows[1] = '2026-09-01T12:00:00Z,/a,200,"x'
    found = table(tmp_path, "time,url,status,note", *rows)
    assert len(found) == len(rows)
    assert [place for place, each in enumerate(found) if isinstance(each, str)] == [1]


@pytest.mark.parametrize("header", ["a,b,c", "time,time,url,status", "", "Charge,BilledCost,ChargePeriodStart"])
def test_unknown_columns_reject_every_row(tmp_path: Path, header: str) -> None:
    found = table(tmp_path, header or "x", "1,2,3", "4,5,6")
    assert set(found) == {"no_match"}
    assert len(found) == 3


def test_a_row_of_a_network_may_lack_a_value(tmp_path: Path) -> None:
    """As a line may that ends early: it is rejected, and the others are read."""
    header = "date,time,cs_method,cs_uri_stem,cs_uri_query,sc_status,x_edge_result_type"
    rows = ["2026-09-01,12:00:00,GET,/a,-,200,Hit", "2026-09-01,12:00:00,GET,/a,-,,Hit", ",12:00:00,GET,/a,-,200,Hit"]
    found = table(tmp_path, header, *rows)
    assert [each if isinstance(each, str) else "" for each in found] == ["", "missing_field", "missing_field"]


def export(tmp_path: Path, header: str, *rows: str, name: str = "hcti-export.csv") -> Sequence[UsageEvent]:
    path = tmp_path / name
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    kind, tally = CsvTable(ZONE), Tally()
    reading = Reading(name, kind, Mapper(settings_of({}, "test"), name), tally)
    with path.open("rb") as raw:
        found = [event for _, event in reading.events(kind.records(path, LineReader(raw)))]
    assert not tally.rejections
    return found


def test_an_export_of_renders(tmp_path: Path) -> None:
    (found,) = export(
        tmp_path,
        "ID,Created At,Template ID,Status,Credits,Dimensions,File size,Format,Render time (s),Workspace,Environment",
        '7,2026-09-01 14:00:00,og,Completed,"1,000.5",1200x630,90112,image/jpeg,0.25,Shop,Staging',
    )
    expected = replace(
        parse_event({**EVENT, "id": found.id, "provider": "hcti", "account": "Shop", "environment": "staging", "height": 630,
                     "format": "jpeg", "credits": Decimal("1000.5"), "duration_ms": 250, "key": found.key}, ZONE),
        status=None, inputs=None, assumed_timezone=True, unknown=Unknown.NO_INPUTS,
        assumed="no_inputs",
    )  # fmt: skip
    assert found == expected
    assert found.id.startswith("7@")


def test_inputs_make_a_key_whatever_their_order(tmp_path: Path) -> None:
    rows = ['a,1,og,"{""x"":1,""y"":2}"', 'b,2,og,"{""y"":2,""x"":1}"', 'c,3,og,"{""x"":2}"', "d,4,og,", "e,5,og,"]
    keys = [event.key for event in export(tmp_path, "id,created_at,template,modifications", *rows)]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


@pytest.mark.parametrize(
    ("status", "outcome", "credits"),
    [
        ("completed", Outcome.RENDER, 1), ("failed", Outcome.ERROR, 0), ("pending", Outcome.ATTEMPT, None),
        ("cached", Outcome.HIT, 0), ("200", Outcome.RENDER, 1), ("504", Outcome.ERROR, None), ("", Outcome.RENDER, 1),
    ],
)  # fmt: skip
def test_states_of_a_render(tmp_path: Path, status: str, outcome: Outcome, credits: int | None) -> None:
    (found,) = export(tmp_path, "created_at,template,status", f"2026-09-01T12:00:00Z,og,{status}")
    assert (found.outcome, found.credits) == (outcome, credits)


def test_rows_without_an_id_are_told_apart_by_their_place(tmp_path: Path) -> None:
    first, second, third = export(tmp_path, "created_at,template,width", "1,og,1", "1,og,2", "1,og,2")
    assert first.id != second.id
    assert second.id != third.id
    again = export(tmp_path, "created_at,template,width", "1,og,1", "1,og,2", "1,og,2", name="hcti-2.csv")
    assert [event.id for event in again] == [first.id, second.id, third.id]


def parquet(tmp_path: Path, found: pa.Table) -> list[Item]:
    path = tmp_path / "a.parquet"
    pq.write_table(found, path)
    return items(Parquet(ZONE), path)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", None])
def test_times_of_parquet(tmp_path: Path, unit: str, zone: str | None) -> None:
    moment = datetime(2026, 9, 1, 12, tzinfo=UTC) if zone else datetime(2026, 9, 1, 14)  # noqa: DTZ001
    columns = {"time": pa.array([moment], pa.timestamp(unit, zone)), "url": ["/a"], "status": [200]}
    (found,) = parquet(tmp_path, pa.table(columns))
    assert isinstance(found, Exchange)
    assert (found.ts_us, found.assumed_timezone) == (NOON, zone is None)


def test_events_of_parquet_are_those_of_json(tmp_path: Path) -> None:
    columns = {name: [value] for name, value in EVENT.items() if name != "inputs"}
    columns["inputs"] = pa.array([[("title", "00")]], pa.map_(pa.string(), pa.string()))
    assert parquet(tmp_path, pa.table({**columns, "height": pa.array([None], pa.int32())})) == [
        parse_event(EVENT, ZONE)
    ]


def test_structs_of_parquet_leave_out_what_is_null(tmp_path: Path) -> None:
    """Every row has the fields of all rows; nested ones are paths."""
    columns = {name: [value, value] for name, value in EVENT.items() if name != "inputs"} | {"id": ["a", "b"]}
    columns["inputs"] = [{"title": "00", "sub": {"text": "01"}}, {"title": "00", "sub": None}]
    first, second = parquet(tmp_path, pa.table(columns))
    assert isinstance(first, UsageEvent)
    assert isinstance(second, UsageEvent)
    assert (first.inputs, second.inputs) == ({"title": "00", "sub.text": "01"}, {"title": "00"})


def test_columns_with_gaps_hold_fractions(tmp_path: Path) -> None:
    """pandas makes floats of whole numbers as soon as one is missing, and writes them to CSV like that."""
    columns = {"time": [0, 0], "url": ["/a", "/a"], "status": [200.0, None], "bytes": [None, 9.0]}
    first, second = parquet(tmp_path, pa.table(columns))
    assert isinstance(first, Exchange)
    assert isinstance(second, Exchange)
    assert (first.status, first.bytes, second.status, second.bytes) == (200, None, None, 9)
    (found,) = table(tmp_path, "time,url,status,bytes", "0,/a,200.0,9.0")
    assert isinstance(found, Exchange)
    assert (found.status, found.bytes) == (200, 9)


def test_our_own_columns_are_read_back(tmp_path: Path) -> None:
    """What the audit keeps beside a big log holds the same events."""
    from auditor.intake.columns import batches

    event = parse_event(EVENT, ZONE)
    (found,) = parquet(tmp_path, pa.Table.from_batches(list(batches([(1, event)]))))
    assert isinstance(found, UsageEvent)
    assert record_of(found) == record_of(event)


def test_rows_before_a_damage_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = {
        "time": list(range(9000)),
        "url": [f"/{'x' * 40}/{n * 7919 % 9000}" for n in range(9000)],
        "status": [200] * 9000,
    }
    pq.write_table(pa.table(rows), path, row_group_size=3000, compression="zstd")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(data)
    with path.open("rb") as raw:
        reader = LineReader(raw)
        found = list(Parquet(ZONE).records(path, reader))
    assert 0 < len(found) < 9000
    assert reader.truncated
    assert reader.damage


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"a\.parquet"):
        items(Parquet(ZONE), path)
    path.write_bytes(gzip.compress(b"PAR1"))
    with pytest.raises(InputError, match=r"a\.parquet"):
        items(Parquet(ZONE), path)


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", None])
def test_parquet_in_every_encoding_of_texts(tmp_path: Path, encoding: str | None) -> None:
    """None is a dictionary; rows are the same, a null among them, and one that is too long is that row alone."""
    paths = ["/og/1.png", "/og/2.png", None, "/" + "a" * (2 << 20), "/og/1.png"]
    table = pa.table({"path": paths, "status": [200] * 5})
    file = tmp_path / "a.parquet"
    pq.write_table(
        table, file, use_dictionary=encoding is None, column_encoding=None if encoding is None else {"path": encoding}
    )
    with file.open("rb") as raw:
        records = [line.data for line in Parquet(ZoneInfo("UTC")).records(file, LineReader(raw))]
    assert [json.loads(each)["path"] for each in records if len(each) <= MAX_LINE] == [*paths[:3], paths[4]]
    assert [len(each) > MAX_LINE for each in records] == [False, False, False, True, False]
