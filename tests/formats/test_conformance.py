"""Other people's expectations of real lines, field by field. The data is not part of the project.

Each comparison names the field as its source does and gives what our readers make of it. A difference is a failure
unless `EXPLAINED` says why it is none.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.exchanges.addresses import parameters, split
from auditor.formats.caddy import Caddy
from auditor.formats.combined import Combined
from auditor.formats.haproxy import HAProxy
from auditor.formats.log_format import LogFormat
from auditor.model.event_reader import parse_time
from auditor.model.events import BadRecordError
from auditor.reading.format import NO_REQUEST
from tests.conftest import ROOT
from tests.formats.expectations import balancers, networks, pages

DATA = ROOT.parent / "shared" / "data"
UTC = ZoneInfo("UTC")
pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(not DATA.is_dir(), reason="the folder ../shared/data with other people's logs is absent"),
]
Fields = Mapping[str, Any]
Row = tuple[str, str, Any, Any]
"""(source, field, expected, ours)."""


def combined(line: bytes) -> dict[str, Any]:
    """The fields of an access-log line by the names of all sources."""
    fields = Combined(UTC).fields(line)
    exchange = Combined(UTC).parse(line)
    host, _, port = fields.get("host", "").partition(":")
    version = fields["request"].rpartition("HTTP/")[2]
    return {
        **fields, "verb": exchange.method, "request": exchange.target, "http_version": version, "httpversion": version,
        "response": fields["status"], "bytes": fields["body_bytes_sent"], "clientip": fields["remote_addr"],
        "auth": fields["remote_user"], "referrer": fields.get("http_referer"), "timestamp": fields["time_local"],
        "target_fqdn": host or None, "port": port or None, "http_path": exchange.target,
        "http_status": str(exchange.status), "source_ip": fields["remote_addr"], "http_verb": exchange.method,
    }  # fmt: skip


def haproxy(line: bytes) -> dict[str, Any]:
    """The fields of a HAProxy line."""
    fields, exchange = HAProxy(UTC).fields(line), HAProxy(UTC).parse(line)
    request = fields.get("http_request_line", "")
    return {
        **fields, "verb": exchange.method, "http_verb": exchange.method, "request": exchange.target,
        "http_request": exchange.target, "http_version": request.rpartition("HTTP/")[2], "http_path": exchange.target,
        "http_status": str(exchange.status), "source_ip": fields["client_ip"],
    }  # fmt: skip


def caddy(line: bytes) -> dict[str, Any]:
    """The fields of a Caddy line."""
    record, exchange = Caddy(UTC).fields(line), Caddy(UTC).parse(line)
    request = record["request"]
    agent = request.get("headers", {}).get("User-Agent", [None])[0]
    client = request.get("client_ip") or request.get("remote_ip")
    return {
        "verb": exchange.method, "request": exchange.target, "http_version": request["proto"].rpartition("/")[2],
        "http_user_agent": agent, "http_path": exchange.target, "http_status": str(exchange.status),
        "http_verb": exchange.method, "target_fqdn": exchange.host, "remote_ip": client, "source_ip": client,
    }  # fmt: skip


CROWDSEC: Mapping[str, tuple[Callable[[bytes], Fields], str]] = {
    "nginx_http-logs": (combined, "nginx"),
    "apache2-logs": (combined, "Apache"),
    "haproxy-logs": (haproxy, "HAProxy"),
    "caddy-logs": (caddy, "Caddy"),
}
LEFT_OUT = frozenset({
    "parser", "index", "message", "program", "datasource_type", "log_type", "service", "sub_type", "username",
    # The parts of a time, cut by a pattern of crowdsec that loses digits ("57.1" of 57.127 s); accept_date is compared.
    "haproxy_hour", "haproxy_milliseconds", "haproxy_minute", "haproxy_month", "haproxy_monthday", "haproxy_second",
    "haproxy_time", "haproxy_year",
})  # fmt: skip
"""Crowdsec's own bookkeeping and words for attacks."""
EXPLAINED: Mapping[tuple[str, str], str] = {}
"""(source, field) -> why ours differs."""


def crowdsec() -> Iterator[Row]:
    """Lines of the hub's tests; error-log lines among them must be rejected."""
    for name, (read, source) in CROWDSEC.items():
        for text in (DATA / "crowdsec" / name / "expected.jsonl").read_text(encoding="utf-8").splitlines():
            expected = json.loads(text)
            line = _line(DATA / "crowdsec" / name / "input.log", expected)
            try:
                ours = read(line)
            except BadRecordError as bad:
                yield (
                    f"crowdsec {source}",
                    "(no access-log line)",
                    expected["meta.log_type"],
                    "http_error-log" if bad else "",
                )
                continue
            for key, value in expected.items():
                field = key.removeprefix("meta.")
                if field not in LEFT_OUT:
                    yield f"crowdsec {source}", field, value, ours.get(field)


def _line(path: Path, expected: Fields) -> bytes:
    """The input line that an expectation is of; it repeats access-log lines as `message`."""
    message = expected["message"].encode()
    return next((line for line in path.read_bytes().splitlines() if message in line), message)


INGRESS = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    "$request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr "
    "$upstream_response_length $upstream_response_time $upstream_status $req_id"
)


