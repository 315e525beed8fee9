"""Servers and proxies: what their documentation and their versions have and the samples have not."""

import json
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.exchanges.exchange import Exchange
from auditor.exchanges.outcome import Served, served
from auditor.formats.caddy import Caddy
from auditor.formats.combined import Combined
from auditor.formats.elb import Elb
from auditor.formats.envoy import Envoy
from auditor.formats.haproxy import HAProxy
from auditor.formats.har import Har
from auditor.formats.nginx_json import NginxJson
from auditor.formats.structlog import Structlog
from auditor.formats.traefik import Traefik
from auditor.formats.traefik_clf import TraefikClf
from auditor.formats.w3c import W3C
from auditor.intake.detect import detect
from auditor.model.event_reader import parse_time
from auditor.model.events import BadRecordError
from auditor.reading.format import NO_REQUEST, Format, Sample

UTC = ZoneInfo("UTC")
NOON = parse_time("2026-09-01T12:00:00Z", UTC)[0]


def read(kind: type[Format], line: str | dict[str, Any]) -> Exchange:
    found = kind(UTC).parse((line if isinstance(line, str) else json.dumps(line)).encode())
    assert isinstance(found, Exchange)
    return found


REQUEST = '203.0.113.7 - - [01/Sep/2026:12:00:00 +0000] "GET /a.png?v=1 HTTP/1.1" 200 900 "-" "agent"'
PROXIED = (
    "203.0.113.7:41204 [01/Sep/2026:12:00:00.000] https~ pictures/web1 0/0/1/248/250 200 900 - - ---- 1/1/0/0/0 0/0 "
    '"GET /a.png?v=1 HTTP/1.1"'
)


@pytest.mark.parametrize(
    "prefix",
    [
        "web-1  | ",
        "web-1  | 2026-09-01T12:00:00.123456789Z ",
        "[pod/web-1/haproxy] 2026-09-01T12:00:00.123456789Z ",
        "2026-09-01T12:00:00.123456789Z ",
        "2026-09-01T12:00:00.123456789Z stdout F ",
        "Sep  1 12:00:00 lb1 haproxy[714]: ",
        "<134>Sep  1 12:00:00 lb1 haproxy: ",
        "2026-09-01T12:00:00.123456+02:00 lb1 haproxy[714]: ",
        "2026-09-01T14:00:00+0200 lb1 haproxy[714]: ",
        "<134>1 2026-09-01T12:00:00.123456+02:00 lb1 haproxy 714 - - ",
        '<134>1 2026-09-01T12:00:00Z lb1 haproxy - - [meta sequenceId="7"] ',
    ],
)
def test_what_a_collector_put_before_a_line_is_no_part_of_it(prefix: str) -> None:
    """Neither a virtual host nor a reason to reject; the host behind it is still found."""
    for line, host in ((REQUEST, None), (f"shop.example {REQUEST}", "shop.example")):
        found = read(Combined, prefix + line)
        assert (found.host, found.target, found.ts_us) == (host, "/a.png?v=1", NOON)
    assert read(HAProxy, prefix + PROXIED).duration_us == 250_000


def test_the_time_of_a_classic_balancer_is_no_prefix() -> None:
    line = '2026-09-01T12:00:00.000000Z lb 192.0.2.1:2817 10.0.0.1:80 0 0.25 0 200 200 0 29 "GET http://h.example:80/ HTTP/1.1"'
    assert read(Elb, line).ts_us == NOON


@pytest.mark.parametrize(
    ("logged", "sent"),
    [
        (r"/?s=/index/\think\x41", r"/?s=/index/\think\x41"),
        ("/a#22b#C3#A9?x=#23", '/a"b\u00e9?x=#'),
        ("/#FF", r"/\xff"),
    ],
)
def test_haproxy_hides_characters_behind_a_hash_and_not_behind_a_backslash(logged: str, sent: str) -> None:
    assert read(HAProxy, PROXIED.replace("/a.png?v=1", logged)).target == sent


