"""JSON objects behind each other on one of several lines: a record each, as is what is damaged among them."""

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from auditor.config import load
from auditor.formats.cloudflare import Cloudflare
from auditor.ledger import schema
from auditor.ledger.database import Ledger
from auditor.reading.glued import apart, records
from auditor.reading.lines import MAX_LINE, Line
from auditor.registry import FORMATS
from tests.conftest import event, lines
from tests.formats.samples import FOLDER, SAMPLES, Taken, taken, taken_of
from tests.formats.test_foreign import SHOP, report
from tests.ledger.conftest import feed


def request(number: int, **others: Any) -> str:
    """A request to an image of its own, as Cloudflare logs it."""
    return json.dumps({
        "ClientRequestMethod": "GET", "ClientRequestURI": f"/img/og/{number}.png?a=}}{{,[", "EdgeResponseStatus": 200,
        "EdgeStartTimestamp": f"2026-09-01T08:{number // 60 % 60:02}:{number % 60:02}Z", **others,
    })  # fmt: skip


A, B, C = (request(number) for number in (1, 2, 3))
TORN = '{"ClientRequestMethod": "GET", "ClientRequestURI": "/im'
LINES = {
    "two": (A + B, [A, B]),
    "three": (A + B + C, [A, B, C]),
    "blanks between": (f"{A} \t{B}\r", [A, B]),
    "commas between": (f"{A}, {B},", [A, B]),
    "a comma behind": (f"{A},", [A]),
    "an array": (f"[{A}, {B}]", [A, B]),
    "an array of one, and an object": (f"[{A}] {B}", [A, B]),
    "a hole between": (f"{A}\0\0\0{B}", [A, B]),
    "a mark": (f"\ufeff{A}{B}", [A, B]),
    "syslog": (f"<13>Sep  1 08:00:00 edge fastly: {A}{B}", [A, B]),
    "a number behind": (f"{A} 5", [A, "5"]),
    "a text behind": (f"{A}Server started", [A, "Server started"]),
    "a text between": (f"{A}Server started {B}", [A, "Server started", B]),
    "a brace too many": (A + "}", [A, "}"]),
    "the end is torn": (A + TORN, [A, TORN]),
    "the first is torn within a text": (TORN + A + B, [TORN, A, B]),
    "the first is torn behind a comma": ('{"ClientRequestMethod": "GET",' + A, ['{"ClientRequestMethod": "GET",', A]),
    "the first is torn within an escape": (TORN + "\\" + A, [TORN + "\\", A]),
    "the second is torn": (A + TORN + B, [A, TORN, B]),
}
"""A line -> its records."""
ONE = {
    "one": A,
    "one with objects in it": json.dumps({"a": [{"b": 1}, {"c": 2}], "d": {"e": {}}}),
    "one behind a time": f"2026-09-01T08:00:00Z {A}",
    "one that lacks its end": '{"ts": 1, "request": {"uri": "/x"}, "all": [{"a": 1}, {"b": 2}',
    "one with a text that was not escaped": '{"body": "{"template": "og", "a": {}}", "status": 200}',
    "one with what is not a number": '{"a": NaN}',
    "two of which both are torn": TORN + TORN,
    "a text with an object": f"started with {A}",
    "no object": '[1, "{}{}"]',
}
"""Lines that are one record, good or bad."""


@pytest.mark.parametrize("name", LINES)
def test_each_object_is_a_record(name: str) -> None:
    """In their order, and what is not an object is one that is rejected."""
    line, expected = LINES[name]
    assert [each.decode() for each in apart(line.encode())] == expected


@pytest.mark.parametrize("name", ONE)
def test_any_other_line_stays_as_it_is(name: str) -> None:
    line = ONE[name].encode()
    assert apart(line) == [line]
    assert apart(long := line + b" " * MAX_LINE) == [long]


