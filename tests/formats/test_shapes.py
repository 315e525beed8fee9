"""Shapes of JSON that vendors document: what their records tell, in literals taken from the vendors' pages by hand."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.exchange import Exchange
from auditor.intake.detect import detect, sample_of
from auditor.model.errors import InputError
from auditor.model.event_reader import parse_time
from auditor.model.events import BadRecordError
from auditor.reading.format import NO_REQUEST, Sample
from auditor.reading.json_lines import json_object
from auditor.reading.lines import MAX_BATCH, MAX_LINE, LineReader
from auditor.registry import FORMATS
from tests.formats.samples import FOLDER, taken_of

UTC = ZoneInfo("UTC")
MISS_THEN_HIT = {
    # format: (host, target, bytes, [(start, duration in microseconds, cache), …], id)
    "pino": ("shop.example", "/img/og/7.png?w=300", 18211, [("06:00:01", 250_000, "MISS"), ("06:00:05", 4000, "HIT")]),
    "vercel": ("shop.example", "/img/og/7.png?w=300", 18211, [("06:00:01.25", None, "MISS"), ("06:00:05.25", None, "HIT")]),
    "azure-front-door": (
        None, "https://shop.example:443/img/og/7.png?w=300", 18592,
        [("06:00:01.25", 384_000, "MISS"), ("06:00:05.25", 2000, "HIT")],
    ),
    "azure-app-gateway": ("shop.example", "/img/og/7.png?w=300", 18592, [("06:00:00.966", 34_000, None)]),
    "api-gateway": (
        "shop.example", "/img/og/7.png", 18211, [("06:00:01.25", 250_000, None), ("06:00:05.25", 240_000, None)],
    ),
    "akamai": (
        "shop.example", "/img/og/7.png?w=300", 18211, [("06:00:01.25", 250_000, "miss"), ("06:00:05.25", 2000, "hit")],
    ),
    "ecs": (
        "shop.example", "/img/og/7.png?w=300", 18211, [("06:00:01.25", 250_000, None), ("06:00:05.25", 2000, "HIT")],
    ),
    "cloudflare-workers": (
        None, "https://shop.example/img/og/7.png?w=300", None, [("06:00:01.25", None, None), ("06:00:05.25", None, None)],
    ),
    "otlp": (
        "shop.example", "https://shop.example/img/og/7.png?w=300", 18211,
        [("06:00:01.25", 250_000, "MISS"), ("06:00:05.25", 2000, "HIT")],
    ),
    "imgproxy-json": (None, "/img/og/7.png", None, [("06:00:00.945727", 54_273, None), ("06:00:03.8", 1_200_000, None)]),
}  # fmt: skip


def sampled(name: str) -> list[bytes]:
    return (FOLDER / f"{name}.log").read_bytes().splitlines()


def read(name: str, record: Mapping[str, Any]) -> Exchange:
    found = FORMATS[name](UTC).parse(json.dumps(record).encode())
    assert isinstance(found, Exchange)
    return found


def changed(name: str, line: int, **values: Any) -> Exchange:
    """A record of the sample with other values at some paths, `__` for each dot."""
    record = json.loads(sampled(name)[line])
    for path, value in values.items():
        *above, key = path.split("__")
        held = record
        for each in above:
            held = held[each]
        held[key] = value
    return read(name, record)


def good(name: str) -> list[Exchange]:
    """The answered requests of the sample, each once."""
    kind, path, found = FORMATS[name](UTC), FOLDER / f"{name}.log", []
    with path.open("rb") as raw:
        records = list(kind.records(path, LineReader(raw)))
    for record in records:
        try:
            item = kind.parse(record.data)
        except BadRecordError:
            continue
        assert isinstance(item, Exchange)
        if item.status == 200 and item not in found:
            found.append(item)
    return found


@pytest.mark.parametrize("name", MISS_THEN_HIT)
def test_two_requests_by_the_vendors_documentation(name: str) -> None:
    host, target, size, answers = MISS_THEN_HIT[name]
    for (start, duration, cache), found in zip(answers, good(name)[: len(answers)], strict=True):
        assert (found.method, found.host, found.target, found.status) == ("GET", host, target, 200)
        assert found.ts_us == parse_time(f"2026-09-01T{start}Z", UTC)[0]
        assert (found.bytes, found.duration_us, found.cache) == (size, duration, cache)
        assert not found.took


@pytest.mark.parametrize("name", MISS_THEN_HIT)
def test_a_sample_is_of_its_format_alone(name: str) -> None:
    """No other format can make as much of it."""
    lines = tuple(sampled(name))
    sample = Sample(Path("x.log"), b"\n".join(lines), lines)
    shares = {other: kind.detect(sample) for other, kind in FORMATS.items()}
    assert shares.pop(name) >= 0.75
    assert max(shares.values()) < 0.5, shares
    assert detect(sample, {}, "x.log").kind.name == name


def test_ids_are_those_that_their_writers_make_unique() -> None:
    ids = {name: good(name)[0].id for name in MISS_THEN_HIT}
    assert ids == {
        "pino": None, "vercel": "643af4e3-975a-4cc7-9e7a-1eda11539d90@1788242401250000", "azure-front-door": "0k1y5AAAA",
        "azure-app-gateway": "592d1649f75a8d480a3c4dc6a975309d", "api-gateway": "d111GHijFiAFqXw=", "akamai": None,
        "ecs": "e1", "otlp": "eee19b7ec3c1b171", "cloudflare-workers": "7b3c1d2e4f5a6b70", "imgproxy-json": None,
    }  # fmt: skip


def test_a_request_of_several_messages_counts_once(tmp_path: Path) -> None:
    """Each message of a function on Vercel has the request beside it."""
    lines = [json_object(line) for line in sampled("vercel")][:3]
    found = taken_of(tmp_path, {"drain.json": json.dumps(lines)}, {"sources": {"og": {"path": "/img/.*"}}})
    ids = {record["id"] for record in found.records if record["outcome"] == "render"}
    assert (len(ids), found.count("hit"), found.tally.lines) == (1, 1, 3)


def test_what_nobody_asked_for_is_no_request() -> None:
    """A page that Vercel revalidates in the background, and what Front Door's edge asks of its shield."""
    assert changed("vercel", 0, proxy__statusCode=-1) is NO_REQUEST
    assert changed("azure-front-door", 0, properties__isReceivedFromClient=False) is NO_REQUEST
    assert changed("azure-front-door", 0, properties__isReceivedFromClient="false") is NO_REQUEST


