"""What is asked where no format fits: what is missing, and the line that answers; never a value of the log."""

import json
from pathlib import Path
from typing import Any

import pytest

from auditor.config import settings_of
from auditor.intake.read import detected_in
from auditor.intake.sources import Source
from auditor.model.errors import InputError
from tests.conftest import documented, event
from tests.formats.test_foreign import line

TIME = "2026-09-01T08:00:00Z"


def asked(folder: Path, name: str, text: str) -> str:
    """The question about a log."""
    log = folder / name
    log.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        detected_in(Source(name, log), settings_of({}, "x"), None)
    assert "cannot tell the format" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("when,url,status", "csv: no column for the time; columns are when, url, status;"),
        ("Time;URL;result", "csv: no column for the status; columns are Time, URL, result;"),
        ("a\tb\tc", "csv: no column for the time and the URL and the status; columns are a, b, c;"),
        (f"time,url,{'x' * 41}", None),
    ],
)
def test_a_table_without_a_column(tmp_path: Path, head: str, said: str | None) -> None:
    """The names that it has are told, unless they do not look like names."""
    by = next(each for each in ",;\t" if each in head)
    found = asked(tmp_path, "a.csv", f"{head}\n" + f"{TIME}{by}/img/1.png{by}200\n" * 3)
    assert "--input-format NAME" in found
    if said is None:
        assert "x" * 41 not in found
    else:
        assert said in found and "name the columns time, url and status" in found


OTHERS: list[dict[str, Any]] = [
    {"outcome": "ok", "scriptName": "og", "eventTimestamp": 1788249600000, "event": {"request": {"url": "/a"}}},
    {"outcome": "success", "id": "7", "ts": TIME, "duration_ms": 5},
    {"v": 0, "name": "app", "level": 30, "msg": "x", "time": TIME},
    {"v": 0, "name": "app", "level": 30, "msg": "x", "outcome": "ok"},
    {"level": "info", "msg": "started"},
]


@pytest.mark.parametrize("record", OTHERS)
@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize("name", ["app.ndjson", "usage.jsonl", "app.log"])
def test_objects_of_other_programs_are_a_question(
    tmp_path: Path, record: dict[str, Any], count: int, name: str
) -> None:
    """However few, whatever the file is called, and though they have a key of usage events."""
    found = asked(tmp_path, name, (json.dumps(record) + "\n") * count)
    assert "json: no key for the " in found and "[formats.own]" in found


@pytest.mark.parametrize("without", sorted(event("a")))
def test_a_usage_event_without_any_field_is_one(tmp_path: Path, without: str) -> None:
    log = tmp_path / "app.log"
    record = {name: value for name, value in event("a").items() if name != without}
    log.write_text(json.dumps(record) + "\n")
    assert detected_in(Source(log.name, log), settings_of({}, "x"), None).kind.name == "jsonl"


def test_the_line_that_answers_has_the_keys_that_are_known(tmp_path: Path) -> None:
    record = {"at": TIME, "req": {"method": "GET", "url": "/img/1.png"}, "res": {"statusCode2": 200}, "time": TIME}
    found = asked(tmp_path, "a.log", (json.dumps(record) + "\n") * 3)
    assert "keys are at, req.method, req.url, res.statusCode2, time;" in found
    assert found.endswith('[formats.own] with kind = "json"; time = "time"; url = "req.url"; status = "KEY"')


def test_why_a_likely_format_does_not_fit(tmp_path: Path) -> None:
    found = asked(tmp_path, "a.log", line(1) * 2 + "something else\n" * 8)
    assert "it may be combined (20%)" in found
    assert "whose first line that cannot be read says: not a line of the common or combined log format" in found


SECRETS = ["4111111111111111", "Bearer abc", "j.doe@a.example", "\x1b[31mred", "\u202eevil", "k" * 200, 'a"b']


@pytest.mark.parametrize("secret", SECRETS)
def test_no_value_and_no_strange_name_is_told(tmp_path: Path, secret: str) -> None:
    """A first line of values is not a header, and a key that is none of a program's is only counted."""
    table = asked(tmp_path, "a.csv", f"{TIME},{json.dumps(secret)[1:-1]},200 ok\n{TIME},other,200 ok\n")
    objects = asked(tmp_path, "a.log", json.dumps({secret: secret, "level": secret, "n1": [secret]}) + "\n")
    escaped = "Bearer" if secret == "Bearer abc" else secret
    assert secret not in table and (secret == "Bearer abc" or escaped not in objects)
    assert objects.isprintable() and table.isprintable()


def test_names_are_bounded(tmp_path: Path) -> None:
    """However many there are."""
    found = asked(tmp_path, "a.log", json.dumps({f"key{n}": 1 for n in range(5000)}) + "\n")
    assert "and 4,988 more" in found and len(found) < 600
    deep: Any = {"a": 1}
    for _ in range(500):
        deep = {"a": deep}
    assert len(asked(tmp_path, "a.log", json.dumps(deep) + "\n")) < 600


@pytest.mark.parametrize("route", [{"resourcePath": "/og/{name}"}, {"routeKey": "GET /og/{name}"}])
def test_api_gateway_as_its_examples_log_it_names_no_image(tmp_path: Path, route: dict[str, str]) -> None:
    """AWS's own examples lack `$context.path`; with it the same lines are read."""
    log = tmp_path / "access.log"
    record = {
        "requestId": "a", "ip": "203.0.113.7", "requestTime": "01/Sep/2026:08:00:01 +0000", "httpMethod": "GET",
        "status": "200", "protocol": "HTTP/1.1", "responseLength": "5000", **route,
    }  # fmt: skip
    log.write_text(f"{json.dumps(record)}\n" * 2)
    with pytest.raises(InputError) as asked:
        documented([log], tmp_path)
    assert f"{next(iter(route))} is the same for every image of a route" in str(asked.value)
    assert '"path":"$context.path"' in str(asked.value)
    log.write_text(f"{json.dumps({**record, 'path': '/og/a.png'})}\n" * 2)
    found = documented([log], tmp_path, config={"sources": {"og": {"path": "/og/.*"}}})
    assert (found["inputs"]["files"][0]["format"], found["totals"]["renders"]) == ("api-gateway", 2)


@pytest.mark.parametrize("name", ["tail.log", "tail.json", "tail.ndjson", "usage.jsonl", "usage.jsonl.1"])
@pytest.mark.parametrize("count", [1, 3])
def test_objects_over_several_lines_are_to_be_written_on_one(tmp_path: Path, count: int, name: str) -> None:
    """As `wrangler tail --format json` prints them; no name makes damaged usage events of them."""
    record = {"outcome": "ok", "event": {"request": {"url": "https://shop.example/a.png"}}, "logs": []}
    found = asked(tmp_path, name, f"{json.dumps(record, indent=2)}\n" * count)
    assert "its JSON objects span several lines" in found and "jq -c . FILE" in found
