"""What programs and browsers log of their calls: JSON lines of httpx and others, HAR."""

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.config import settings_of
from auditor.exchanges.exchange import Exchange
from auditor.exchanges.mapper import Mapper
from auditor.formats.har import Har
from auditor.formats.nginx_json import NginxJson
from auditor.formats.structlog import Structlog, _find
from auditor.model.event_reader import parse_time
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import NO_REQUEST, Sample
from auditor.reading.lines import LineReader
from auditor.reading.packed import decompressed
from tests.formats.test_foreign import report

UTC = ZoneInfo("UTC")
NOON = parse_time("2026-09-01T12:00:00Z", UTC)[0]
URL = "https://render.imejis.io/v1/og-card"
HTTPX = f'HTTP Request: POST {URL} "HTTP/1.1 200 OK"'


@pytest.mark.parametrize(
    "line",
    [
        {"event": HTTPX, "timestamp": "2026-09-01T12:00:00Z"},
        {"message": HTTPX, "asctime": "2026-09-01 12:00:00,000"},
        {"msg": HTTPX, "ts": 1788264000},
        {"text": "x", "record": {"message": HTTPX, "time": {"repr": "…", "timestamp": 1788264000.0}}},
        {"event": f'{URL[:24]}:443 "POST /v1/og-card HTTP/1.1" 200 None', "@timestamp": "2026-09-01T12:00:00.000Z"},
        {"event": "done", "method": "POST", "url": URL, "status": "200", "elapsed": "0:00:00.250000", "ts": NOON + 250_000},
        {"message": "", "http": {"method": "POST", "url": URL, "status_code": 200}, "event": {"duration": 250_000_000},
         "timestamp": "2026-09-01T12:00:00.25Z"},
        {"message": "x", "http.request.method": "POST", "url.full": URL, "http.response.status_code": 200,
         "duration_ms": 250, "@timestamp": "2026-09-01T12:00:00.250Z"},
    ],
)  # fmt: skip
def test_ways_to_log_a_call(line: dict[str, Any]) -> None:
    found = Structlog(UTC).parse(json.dumps(line).encode())
    assert isinstance(found, Exchange)
    assert (found.ts_us, found.method, found.status) == (NOON, "POST", 200)
    assert found.target.replace(":443", "") == URL
    assert found.body is None


def test_a_failed_call_has_no_status_and_a_line_before_a_call_is_none() -> None:
    line = {"event": "x", "method": "GET", "url": URL, "timestamp": NOON}
    assert Structlog(UTC).parse(json.dumps(line).encode()) is NO_REQUEST
    found = Structlog(UTC).parse(json.dumps({**line, "error": "timeout"}).encode())
    assert isinstance(found, Exchange)
    assert (found.status, found.target) == (None, URL)


@pytest.mark.parametrize("name", ["status_code", "status", "http.status_code", "response_status"])
@pytest.mark.parametrize(
    "told",
    ["200", " 200 ", 200, 200.0, "200.0", "200 OK", "200 ", "HTTP/1.1 200 OK", "200: OK", "HTTP/2 200", "HTTP 200", "OK (200)",
     "status=200", "[200]", "<Response [200]>", "HTTPStatus.OK (200)", "code: 200, ok", "HTTP_200_OK", "HTTP200", "200 OK in 350 ms", "OK 200"],
)  # fmt: skip
def test_a_status_as_people_write_it(name: str, told: Any) -> None:
    line = {"event": "done", "method": "POST", "url": URL, "timestamp": NOON, name: told}
    found = Structlog(UTC).parse(json.dumps(line).encode())
    assert isinstance(found, Exchange)
    assert found.status == 200


@pytest.mark.parametrize(
    "told",
    [
        "OK",
        "success",
        "2xx",
        "20O",
        True,
        200.5,
        ["200"],
        "two hundred",
        "HTTP/1.1",
        "200 or 404",
        "took 200 ms",
        {"a": 1},
    ],
)
def test_a_status_that_cannot_be_read_is_said(told: Any) -> None:
    """But another field may have it, and a failed call may have none."""
    line = {"event": "done", "method": "POST", "url": URL, "timestamp": NOON, "status": told}
    with pytest.raises(BadRecordError, match="status") as bad:
        Structlog(UTC).parse(json.dumps(line).encode())
    assert bad.value.reason is Reason.BAD_VALUE
    for more, status in (({"code": 503}, 503), ({"error": "timeout"}, None)):
        found = Structlog(UTC).parse(json.dumps(line | more).encode())
        assert isinstance(found, Exchange)
        assert found.status == status


