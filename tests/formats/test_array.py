"""Files that are one JSON array: each object is a line."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from auditor.reading.array import objects
from tests.conftest import event
from tests.formats.test_foreign import SHOP, report

WRITTEN: dict[str, Callable[[Sequence[Any]], str]] = {
    "in one line": json.dumps,
    "over many lines": lambda found: json.dumps(found, indent=2),
    "a line each": lambda found: "[\n" + ",\r\n".join(map(json.dumps, found)) + "\n]\n",
    "two arrays": lambda found: json.dumps(found[:1]) + "\n" + json.dumps(found[1:]),
    "behind a mark": lambda found: "\ufeff" + json.dumps(found),
}
CLOUDFLARE = [
    {"ClientRequestMethod": "GET", "ClientRequestURI": f"/img/og/{n}.png?a=[{{,", "EdgeResponseStatus": 200,
     "EdgeStartTimestamp": f"2026-09-01T08:00:0{n}Z"}
    for n in range(6)
]  # fmt: skip


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("written", WRITTEN)
def test_arrays_of_requests(tmp_path: Path, written: str, named: bool) -> None:
    """However they are written; a bad object has its own number."""
    log = tmp_path / "requests.json.log"
    log.write_text(WRITTEN[written]([*CLOUDFLARE, {"a": 1}]), encoding="utf-8", newline="")
    inputs = report(log, input_format="cloudflare" if named else None)["inputs"]
    assert (inputs["files"][0]["format"], inputs["events"]) == ("cloudflare", 6)
    assert [(bad["line"], bad["reason"]) for bad in inputs["rejections"]] == [(7, "missing_field")]


@pytest.mark.parametrize("bulk", [False, True])
def test_arrays_of_usage_events_and_of_wrapped_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bulk: bool
) -> None:
    if bulk:
        monkeypatch.setattr("auditor.intake.read.BULK_FROM", 0)
    log = tmp_path / "usage.json.log"
    log.write_text(json.dumps([event(f"e{n}") for n in range(9)], indent=1))
    assert report(log)["inputs"]["events"] == 9
    text = '203.0.113.7 - - [01/Sep/2026:08:00:01 +0000] "GET /img/og/1.png HTTP/1.1" 200 9'
    log.write_text(json.dumps([{"line": text, "timestamp": "1"}] * 3))
    assert report(log, config=SHOP)["inputs"]["events"] == 3


def test_an_array_that_breaks_off(tmp_path: Path) -> None:
    """What stands before is read, the rest is one bad line, and the file is not whole."""
    log = tmp_path / "requests.json.log"
    text = json.dumps(CLOUDFLARE)
    log.write_text(text[:-20])
    inputs = report(log)["inputs"]
    assert (inputs["events"], inputs["rejected"], inputs["files"][0]["truncated"]) == (5, 1, True)
    log.write_bytes(gzip.compress(text.replace('"GET"', "GET", 1).encode()))
    inputs = report(log, input_format="cloudflare")["inputs"]
    assert (inputs["events"], inputs["rejected"], inputs["files"][0]["truncated"]) == (0, 1, True)


def test_numbers_of_any_length_and_bytes_that_are_no_text_pass() -> None:
    """Whether they are worth something is for the format to say; cuts may fall anywhere."""
    data = b'[{"a": ' + b"9" * 5000 + b'}, {"b": "\xff\xc3\xbc"}]'
    whole = b'{"a": ' + b"9" * 5000 + b'}\n{"b": "\xff\xc3\xbc"}\n'
    assert b"".join(objects([data])) == whole
    assert b"".join(objects(bytes([byte]) for byte in data)) == whole


def test_objects_without_line_ends_are_lines(tmp_path: Path) -> None:
    """As Amazon Data Firehose delivers them by default; numbers are those of the objects."""
    record = {"ts": 1788249600, "request": {"uri": "/img/og/1.png", "method": "GET"}, "status": 200}
    bad = {**record, "request": {}}
    for between in ("", " "):
        log = tmp_path / "firehose.log"
        log.write_text(between.join(map(json.dumps, [record, record, record, bad, record])))
        inputs = report(log)["inputs"]
        assert (inputs["events"], [each["line"] for each in inputs["rejections"]]) == (4, [4])
