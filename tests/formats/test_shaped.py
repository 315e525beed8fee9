"""JSON of any shape: what `[formats.NAME]` with `kind = "json"` declares is read, asked about, or refused with the key."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.config import settings_of
from auditor.exchanges.exchange import Exchange
from auditor.intake.detect import named
from auditor.model.errors import ConfigError, InputError
from auditor.model.events import BadRecordError
from auditor.model.settings import Settings
from auditor.reading.format import NO_REQUEST, Format
from tests.formats.samples import taken_of

UTC = ZoneInfo("UTC")
START = 1_788_242_401_250_000
SHAPE = {"kind": "json", "time": "t", "url": "u", "status": "s"}
SOURCES = {"sources": {"img": {"path": r"/img/.*"}}}


def settings(**shapes: Mapping[str, Any]) -> Settings:
    return settings_of({**SOURCES, "formats": shapes}, "test")


def reader(**declared: Any) -> Format:
    """Of the shape above and more."""
    shape = {name: value for name, value in {**SHAPE, **declared}.items() if value is not None}
    return named("own", settings(own=shape).log_formats).kind(UTC)


def read(record: Mapping[str, Any], **declared: Any) -> Exchange:
    found = reader(**declared).parse(json.dumps({"t": START // 1000, "u": "/a", "s": 200, **record}).encode())
    assert isinstance(found, Exchange)
    return found


def test_every_key_of_the_declaration_is_read() -> None:
    """Two requests, MISS then HIT, by a table with the values that stand in the objects."""
    whole = {
        "kind": "json", "time": "at.began", "time_unit": "us", "time_of": "start", "method": "req.verb",
        "host": ["req.forwarded.host", "req.host"], "path": "req.path", "query": "req.query", "status": "res.code",
        "bytes": "res.size", "duration": "took", "duration_unit": "ms", "cache": "res.edge", "media_type": "res.kind",
        "environment": "deployed.as", "id": "no",
    }  # fmt: skip
    kind = named("own", settings(own=whole).log_formats).kind(UTC)
    for number, verdict in enumerate(["MISS", "HIT"]):
        record = {
            "at": {"began": START + number}, "req": {"verb": "get", "host": "a.example", "path": "img/1.png", "query": "w=3"},
            "res": {"code": "200", "size": "18211", "edge": verdict, "kind": "image/png"}, "took": 250.5,
            "deployed": {"as": "Staging"}, "no": number,
        }  # fmt: skip
        assert kind.parse(json.dumps(record).encode()) == Exchange(
            ts_us=START + number, method="GET", target="/img/1.png?w=3", host="a.example", status=200, bytes=18211,
            duration_us=250_500, cache=verdict, media_type="image/png", environment="Staging", id=str(number),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (START / 10**6, "s"), (START // 1000, "ms"), (START, "us"), (START * 1000, "ns"), (str(START // 1000), "ms"),
        (START // 1000, None), ("2026-09-01T06:00:01.25Z", "ms"), ("01/Sep/2026:06:00:01.25 +0000", None),
    ],
)  # fmt: skip
def test_times(value: object, unit: str | None) -> None:
    """In the unit that is declared; text that is not a number is a date all the same."""
    assert read({"t": value}, time_unit=unit).ts_us == START


@pytest.mark.parametrize(("time_of", "begins"), [("start", START), ("end", START - 250_000), (None, START - 250_000)])
def test_a_time_is_that_of_the_end_unless_said_otherwise(time_of: str | None, begins: int) -> None:
    found = read({"d": 250}, time_of=time_of, duration="d", duration_unit="ms")
    assert (found.ts_us, found.duration_us, found.ended) == (begins, 250_000, False)
    assert read({}, time_of=time_of).ended is (time_of != "start")


@pytest.mark.parametrize(
    ("name", "value", "unit", "known"),
    [
        ("d", 250, "ms", 250_000), ("d", "0.25", "s", 250_000), ("d", "250ms", None, 250_000), ("d", 250, None, None),
        ("tookMs", 250, None, 250_000), ("durationms", 250, None, 250_000), ("d", {"seconds": 1}, None, 10**6),
        ("d", "250ms", "s", 250_000), ("d", None, "ms", None), ("d", "soon", "ms", None),
    ],
)  # fmt: skip
def test_durations(name: str, value: object, unit: str | None, known: int | None) -> None:
    """The value's own unit, else the declared one, else that of the name, else the file decides."""
    found = read({name: value}, duration=name, duration_unit=unit)
    assert found.duration_us == known
    assert bool(found.took) is (name == "d" and value == 250 and unit is None)


