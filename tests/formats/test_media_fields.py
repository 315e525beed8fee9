"""The media type of an answer is found under every name, by every reader of JSON."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.exchanges.exchange import Exchange
from auditor.formats.nginx_json import NginxJson
from auditor.formats.structlog import Structlog

UTC = ZoneInfo("UTC")
ANSWERS: list[dict[str, Any]] = [
    {"resp_content_type": "text/html"},
    {"response_content_type": "text/html"},
    {"responseContentType": "text/html"},
    {"res_mime_type": "text/html"},
    {"response_headers": {"Content-Type": "text/html"}},
    {"response_headers": {"content-type": ["text/html"]}},
    {"response": {"headers": {"Content-Type": "text/html"}}},
    {"response": {"content_type": "text/html"}},
    {"response.headers.content-type": "text/html"},
    {"http": {"response": {"mime_type": "text/html"}}},
    {"upstream_http_content_type": "text/html", "content_type": "image/png"},
    {"content_type": "image/png", "sent_http_content_type": "text/html"},
]
EITHER: list[dict[str, Any]] = [
    {"contentType": "text/html"},
    {"mimeType": "text/html"},
    {"content-type": "text/html"},
    {"content_type": "text/html"},
    {"headers": {"content-type": "text/html"}},
    {"headers.content-type": "text/html"},
]
REQUESTS: list[dict[str, Any]] = [
    {"request_content_type": "text/html"},
    {"http_content_type": "text/html"},
    {"request_headers": {"Content-Type": "text/html"}},
    {"req": {"headers": {"Content-Type": "text/html"}}},
    {"resource_type": "text/html"},
    {"response_headers": {"Content-Type": ""}},
]


def nginx(more: dict[str, Any], method: str) -> str | None:
    record = {"time_iso8601": "2026-09-01T06:00:01Z", "request": f"{method} /img/1.png HTTP/1.1", "status": 200, **more}
    found = NginxJson(UTC).parse(json.dumps(record).encode())
    assert found is not None
    return found.media_type


def program(more: dict[str, Any], method: str) -> str | None:
    record = {"ts": "2026-09-01T06:00:01Z", "url": "https://h.example/1", "method": method, "status_code": 200, **more}
    found = Structlog(UTC).parse(json.dumps(record).encode())
    assert isinstance(found, Exchange)
    return found.media_type


@pytest.mark.parametrize("more", ANSWERS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_types_of_answers(more: dict[str, Any], method: str) -> None:
    assert nginx(more, method) == "text/html"
    if "content_type" not in more:
        assert program(more, method) == "text/html"


@pytest.mark.parametrize("more", EITHER)
def test_a_type_that_may_be_the_requests(more: dict[str, Any]) -> None:
    """A request without a body has none; nginx's own `$content_type` is that of a request."""
    assert nginx(more, "GET") == program(more, "GET") == "text/html"
    assert nginx(more, "POST") is None


@pytest.mark.parametrize("more", REQUESTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_types_of_requests_are_not_read(more: dict[str, Any], method: str) -> None:
    assert nginx(more, method) is None
    assert program(more, method) is None
