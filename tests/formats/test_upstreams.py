"""nginx's values of several upstreams are one value each; earlier tries at a provider may have been billed."""

import json
import random
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from auditor.config import settings_of
from auditor.exchanges.exchange import Try
from auditor.exchanges.mapper import Mapper
from auditor.exchanges.outcome import Served, served
from auditor.formats.log_format import LogFormat
from auditor.formats.nginx_json import NginxJson
from auditor.intake.columnar.template_columns import TemplateBlocks
from auditor.intake.columns import batches
from auditor.intake.sources import discover
from auditor.model.events import BadRecordError, Reason
from auditor.pipeline import Options, audit
from auditor.reading.lines import read_exactly
from auditor.reading.log_template import LogTemplate
from auditor.reading.reader import Reading, Tally
from auditor.results.audit import document

UTC = ZoneInfo("UTC")
HEAD = '$remote_addr [$time_iso8601] "$request" $status $body_bytes_sent '
SHOP = {"sources": {"shop": {"host": r"shop\.example", "path": "/img/(?P<template>[^/]+)"}}}
VALUES = [
    ("0.249", "0.249"), ("0.000, 0.249", "0.249"), ("0.100 : 0.149", "0.249"), ("0.1, 0.1 : 0.049", "0.249"),
    ("-", None), ("-, 0.249", "0.249"), ("- : -", None), ("0.100, -", "0.100"),
]  # fmt: skip
"""(`$upstream_response_time`, its sum)."""


def report(
    folder: Path, log_format: str, *tails: str, config: dict[str, Any], request: str = "GET /img/{}"
) -> dict[str, Any]:
    """JSON report of lines of a log_format."""
    log = folder / "access.log"
    log.write_text(
        "".join(
            f'10.0.0.1 [2026-09-01T08:00:0{n}Z] "{request.format(n)} HTTP/1.1" 200 100 {tail}\n'
            for n, tail in enumerate(tails)
        )
    )
    settings = settings_of({**config, "formats": {"main": {"log_format": HEAD + log_format}}}, "test")
    return json.loads(
        json.dumps(document(audit(discover([str(log)], folder), settings, Options(cache=False), lambda *_: None)))
    )


@pytest.mark.parametrize(
    "order",
    [
        "{time} $upstream_cache_status $host",
        "$host {time} $upstream_cache_status",
        "$upstream_cache_status $host {time}",
        "$host $upstream_addr {time} $upstream_status $upstream_cache_status",
        '"{time}" $upstream_cache_status "$host"',
        "rt={time} cs=$upstream_cache_status h=$host",
        "$host|{time}|$upstream_cache_status",
        "$host,{time},$upstream_cache_status",
    ],
)
def test_the_values_behind_a_list_stay_in_their_places(order: str) -> None:
    """Times add up, whatever parts the variables."""
    log_format = HEAD + order.format(time="$upstream_response_time")
    kind = LogFormat.of("own", log_format)(UTC)
    for value, total in VALUES:
        line = log_format.replace("$upstream_response_time", value)
        for name, text in {
            "$remote_addr": "10.0.0.1", "$time_iso8601": "2026-09-01T08:00:01Z", "$request": "GET /img/a HTTP/1.1",
            "$body_bytes_sent": "100", "$upstream_cache_status": "MISS", "$host": "shop.example",
            "$upstream_addr": "10.0.0.2:80, unix:/s : 10.0.0.3:80", "$upstream_status": "502, 504 : 200", "$status": "200",
        }.items():  # fmt: skip
            line = line.replace(name, text)
        found = kind.parse(line.encode())
        assert (found.host, served(found.cache), found.status) == ("shop.example", Served.FORWARDED, 200)
        assert found.duration_us == (None if total is None else round(float(total) * 10**6))


