"""What httpx, httpx2 and urllib3 log as text: read by its time and its message, whatever stands around them."""

import json
import logging
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from auditor.exchanges.exchange import Exchange
from auditor.formats.httpx_text import HttpxText
from auditor.model.errors import InputError
from auditor.model.event_reader import parse_time
from auditor.model.events import BadRecordError
from auditor.reading.format import NO_REQUEST
from tests.formats.samples import taken_of
from tests.formats.test_foreign import line as access_line

BERLIN = ZoneInfo("Europe/Berlin")
URL = "https://render.imejis.io/v1/og-card?title.text=Hi"
SAID = f'HTTP Request: GET {URL} "HTTP/1.1 200 OK"'
URLLIB3 = 'https://render.imejis.io:443 "GET /v1/og-card?title.text=Hi HTTP/1.1" 200 18211'


def read(text: str) -> Exchange:
    found = HttpxText(BERLIN).parse(text.encode())
    assert isinstance(found, Exchange)
    return found


@pytest.mark.parametrize(
    ("text", "time", "assumed"),
    [
        (f"INFO [2023-01-05 15:25:26] httpx - {SAID}", "2023-01-05T14:25:26Z", True),
        (f"INFO [2023-01-05 15:25:26] httpx2 - {SAID}\r", "2023-01-05T14:25:26Z", True),
        (f"2026-09-01 06:00:01,250 - INFO - httpx - {SAID}", "2026-09-01T04:00:01.25Z", True),
        (f"2026-09-01 06:00:01,250 INFO httpx: {SAID}", "2026-09-01T04:00:01.25Z", True),
        (f"[2026-09-01T06:00:01.250+0200 - httpx:1027 - INFO] {SAID}", "2026-09-01T04:00:01.25Z", False),
        (f"2026-09-01 06:00:01.250 | INFO     | httpx._client:_send_single_request:1025 - {SAID}",
         "2026-09-01T04:00:01.25Z", True),
        (f"2026-09-01T06:00:01.250123456Z INFO:httpx:{SAID}", "2026-09-01T06:00:01.250123Z", False),
        (f"2026-09-01T06:00:01+0000 web python[12]: INFO:httpx:{SAID}", "2026-09-01T06:00:01Z", False),
        (f"2026/09/01 06:00:01 httpx {SAID}", "2026-09-01T04:00:01Z", True),
        (f"2026-09-01 06:00:01,250 - DEBUG - urllib3.connectionpool - {URLLIB3}", "2026-09-01T04:00:01.25Z", True),
        (f"2026-09-01T06:00:01Z DEBUG:urllib3.connectionpool:{URLLIB3}", "2026-09-01T06:00:01Z", False),
    ],
)  # fmt: skip
def test_the_time_of_a_line_whatever_its_format(text: str, time: str, assumed: bool) -> None:
    found = read(text)
    assert (found.ts_us, found.assumed_timezone) == (parse_time(time, BERLIN)[0], assumed)
    assert (found.method, found.target.replace(":443", ""), found.status) == ("GET", URL, 200)
    assert (found.bytes, found.duration_us, found.cache) == (18211 if "urllib3" in text else None, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "INFO [2023-01-05 15:25:26] shop.cards - 2 cards to render", "Traceback (most recent call last):", "",
        "DEBUG [2023-01-05 15:25:26] httpcore.http11 - send_request_headers.started request=<Request [b'GET']>",
        "2026-09-01 06:00:01 urllib3.connectionpool Starting new HTTPS connection (1): render.imejis.io:443",
        "2026-09-01 06:00:01 app HTTP Request: GET /products from 10.0.0.1",
        '2026-09-01 06:00:01 openai._base_client HTTP Request: POST https://api.openai.example/v1/images "200 OK"',
        "2026-09-01 06:00:01 shop HTTP Request: failed", f"2026-09-01 06:00:01 shop see {URL}",
    ],
)  # fmt: skip
def test_lines_of_others_are_no_requests(text: str) -> None:
    assert HttpxText(BERLIN).parse(text.encode()) is NO_REQUEST


@pytest.mark.parametrize(
    "said",
    [
        'http://proxy.example:3128 "POST http://render.imejis.io/v1/og-card HTTP/1.1" 200 18211',
        'http://proxy.example:3128 "POST https://render.imejis.io/v1/og-card HTTP/1.1" 200 18211',
        'https://proxy.example:8443 "POST https://render.imejis.io:443/v1/og-card HTTP/1.1" 200 18211',
        'https://render.imejis.io:443 "POST /v1/og-card HTTP/1.1" 200 18211',
        'HTTP Request: POST https://render.imejis.io/v1/og-card "HTTP/1.1 200 OK"',
    ],
)
def test_behind_a_proxy_the_address_is_that_of_the_call(said: str, tmp_path: Path) -> None:
    """Of urllib3 and so of requests by forwarding, by a tunnel, and of httpx, which never names the proxy."""
    text = f"2026-09-01 06:00:01,250 DEBUG client {said}\n"
    program = json.dumps({"event": said, "timestamp": "2026-09-01T06:00:01Z"}) + "\n"
    for name, log in (("app.log", text), ("app.jsonl", program)):
        (record,) = taken_of(tmp_path, {name: log}).records
        assert (record["provider"], record["template"], record["outcome"]) == ("imejis", "og-card", "render")


@pytest.mark.parametrize("prefix", ["INFO:httpx:", "06:00:01 INFO httpx ", "", "09/01/2026 06:00:01 AM "])
def test_a_request_without_a_date_is_rejected_with_the_fix(prefix: str) -> None:
    with pytest.raises(BadRecordError, match="asctime"):
        HttpxText(BERLIN).parse(f"{prefix}{SAID}".encode())


def test_a_log_without_times_is_a_question(tmp_path: Path) -> None:
    """As logging.basicConfig writes it without a format."""
    with pytest.raises(InputError, match=r"without times.*asctime.*docker logs --timestamps"):
        taken_of(tmp_path, {"app.log": f"INFO:shop:hello\nINFO:httpx:{SAID}\n" * 3})


def test_what_pythons_logging_writes(tmp_path: Path) -> None:
    """Through the formatter of the manual: nothing is lost among other loggers' lines, and the zone is assumed."""
    formatter = logging.Formatter("%(levelname)s [%(asctime)s] %(name)s - %(message)s", "%Y-%m-%d %H:%M:%S")
    records = [
        logging.makeLogRecord({"name": name, "levelname": "INFO", "msg": message, "created": 1_788_242_400 + second})
        for second in range(2)
        for name, message in (("shop", "begin"), ("httpx", SAID), ("shop", "end\nof a card"))
    ]
    found = taken_of(tmp_path, {"app.log": "".join(f"{formatter.format(each)}\n" for each in records)})
    assert (found.tally.lines, len(found.records), found.tally.others, found.tally.reasons.total()) == (8, 2, 6, 0)
    assert [record["template"] for record in found.records] == ["og-card", "og-card"]
    assert [record["assumed_timezone"] for record in found.records] == [True, True]
    assert (found.count("render"), found.repeats, found.assumed["end_as_start"]) == (2, 1, 2)


def test_an_access_log_with_a_few_such_lines_stays_one(tmp_path: Path) -> None:
    """Their requests are rejected, and counted."""
    text = "".join(map(access_line, range(60))) + f"2026-09-01 06:00:01,250 - INFO - httpx - {SAID}\n"
    found = taken_of(tmp_path, {"app.log": text}, {"sources": {"img": {"path": "/img/.*"}}})
    assert (len(found.records), found.tally.reasons.total()) == (60, 1)