def test_bytes_that_are_no_text_stay_what_they_are() -> None:
    assert apart(b'{"a":"\xff"}{"b":"\xc3"}') == [b'{"a":"\xff"}', b'{"b":"\xc3"}']


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("named", [False, True])
def test_what_an_audit_takes_of_such_a_line(tmp_path: Path, name: str, named: bool) -> None:
    """Good objects count, the others are rejected with their own text and the number of their line."""
    line, expected = LINES[name]
    good = sum(each in (A, B, C) for each in expected)
    log = tmp_path / "requests.log"
    rows = [request(n) for n in range(10, 20)]
    log.write_text("\n".join([*rows, line, *rows[:5], "{}"]), encoding="utf-8", newline="")
    inputs = report(log, input_format="cloudflare" if named else None)["inputs"]
    assert (inputs["files"][0]["format"], inputs["events"]) == ("cloudflare", 15 + good)
    bad = [(11, each) for each in expected if each not in (A, B, C)] + [(17, "{}")]
    assert [(each["line"], each["excerpt"]) for each in inputs["rejections"]] == bad
    assert inputs["lines"] == inputs["events"] + inputs["rejected"] == 16 + len(expected)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("between", ["\n", "", " ", ",\r\t"])
def test_repeats_odd_times_and_requests_are_found_by_their_lines(tmp_path: Path, between: str, packed: bool) -> None:
    """However many stand on a line; equal ones are events of their own, and those of a copy are not."""
    texts = [request(n % 300) for n in range(900)]
    odd = request(7, EdgeStartTimestamp="1970-01-01T00:00:00Z")
    text = "\n".join([request(1000), between.join([*texts, odd]), request(1001)]) + "\n"
    log, copy = tmp_path / "requests.log", tmp_path / "copy.log"
    log.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    copy.write_bytes(text.encode())
    found = report(log, copy, findings=True)
    inputs = found["inputs"]
    assert (inputs["events"], inputs["duplicates"], inputs["rejected"]) == (902, 902, 2)
    (repeats,) = (each for each in found["findings"] if each["rule"] == "duplicate-renders")
    assert repeats["evidence"]["repeat"] == 600
    assert all(top["request"].startswith("/img/og/") for top in repeats["evidence"]["top_keys"])
    line = 902 if between == "\n" else 2
    assert [(bad["line"], bad["reason"]) for bad in inputs["rejections"]] == [(line, "odd_time")] * 2
    assert inputs["files"][0]["assumed"] == {"no_environment": 902, "no_verdict": 902}


def _objects() -> Iterator[Path]:
    for path in SAMPLES:
        kind = FORMATS[path.name.partition(".")[0]]
        rows = path.read_bytes().split(b"\n") if path.suffix == ".log" else []
        if kind.objects and len([row for row in rows if row[:1] == b"{"]) > 1:
            yield path


def _glued(path: Path) -> bytes:
    """The sample with two objects on each line."""
    rows = [row for row in path.read_bytes().split(b"\n") if row[:1] == b"{"]
    return b"\n".join(b"".join(rows[at : at + 2]) for at in range(0, len(rows), 2)) + b"\n"


def _told(found: Taken) -> list[dict[str, Any]]:
    """What was taken, without what tells where it stood: the keys of calls of which nobody knows the inputs do, too."""
    bare = [{**each, "line": 0, "id": 0} for each in found.records]
    return [{**each, "key": 0} if each["unknown"] or each["outcome"] == "error" else each for each in bare]


@pytest.mark.parametrize("path", list(_objects()), ids=lambda path: path.name)
def test_each_format_of_objects_reads_and_detects_such_lines(tmp_path: Path, path: Path) -> None:
    """As it does with an object a line."""
    settings = load(FOLDER / "auditor.toml")
    log = tmp_path / path.name
    rows = [row for row in path.read_bytes().split(b"\n") if row[:1] == b"{"]
    log.write_bytes(b"\n".join(rows) + b"\n")
    expected = taken(log, settings)
    log.write_bytes(_glued(path))
    found = taken(log, settings)
    assert (found.format, found.tally.lines, found.tally.reasons) == (
        expected.format, expected.tally.lines, expected.tally.reasons,
    )  # fmt: skip
    assert _told(found) == _told(expected) != []


