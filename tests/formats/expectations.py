"""What others, or a plain look at the data, say of balancers' and networks' logs and of HAR files: rows for test_conformance.

Where a source has no expectations of its own, they are taken from it by another way than the reader's: `shlex` for
quoted values, `datetime` for times.
"""

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from auditor.exchanges.addresses import split
from auditor.exchanges.exchange import Exchange
from auditor.formats.alb import Alb
from auditor.formats.cloudflare import Cloudflare
from auditor.formats.har import Har
from auditor.formats.w3c import W3C
from auditor.model.event_reader import parse_time
from auditor.reading.format import Format
from auditor.reading.lines import LineReader
from auditor.reading.variables import text_of

ZONE = ZoneInfo("UTC")
Row = tuple[str, str, Any, Any]


def balancers(data: Path) -> Iterator[Row]:
    """Vector's documented examples of `parse_aws_alb_log`."""
    for text in (data / "vrl" / "docs_examples.jsonl").read_text(encoding="utf-8").splitlines():
        example = json.loads(text)
        if example["function"] != "parse_aws_alb_log":
            continue
        line = example["source"].partition('"')[2].rpartition('"')[0].replace('\\"', '"')
        if "non-strict" in example["title"]:
            line = line.partition('",')[0]
        fields, exchange = Alb(ZONE).fields(line.encode()), Alb(ZONE).parse(line.encode())
        assert isinstance(exchange, Exchange)
        ours: dict[str, Any] = {
            **{name: text_of(value) for name, value in fields.items()},
            "client_host": fields["client"], "target_host": text_of(fields["target"]), "timestamp": fields["time"],
            "request_method": exchange.method, "request_url": exchange.target, "sent_bytes": exchange.bytes,
            "request_protocol": fields["request"].rpartition(" ")[2], "received_bytes": int(fields["received_bytes"]),
            "traceability_id": text_of(fields.get("conn_trace_id")), "elb_status_code": str(exchange.status),
        }  # fmt: skip
        for field, value in example["return"].items():
            got = ours.get(field)
            if isinstance(value, float):
                got = float(str(got))
            if isinstance(value, list):
                got = [] if got is None else str(got).split()
            yield "VRL parse_aws_alb_log", field, value, got
        yield "VRL parse_aws_alb_log", "(start)", parse_time(fields["request_creation_time"], ZONE)[0], exchange.ts_us


def networks(data: Path) -> Iterator[Row]:
    """lnav's Cloudflare and W3C logs, each value."""
    for line in (data / "lnav" / "logfile_cloudflare.json").read_bytes().splitlines():
        record, exchange = json.loads(line), Cloudflare(ZONE).parse(line)
        assert isinstance(exchange, Exchange)
        for field, value in {
            "ClientRequestMethod": exchange.method, "ClientRequestURI": exchange.target, "RayID": exchange.id,
            "ClientRequestHost": exchange.host, "EdgeResponseStatus": exchange.status,
            "EdgeResponseBytes": exchange.bytes, "CacheCacheStatus": exchange.cache,
        }.items():  # fmt: skip
            yield "lnav Cloudflare", field, record[field], value
        yield "lnav Cloudflare", "EdgeStartTimestamp", _micros(record["EdgeStartTimestamp"]), exchange.ts_us
    for name in ("logfile_w3c.3", "logfile_w3c_big.0"):
        yield from _w3c(data / "lnav" / name)


def _w3c(path: Path) -> Iterator[Row]:
    source, reader, names = "lnav W3C", W3C(ZONE), list[str]()
    for line in path.read_bytes().splitlines():
        if not line:
            continue
        if line.startswith(b"#"):
            assert reader.parse(line) is None
            names = line.decode().split()[1:] if line.startswith(b"#Fields") else names
            continue
        values = shlex.split(line.decode().replace('""', ""), posix=True) if b'"' in line else line.decode().split()
        fields, exchange = reader.fields(line), reader.parse(line)
        assert isinstance(exchange, Exchange)
        for field, value in zip_longest(names, values):
            yield source, field, value, fields.get(field, "").replace('"', "")
        expected = dict(zip(names, values, strict=True))
        query = expected["cs-uri-query"]
        yield source, "(target)", expected["cs-uri-stem"] + ("" if query == "-" else f"?{query}"), exchange.target
        yield source, "(status)", int(expected["sc-status"]), exchange.status
        took = int(expected.get("time-taken") or expected["TimeTakenMS"])
        stamp = f"{expected.get('date') or expected['date-local']}T{expected.get('time') or expected['time-local']}Z"
        yield source, "(start)", _micros(stamp) - took * 1000, exchange.ts_us


def pages(data: Path) -> Iterator[Row]:
    """HAR files: each entry, and the totals that a page is judged by."""
    for path in sorted((data / "har").glob("*.har")):
        document = json.loads(path.read_text(encoding="utf-8-sig"))["log"]["entries"]
        exchanges = list(_exchanges(Har(ZONE), path))
        for entry, exchange in zip_longest(document, exchanges):
            yield from _entry(entry, exchange)
        held = [max(entry["response"]["content"]["size"], entry["response"]["bodySize"], 0) for entry in document]
        if document[0].get("_objectSize") is not None:
            held = [int(entry["_objectSize"] or 0) for entry in document]
        statuses = Counter(entry["response"]["status"] for entry in document)
        yield "HAR totals", "requests", len(document), len(exchanges)
        yield "HAR totals", "statuses", statuses, Counter(exchange.status for exchange in exchanges)
        yield "HAR totals", "bytes", _sizes(document, held), sum(exchange.bytes or 0 for exchange in exchanges)


def _sizes(document: list[Any], held: list[int]) -> int:
    """Of the content where the file tells it, else of what was transferred."""
    return sum(entry["response"]["content"]["size"] or size if entry["response"]["content"]["size"] > 0 else size
               for entry, size in zip(document, held, strict=True))  # fmt: skip


def _entry(entry: Any, exchange: Exchange) -> Iterator[Row]:
    request, response = entry["request"], entry["response"]
    yield "HAR entries", "method", request["method"], exchange.method
    yield "HAR entries", "url", request["url"], exchange.target
    yield "HAR entries", "status", response["status"], exchange.status
    yield "HAR entries", "mimeType", response["content"].get("mimeType") or None, exchange.media_type
    yield "HAR entries", "startedDateTime", _micros(entry["startedDateTime"]), exchange.ts_us
    yield "HAR entries", "time", round(entry["time"] * 1000), exchange.duration_us
    host = request["url"].split("/")[2].partition(":")[0]
    yield "HAR entries", "host", host, split(exchange.host, exchange.target)[0]
    if response["content"]["size"] > 0:
        yield "HAR entries", "size", response["content"]["size"], exchange.bytes


def _exchanges(kind: Format, path: Path) -> Iterator[Exchange]:
    with path.open("rb") as raw:
        for line in kind.records(path, LineReader(raw)):
            exchange = kind.parse(line.data)
            assert isinstance(exchange, Exchange)
            yield exchange


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return round(moment.timestamp() * 10**6)