@pytest.mark.parametrize(
    ("name", "value", "cache"),
    [
        ("c", "TCP_HIT", "TCP_HIT"), ("c", True, "hit"), ("c", 0, "miss"), ("c", "1", "hit"), ("c", "-", None),
        ("c", "odd", "odd"), ("cacheMissed", True, "miss"), ("ucs", "odd", "odd"), ("c", ["MISS", "HIT"], "MISS, HIT"),
    ],
)  # fmt: skip
def test_cache_fields(name: str, value: object, cache: str | None) -> None:
    assert read({name: value}, cache=name).cache == cache


@pytest.mark.parametrize("name", ["c", "headers", "attributes"])
@pytest.mark.parametrize(
    "said",
    [{"status": "200"}, {"result": "done"}, {"state": "sent"}, {"outcome": "good"}, {"action": "buy"}, {"code": "x"},
     {"set-cookie": "a=secret"}, {"hit": "me"}],
)  # fmt: skip
def test_a_cache_is_only_heard_where_a_name_says_so(name: str, said: dict[str, str]) -> None:
    """What stands in headers and other objects is no cache's word, in whatever shape they were logged."""

    def shapes(fields: dict[str, str]) -> list[object]:
        named = [{"name": key, "value": value} for key, value in fields.items()]
        return [fields, [text for pair in fields.items() for text in pair], list(fields.items()), named]

    assert [read({name: held}, cache=name).cache for held in shapes(said)] == [None] * 4
    assert [read({name: held}, cache=name).cache for held in shapes({**said, "X-Cache": "HIT"})] == ["HIT"] * 4


def test_what_is_left_out_is_looked_for_under_the_names_that_all_know() -> None:
    found = read({"cacheStatus": "HIT", "durationMs": 2, "responseContentType": "image/png", "env": "staging"})
    assert (found.cache, found.duration_us, found.media_type, found.environment) == (
        "HIT",
        2000,
        "image/png",
        "staging",
    )


@pytest.mark.parametrize(
    "record",
    [
        {"a": {"b": {"c": 201}}}, {"a.b.c": 201}, {"a": {"b.c": 201}}, {"a.b": {"c": 201}},
        {"a": [{"key": "b", "value": {"c": 201}}]}, {"a.b": 7, "a": {"b": {"c": 201}}},
    ],
)  # fmt: skip
def test_paths(record: Mapping[str, Any]) -> None:
    """Keys may hold dots themselves, and a list of names and values is as good as an object."""
    assert read(record, status="a.b.c").status == 201


@pytest.mark.parametrize("record", [{"t": 1, "u": "/a"}, {"t": 1, "s": 200}, {"t": 1, "u": "-", "s": 200}, {}])
def test_an_object_without_address_or_status_is_no_request(record: Mapping[str, Any]) -> None:
    assert reader().parse(json.dumps(record).encode()) is NO_REQUEST


