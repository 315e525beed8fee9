"""Text logs of Heroku, of programs that write logfmt, and of image servers: values by hand, from their documentation."""

from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from auditor.exchanges.exchange import Exchange
from auditor.intake.detect import Detected, detect
from auditor.model.event_reader import parse_time
from auditor.model.events import BadRecordError
from auditor.reading.format import NO_REQUEST, Sample
from auditor.registry import FORMATS
from tests.formats.samples import taken_of

UTC = ZoneInfo("UTC")
ROUTED = (
    'at=info method=GET path="/img/1.png?w=300" host=shop.example request_id=d7c85cc2 fwd="203.0.113.7" dyno=web.1 '
    "connect=1ms service=250ms status=200 bytes=18211 protocol=https"
)
LOGGED = 'level=info msg="request completed" method=GET path="/img/1.png?w=300" host=shop.example status=200 size=18211'
DONE = "Completed in 250ms /sig/w:300/plain/https://o.example/1.png request_id=a1 method=GET status=200 client_ip=203.0.113.7"
SIGNED = "/sig/w:300/plain/https://o.example/1.png"
SERVED = "200 GET /unsafe/300x200/o.example/1.png (203.0.113.7) 250.00ms"
CASES: list[tuple[str, str, tuple[object, ...]]] = [
    # (start, method, host, target, status, bytes, duration in µs, cache)
    ("heroku", f"2026-09-01T06:00:01.515030+00:00 heroku[router]: {ROUTED}",
     ("2026-09-01T06:00:01.264030Z", "GET", "shop.example", "/img/1.png?w=300", 200, 18211, 251_000, None)),
    ("heroku", f"2026-09-01T06:00:01.515030+00:00 {ROUTED}",
     ("2026-09-01T06:00:01.264030Z", "GET", "shop.example", "/img/1.png?w=300", 200, 18211, 251_000, None)),
    ("heroku", f"2026-09-01T06:00:01.515030+00:00 heroku[router]: {ROUTED.replace('ms ', ' ')} tls=true tls_version=tls1.3",
     ("2026-09-01T06:00:01.264030Z", "GET", "shop.example", "/img/1.png?w=300", 200, 18211, 251_000, None)),
    ("heroku", f"374 <158>1 2026-09-01T06:00:01.515030+00:00 host heroku router - {ROUTED}",
     ("2026-09-01T06:00:01.264030Z", "GET", "shop.example", "/img/1.png?w=300", 200, 18211, 251_000, None)),
    ("heroku", f"<158>1 2026-09-01T06:00:01.515030+00:00 d.73ea7440-270a heroku router - - {ROUTED}",
     ("2026-09-01T06:00:01.264030Z", "GET", "shop.example", "/img/1.png?w=300", 200, 18211, 251_000, None)),
    ("heroku", f"120 <158>1 2026-09-01T06:00:01+00:00 heroku router d.73ea7440-270a - {ROUTED}",
     ("2026-09-01T06:00:00.749Z", "GET", "shop.example", "/img/1.png?w=300", 200, 18211, 251_000, None)),
    ("heroku", '2026-09-01T06:00:01+00:00 heroku[router]: at=error code=H12 desc="Request timeout" method=GET path=/a.png '
     "host=shop.example fwd=203.0.113.7 dyno=web.1 connect= service=30000ms status=503 bytes=0",
     ("2026-09-01T06:00:01Z", "GET", "shop.example", "/a.png", 503, 0, None, None)),
    ("heroku", '2026-09-01T06:00:01+00:00 heroku[router]: at=error code=H10 desc="App crashed" method=GET path="/a.png" '
     "host=shop.example fwd=203.0.113.7 dyno= connect= service= status=503 bytes=",
     ("2026-09-01T06:00:01Z", "GET", "shop.example", "/a.png", 503, None, None, None)),
    ("logfmt", f"time=2026-09-01T06:00:01.250Z {LOGGED} duration=250ms cache_status=MISS",
     ("2026-09-01T06:00:01Z", "GET", "shop.example", "/img/1.png?w=300", 200, 18211, 250_000, "MISS")),
    ("logfmt", f"ts=2026-09-01T06:00:02.004Z {LOGGED} duration=4ms cache_status=HIT",
     ("2026-09-01T06:00:02Z", "GET", "shop.example", "/img/1.png?w=300", 200, 18211, 4_000, "HIT")),
    ("logfmt", f"t=2026-09-01T06:00:01.25Z {LOGGED} durationMs=250",
     ("2026-09-01T06:00:01Z", "GET", "shop.example", "/img/1.png?w=300", 200, 18211, 250_000, None)),
    ("logfmt", "2026-09-01T06:00:01.25+00:00 requestMethod=POST requestPath=/img statusCode=201 responseTimeMs=250",
     ("2026-09-01T06:00:01Z", "POST", None, "/img", 201, None, 250_000, None)),
    ("logfmt", r'timestamp=2026-09-01T06:00:01Z event="HTTP Request: POST https://o.example/img \"HTTP/1.1 200 OK\""',
     ("2026-09-01T06:00:01Z", "POST", None, "https://o.example/img", 200, None, None, None)),
    ("logfmt", r'time=2026-09-01T06:00:01Z path="/a\"b\\c=d.png" status=200',
     ("2026-09-01T06:00:01Z", "GET", None, '/a"b\\c=d.png', 200, None, None, None)),
    ("imgproxy", f"INFO    [2026-09-01T06:00:01Z] {DONE}",
     ("2026-09-01T06:00:00.750Z", "GET", None, SIGNED, 200, None, 250_000, None)),
    ("imgproxy", f"\x1b[33mWARNING\x1b[0m [2026-09-01T08:00:01+02:00] {DONE.replace('status=', chr(27) + '[1mstatus' + chr(27) + '[0m=')}",
     ("2026-09-01T06:00:00.750Z", "GET", None, SIGNED, 200, None, 250_000, None)),
    ("imgproxy", f"2026-09-01 06:00:01 \x1b[1;32m[INF]\x1b[0m {DONE} processing_options={{ width=300 status=7 }}",
     ("2026-09-01T06:00:00.750Z", "GET", None, SIGNED, 200, None, 250_000, None)),
    ("imgproxy", f'time="2026-09-01 06:00:01" level="INFO" msg="Completed in 1m1.5s {SIGNED}" request_id="a1" method="GET" status=200',
     ("2026-09-01T05:58:59.5Z", "GET", None, SIGNED, 200, None, 61_500_000, None)),
    ("thumbor", f"2026-09-01 06:00:01 tornado.access:INFO {SERVED}",
     ("2026-09-01T06:00:00.750Z", "GET", None, "/unsafe/300x200/o.example/1.png", 200, None, 250_000, None)),
    ("thumbor", f"[I 260901 06:00:01 web:2348] {SERVED}",
     ("2026-09-01T06:00:00.750Z", "GET", None, "/unsafe/300x200/o.example/1.png", 200, None, 250_000, None)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "line", "values"), CASES)
