"""Documents that hold records in an array: as Azure Monitor's event hubs get them, and as `records` declares."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from auditor.reading.array import objects
from tests.formats.samples import FOLDER
from tests.formats.test_foreign import report

IMG = {"sources": {"img": {"path": "/img/.*"}}}
SHAPE = {"kind": "json", "records": "data.items", "time": "t", "url": "u", "status": "s"}
OWN = {**IMG, "formats": {"own": SHAPE}}
FLAT = {"meta": {"page": 1, "of": "}"}, "tags": ["[", 2], "none": {}}
PAGING = {"paging": {"next": {"token": "a]}", "of": [[1], {}]}, "links": []}, "total": 6}
Written = Callable[[str, Sequence[Any]], str]
WRITTEN: dict[str, Written] = {
    "one document": lambda key, found: json.dumps({key: found}),
    "one document over many lines": lambda key, found: json.dumps({key: found}, indent=2) + "\n",
    "a document a line": lambda key, found: "".join(json.dumps({key: [each]}) + "\r\n" for each in found),
    "documents behind each other": lambda key, found: "".join(json.dumps({key: [each]}) for each in found),
    "with more around": lambda key, found: json.dumps({"n": 1, key: found, "next": "a]}", "m": None}, indent=1),
    "with objects behind": lambda key, found: json.dumps({key: found, **PAGING}) + "\n",
    "with objects behind, over many lines": lambda key, found: json.dumps({key: found, **PAGING}, indent=2) + "\n",
    "with objects before, over many lines": lambda key, found: json.dumps({**FLAT, key: found, **PAGING}, indent=2),
    "several with objects behind": lambda key, found: "".join(
        json.dumps({key: [n], **PAGING}, indent=1) for n in found
    ),
    "an empty one first": lambda key, found: json.dumps({key: []}) + json.dumps({key: found}),
    "behind a mark": lambda key, found: "\ufeff" + json.dumps({key: found}),
}


def requests(count: int = 6) -> list[dict[str, Any]]:
    return [{"t": f"2026-09-01T08:00:{n:02d}Z", "u": f"/img/{n}.png?a=[{{,", "s": 200} for n in range(count)]


def entries(name: str) -> list[Any]:
    """The records of a sample, of which the last lacks its time."""
    return [json.loads(line) for line in (FOLDER / f"{name}.log").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("key", ["records", "Records"])
@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("name", ["azure-front-door", "azure-app-gateway"])
def test_documents_give_what_their_records_give(tmp_path: Path, name: str, written: str, key: str) -> None:
    """However they are written."""
    log = tmp_path / "lines.log"
    log.write_text("".join(json.dumps(each) + "\n" for each in entries(name)), encoding="utf-8")
    plain = report(log, config=IMG)
    log.write_text(WRITTEN[written](key, entries(name)), encoding="utf-8", newline="")
    found = report(log, config=IMG)
    assert found["inputs"]["files"][0]["format"] == name
    assert found["totals"] == plain["totals"]
    empty = "empty" in written and found["inputs"]["lines"] - plain["inputs"]["lines"]
    assert found["inputs"]["lines"] == plain["inputs"]["lines"] + empty
    assert found["inputs"]["filtered"] == plain["inputs"]["filtered"] + empty
    assert found["totals"]["requests"] > 1


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("written", WRITTEN)
def test_documents_of_a_declared_shape(tmp_path: Path, written: str, named: bool) -> None:
    """A bad record has its own number."""
    log = tmp_path / "own.log"
    records = [*requests(), {"u": "/img/7.png", "s": 200}]
    text = WRITTEN[written]("items", records)
    whole = text.replace('{"items"', '{"data": {"items"').replace("]}", "]}}") if written != "with more around" else ""
    log.write_text(whole or json.dumps({"data": {"items": records, "of": 7}}, indent=1), encoding="utf-8", newline="")
    inputs = report(log, config=OWN, input_format="own" if named else None)["inputs"]
    assert (inputs["files"][0]["format"], inputs["events"]) == ("own", 6)
    assert [bad["reason"] for bad in inputs["rejections"]] == ["missing_field"]
    assert inputs["rejections"][0]["line"] == inputs["lines"]


def test_a_bad_line_among_documents_costs_no_other(tmp_path: Path) -> None:
    log = tmp_path / "hub.log"
    lines = [json.dumps({"records": [each]}) for each in entries("azure-front-door")[:-1]]
    log.write_text("\n".join([lines[0], lines[1][:-9], *lines[1:], '{"records": [7]}']) + "\n", encoding="utf-8")
    inputs = report(log, config=IMG)["inputs"]
    assert [(bad["line"], bad["reason"]) for bad in inputs["rejections"]] == [
        (2, "not_json"),
        (len(lines) + 2, "not_object"),
    ]


def test_a_document_that_breaks_off(tmp_path: Path) -> None:
    """What stands before is read, the rest is one bad record, and the file is not whole."""
    log = tmp_path / "hub.log"
    records = entries("azure-front-door")[:-1]
    text = json.dumps({"records": records * 2})
    log.write_text(text[:-20], encoding="utf-8")
    inputs = report(log, config=IMG)["inputs"]
    assert (inputs["rejected"], inputs["files"][0]["truncated"]) == (1, True)
    assert inputs["lines"] == 2 * len(records)


def test_a_document_of_more_than_a_line_may_have(tmp_path: Path) -> None:
    log = tmp_path / "hub.log"
    records = requests(60) * 500
    log.write_text(json.dumps({"data": {"items": records}}), encoding="utf-8")
    assert log.stat().st_size > 1 << 20
    inputs = report(log, config=OWN)["inputs"]
    assert (inputs["events"], inputs["rejected"]) == (30_000, 0)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_wherever_a_stream_is_cut(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("auditor.reading.array._STEP", size)
    records = requests()
    for written in WRITTEN.values():
        data = written("records", records).encode()
        chunks = (data[at : at + size] for at in range(0, len(data), size))
        found = b"".join(objects(chunks, key="records")).splitlines()
        assert [json.loads(line) for line in found] == records