@pytest.mark.parametrize(
    "line",
    [
        "192.0.2.1:40962 [01/Sep/2026:12:00:00.285] main app/<NOSRV> -1/-1/1 212 SC 1/1/0/0/0 0/0",
        "192.0.2.1:40962 [01/Sep/2026:12:00:00.285] ssh~ app/ssh1 1/1/+861 +1485 -- 2/1/0/0/0 0/0",
        '[WARNING]  (31) : Server app/web1 is DOWN, reason: Layer4 connection problem, info: "Connection refused".',
        "[NOTICE] 243/120000 (1) : New worker #1 (8) forked",
        'Sep  1 12:00:00 lb1 haproxy[1]: Server app/web1 is DOWN, reason: Layer4 problem, info: "SSL handshake failure".',
    ],
)
def test_haproxy_lines_without_a_request_are_filtered(line: str) -> None:
    assert HAProxy(UTC).parse(line.encode()) is NO_REQUEST


def test_a_request_in_another_format_of_haproxy_is_rejected_and_not_filtered() -> None:
    """An image that nobody counted would be lost in silence."""
    line = PROXIED.replace(" 0/0/1/248/250", " shop.example 0/0/1/248/250")
    with pytest.raises(BadRecordError):
        HAProxy(UTC).parse(f"Sep  1 12:00:00 lb1 haproxy[714]: {line}".encode())


@pytest.mark.parametrize(
    ("head", "host", "address"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("cafe.de 203.0.113.7", "cafe.de", "203.0.113.7"),
        ("cafe.de:443 2001:db8::7", "cafe.de:443", "2001:db8::7"),
        ("192.0.2.2, 192.0.2.1, 203.0.113.7", None, "192.0.2.2, 192.0.2.1, 203.0.113.7"),
        ("shop.example 192.0.2.2, 203.0.113.7", "shop.example", "192.0.2.2, 203.0.113.7"),
        ('shop.example:80 "192.0.2.2, 203.0.113.7"', "shop.example:80", "192.0.2.2, 203.0.113.7"),
        ('"192.0.2.2, 203.0.113.7"', None, "192.0.2.2, 203.0.113.7"),
        ("2001:db8::7, 192.0.2.2", None, "2001:db8::7, 192.0.2.2"),
        ("shop.example unix:", "shop.example", "unix:"),
        ("shop.example localhost", "shop.example", "localhost"),
    ],
)
def test_a_virtual_host_is_told_from_what_forwarded_the_request(head: str, host: str | None, address: str) -> None:
    line = REQUEST.replace("203.0.113.7", head)
    assert read(Combined, line).host == host
    fields = Combined(UTC).fields(line.encode())
    assert (fields["remote_addr"], fields["ident"], fields["remote_user"]) == (address, "-", "-")


def test_a_long_list_of_addresses_takes_linear_time() -> None:
    """A quadratic reader would take a minute for it."""
    started = time.monotonic()
    assert read(Combined, REQUEST.replace("203.0.113.7", "a, " * 300_000 + "a")).status == 200
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("junk", [r"\x16\x03\x01\x01 \x02", r"\x16\x03\x01", "", "-", r"]&\xDF\xBDV"])
def test_what_is_no_request_stays_as_it_was_logged(junk: str) -> None:
    """There is no address in it that two servers could spell in two ways, and bytes are no text."""
    found = read(Combined, REQUEST.replace("GET /a.png?v=1 HTTP/1.1", junk))
    assert (found.method, found.target, found.status) == ("", junk, 200)


def test_blanks_before_the_user_are_no_user() -> None:
    fields = Combined(UTC).fields(REQUEST.replace("- - [", "-  -  [").encode())
    assert (fields["ident"], fields["remote_user"]) == ("-", "-")
    assert Combined(UTC).fields(REQUEST.replace("- - [", "- A B [").encode())["remote_user"] == "A B"