def test_values_are_those_of_the_documentation(name: str, line: str, values: tuple[object, ...]) -> None:
    found = FORMATS[name](UTC).parse(line.encode())
    assert isinstance(found, Exchange)
    start, *rest = values
    assert found.ts_us == parse_time(str(start), UTC)[0]
    assert [found.method, found.host, found.target, found.status, found.bytes, found.duration_us, found.cache] == rest


@pytest.mark.parametrize(("name", "line", "values"), CASES)
def test_a_log_of_two_requests_is_told_by_its_content(name: str, line: str, values: tuple[object, ...]) -> None:
    """Alone, and among what else such a log holds."""
    del values
    lines = (line.encode(), *(other.encode() for kind, other in OTHERS if kind == name), line.encode())
    found: Detected = detect(Sample(Path("app.log"), b"\n".join(lines), lines), {}, "app.log")
    assert (found.kind.name, found.confidence, found.wraps) == (name, 1, 0)


OTHERS = [
    ("heroku", "2026-09-01T06:00:01.516201+00:00 app[web.1]: method=GET path=/img/1.png status=200 duration=248.10"),
    (
        "heroku",
        '2026-09-01T06:00:01+00:00 app[web.1]: 203.0.113.7 - - [01/Sep/2026:06:00:01 +0000] "GET /a.png HTTP/1.1" 200 9',
    ),
    ("heroku", "2026-09-01T06:00:01+00:00 heroku[web.1]: State changed from starting to up"),
    ("heroku", "120 <40>1 2026-09-01T06:00:01+00:00 heroku web.3 d.73ea7440-270a - State changed from starting to up"),
    ("logfmt", 'time=2026-09-01T06:00:01Z level=info msg="listening" addr=:8080'),
    ("logfmt", 'time=2026-09-01T06:00:01Z level=info msg="request started" method=GET path=/img/1.png'),
    (
        "imgproxy",
        "INFO    [2026-09-01T06:00:01Z] Started /sig/w:300/plain/https://o.example/1.png request_id=a1 method=GET",
    ),
    ("imgproxy", 'time="2026-09-01T06:00:01Z" level="info" message="Starting server at :8080"'),
    ("thumbor", "2026-09-01 06:00:01 thumbor:DEBUG METRICS: timing: response.time:98"),
]