def vrl() -> Iterator[Row]:
    """Examples of Vector's documentation."""
    for text in (DATA / "vrl" / "docs_examples.jsonl").read_text(encoding="utf-8").splitlines():
        example = json.loads(text)
        function, title, expected = example["function"], example["title"], example["return"]
        quoted = example["source"].split("'") if "s'" in example["source"] else example["source"].split('"')
        source = f"VRL {function}"
        if function in ("parse_nginx_log", "parse_apache_log", "parse_common_log"):
            line = quoted[1].encode()
            if "(error)" in title:
                with pytest.raises(BadRecordError):
                    Combined(UTC).parse(line)
                yield source, "(error log)", "rejected", "rejected"
                continue
            yield from ((source, *row) for row in _vrl_line(line, title, expected))
        elif function == "parse_query_string":
            ours: dict[str, Any] = {}
            for name, value in parameters(quoted[1].removeprefix("?")):
                ours.setdefault(name, []).append(value)
            for name, value in expected.items():
                yield source, name, value if isinstance(value, list) else [value], ours.get(name)
        elif function == "parse_url":
            host, path, query = split(None, quoted[1])
            yield source, "host", expected["host"], host
            yield source, "path", expected["path"], path
            yield source, "query", expected["query"], dict(parameters(query))


def _vrl_line(line: bytes, title: str, expected: Fields) -> Iterator[tuple[str, Any, Any]]:
    ingress = "ingress" in title
    kind = LogFormat.of("ingress", INGRESS)(UTC) if ingress else Combined(UTC)
    fields, exchange = kind.fields(line), kind.parse(line)
    protocol = fields["request"].rpartition(" ")[2]
    ours = {
        **fields, "host": fields["remote_addr"], "client": fields["remote_addr"], "identity": fields.get("ident"),
        "user": fields["remote_user"], "message": fields["request"], "method": exchange.method, "protocol": protocol,
        "path": exchange.target, "size": exchange.bytes, "body_bytes_size": exchange.bytes, "status": exchange.status,
        "agent": fields.get("http_user_agent"), "referer": fields.get("http_referer"),
        "referrer": fields.get("http_referer"), "compression": fields.get("behind", "").strip(' "'),
        "http_x_forwarded_for": fields.get("behind", "").strip(' "'),
    }  # fmt: skip
    for field, value in expected.items():
        if field == "timestamp":
            started = exchange.ts_us + (exchange.duration_us or 0)
            yield field, parse_time(value, UTC)[0], started
        elif isinstance(value, int | float) and isinstance(ours.get(field), str):
            yield field, value, type(value)(ours[field])
        else:
            yield field, value, ours.get(field)


def lnav() -> Iterator[Row]:
    """lnav's test logs have no expectations: every line is read, and what can be told another way agrees."""
    for line in (DATA / "lnav" / "logfile_caddy_log.1").read_bytes().splitlines():
        exchange, record = Caddy(UTC).parse(line), json.loads(line)
        yield (
            "lnav Caddy",
            "bytes",
            int(record["resp_headers"].get("Content-Length", [record["size"]])[0]),
            exchange.bytes,
        )
        yield "lnav Caddy", "end", round(record["ts"] * 1000), round((exchange.ts_us + exchange.duration_us) / 1000)
    requests = 0
    for line in (DATA / "lnav" / "logfile_haproxy.0").read_bytes().splitlines():
        exchange = HAProxy(UTC).parse(line)
        if exchange is not NO_REQUEST:
            requests += 1
            yield "lnav HAProxy", "method", line.split(b'"')[1].split(b" ")[0].decode(), exchange.method
    yield "lnav HAProxy", "(requests)", (DATA / "lnav" / "logfile_haproxy.0").read_bytes().count(b'"') // 2, requests
    for line in (DATA / "lnav" / "logfile_regexp_access_log.0").read_bytes().splitlines():
        fields = Combined(UTC).fields(line)
        yield "lnav access log", "virtual host", "localhost:443", fields["host"]
        yield "lnav access log", "address", line.split(b" ")[1].decode(), fields["remote_addr"]
        yield "lnav access log", "user", line.split(b" ")[3].decode(), fields["remote_user"]


def test_conformance(capsys: pytest.CaptureFixture[str]) -> None:
    """At least 99 % of the fields, and no difference without an explanation."""
    seen, agreed = Counter[str](), Counter[str]()
    differing = []
    more = (*balancers(DATA), *networks(DATA), *pages(DATA))
    for source, field, expected, ours in (*crowdsec(), *vrl(), *lnav(), *more):
        seen[source] += 1
        agreed[source] += expected == ours
        if expected != ours:
            differing.append(f"{source:28} {field:24} expected {expected!r}, ours {ours!r}")
    with capsys.disabled():
        print(f"\n{'source':28} {'fields':>7} {'agree':>7}")
        for source, count in seen.items():
            print(f"{source:28} {count:7} {agreed[source]:7}")
        print(f"{'all':28} {seen.total():7} {agreed.total():7}  {agreed.total() / seen.total():.2%}")
        print("\n".join(differing))
    assert agreed.total() >= 0.99 * seen.total()
    assert not [line for line in differing if (line.split("  ")[0], line.split()[2]) not in EXPLAINED]


def test_a_shop_log_is_accounted_for() -> None:
    """13,102 lines; bytes and statuses are those of a plain count."""
    lines = (DATA / "zanbil_image_20190126_1945-1955.log").read_bytes().splitlines()
    exchanges = [Combined(UTC).parse(line) for line in lines]
    assert len(exchanges) == 13_102
    assert sum(exchange.bytes or 0 for exchange in exchanges if exchange.status == 200) == 131_188_106
    assert sum(exchange.status == 200 for exchange in exchanges) == 13_098
    assert len({exchange.target for exchange in exchanges if exchange.status == 200}) == 6_217