@pytest.mark.parametrize("head", ["  ", "203.0.113.7  ", " - -", "203.0.113.7 -"])
def test_a_head_without_words_is_read_as_the_compiled_splitter_reads_it(head: str) -> None:
    assert read(Combined, REQUEST.replace("203.0.113.7 - -", head)).target == "/a.png?v=1"


@pytest.mark.parametrize(
    "written",
    [
        "01/Sep/2026:12:00:00 GMT",
        "2026-09-01 14:00:00 +0200",
        "2026-09-01 12:00:00.000 UTC",
        "2026/09/01 12:00:00",
        "2026-09-01T12:00:00+00:00",
        "1788264000",
        "Tue, 01 Sep 2026 12:00:00 GMT",
        "Tue, 1 Sep 2026 14:00:00 +0200",
        "Tue Sep  1 12:00:00 2026",
        "Tue Sep 01 12:00:00.000 UTC 2026",
    ],
)
def test_servers_that_are_told_to_write_another_time(written: str) -> None:
    assert read(Combined, REQUEST.replace("01/Sep/2026:12:00:00 +0000", written)).ts_us == NOON


def test_the_server_of_python_has_a_blank_in_its_time() -> None:
    found = read(Combined, '203.0.113.7 - - [01/Sep/2026 12:00:00] "GET /a.png HTTP/1.1" 200 -')
    assert (found.ts_us, found.assumed_timezone) == (NOON, True)


TRAEFIK = f'{REQUEST} 7 "shop@docker" "http://10.0.0.7:80" 250ms'


def test_traefik_leaves_quotes_and_numbers_out_where_there_is_nothing() -> None:
    """Version 1 wrote a missing referer without quotes; a client that went away has neither status nor size."""
    assert read(TraefikClf, TRAEFIK.replace('"-" "agent"', '- "agent"')).duration_us == 250_000
    found = read(TraefikClf, TRAEFIK.replace(" 200 900 ", " - - "))
    assert (found.status, found.bytes, found.duration_us) == (None, None, 250_000)


MESH = '"203.0.113.7" "agent" "id-1" "shop.example" "10.0.0.7:8080"'
ASKED = '[2026-09-01T12:00:00.000Z] "GET /a.png?v=1 HTTP/2"'
GATEWAY = {
    "start_time": "2026-09-01T12:00:00.000Z", "method": "GET", "x-envoy-origin-path": "/a.png?v=1",
    "response_code": 200, "response_flags": "-", ":authority": "shop.example", "bytes_sent": 900, "duration": 250,
}  # fmt: skip
CONTOUR = {
    "@timestamp": "2026-09-01T12:00:00.000Z", "method": "GET", "path": "/a.png?v=1", "response_code": 200,
    "response_flags": "-", "authority": "shop.example", "bytes_sent": 900, "duration": 250,
}  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        f"{ASKED} 200 - 0 900 250 248 {MESH}",
        f"ACCESS {ASKED} 200 - 0 900 250 248 {MESH}",
        f'{ASKED} 200 - via_upstream - "-" 0 900 250 248 {MESH} outbound|80||shop.example',
        f'{ASKED} 200 - "-" 0 900 250 248 {MESH}',
        f'{ASKED} 200 - "-" "-" 0 900 250 248 {MESH} outbound|80||shop.example',
        json.dumps(GATEWAY),
        json.dumps(CONTOUR),
    ],
)
def test_every_format_that_ships_with_envoy_is_one_request(line: str) -> None:
    found = read(Envoy, line)
    assert (found.ts_us, found.duration_us, found.bytes, found.status) == (NOON, 250_000, 900, 200)
    assert (found.method, found.host, found.target) == ("GET", "shop.example", "/a.png?v=1")
    lines = (line.encode(),) * 3
    assert detect(Sample(Path("x.log"), b"\n".join(lines), lines), {}, "x.log").kind is Envoy