@pytest.mark.parametrize(("name", "line"), OTHERS)
def test_other_messages_tell_of_no_request(name: str, line: str) -> None:
    assert FORMATS[name](UTC).parse(line.encode()) is NO_REQUEST


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("heroku", f"heroku[router]: {ROUTED}"),  # without a time
        ("heroku", f"2026-09-01T06:00:01+00:00 heroku[router]: {ROUTED[:130]}"),
        ("heroku", "2026-09-01T06:00:01+00:00 method=GET path=/a.png status=200"),
        ("logfmt", f"{LOGGED} duration=250ms"),  # without a time
        ("logfmt", 'time=2026-09-01T06:00:01Z msg="cut'),
        ("logfmt", "two words"),
        ("imgproxy", f"INFO    [2026-09-01T06:00:01Z] {DONE[:70]}"),
        ("imgproxy", 'msg="Completed in 250ms /sig/w:300/a" method=GET status=200'),
        ("thumbor", SERVED),
    ],
)
def test_what_lacks_a_part_is_rejected(name: str, line: str) -> None:
    with pytest.raises(BadRecordError):
        FORMATS[name](UTC).parse(line.encode())


@pytest.mark.parametrize(
    ("name", "head", "rest", "least"),
    [
        ("thumbor", "2026-09-01 06:00:01 thumbor:INFO ", SERVED, 9),
        ("imgproxy", "INFO    [2026-09-01T06:00:01Z] ", DONE, 14),
        (
            "httpx",
            "2026-09-01 06:00:01 httpx ",
            'HTTP Request: GET https://render.imejis.io/v1/og "HTTP/1.1 200 OK"',
            18,
        ),
        ("httpx", "2026-09-01 06:00:01 ", 'https://render.imejis.io:443 "GET /v1/og HTTP/1.1" 200 18211', 34),
    ],
)
def test_a_request_that_is_cut_off_anywhere_is_no_other_message(name: str, head: str, rest: str, least: int) -> None:
    """From the status and method, or the first words, on: rejected where it cannot be read, and never filtered."""
    for end in range(least, len(rest)):
        with suppress(BadRecordError):
            assert FORMATS[name](UTC).parse(f"{head}{rest[:end]}".encode()) is not NO_REQUEST, rest[:end]


def test_hits_and_misses_of_logfmt_count_once_each(tmp_path: Path) -> None:
    lines = "".join(f"{line}\n" for kind, line, _ in CASES if kind == "logfmt" and "cache_status" in line)
    config = {"sources": {"img": {"path": "/img/.*"}}}
    found = taken_of(tmp_path, {"app.log": lines}, config)
    assert [(each["outcome"], each["status"], each["bytes"]) for each in found.records] == [
        ("render", 200, 18211),
        ("hit", 200, 18211),
    ]


def test_a_duration_without_a_unit_is_that_of_the_file(tmp_path: Path) -> None:
    """lograge writes milliseconds and no unit: whole files of them tell, as they do in JSON."""
    line = "time=2026-09-01T06:00:0{n}Z method=GET path=/img/{n}.png status=200 duration={n}58.33\n"
    config = {"sources": {"img": {"path": "/img/.*"}}}
    found = taken_of(tmp_path, {"app.log": "".join(line.format(n=n) for n in range(1, 6))}, config)
    assert [each["duration_us"] for each in found.records] == [158_330, 258_330, 358_330, 458_330, 558_330]
    assert found.assumed["duration_unit"] == 5
