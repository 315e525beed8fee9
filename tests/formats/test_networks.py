"""CloudFront, Cloudflare, Fastly and W3C extended: field variants that their documentation has."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.exchanges.exchange import Exchange
from auditor.exchanges.outcome import Served, served
from auditor.formats.cloudflare import Cloudflare
from auditor.formats.cloudfront import COLUMNS, CloudFront
from auditor.formats.fastly import Fastly
from auditor.formats.w3c import W3C
from auditor.model.event_reader import parse_time
from auditor.model.events import BadRecordError
from auditor.reading.format import Format

UTC = ZoneInfo("UTC")
NOON = parse_time("2026-09-01T12:00:00Z", UTC)[0]


def read(kind: Format, line: str | dict[str, Any]) -> Exchange:
    found = kind.parse((line if isinstance(line, str) else json.dumps(line)).encode())
    assert isinstance(found, Exchange)
    return found


FRONT = {
    **dict.fromkeys(COLUMNS, "-"), "date": "2026-09-01", "time": "12:00:01", "cs-method": "GET", "sc-status": "200",
    "cs(Host)": "d1.cloudfront.net", "cs-uri-stem": "/a.png", "x-host-header": "h.example", "sc-bytes": "900",
    "x-edge-result-type": "Miss", "x-edge-request-id": "rid==", "time-taken": "0.250",
}  # fmt: skip


def front(**changed: str) -> str:
    return "\t".join({**FRONT, **{name.replace("_", "-"): value for name, value in changed.items()}}.values())


def test_cloudfront_stamps_the_end() -> None:
    found = read(CloudFront(UTC), front())
    assert (found.ts_us, found.duration_us, found.id, found.host) == (NOON + 750_000, 250_000, "rid==", "h.example")


def test_cloudfront_000_has_no_answer_and_error_asks_the_response() -> None:
    found = read(CloudFront(UTC), front(sc_status="000", x_edge_result_type="Error", x_edge_response_result_type="Hit"))
    assert (found.status, found.cache) == (None, "Hit")


@pytest.mark.parametrize(
    ("logged", "sent"),
    [("a=1%2526b=2", "a=1%26b=2"), ("a=%2525", "a=%25"), ("a=%20b", "a=%20b"), ("a=1&b=2", "a=1&b=2")],
)
def test_cloudfront_percent_signs_are_read_back_and_nothing_else(logged: str, sent: str) -> None:
    """An ampersand inside a value stays inside it, else two images would have one key."""
    assert read(CloudFront(UTC), front(cs_uri_query=logged)).target == f"/a.png?{sent}"


def test_cloudfront_header_may_reorder_and_rows_may_end_early() -> None:
    kind = CloudFront(UTC)
    assert (
        kind.parse(b"#Fields: date time cs-method cs-uri-stem cs-uri-query sc-status x-edge-result-type c-ip") is None
    )
    assert read(kind, "2026-09-01\t12:00:01\tGET\t/a.png\tv=1\t200\tHit").cache is None
    assert read(kind, "2026-09-01\t12:00:01\tGET\t/a.png\tv=1\t200\tHit\t192.0.2.1").cache == "Hit"
    with pytest.raises(BadRecordError, match="sc-status"):
        kind.parse(b"2026-09-01\t12:00:01\tGET\t/a.png\tv=1\t20")


def test_cloudfront_version_2_is_json() -> None:
    found = read(CloudFront(UTC), {**FRONT, "timestamp(ms)": "1788264001000", "sc-content-len": "812", "date": "-"})
    assert (found.ts_us, found.bytes) == (NOON + 750_000, 812)


FLARE = {
    "ClientRequestMethod": "GET", "ClientRequestHost": "h.example", "ClientRequestURI": "/a.png?v=1", "RayID": "r1",
    "EdgeResponseStatus": 200, "EdgeResponseBytes": 900, "CacheCacheStatus": "hit",
}  # fmt: skip


@pytest.mark.parametrize(
    ("start", "end", "took"),
    [
        ("2026-09-01T12:00:00Z", "2026-09-01T12:00:01Z", None),
        ("2026-09-01T12:00:00.000Z", "2026-09-01T12:00:00.250Z", 250_000),
        ("2026-09-01T12:00:00.000000000Z", "2026-09-01T12:00:00.250000999Z", 250_000),
        (1788264000, 1788264001, None),
        (1788264000000, 1788264000250, 250_000),
        (1788264000000000000, 1788264000250000000, 250_000),
        ("1788264000000000000", "1788264000250000000", 250_000),
    ],
)
def test_cloudflare_times_of_every_kind(start: Any, end: Any, took: int | None) -> None:
    found = read(Cloudflare(UTC), {**FLARE, "EdgeStartTimestamp": start, "EdgeEndTimestamp": end})
    assert (found.ts_us, found.duration_us, found.ended) == (NOON, took, False)


def test_cloudflare_with_the_end_alone() -> None:
    found = read(Cloudflare(UTC), {**FLARE, "EdgeEndTimestamp": 1788264000})
    assert (found.ts_us, found.ended) == (NOON, True)
    found = read(Cloudflare(UTC), {**FLARE, "EdgeEndTimestamp": 1788264001, "EdgeTimeToFirstByteMs": 1000})
    assert (found.ts_us, found.ended) == (NOON, False)


def test_cloudflare_needs_the_query() -> None:
    with pytest.raises(BadRecordError, match="ClientRequestURI"):
        Cloudflare(UTC).parse(json.dumps({**FLARE, "ClientRequestURI": None, "ClientRequestPath": "/a.png"}).encode())


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        ("HIT-STALE-CLUSTER", Served.HIT), ("HIT-SYNTH", Served.HIT), ("HIT-WAIT-CLUSTER", Served.COLLAPSED),
        ("HITPASS", Served.FORWARDED), ("MISS-WAIT-CLUSTER", Served.FORWARDED), ("ERROR-LOSTHDR", Served.FORWARDED),
        ("MISS, HIT", Served.HIT), ("PASS", Served.FORWARDED), ("unknown", None), ("none", None), ("BG-ERROR", None),
        ("stream_hit", Served.COLLAPSED), ("revalidated", Served.HIT), ("dynamic", Served.FORWARDED),
        ("RefreshHit", Served.HIT), ("OriginShieldHit", Served.HIT), ("Hit from cloudfront", Served.HIT),
    ],
)  # fmt: skip
def test_words_of_the_networks(word: str, verdict: Served | None) -> None:
    assert served(word) is verdict


SLOW = {"url": "/a.png?v=1", "host": "h.example", "request_method": "GET", "response_state": "MISS"}


@pytest.mark.parametrize(
    ("fields", "took"),
    [
        ({"timestamp": "2026-09-01T12:00:00+0000", "time_elapsed": 250_000}, 250_000),
        ({"timestamp": "2026-09-01T14:00:00+0200", "time_elapsed": "0.250"}, 250_000),
        ({"time_start": "2026-09-01T12:00:00Z", "time_end": "2026-09-01T12:00:00Z", "elapsed_ms": 250}, 250_000),
        ({"start_time": "2026-09-01T12:00:00UTC", "duration_ms": "250"}, 250_000),
        ({"time_end": "2026-09-01T12:00:00.250Z", "time_elapsed": 250_000}, 250_000),
        ({"time": 1788264000}, None),
        ({"time": 1788264000000000000}, None),
        ({"timestamp": "Tue, 01 Sep 2026 12:00:00 GMT"}, None),
    ],
)
def test_fastly_times_of_every_kind(fields: dict[str, Any], took: int | None) -> None:
    found = read(Fastly(UTC), {**SLOW, "response_status": 200, **fields})
    assert (found.ts_us, found.duration_us, found.ended) == (NOON, took, False)


def test_fastly_status_and_bytes_may_be_text() -> None:
    found = read(Fastly(UTC), {**SLOW, "timestamp": NOON, "status": "200", "resp_body_size": "812"})
    assert (found.status, found.bytes, found.target, found.cache) == (200, 812, "/a.png?v=1", "MISS")


def w3c(fields: str, row: str, zone: str = "UTC", before: str = "#Version: 1.0") -> Exchange:
    kind = W3C(ZoneInfo(zone))
    assert kind.parse(before.encode()) is None
    assert kind.parse(f"#Fields: {fields}".encode()) is None
    return read(kind, row)


COLS = "cs-method cs-uri-stem cs-uri-query cs-host sc-status"
ROW = "GET /a.png v=1 h.example 200"


@pytest.mark.parametrize(
    ("names", "values", "took"),
    [
        ("date time time-taken", "2026-09-01 12:00:01 1000", 1_000_000),
        ("date time time-taken", "2026-09-01 12:00:00.25 0.250", 250_000),
        ("date time time-taken", "2026-09-01 12:00 -", None),
        ("date-local time-local TimeTakenMS", "2026-09-01 14:00:00.250 250", 250_000),
        ("date-UTC time-UTC x", "2026-09-01 12:00:00 -", None),
        ("time x y", "12:00:00 - -", None),
        ("timestamp time-taken x", "1788264000.250 0.25 -", 250_000),
        ("BeginRequest-UTC EndRequest-UTC time-taken", "2026-09-01T12:00:00 2026-09-01T12:00:01 1000", 1_000_000),
    ],
)
def test_w3c_times_of_every_kind(names: str, values: str, took: int | None) -> None:
    """A time without its date has that of `#Date`."""
    found = w3c(f"{names} {COLS}", f"{values} {ROW}", "Europe/Berlin", "#Date: 2026-09-01 11:00:00")
    assert (found.ts_us, found.duration_us) == (NOON, took)
    assert found.assumed_timezone is ("time-local" in names)
    assert (found.host, found.target, found.status) == ("h.example", "/a.png?v=1", 200)


def test_w3c_caches() -> None:
    assert w3c(f"date time cached {COLS}", f"2026-09-01 12:00:00 1 {ROW}").cache == "hit"
    assert w3c(f"date time {COLS}", f"2026-09-01 12:00:00 {ROW[:-3]}TCP_HIT/200").cache == "TCP_HIT"
    assert w3c(f"date time s-action {COLS}", f"2026-09-01 12:00:00 TCP_NC_MISS {ROW}").cache == "TCP_NC_MISS"


def test_w3c_parameters_that_iis_adds_are_no_clients() -> None:
    """A log id in the query would make every request one of its own."""
    row = ROW.replace("v=1", "v=1&X-ARR-CACHE-HIT=0&X-ARR-LOG-ID=5a9a6ae8&SERVER-STATUS=200")
    found = w3c(f"date time {COLS}", f"2026-09-01 12:00:00 {row}")
    assert (found.target, found.cache) == ("/a.png?v=1", "miss")


@pytest.mark.parametrize("line", ["2026-09-01 12:00:00 GET /a.png v=1", "2026-09-01 12:00:00 " + ROW + " more"])
def test_w3c_rows_have_as_many_values_as_names(line: str) -> None:
    kind = W3C(UTC)
    with pytest.raises(BadRecordError, match="#Fields"):
        kind.parse(line.encode())
    kind.parse(f"#Fields: date time {COLS}".encode())
    with pytest.raises(BadRecordError, match="7 names"):
        kind.parse(line.encode())