def test_envoy_escapes_nothing() -> None:
    assert read(Envoy, rf"{ASKED} 200 - 0 900 250 248 {MESH}".replace("v=1", r"v=\x41")).target == r"/a.png?v=\x41"


@pytest.mark.parametrize(
    "line",
    [
        f'[2026-09-01T12:00:00.000Z] "- - -" 0 UF,URX 0 0 4 - {MESH}',
        json.dumps({**GATEWAY, "method": None, "x-envoy-origin-path": None, "response_code": 0, ":authority": None}),
    ],
)
def test_a_connection_through_envoy_is_no_request(line: str) -> None:
    assert Envoy(UTC).parse(line.encode()) is NO_REQUEST


def test_a_log_of_json_without_method_is_not_envoy() -> None:
    for missing in ("method", "path", "start_time", "response_code"):
        line = {"start_time": "2026-09-01T12:00:00Z", "method": "GET", "path": "/", "response_code": 200, missing: None}
        with pytest.raises(BadRecordError, match=missing):
            Envoy(UTC).parse(json.dumps(line).encode())


CADDY = {
    "ts": NOON / 10**6 + 0.25, "request": {"method": "GET", "host": "shop.example", "uri": "/a.png?v=1"},
    "duration": 0.25, "size": 900, "status": 200,
}  # fmt: skip


def test_caddys_first_content_type_counts_whatever_its_case() -> None:
    headers = {"Content-Type": ["image/png"], "content-type": ["text/html"]}
    assert read(Caddy, {**CADDY, "resp_headers": headers}).media_type == "image/png"


@pytest.mark.parametrize(
    "ts",
    [
        NOON / 10**6 + 0.25,
        NOON / 10**3 + 250.0,
        NOON * 1000 + 250_000_000,
        "2026-09-01T12:00:00.250Z",
        "2026-09-01T14:00:00.250+0200",
        "2026/09/01 12:00:00.250",
        "2026/09/01 12:00:00.250000000",
        "01/Sep/2026:12:00:00.250 +0000",
    ],
)
def test_caddy_may_be_told_to_write_any_time(ts: object) -> None:
    assert read(Caddy, {**CADDY, "ts": ts}).ts_us == NOON


@pytest.mark.parametrize("duration", [0.25, 250_000_000, 250, "250ms", "0.25s", "250000µs", "250000us", "250000000ns"])
def test_caddy_may_be_told_to_write_any_duration(duration: object) -> None:
    assert read(Caddy, {**CADDY, "duration": duration}).ts_us == NOON


@pytest.mark.parametrize(
    ("duration", "us"), [("1h2m3.25s", 3_723_250_000), ("48.845µs", 49), ("0s", 0), ("", None), ("x", None)]
)
def test_durations_of_go(duration: str, us: int | None) -> None:
    assert read(Caddy, {**CADDY, "duration": duration}).duration_us == us


def test_a_byte_order_mark_before_json_is_none_of_it() -> None:
    assert read(Caddy, "\ufeff" + json.dumps(CADDY)).status == 200


def test_nanoseconds_are_rounded() -> None:
    line = {
        "RequestMethod": "GET", "RequestPath": "/a.png", "StartUTC": "2026-09-01T12:00:00Z", "Duration": 32_673,
    }  # fmt: skip
    assert read(Traefik, line).duration_us == 33


def test_proxies_that_write_extended_logs_have_their_own_ways() -> None:
    """Blue Coat logs the question mark as part of the query, Oracle its offset from GMT."""
    kind = W3C(UTC)
    for directive in ("#GMT-Offset: -0800", "#Fields: date time cs-method cs-host cs-uri-path cs-uri-query sc-status"):
        assert kind.parse(directive.encode()) is None
    found = kind.parse(b"2026-09-01 12:00:00 GET shop.example /a.png ?v=1 200")
    assert found is not None
    assert (found.ts_us, found.host, found.target) == (NOON, "shop.example", "/a.png?v=1")


