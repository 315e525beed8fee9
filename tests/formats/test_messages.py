"""A server's own messages between its access lines: filtered, whatever their share."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.formats.test_foreign import report

REQUEST = {"remote_ip": "203.0.113.7", "method": "GET", "host": "shop.example", "uri": "/img/og/1.png"}


def caddy(second: int, **more: Any) -> dict[str, Any]:
    return {
        "level": "info", "ts": 1788249600.5 + second, "logger": "http.log.access.log0", "msg": "handled request",
        "request": REQUEST, "duration": 0.25, "size": 900, "status": 200, **more,
    }  # fmt: skip


CADDY: list[dict[str, Any]] = [
    {"level": "info", "ts": 1788249600.1, "msg": "using config from file", "file": "/etc/caddy/Caddyfile"},
    {"level": "info", "ts": 1788249600.2, "logger": "tls", "msg": "storage cleaning happened too recently"},
    caddy(1, level="error", logger="http.log.error.log0", msg="dial tcp: refused", status=502, err_id="x1"),
    caddy(1, level="debug", logger="http.handlers.reverse_proxy", msg="upstream roundtrip"),
    {"level": "debug", "ts": 1788249600.3, "logger": "http.handlers.rewrite", "msg": "rewrote", "request": REQUEST},
]


def traefik(second: int) -> dict[str, Any]:
    return {
        "Duration": 250_000_000, "DownstreamContentSize": 900, "DownstreamStatus": 200, "RequestHost": "shop.example",
        "RequestMethod": "GET", "RequestPath": "/img/og/1.png", "StartUTC": f"2026-09-01T08:00:{second:02}Z",
        "level": "info", "msg": "", "time": "2026-09-01T08:00:09Z",
    }  # fmt: skip


TRAEFIK: list[dict[str, Any]] = [
    {"level": "info", "msg": "Configuration loaded from file", "time": "2026-09-01T08:00:00Z"},
    {"level": "info", "providerName": "docker", "message": "Starting provider", "time": "2026-09-01T08:00:00Z"},
]


@pytest.mark.parametrize(("name", "access", "own"), [("caddy", caddy, CADDY), ("traefik", traefik, TRAEFIK)])
@pytest.mark.parametrize("share", [1, 9])
@pytest.mark.parametrize("given", [False, True])
def test_own_messages_are_filtered(
    tmp_path: Path, name: str, access: Any, own: list[dict[str, Any]], share: int, given: bool
) -> None:
    """A half or nine tenths of the lines; what repeats a request is no second one; a bad access line is rejected."""
    lines = []
    for second in range(10):
        lines += [own[(second * share + n) % len(own)] for n in range(share)] + [access(second)]
    bad = {key: value for key, value in access(11).items() if key not in ("request", "RequestPath")}
    bad |= {"request": {"method": "GET"}} if name == "caddy" else {}
    log = tmp_path / "server.log"
    log.write_text("".join(json.dumps(each) + "\n" for each in [*lines, bad]))
    found = report(log, **({"input_format": name} if given else {}))
    inputs = found["inputs"]
    assert inputs["files"][0]["format"] == name
    assert (inputs["events"], inputs["filtered"], inputs["lines"]) == (10, 10 * share, 11 + 10 * share)
    assert [(each["line"], each["reason"]) for each in inputs["rejections"]] == [(len(lines) + 1, "missing_field")]
    assert found["totals"]["bytes"] == 9000


FASTLY = {
    "timestamp": "2026-09-01T08:00:01+0000", "host": "shop.example", "url": "/img/og/1.png", "request_method": "GET",
    "response_status": 200, "response_body_size": 900, "response_state": "HIT", "fastly_is_edge": True,
}  # fmt: skip
HEADS = [
    "", "<134>2026-09-01T08:00:01Z cache-fra1 mylog[1234]: ", "<134>2026-09-01T08:00:01Z cache-fra1 mylog: ",
    "2026-09-01T08:00:01+00:00 cache-fra1  ", "<134>2026-09-01T08:00:01Z cache-fra1 ", "Sep  1 08:00:01 cache-fra1 ",
    "Sep  1 08:00:01 cache-fra1 : ", "<134>Sep  1 08:00:01 cache-fra1 mylog ", "2026-09-01T08:00:01Z ",
    "<134>1 2026-09-01T08:00:01Z cache-fra1 mylog 1234 - - ",
]  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("given", [False, True])
def test_a_syslog_head_with_and_without_a_tag(tmp_path: Path, head: str, given: bool) -> None:
    log = tmp_path / "fastly.log"
    log.write_text("".join(f"{head}{json.dumps(FASTLY | {'response_state': each})}\n" for each in ("MISS", "HIT")))
    found = report(log, **({"input_format": "fastly"} if given else {}))
    assert (found["inputs"]["files"][0]["format"], found["inputs"]["rejected"]) == ("fastly", 0)
    assert (found["totals"]["renders"], found["totals"]["hits"], found["totals"]["bytes"]) == (1, 1, 1800)