@pytest.mark.parametrize("wrap", [
    lambda text: json.dumps({"log": text + "\n", "stream": "stdout", "time": "2026-09-01T08:00:00.1Z"}),
    lambda text: f"2026-09-01T08:00:00.123456789Z stdout F {text}",
    lambda text: '"2026-09-01 08:00:00.250","{}"'.format(text.replace('"', '""')),
])  # fmt: skip
def test_such_lines_inside_what_a_collector_wrote(tmp_path: Path, wrap: Any) -> None:
    rows = [A + B, C, TORN + A]
    found = taken_of(tmp_path, {"web.log": "".join(wrap(row) + "\n" for row in rows)}, SHOP)
    assert [row["line"] for row in found.records][::2] == [1, 2]
    assert (found.tally.lines, len(found.records)) == (5, 4)
    assert [bad.line for bad in found.tally.rejections] == [3]


def test_where_blocks_end_changes_nothing(tmp_path: Path) -> None:
    """Also of a line that begins in one and ends in the next."""
    long = "".join(request(n) for n in range(4000))
    rows = [long, A + B] * 12
    log = tmp_path / "requests.log"
    log.write_text("\n".join(rows), encoding="utf-8")
    found = taken_of(tmp_path, {"requests.log": None}, SHOP)
    assert len(long) < MAX_LINE < 4 << 20 < log.stat().st_size
    assert (found.tally.lines, len(found.records)) == (12 * 4002, 12 * 4002)
    assert len({(each["line"], each["id"]) for each in found.records}) == 12 * 4002


@pytest.mark.parametrize("bulk", [False, True])
def test_two_usage_events_on_a_line_are_one_rejected_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bulk: bool
) -> None:
    """Semantics, section 1: one object a line. Audit and ledger agree, however they read it, and say what to do."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    if bulk:
        monkeypatch.setattr("auditor.intake.read.BULK_FROM", 0)
        monkeypatch.setattr("auditor.ledger.piece.BULK_FROM", 0)
    log = tmp_path / "usage.jsonl"
    glued = lines([event("b")]).strip() + lines([event("c")])
    log.write_bytes(lines([event("a")]) + glued + lines([event("d")]))
    inputs = report(log)["inputs"]
    assert (inputs["lines"], inputs["events"]) == (3, 2)
    with Ledger(str(tmp_path / "ledger.db")) as ledger:
        done = feed(ledger, log)
        with ledger.read() as connection:
            kept = connection.execute(select(schema.rejections)).one()
    assert (done.counts["lines"], done.counts["events"], done.counts["rejected"]) == (3, 2, 1)
    (bad,) = inputs["rejections"]
    why = f"a second object begins at column {len(lines([event('b')]))}; write one event a line"
    assert (bad["line"], bad["reason"], bad["detail"]) == (kept.line, kept.reason, kept.detail) == (2, "not_json", why)


@pytest.mark.parametrize(
    "unit", [b'{"a":1}', b'{"a":1} 5 ', b'{"a":"', b'{"a"', b'{""', b"},{", b"[{", b'\\{"', b'{"a{"']
)
def test_time_is_linear_in_a_line(unit: bytes) -> None:
    """A line of 100,000 objects, or of what may be the beginning of as many."""

    def spent(times: int) -> float:
        line = Line(1, b'{"z":1}' + unit * times)
        best = 1e9
        for _ in range(3):
            start = time.process_time()
            list(records([line]))
            best = min(best, time.process_time() - start)
        return max(best, 0.002)

    assert spent(100_000) / spent(25_000) <= 6


def test_100_000_objects_on_a_line_are_as_many_records() -> None:
    found = list(records([Line(3, b'{"a":1}' * 100_000), Line(4, b"{}{}"), Line(5, b"{}")]))
    assert [each.place for each in found] == [3] * 100_000 + [4, 4, 5]
    assert len({each.number for each in found}) == len(found)
    assert [each.number for each in found if each.number < 10] == [3, 4, 5]


def test_a_line_of_one_object_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it copied."""
    monkeypatch.setattr("auditor.reading.glued.split", None)
    line = Line(1, A.encode())
    assert next(iter(records([line]))) is line
    assert Cloudflare(ZoneInfo("UTC")).parse(line.data).status == 200