def test_a_log_with_two_upstreams(tmp_path: Path) -> None:
    """Three renders and a hit; of an endpoint of one's own nobody knows what a try costs."""
    log_format = "$request_time $upstream_response_time $upstream_cache_status $host"
    tails = ("0.250 0.249 MISS shop.example", "0.250 0.000, 0.249 MISS shop.example",
             "0.250 0.100 : 0.149 MISS shop.example", "0.000 - HIT shop.example")  # fmt: skip
    found = report(tmp_path, log_format, *tails, config=SHOP)
    assert (
        found["totals"] | {"renders": 3, "hits": 1, "retries": 0, "credits": 3, "credits_uncertain": 0}
        == found["totals"]
    )
    assert found["inputs"]["filtered"] == found["inputs"]["rejected"] == 0


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_earlier_tries_at_a_provider_may_have_been_billed(tmp_path: Path, tries: int) -> None:
    """Each is a retried error with unknown credits, where and when it was made; lines still add up."""
    config = {"sources": {"calls": {"provider": "imejis", "account": "main"}}}
    log_format = "$request_time $upstream_addr $upstream_status $upstream_response_time $host"
    addr = ", ".join(["10.0.0.2:443"] * (tries + 1))
    status, times = ", ".join(["502"] * tries + ["200"]), ", ".join(["0.500"] * tries + ["0.250"])
    plain = "0.250 10.0.0.2:443 200 0.250 render.imejis.io"
    tail = f"{tries / 2 + 0.25:.3f} {addr} {status} {times} render.imejis.io"
    found = report(tmp_path, log_format, tail, plain, config=config, request="GET /v1/og?title={}")
    totals = found["totals"]
    assert (totals["requests"], totals["renders"], totals["errors"]) == (2, 2, 0)
    assert (totals["retries"], totals["credits"], totals["credits_uncertain"]) == (tries, 2, tries)
    assert found["inputs"]["lines"] == found["inputs"]["events"] == 2 + tries
    start = {1: "2026-09-01T07:59:59.250000Z", 2: "2026-09-01T07:59:58.750000Z", 3: "2026-09-01T07:59:58.250000Z"}
    assert found["window"]["start"] == start[tries]
    failed = next(each for each in found["findings"] if each["rule"] == "failed-calls")
    assert failed["evidence"] | {"retries": tries, "uncertain": tries} == failed["evidence"]


