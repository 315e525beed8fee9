"""Lines inside others: whatever a collector wrote around them, they are read as if it had not."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.config import load, settings_of
from auditor.intake.read import detected_in
from auditor.intake.sources import Source
from tests.conftest import command, event
from tests.formats.samples import FOLDER, Taken, taken
from tests.formats.test_foreign import SHOP, line, report

LOG_FORMAT = '$host $remote_addr [$time_local] "$request" $status $body_bytes_sent'
WRAPS: dict[str, Callable[[str], str]] = {
    "docker": lambda text: json.dumps({"log": text + "\n", "stream": "stdout", "time": "2026-09-01T08:00:00.1Z"}),
    "kubernetes": lambda text: f"2026-09-01T08:00:00.123456789Z stdout F {text}",
    "filebeat": lambda text: json.dumps(
        {"@timestamp": "2026-09-01T08:00:00.000Z", "agent": {"type": "filebeat"}, "message": text}
    ),
    "journald": lambda text: json.dumps({"__CURSOR": "s=0", "_SYSTEMD_UNIT": "web.service", "MESSAGE": text}),
    "journald, bytes": lambda text: json.dumps({"MESSAGE": list(text.encode())}),
    "docker compose": lambda text: f"web-1  | {text}",
    "syslog in filebeat": lambda text: json.dumps({"message": f"Sep  1 08:00:00 web nginx: {text}"}),
    "cell": lambda text: '"2026-09-01 08:00:00.250","{}"'.format(text.replace('"', '""')),
    "cell of an export": lambda text: '1788249600250;"{}";web-1'.format(text.replace('"', '""')),
    "cell of docker": lambda text: '"{}"'.format(json.dumps({"log": f"{text}\n"}).replace('"', '""')),
    "kubernetes in docker": lambda text: json.dumps({"log": f"2026-09-01T08:00:00Z stdout F {text}\n"}),
}
PICTURES = ["combined", "log-format", "nginx-json", "caddy", "traefik", "envoy", "alb", "cloudfront", "cloudflare"]
PICTURES += ["fastly", "haproxy", "w3c", "structlog", "csv", "traefik-clf", "cache-trace", "elb"]
PICTURES += ["s3", "bunny", "cloudfront-realtime"]


def told(path: Path) -> Taken:
    """What is taken of a file, without its name and excerpts."""
    found = taken(path, SHOPS)
    found.tally.rejections = [replace(bad, path="", excerpt="") for bad in found.tally.rejections]
    return found


SHOPS = replace(load(FOLDER / "auditor.toml"), log_formats={"own": LOG_FORMAT})


@pytest.fixture(scope="module", params=PICTURES)
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Taken]:
    """A format's sample as it is, and what is taken of it."""
    (sample,) = FOLDER.glob(f"{request.param}.{'csv' if request.param in ('csv', 'cache-trace') else 'log'}")
    text = sample.read_text(encoding="utf-8")
    if request.param == "log-format":
        text = "".join(f'shop.example 203.0.113.7 [01/Sep/2026:08:00:0{n} +0000] "GET /img/og/1.png HTTP/1.1" 200 9\n' for n in range(5))  # fmt: skip
    path = tmp_path_factory.mktemp("plain") / sample.name
    path.write_text(text, encoding="utf-8")
    return path, told(path)


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_wrapped_log_is_the_log_inside(plain: tuple[Path, Taken], tmp_path: Path, wrap: str) -> None:
    """Every format's sample gives the same events, rejections and line numbers as without a wrap."""
    path, expected = plain
    wrapped = tmp_path / path.name
    wrapped.write_text("".join(f"{WRAPS[wrap](each)}\n" for each in path.read_text("utf-8").splitlines()), "utf-8")
    assert told(wrapped) == expected
    assert expected.records


@pytest.mark.slow
@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("wrap", WRAPS)
def test_usage_events_may_be_wrapped_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrap: str, bulk: bool
) -> None:
    """Bad lines among them are rejected by their numbers."""
    if bulk:
        monkeypatch.setattr("auditor.intake.read.BULK_FROM", 0)
    log = tmp_path / "app.log"
    texts = [json.dumps(event("a")), json.dumps(event("b")), "", "{oops", json.dumps(event("c", v=7))]
    log.write_text("".join(f"{WRAPS[wrap](text) if text else ''}\n" for text in texts))
    for input_format in (None, "jsonl"):
        inputs = report(log, input_format=input_format)["inputs"]
        assert inputs["files"][0]["format"] == "jsonl"
        assert [(bad["line"], bad["reason"]) for bad in inputs["rejections"]] == [
            (4, "not_json"),
            (5, "unknown_version"),
        ]
        assert inputs["events"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("bulk", [False, True])
def test_the_word_of_a_prefix_is_no_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bulk: bool) -> None:
    """Whether lines are read many at once or one by one."""
    if bulk:
        monkeypatch.setattr("auditor.intake.read.BULK_FROM", 0)
    rest = '[01/Sep/2026:08:00:01 +0000] "GET /img/og/1.png HTTP/1.1" 200 9'
    log = tmp_path / "access.log"
    config = {"sources": {"shop": {**SHOP["sources"]["shop"], "host": r"shop\.example"}}}
    for log_format, plain in (
        (LOG_FORMAT, f"shop.example 203.0.113.7 {rest}\n"),
        (LOG_FORMAT.replace(" $remote_addr", ""), f"shop.example {rest}\n"),
    ):
        log.write_text(f"web-1  | {plain}" * 3 + f"Sep  1 08:00:01 web nginx[7]: {plain}" + plain)
        assert report(log, config=config, input_format=log_format)["inputs"]["events"] == 5
        assert report(log, config={**config, "formats": {"own": {"log_format": log_format}}})["inputs"]["events"] == 5