@pytest.mark.parametrize(
    ("told", "status"),
    [("Not Found", 404), ("TOO_MANY_REQUESTS", 429), ("bad gateway", 502), ("failed", None), ("Error", None)],
)
def test_words_for_failures(told: str, status: int | None) -> None:
    line = {"event": "done", "method": "POST", "url": URL, "timestamp": NOON, "status": told}
    found = Structlog(UTC).parse(json.dumps(line).encode())
    assert isinstance(found, Exchange)
    assert found.status == status


@pytest.mark.parametrize("target", [URL, "/img/1.png"])
@pytest.mark.parametrize("told", ["HTTP 200", "OK (200)", "200 OK", "HTTP/1.1 200 OK", "OK", "success", "fine"])
def test_words_do_not_hide_the_format(tmp_path: Path, target: str, told: str) -> None:
    """Of a program and of a server; where only a word is there, the lines are rejected, and said to be."""
    lines = [
        json.dumps({"time": f"2026-09-01T06:0{n}:00Z", "method": "GET", "url": target, "status": told})
        for n in range(4)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    found = report(tmp_path / "a.jsonl", config={"sources": {"img": {"path": "/img/.*"}}})
    known = any(map(str.isdigit, told))
    assert (found["totals"]["renders"], found["inputs"]["rejected"]) == ((4, 0) if known else (0, 4))
    assert {each["reason"] for each in found["inputs"]["rejections"]} == (set() if known else {"bad_value"})


def test_another_field_tells_the_status_of_a_server() -> None:
    line = {"time": NOON, "request": "GET /1.png HTTP/1.1", "status": "OK", "code": 304}
    assert NginxJson(UTC).parse(json.dumps(line).encode()).status == 304


def test_a_log_without_any_call_is_not_taken_for_one() -> None:
    other = b'{"event": "stored", "timestamp": 1}'
    assert Structlog.detect(Sample(Path("a"), other, (other,) * 3)) == 0
    call = json.dumps({"event": HTTPX, "timestamp": 1}).encode()
    assert Structlog.detect(Sample(Path("a"), call, (other, call, other))) == 1


def entry(**changed: Any) -> dict[str, Any]:
    request = {"method": "GET", "url": "https://h.example/a.png", "headers": [], **changed.pop("request", {})}
    response = {"status": 200, "headers": [], "content": {"size": 5, "mimeType": "image/png"}, "bodySize": 5}
    return {
        "startedDateTime": "2026-09-01T12:00:00Z", "time": 1.5, "request": request,
        "response": {**response, **changed.pop("response", {})}, **changed,
    }  # fmt: skip


def read(tmp_path: Path, document: str | bytes) -> list[Exchange | str]:
    """The exchanges of a document; reasons for those that were rejected."""
    path = tmp_path / "a.har"
    path.write_bytes(document if isinstance(document, bytes) else document.encode())
    found: list[Exchange | str] = []
    with path.open("rb") as raw:
        for line in Har(UTC).records(path, LineReader(decompressed(raw))):
            try:
                found.append(Har(UTC).parse(line.data))
            except BadRecordError as bad:
                found.append(bad.reason.value)
    return found


def one(tmp_path: Path, **changed: Any) -> Exchange:
    found = read(tmp_path, json.dumps({"log": {"entries": [entry(**changed)]}}))[0]
    assert isinstance(found, Exchange)
    return found


@pytest.mark.parametrize(
    ("response", "more", "size"),
    [
        ({"content": {"size": 900}, "bodySize": 300}, {}, 900),
        ({"content": {"size": -1}, "bodySize": 300}, {}, 300),
        ({"content": {"size": 0}, "bodySize": 0}, {"_objectSize": "300"}, 300),
        ({"content": {"size": 0}, "bodySize": -1}, {}, 0),
        ({"content": {}, "bodySize": -1}, {}, None),
    ],
)
def test_bytes(tmp_path: Path, response: dict[str, Any], more: dict[str, Any], size: int | None) -> None:
    found = one(tmp_path, response=response, **more)
    assert (None if found.bytes == -1 else found.bytes) == size


@pytest.mark.parametrize(
    ("changed", "cache"),
    [
        ({"_fromCache": "memory"}, "hit"),
        ({"response": {"_transferSize": 0}}, "hit"),
        ({"response": {"headers": [{"name": "CF-Cache-Status", "value": "MISS"}]}}, "MISS"),
        ({"_cached": 0}, None),
    ],
)
def test_caches(tmp_path: Path, changed: dict[str, Any], cache: str | None) -> None:
    assert one(tmp_path, **changed).cache == cache


def test_bodies_are_held_whole_or_unknown(tmp_path: Path) -> None:
    post = {"method": "POST", "bodySize": 7, "postData": {"text": '{"a":1}'}}
    assert one(tmp_path, request=post).body == b'{"a":1}'
    assert one(tmp_path, request={**post, "bodySize": 70}).body is None
    assert one(tmp_path, request={"method": "POST", "bodySize": -1}).body is None
    assert one(tmp_path, request={"method": "POST", "bodySize": 0}).body == b""
    form = {"params": [{"name": "a", "value": "1 2"}]}
    assert one(tmp_path, request={"method": "POST", "postData": form}).body == b"a=1+2"


def test_a_digest_only_of_a_whole_picture(tmp_path: Path) -> None:
    held = {"text": base64.b64encode(b"12345").decode(), "encoding": "base64"}
    assert (one(tmp_path, response={"content": {"size": 5, **held}}).digest or "")[:14] == "sha256:5994471"
    assert one(tmp_path, response={"content": {"size": 6, **held}}).digest is None


def test_what_stands_before_a_cut_is_read_and_the_rest_told(tmp_path: Path) -> None:
    whole = json.dumps({"log": {"pages": [{"title": '"entries": ['}], "entries": [entry(), entry(), entry()]}})
    assert len(read(tmp_path, whole)) == 3
    cut = read(tmp_path, whole[: whole.rindex('"time"')])
    assert [isinstance(each, Exchange) for each in cut] == [True, True, False]
    assert cut[2] == "not_json"
    assert read(tmp_path, '{"log": {}}') == ["missing_field"]
    assert read(tmp_path, json.dumps({"log": {"entries": [1, {}]}})) == ["not_object", "missing_field"]


def test_a_byte_order_mark_and_half_surrogates(tmp_path: Path) -> None:
    text = json.dumps({"log": {"entries": [entry(request={"url": "https://h.example/\ud83d"})]}})
    found = read(tmp_path, b"\xef\xbb\xbf" + text.encode())[0]
    assert isinstance(found, Exchange)
    found.target.encode()


def test_entries_are_found_wherever_the_window_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in steps of a few characters, each document gives what it gives in one."""
    whole = json.dumps(
        {"n": 12345, "log": {"version": "1.2", "entries": [entry(time=12.25), entry(), 7], "x": [1, {}]}}, indent=1
    )
    for document in (
        whole,
        whole[:-1],
        whole[: whole.rindex("7") + 2],
        whole + "x",
        whole[:200],
        '{"log": [1',
        "{",
        "[]",
    ):
        found = read(tmp_path, document)
        with monkeypatch.context() as patched:
            patched.setattr("auditor.reading.har_entries._STEP", 3)
            patched.setattr("auditor.reading.lines._BLOCK", 3)
            patched.setattr(LineReader, "chunks", lambda self: iter(lambda: self.stream.read1(3), b""))
            assert read(tmp_path, document) == found
    assert [isinstance(each, Exchange) for each in read(tmp_path, whole)] == [True, True, False]
    assert len(read(tmp_path, whole + "x")) == 4


@pytest.mark.parametrize(
    ("inner", "damage"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"x": ' * 100_000, "nested too deeply"),
        pytest.param('{"x": [' + "[]," * 2_100_000 + "1", "parts", marks=pytest.mark.slow),
        ('{"x": "' + "a" * (49 << 20), "48 MiB"),
        ('{"status": ' + "1" * 5000 + "}, {", ""),
    ],
)
def test_an_entry_that_is_no_browsers_ends_the_file(tmp_path: Path, inner: str, damage: str) -> None:
    """The entries before it count, the rest is one rejection, and the file is said to be damaged."""
    path = tmp_path / "a.har"
    path.write_text('{"log": {"entries": [' + json.dumps(entry()) + ", " + inner)
    reader = LineReader(path.open("rb"))
    with reader.stream:  # type: ignore[attr-defined]
        records = list(Har(UTC).records(path, reader))
    assert Har(UTC).parse(records[0].data).target == "https://h.example/a.png"
    with pytest.raises(BadRecordError):
        Har(UTC).parse(records[-1].data)
    assert damage in reader.damage
    assert reader.truncated == bool(damage)


HUNDREDS = 200


@pytest.mark.parametrize("log_first", [True, False])
def test_totals_of_a_big_har_of_odd_entries(tmp_path: Path, log_first: bool) -> None:
    """Flavours of browsers and proxies: sizes of -1 or none, caches, data: and wss: addresses, no answers."""
    nothing = {"content": {"size": 0, "mimeType": "x-unknown"}, "bodySize": -1}
    kinds: list[tuple[dict[str, Any], str, int]] = [
        ({"response": {"bodySize": -1, "_transferSize": 930, "content": {"size": 900}}}, "render", 900),  # Chrome
        ({"response": {"bodySize": 0, "_transferSize": 0, "content": {"size": 900}}, "_fromCache": "disk"}, "hit", 900),
        ({"response": {**nothing, "status": 0, "_error": "net::ERR_ABORTED"}, "time": -1}, "error", 0),
        ({"response": {"bodySize": 0, "content": {"size": 900}}}, "render", 900),  # Firefox
        ({"response": {**nothing, "status": None}}, "error", 0),  # Charles
        ({"response": {"content": {"size": -1}, "bodySize": 900}, "startedDateTime": "2026-09-01T12:00:00.1234567+00:00"},
         "render", 900),  # Fiddler
        ({"response": {"content": {"size": 900.0, "text": "", "encoding": "base64"}}, "time": None}, "render", 900),
        ({"response": {"_transferSize": 0, "content": {"size": 900}}, "_fetchType": "Memory Cache"}, "hit", 900),  # Safari
        ({"request": {"url": "data:image/png;base64,iVBORw0"}}, "", 0),
        ({"request": {"url": "wss://shop.example/ws"}, "response": {**nothing, "status": 101},
          "_webSocketMessages": [{"type": "send", "data": "x"}]}, "", 0),
    ]  # fmt: skip
    entries, expected = [], Counter[str]()
    for number in range(HUNDREDS):
        changed, outcome, size = kinds[number % len(kinds)]
        request = {"url": f"https://shop.example/img/og/{number}.png", **changed.get("request", {})}
        entries.append(entry(**{**changed, "request": request}))
        expected.update({outcome or "filtered": 1, "bytes": size})
    log = {"log": {"version": "1.2", "creator": {"name": "x"}, "entries": entries}}
    path = tmp_path / "session.har"
    path.write_text(json.dumps(log if log_first else {"comment": "saved", **log}))
    found = report(path)
    assert found["inputs"]["files"][0]["format"] == "har"
    assert found["inputs"]["filtered"] == expected["filtered"]
    assert {name: found["totals"][name] for name in ("renders", "hits", "errors", "bytes")} == {
        "renders": expected["render"], "hits": expected["hit"], "errors": expected["error"], "bytes": expected["bytes"],
    }  # fmt: skip


def test_an_object_called_log_makes_no_har() -> None:
    line = b'{"log":{"level":"info"},"@timestamp":"2026-09-01T12:00:00Z","message":"hello"}'
    assert Har.detect(Sample(Path("a"), line, (line,))) == 0


def test_cookies_go_no_further_and_keys_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.har"
    headers = [{"name": "Cookie", "value": "sid=abc"}, {"name": "dma-api-key", "value": "k1234"}]
    path.write_text(json.dumps({"log": {"entries": [entry(request={"headers": headers})]}}))
    with path.open("rb") as raw:
        (line,) = Har(UTC).records(path, LineReader(raw))
    assert b"sid=abc" not in line.data
    assert b'"dma-api-key": "k1234"' in line.data


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":9007199254740992}', b'{"a":12345678901234567890}', b'{"a"', b'\xef\xbb\xbf{"a":1}', b'{"a":NaN}', b'{"a":1e400}',
        b'{"a":"\\ud800"}', b"[" * 3000, b"hello", b"title=x",
    ],
)  # fmt: skip
def test_a_call_whose_body_makes_no_key_is_a_call(body: bytes) -> None:
    """It was billed; only which request it was is unknown."""
    mapped = Mapper(settings_of({}, "test"), "x").request("POST", "render.imejis.io", "/v1/og-card", body)
    assert mapped is not None and (mapped.provider, mapped.template, mapped.key) == ("imejis", "og-card", None)


def test_a_plain_name_is_looked_up_once() -> None:
    """Nearly all lines of a program tell of no request: each name that is tried costs them."""

    class Asked(dict[str, Any]):
        times = 0

        def get(self, key: str, default: Any = None) -> Any:
            self.times += 1
            return super().get(key, default)

    plain, dotted = Asked(), Asked(http={"url": "https://h.example"})
    assert (_find(plain, ("url", "uri")), plain.times) == (None, 2)
    assert _find(dotted, ("http.url",)) == "https://h.example"