@pytest.mark.parametrize(
    ("field", "verdict"),
    [
        ("cp1052 hit(4), cp3008 frontend hit(10520)", Served.HIT),
        ("cp3072 miss, cp3072 hit/17254", Served.HIT),
        ("cp3072 miss, cp3072 pass", Served.FORWARDED),
        ("hit-front", Served.HIT),
        ("MISS from hit.example:3128", Served.FORWARDED),
        ("HIT from pass1.example", Served.HIT),
        ("TCP_MEM_HIT from a23-45.deploy.example (AkamaiGHost/10.0) (-)", Served.HIT),
        ("TCP_MISS:HIER_DIRECT", Served.FORWARDED),
        ("uncacheable", None),
        ("a-" * 500_000, None),
    ],
)
def test_a_cache_may_name_itself_before_its_verdict(field: str, verdict: Served | None) -> None:
    assert served(field) is verdict


@pytest.mark.parametrize("name", ["_fromCache", "fromDiskCache", "fromPrefetchCache"])
def test_a_browser_that_answered_itself_is_a_cache(name: str) -> None:
    entry = {
        "startedDateTime": "2026-09-01T12:00:00.000Z", "time": 1, "request": {"method": "GET", "url": "https://h.example/"},
        "response": {"status": 200, name: True, "content": {"size": 9}, "headers": []},
    }  # fmt: skip
    assert read(Har, entry).cache == "hit"
    entry["response"] = {"status": 200, name: False, "content": {"size": 9}, "headers": {"x-vercel-cache": "STALE"}}
    assert read(Har, entry).cache == "STALE"


@pytest.mark.parametrize(
    "request_line",
    [
        {"request": "GET /a.png?v=1 HTTP/1.1", "host": "shop.example"},
        {"request_line": "GET /a.png?v=1 HTTP/1.1", "http_host": "shop.example"},
        {"method": "GET", "path": "/a.png", "request_query": "v=1", "vhost": "shop.example"},
        {"request_method": "GET", "request_url": "/a.png?v=1", "domain": "shop.example"},
        {"method": "GET", "uri": "/a.png", "query": "v=1", "domain": "shop.example"},
        {"request": "GET", "url": "/a.png?v=1", "host": "shop.example"},
    ],
)
def test_keys_of_json_are_what_people_call_them(request_line: dict[str, str]) -> None:
    """A query under a name that nobody knew made one image of many."""
    line = {"time": "2026-09-01T12:00:00.250Z", "status": 200, "body_bytes_sent": 900, "request_time": 0.25}
    found = read(NginxJson, {**line, **request_line})
    assert (found.ts_us, found.method, found.host, found.target) == (NOON, "GET", "shop.example", "/a.png?v=1")


def test_calls_in_ecs_are_nested() -> None:
    """They were filtered as lines of no request, since `url` is an object there."""
    line = {
        "@timestamp": "2026-09-01T12:00:00.250Z", "message": "rendered", "url": {"full": "https://h.example/a?b=1"},
        "http": {"request": {"method": "POST"}, "response": {"status_code": 200, "body": {"bytes": 900}}},
        "event": {"duration": 250_000_000},
    }  # fmt: skip
    found = read(Structlog, line)
    assert (found.ts_us, found.method, found.status, found.bytes) == (NOON, "POST", 200, 900)
    assert found.target == "https://h.example/a?b=1"


def test_a_request_of_envoy_is_text() -> None:
    """An object in its place is one rejected line."""
    line = b'{"start_time": "2026-09-01T06:00:01Z", "method": "GET", "path": "/", "request": {}, "response_code": 200}'
    with pytest.raises(BadRecordError, match="request is not a text"):
        Envoy(UTC).parse(line)