@pytest.mark.slow
def test_a_time_behind_a_prefix_may_be_the_lines_own(tmp_path: Path) -> None:
    """Docker and kubectl may put one there, too."""
    log_format = "$time_iso8601 $host $request_uri $status"
    log = tmp_path / "access.log"
    plain = "2026-09-01T08:00:01+00:00 shop.example /img/og/1.png 200\n"
    for prefix in ("", "web-1  | ", "2026-09-01T08:00:02.123456789Z ", "web-1  | 2026-09-01T08:00:02.123456789Z "):
        log.write_text(f"{prefix}{plain}" * 3)
        for given in (
            {"input_format": log_format},
            {"config": {**SHOP, "formats": {"own": {"log_format": log_format}}}},
        ):
            found = report(log, **given)
            assert found["inputs"]["events"] == 3
            assert found["window"]["start"].startswith("2026-09-01T08:00:01"), prefix


def test_what_is_said_of_a_wrapped_log(tmp_path: Path) -> None:
    """And of a line that was too long: its parts are one line, and one without its end is told."""
    log = tmp_path / "web-json.log"
    long = line(2, "/img/og/2.png?x=" + "x" * 16_000).rstrip("\n")
    parts = [long[:15_000], long[15_000:]]
    docker = json.dumps({"log": "x" * (16 << 10), "stream": "stdout"})
    log.write_text(
        "".join(f"2026-09-01T08:00:00.1Z stdout F {line(n)}" for n in range(8))
        + f"2026-09-01T08:00:00.1Z stdout P {parts[0]}\n2026-09-01T08:00:00.1Z stdout F {parts[1]}\n{docker}\n"
    )
    inputs = report(log)["inputs"]
    assert "inside what a collector wrote around it" in inputs["files"][0]["detected"]
    assert [(bad["line"], "split" in bad["detail"]) for bad in inputs["rejections"]] == [(11, True)]
    assert (inputs["events"], inputs["lines"]) == (9, 10)


def test_a_message_that_is_no_line_of_a_log_stays_where_it_is(tmp_path: Path) -> None:
    """httpx logs requests as messages, and only what stands around them has the time; texts of many lines are no line."""
    log = tmp_path / "app.log"
    call = 'HTTP Request: GET https://render.imejis.io/v1/og "HTTP/1.1 200 OK"'
    log.write_text(
        json.dumps({"timestamp": "2026-09-01T08:00:00Z", "message": call})
        + "\n"
        + json.dumps({"timestamp": "2026-09-01T08:00:00Z", "message": "two\nlines"})
        + "\n"
    )
    found = detected_in(Source(log.name, log), settings_of({}, "x"), None)
    assert (found.kind.name, found.wraps) == ("structlog", 0)
    inputs = report(log)["inputs"]
    assert (inputs["events"], inputs["filtered"], inputs["lines"]) == (1, 1, 2)


def test_map_sees_the_lines_inside(tmp_path: Path) -> None:
    """The tables are proposed from what they will map."""
    log = tmp_path / "web-json.log"
    log.write_text("".join(WRAPS["docker"](line(n, f"/img/og/{n}.png").rstrip()) + "\n" for n in range(50)))
    done = command("map", str(log))
    assert done.returncode == 0, done.stderr
    assert b"50 for images" in done.stdout


HEADS = ['"@timestamp","@message"', "timestamp,message", "@timestamp;@message;@logStream", "_time\t_raw", "Time,Line"]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("named", [False, True])
def test_a_table_whose_cells_are_lines(tmp_path: Path, head: str, named: bool) -> None:
    """CloudWatch, Athena, Splunk and Grafana hand logs out so: the header is no line, two rows are a repeat."""
    by = next(each for each in (";", "\t", ",") if each in head)
    rows = [
        by.join(['"2026-09-01 06:00:01.250"', '"{}"'.format(line(n, "/img/og/1.png").strip().replace('"', '""'))])
        for n in (1, 5)
    ]
    log = tmp_path / "export.csv"
    log.write_text("\n".join([head, *rows]) + "\n")
    found = report(log, config=SHOP, **({"input_format": "combined"} if named else {}))
    assert found["inputs"]["files"][0]["format"] == "combined"
    assert (found["inputs"]["events"], found["inputs"]["rejected"]) == (2, 0)
    assert found["waste"]["repeat"] == 1


def test_a_table_of_its_own_stays_one(tmp_path: Path) -> None:
    """A cell of JSON is no line, and rows of a table with quotes in a cell are rows."""
    log = tmp_path / "export.csv"
    rows = [f'r{n},og,2026-09-01T06:00:0{n}Z,"{{""title"": ""a""}}"' for n in range(3)]
    log.write_text("\n".join(["id,template,created_at,modifications", *rows]))
    found = report(log)
    assert (found["inputs"]["files"][0]["format"], found["inputs"]["events"]) == ("csv", 3)