def test_the_tier_of_front_door_tells_the_unit() -> None:
    """Microsoft's page contradicts its own examples for all but the classic one."""
    found = changed("azure-front-door", 0, category="FrontDoorAccessLog")
    assert found.duration_us is None and found.ended
    assert [(name, str(value)) for name, value in found.took] == [("properties.timeTaken", "0.384")]


def test_the_first_version_of_application_gateway() -> None:
    """Milliseconds, and a query that is the gateway's own."""
    found = good("azure-app-gateway")[1]
    assert (found.target, found.host, found.duration_us) == ("/img/og/8.png", "shop.example", 205_000)


def test_api_gateway() -> None:
    """The stage that has no name is no environment; a `requestTime` that is not a date is somebody else's."""
    assert good("api-gateway")[0].environment is None
    assert changed("api-gateway", 0, stage="staging").environment == "staging"
    assert good("api-gateway")[0].assumed == (Assumption.NO_QUERY,)
    assert read("api-gateway", {"requestTime": 12, "path": "/a", "status": 200}) is NO_REQUEST


@pytest.mark.parametrize("record", [{"time": 1, "msg": "incoming request", "req": {"method": "GET", "url": "/a"}},
                                    {"time": 1, "msg": "request completed", "res": {"statusCode": 200}}])  # fmt: skip
def test_half_a_request_is_none(record: Mapping[str, Any]) -> None:
    assert read("pino", record) is NO_REQUEST


def test_names_in_camel_case_are_read_as_those_with_underscores(tmp_path: Path) -> None:
    """What a wrapper around fetch logs of a call."""
    record = {"ts": "2026-09-01T06:00:01.250Z", "msg": "outgoing request", "httpMethod": "POST", "statusCode": 200,
              "requestUrl": "https://render.imejis.io/v1/og-card", "durationMs": 250, "responseSize": 9}  # fmt: skip
    (event,) = taken_of(tmp_path, {"calls.log": json.dumps(record)}).records
    assert (event["provider"], event["template"], event["outcome"]) == ("imejis", "og-card", "render")
    assert (event["status"], event["duration_us"]) == (200, 250_000)


def spans(*batches: Any) -> list[str]:
    return [json.dumps(batch) for batch in batches]