def test_more_tries_than_a_record_has_numbers_for_are_rejected(tmp_path: Path) -> None:
    """255 before the answer are read; with one more, the line is rejected and its neighbors are read."""
    config = {"sources": {"calls": {"provider": "imejis", "account": "main"}}}
    tails = [f"{', '.join(['502'] * tries + ['200'])} render.imejis.io" for tries in (0, 255, 256, 600, 1)]
    found = report(
        tmp_path, "$upstream_status $host", *tails, config=config, request="GET /v1/og?title={}"
    )  # fmt: skip
    inputs = found["inputs"]
    assert (found["totals"]["requests"], found["totals"]["renders"], found["totals"]["retries"]) == (3, 3, 256)
    assert (inputs["lines"], inputs["events"], inputs["reasons"]) == (5 + 256, 3 + 256, {"bad_value": 2})
    assert [(bad["line"], bad["detail"]) for bad in inputs["rejections"]] == [
        (3, "names 257 upstreams; 256 are read"), (4, "names 601 upstreams; 256 are read"),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_copy_of_a_log_with_tries_counts_once(tmp_path: Path) -> None:
    """Tries have ids of their own, made of their line's."""
    config = {"sources": {"calls": {"provider": "imejis", "account": "main"}}}
    log_format = "$upstream_status $host"
    tails = ["502, 200 render.imejis.io", "504 : 502, 200 render.imejis.io"]
    first = report(tmp_path, log_format, *tails, config=config, request="GET /v1/og?title={}")
    (tmp_path / "copy.log").write_bytes((tmp_path / "access.log").read_bytes())
    settings = settings_of({**config, "formats": {"main": {"log_format": HEAD + log_format}}}, "test")
    found = document(audit(discover([str(tmp_path)], tmp_path), settings, Options(cache=False), lambda *_: None))
    assert first["totals"] == json.loads(json.dumps(found["totals"]))
    assert (found["inputs"]["lines"], found["inputs"]["duplicates"], found["totals"]["retries"]) == (10, 5, 3)


def test_json_of_several_upstreams() -> None:
    """Status and cache word are the last, times add up where nginx did not log its own."""
    record = {
        "time": "2026-09-01T08:00:01Z", "request": "GET /1 HTTP/1.1", "status": "502, 200",
        "upstream_response_time": "0.100, 0.149", "upstream_cache_status": "HIT : MISS", "upstream_status": "502, 200",
    }  # fmt: skip
    found = NginxJson(UTC).parse(json.dumps(record).encode())
    assert (found.status, found.duration_us, served(found.cache)) == (200, 249_000, Served.FORWARDED)
    assert found.tries == (Try(502, 100_000),)


@pytest.mark.parametrize(
    "tail",
    [
        "0.250 0.249 MISS shop.example and more",  # more values than variables
        "0.250 MISS shop.example",
        "0.250, 0.249 MISS shop.example 0.1",
        "blue 0.249 MISS shop.example",
        "0.250 0.249 - 0.249",
    ],
)
def test_values_that_do_not_fit_are_no_reading(tail: str) -> None:
    """But one rejected line."""
    log_format = HEAD + "$request_time $upstream_response_time $upstream_cache_status $host $scheme"
    with pytest.raises(BadRecordError) as bad:
        LogFormat.of("own", log_format)(UTC).parse(
            f'10.0.0.1 [2026-09-01T08:00:01Z] "GET /img/a HTTP/1.1" 200 100 {tail}'.encode()
        )
    assert bad.value.reason is Reason.NO_MATCH


@pytest.mark.parametrize("line", ['"GET /a HTTP/1.1" 2x0 5', '"GET /a HTTP/1.1" 5 MISS', '"GET /a HTTP/1.1" 20000 5'])
def test_a_status_or_a_size_that_is_none(line: str) -> None:
    with pytest.raises(BadRecordError) as bad:
        LogFormat.of("own", '[$time_iso8601] "$request" $status $bytes_sent')(UTC).parse(
            f"[2026-09-01T08:00:01Z] {line}".encode()
        )
    assert bad.value.reason is Reason.NO_MATCH


def test_a_list_in_a_forwarded_header() -> None:
    """Proxies add themselves behind a comma."""
    kind = LogFormat.of("own", '$http_x_forwarded_for [$time_iso8601] "$request" $status $http_x_forwarded_for $host')
    line = b'203.0.113.7, 10.0.0.1 [2026-09-01T08:00:01Z] "GET /1 HTTP/1.1" 200 203.0.113.7, 10.0.0.1 a.example'
    assert kind(UTC).parse(line).host == "a.example"


def test_a_city_may_hold_a_blank() -> None:
    """What is known of no variable is not asked of it."""
    assert LogTemplate.of('[$time_local] "$request" $status $geoip_city').split(b'[x] "y" 200 New York')


@pytest.mark.parametrize("seed", range(12))
def test_many_at_once_is_one_by_one(seed: int) -> None:
    """Lists, tries, values that do not fit: alike at both speeds."""
    rng = random.Random(seed)
    others = ["$upstream_response_time", "$upstream_cache_status", "$upstream_status", '"$upstream_addr"',
              "$sent_http_x_cache", "$request_time", "($http_x_forwarded_for)"]  # fmt: skip
    order = rng.sample(["$host", *rng.sample(others, 6)], 7)
    log_format = '[$time_iso8601] "$request" $status $bytes_sent ' + " ".join(order)
    values = {
        "$upstream_response_time": ["0.1", "0.1, 0.2", "0.1 : 0.2", "-", "x"], "$upstream_cache_status": ["HIT", "MISS", "-", "2"],
        "$host": ["shop.example", "render.imejis.io", "-"], "$upstream_status": ["200", "502, 200", "502 : 200", "-", "MISS"],
        '"$upstream_addr"': ['"10.0.0.1:80"', '"10.0.0.1:80, 10.0.0.2:80"', '"-"'], "$request_time": ["0.5", "-", "0.5, 1"],
        "$sent_http_x_cache": ["HIT", "MISS, HIT", "-", "cp1 hit/3"], "($http_x_forwarded_for)": ["(a)", "(a, b)", "(-)"],
    }  # fmt: skip
    lines = []
    for _ in range(400):
        target = rng.choice(["/img/a", "/img/b?v=1", "/v1/og?title=x", "/cart"])
        status = rng.choice(["200"] * 6 + ["504", "-"])
        head = f'[2026-09-01T08:00:0{rng.randrange(10)}Z] "GET {target} HTTP/1.1" {status} {rng.choice("9-")} '
        lines.append(head + " ".join(rng.choice(values[name]) for name in order))
    block = "\n".join(lines).encode() + b"\n"
    settings = settings_of({**SHOP, "sources": {**SHOP["sources"], "calls": {"provider": "imejis"}}}, "test")
    results = []
    for compiled in (True, False):
        kind, mapper, tally = LogFormat.of("own", log_format)(UTC), Mapper(settings, "x"), Tally()
        reading = Reading("x", kind, mapper, tally)
        blocks = TemplateBlocks(reading)
        batch, rest, _ = blocks.read(block, 0) if compiled else read_exactly(block, 0)
        tables = [*([batch] if batch is not None else []), *batches(reading.events(rest))]
        results.append((sorted(pa.Table.from_batches(tables).to_pylist(), key=lambda row: row["line"]), tally))
    assert results[0] == results[1]
    assert len(results[0][0]) > 20