@pytest.mark.parametrize("status", [None, "", "-"])
def test_a_status_of_nothing_is_no_answer(status: object) -> None:
    assert read({"s": status}).status is None


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"t": None}, "t is missing"), ({"t": "soon"}, "RFC 3339"), ({"t": -5}, "before 1970"), ({"t": 1e300}, "out of range"),
        ({"u": {"a": 1}}, "u is not a text"), ({"s": "OK"}, "status is not a number"), ({"b": "many"}, "b is not a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_rejected(record: Mapping[str, Any], said: str) -> None:
    with pytest.raises(BadRecordError, match=said):
        read(record, bytes="b", time_unit="ms")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"kind": "xml"}, r"formats.own.kind = 'xml' is unknown; kinds are log_format, json"),
    ({"time": "t"}, r'formats.own.log_format is missing; write one, or kind = "json"'),
    ({**SHAPE, "log_format": "$status"}, "formats.own.log_format is unknown; available: bytes, cache, duration"),
    (
        {**SHAPE, "statuscode": "s"},
        "formats.own.statuscode is unknown; did you mean 'status'. Available: bytes, cache, duration",
    ),
    ({"kind": "json", "url": "u", "status": "s"}, r"formats.own.time is missing; write the keys"),
    ({"kind": "json", "url": "u", "time": "t"}, r'formats.own.status is missing; .*status = "res.statusCode"'),
    ({"kind": "json", "time": "t", "status": "s"}, "formats.own.url or path is needed, and not both"),
    ({**SHAPE, "path": "p"}, "formats.own.url or path is needed, and not both"),
    ({**SHAPE, "query": "q"}, "formats.own.query needs path"),
    ({**SHAPE, "duration_unit": "ms"}, "formats.own.duration_unit needs duration"),
    ({**SHAPE, "time": 5}, "formats.own.time = 5 is not a non-empty string"),
    ({**SHAPE, "time": []}, "formats.own.time is not a list of names"),
    ({**SHAPE, "time": "a..b"}, "formats.own.time = 'a..b' is not a path of up to 12 keys; write one like"),
    ({**SHAPE, "time": ".".join("abcdefghijklm")}, "formats.own.time = .* is not a path of up to 12 keys"),
    ({**SHAPE, "time_unit": "min"}, "formats.own.time_unit = 'min' is none of s, ms, us, ns"),
    ({**SHAPE, "time_of": "now"}, "formats.own.time_of = 'now' is none of start, end"),
]


@pytest.mark.parametrize(("table", "said"), WRONG)
def test_a_wrong_declaration_names_the_key_and_what_is_allowed(table: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        settings(own=table)


RECORDS = [{"t": f"2026-09-01T06:00:0{n}Z", "u": "/img/1.png", "s": 200, "c": c} for n, c in ((1, "MISS"), (5, "HIT"))]


@pytest.mark.parametrize("name", ["own", None])
@pytest.mark.parametrize("written", ["lines", "array", "pretty"])
def test_lines_and_arrays_are_detected_and_named(tmp_path: Path, written: str, name: str | None) -> None:
    """Also between messages of the program that tell of no request."""
    records = [*RECORDS, {"msg": "listening"}]
    text = (
        "\n".join(map(json.dumps, records))
        if written == "lines"
        else json.dumps(records, indent=written == "pretty" or None)
    )
    config = {**SOURCES, "formats": {"own": {**SHAPE, "cache": "c"}}}
    found = taken_of(tmp_path, {"app.log": text}, config, input_format=name)
    assert (found.count("render"), found.count("hit"), found.tally.others) == (1, 1, 1)
    assert found.tally.lines == 3


def test_two_declarations_that_fit_alike_are_a_question(tmp_path: Path) -> None:
    config = {**SOURCES, "formats": {"one": SHAPE, "two": {**SHAPE, "cache": "c"}}}
    files = {"app.log": "\n".join(map(json.dumps, RECORDS))}
    with pytest.raises(InputError, match=r"may be one \(100%\) or two \(100%\); name it with --input-format"):
        taken_of(tmp_path, files, config)
    assert taken_of(tmp_path, files, config, input_format="two").count("hit") == 1


def test_the_question_says_at_which_keys_nothing_stands(tmp_path: Path) -> None:
    config = {**SOURCES, "formats": {"own": {**SHAPE, "status": "res.code", "time": ["at", "t"]}}}
    with pytest.raises(InputError, match=r'\[formats.own\] finds nothing at status = "res.code"; name it'):
        taken_of(tmp_path, {"app.log": "\n".join(map(json.dumps, RECORDS))}, config)


def test_a_path_may_be_parted_in_many_ways() -> None:
    """In an object that has every part of it, and only one way leads on."""
    nested: Any = {"b": 200}
    for _ in range(11):
        nested = {"a": nested, **{".".join("a" * n): {} for n in range(2, 12)}}
    assert read({**nested, "pad": "x" * 100_000}, status=".".join("a" * 11 + "b")).status == 200