def test_each_span_of_a_batch_is_a_record(tmp_path: Path) -> None:
    """Whatever else a batch holds; a line without spans is a record of its own, and nothing is lost."""
    typed = {"http.request.method": "GET", "url.path": "/img/1.png", "url.query": "w=3", "server.address": "a.example"}
    attributes = [{"key": key, "value": {"stringValue": text}} for key, text in typed.items()]
    attributes += [{"key": "http.response.status_code", "value": {"intValue": "200"}}]
    times = {"startTimeUnixNano": str(10**18), "endTimeUnixNano": str(10**18 + 10**6)}
    span = {"spanId": "a", "kind": 2, **times, "attributes": attributes}
    odd = [{"resourceSpans": each} for each in (5, [5], [{"scopeSpans": "x"}], [{"scopeSpans": [{"spans": [3]}]}])]
    lines = spans({"resourceSpans": [{"scopeSpans": [{"spans": [span, {**span, "spanId": "b"}, {}]}]}]}, *odd)
    found = taken_of(tmp_path, {"spans.log": "\n".join(lines)}, {"sources": {"img": {"path": "/img/.*"}}})
    assert [record["duration_us"] for record in found.records] == [1000, 1000]
    assert (found.tally.lines, found.tally.others) == (7, 5)


def batch(count: int) -> str:
    """Some 700 bytes for each span, of which none is like another."""
    found = json.loads((FOLDER / "otlp.log").read_text(encoding="utf-8").splitlines()[0])
    held = found["resourceSpans"][0]["scopeSpans"][0]
    held["spans"] = [{**held["spans"][0], "spanId": f"{number:016x}"} for number in range(count)]
    return json.dumps(found)


def test_batches_over_16_mib_are_rejected_wherever_they_stand() -> None:
    """Whether a block of the input ends within one or not; those over 1 MiB are read, and one with a span over 1 MiB."""
    long, large, short = batch(26_000).encode(), batch(2000).encode(), batch(2).encode()
    dense = b'{"resourceSpans":[' + b"[]," * 600_000 + b"[]]}"
    thick = large.replace(b'"spanId"', b'"a": "' + b"a" * MAX_LINE + b'", "spanId"', 1)
    assert len(long) > MAX_BATCH and MAX_LINE < len(large) < len(thick) < MAX_BATCH
    data = b"\n".join([short, large, long, short, long, dense, thick, short, b""])
    stream = LineReader(io.BytesIO(data), longest=FORMATS["otlp"].longest)
    records = list(FORMATS["otlp"](UTC).records(Path("x"), stream))
    too_long = [record.number for record in records if len(record.data) > MAX_LINE]
    assert too_long == [2003, 2006, 2007, 2008]
    assert all(len(record.data) <= MAX_LINE + 1 for record in records)
    assert [record.number for record in records] == list(range(1, 2 + 2000 + 1 + 2 + 1 + 1 + 2000 + 2 + 1))


def test_a_declared_batch_over_1_mib_is_read_behind_a_short_one(tmp_path: Path) -> None:
    """Of each shape that says where its records stand: one document a line."""
    record = {"t": "2026-09-01T08:00:00Z", "u": "/img/1.png", "s": 200, "note": "x" * 1000}
    lines = [json.dumps({"items": [record] * count}) for count in (2, 2000, 2)]
    shape = {"kind": "json", "records": "items", "time": "t", "url": "u", "status": "s"}
    config = {"sources": {"img": {"path": "/img/.*"}}, "formats": {"own": shape}}
    found = taken_of(tmp_path, {"own.log": "\n".join(lines)}, config)
    assert (len(found.records), found.tally.lines) == (2004, 2004)


def test_the_environment_of_a_batch_costs_its_spans_little() -> None:
    """What a batch says once is not copied to each of its spans."""
    told = {"key": "deployment.environment", "value": {"stringValue": "a" * 100_000}}
    whole = {"resource": {"attributes": [told]}, "scopeSpans": [{"spans": [{}] * 1000}]}
    parts = FORMATS["otlp"].parts(json.dumps({"resourceSpans": [whole]}).encode())
    assert sum(map(len, parts)) < 1000 * 1000


def test_a_batch_that_is_longer_than_what_is_looked_at_is_a_question(tmp_path: Path) -> None:
    path = tmp_path / "spans.log"
    path.write_text(batch(600) + "\n", encoding="utf-8")
    with path.open("rb") as raw, pytest.raises(InputError, match="--input-format otlp"):
        detect(sample_of(path, raw), {}, "spans.log")
