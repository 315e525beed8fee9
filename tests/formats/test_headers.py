"""Headers are found in whatever shape programs log them: the media type and the cache's verdict of an answer."""

import json
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.exchanges.exchange import Exchange
from auditor.exchanges.headers import pairs_of
from auditor.formats.har import _headers
from auditor.formats.nginx_json import NginxJson
from auditor.formats.structlog import Structlog
from auditor.reading.format import Format

UTC = ZoneInfo("UTC")
SHAPES: list[Any] = [
    {"Content-Type": "text/html", "X-Cache": "HIT"},
    [["content-type", "text/html"], ["x-cache", "HIT"]],
    [{"name": "Content-Type", "value": "text/html"}, {"name": "X-Cache", "value": "HIT"}],
    [{"key": "content-type", "value": ["text/html"]}, {"key": "x-cache", "values": ["HIT"]}],
    [{"content-type": "text/html"}, {"x-cache": "HIT"}],
    ["content-type: text/html", "x-cache: HIT"],
    ["Date", "Mon, 01 Sep 2026 06:00:00 GMT", "Content-Type", "text/html", "X-Cache", "HIT"],
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Cache: HIT\r\n",
    "content-type: text/html\r\nx-cache: HIT\r\n\r\n",
    "content-type:text/html\nx-cache:HIT",
    r"date: Mon, 01 Sep 2026 06:00:00 GMT\r\ncontent-type: text/html\r\nx-cache: HIT\r\n",
    "x-cache: HIT; content-type: text/html",
    '{"content-type": "text/html", "x-cache": "HIT"}',
    "Headers({'content-type': 'text/html', 'x-cache': 'HIT'})",
    "[('content-type', 'text/html'), ('x-cache', 'HIT')]",
    '{"content-type"=>"text/html", "x-cache"=>["HIT"]}',
    "map[Content-Type:[text/html] X-Cache:[HIT]]",
]
AROUND = ["response_headers", "responseHeaders", "resp_headers", "response.headers", "res"]


def parsed(kind: type[Format], more: dict[str, Any]) -> Exchange:
    record = {
        "time": "2026-09-01T06:00:01Z", "request": "POST https://h.example/1 HTTP/1.1", "url": "https://h.example/1",
        "method": "POST", "status": 200, **more,
    }  # fmt: skip
    found = kind(UTC).parse(json.dumps(record).encode())
    assert isinstance(found, Exchange)
    return found


@pytest.mark.parametrize("headers", SHAPES)
@pytest.mark.parametrize("kind", [NginxJson, Structlog])
def test_every_shape_tells_type_and_verdict(kind: type[Format], headers: Any) -> None:
    for name in AROUND:
        found = parsed(kind, {name: headers})
        assert (found.media_type, found.cache) == ("text/html", "HIT"), name
    found = parsed(kind, {"response": {"headers": headers}})
    assert (found.media_type, found.cache) == ("text/html", "HIT")


@pytest.mark.parametrize("headers", SHAPES)
def test_those_of_a_request_do_not(headers: Any) -> None:
    for more in ({"request_headers": headers}, {"req": {"headers": headers}}, {"headers": headers}):
        assert parsed(NginxJson, more).media_type is None


@pytest.mark.parametrize("headers", SHAPES)
def test_headers_of_har(headers: Any) -> None:
    found = _headers(headers)
    if all(isinstance(value, str) for _, value in pairs_of(headers)):
        assert (found["content-type"], found["x-cache"]) == ("text/html", "HIT")


@pytest.mark.parametrize(
    "value",
    [None, 5, True, "", "text/html", [], {}, [[]], [None, 3], "https://h.example/a: b", [["a"]], "a" * 300_000, "{" * 99_999,
     "'a'," * 99_999, [1, 2, 3], "\n" * 60_000 + "a", "a:[" * 20_000],
)  # fmt: skip
def test_what_holds_none(value: Any) -> None:
    assert [pair for pair in pairs_of(value) if pair[0] != "a"] == []


@pytest.mark.parametrize("piece", ["\n", " ", "\\n ", ", ", '"', "a:", "'a':'", "a\n", "a: b\n", ";a: "])
def test_a_hostile_text_takes_linear_time(piece: str) -> None:
    """Backtracking over 64 KiB would take minutes."""
    start = process_time()
    list(pairs_of("a: b" + piece * (65_536 // len(piece))))
    list(pairs_of("{" + piece * (65_536 // len(piece))))
    assert process_time() - start < 2


@pytest.mark.parametrize("name", ["mime", "mimeType", "mime_type", "MIME-Type", "raw_headers", "content"])
def test_names_of_a_type_that_may_be_the_requests(name: str) -> None:
    value = (
        {"mimeType": "text/html"}
        if name == "content"
        else ["Content-Type", "text/html"]
        if "raw" in name
        else "text/html"
    )
    assert parsed(NginxJson, {name: value, "request": "GET /1 HTTP/1.1"}).media_type == "text/html"


@pytest.mark.parametrize(
    "name",
    ["backend_content_type", "upstream_http_content_type", "response_mime", "responseMimeType", "origin_mime_type",
     "res.mime", "beresp.http.content-type", "response.content.mimeType", "rsp_content_type", "backend.mime"],
)  # fmt: skip
def test_names_of_an_answers_type(name: str) -> None:
    assert parsed(NginxJson, {name: "text/html"}).media_type == "text/html"
    assert parsed(NginxJson, {name: "text/html", "content_type": "image/png"}).media_type == "text/html"
