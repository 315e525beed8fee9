"""A log that several `log_format`s write: each line is read by the first that fits, and a bad order is told at once."""

import re
from pathlib import Path
from typing import Any

import pytest

from auditor.config import settings_of
from auditor.intake.detect import detect, named
from auditor.intake.read import BULK_FROM
from auditor.model.errors import ConfigError, InputError
from auditor.reading.format import Sample
from tests.formats.samples import taken_of

SIX = 1_788_242_400_000_000
"""2026-09-01T06:00:00Z."""
CACHED = '[$time_local] $host "$request" $status $body_bytes_sent $request_time $upstream_cache_status'
COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
DIRECTIVE = "log_format images '$host $time_iso8601 $request_method $request_uri '\n '$status $bytes_sent';"
LINES = (
    '[01/Sep/2026:06:00:01 +0000] shop.example "GET /img/1.png HTTP/1.1" 200 900 0.250 MISS\n'
    '203.0.113.7 - - [01/Sep/2026:06:00:02 +0000] "GET /img/2.png HTTP/1.1" 200 800 "-" "curl/8.5"\n'
    "shop.example 2026-09-01T06:00:03+00:00 GET /img/3.png 200 950\n"
    '[01/Sep/2026:06:00:04 +0000] shop.example "GET /img/1.png HTTP/1.1" 200 900 0.002 HIT\n'
)


def config(*log_formats: str) -> dict[str, Any]:
    return {"sources": {"img": {"path": "/img/.*"}}, "formats": {"main": {"log_format": list(log_formats)}}}


def test_two_tables_that_fit_alike_and_read_differently_are_a_question(tmp_path: Path) -> None:
    """Which of two times is the duration nobody can tell; that two tables say the same is no question."""
    fits = {"one": {"log_format": CACHED}, "two": {"log_format": CACHED.replace("$request_time", "$gzip_ratio")}}
    files = {"access.log": LINES.splitlines()[0] + "\n"}
    with pytest.raises(InputError, match=r"may be one \(100%\) or two \(100%\); name it with --input-format"):
        taken_of(tmp_path, files, {**config(), "formats": fits})
    assert (
        taken_of(tmp_path, files, {**config(), "formats": fits}, input_format="two").records[0]["duration_us"] is None
    )
    assert taken_of(tmp_path, files, {**config(), "formats": {**fits, "two": fits["one"]}}).count("render") == 1


def test_each_line_is_read_by_the_one_that_wrote_it(tmp_path: Path) -> None:
    """Start after six, outcome, bytes and duration by hand; the lines without `$request_time` say that theirs is the end."""
    found = taken_of(tmp_path, {"access.log": LINES + "neither\n"}, config(CACHED, COMBINED, DIRECTIVE))
    told = [
        (each["ts_us"] - SIX, each["outcome"], each["bytes"], each["duration_us"], "end_as_start" in each["assumed"])
        for each in found.records
    ]
    assert told == [
        (750_000, "render", 900, 250_000, False),
        (2_000_000, "render", 800, None, True),
        (3_000_000, "render", 950, None, True),
        (3_998_000, "hit", 900, 2_000, False),
    ]
    assert (found.tally.lines, found.tally.reasons.total()) == (5, 1)


def test_such_a_log_is_detected_and_may_be_named(tmp_path: Path) -> None:
    log_formats = settings_of(config(CACHED, COMBINED, DIRECTIVE), "test").log_formats
    lines = tuple(LINES.encode().splitlines())
    found = detect(Sample(Path("access.log"), LINES.encode(), lines), log_formats, "access.log")
    assert (found.kind.name, found.confidence) == ("main", 1)
    assert named("main", log_formats).kind.name == "main"


def test_a_big_log_of_several_is_read_as_a_small_one(tmp_path: Path) -> None:
    """No reader of many lines at once knows of several formats."""
    blank = "\n" * (BULK_FROM - len(LINES) + 1)
    small = taken_of(tmp_path, {"small.log": LINES}, config(CACHED, COMBINED, DIRECTIVE))
    big = taken_of(tmp_path, {"big.log": LINES + blank}, config(CACHED, COMBINED, DIRECTIVE))
    assert len(big.records) == len(small.records) == 4
    assert [each["key"] for each in big.records] == [each["key"] for each in small.records]
    assert [each["ts_us"] for each in big.records] == [each["ts_us"] for each in small.records]


GENERAL = '[$time_local] "$request" $status $body_bytes_sent $http_user_agent'
SPECIAL = '[$time_local] "$request" $status $body_bytes_sent $request_time $http_user_agent'
SENT = '[$time_local] "$request" $status $body_bytes_sent'
ASKED = '[$time_local] "$request" $status $request_length'


@pytest.mark.parametrize(
    ("log_formats", "wrong"),
    [
        ((GENERAL, SPECIAL), "1 also fits the lines of 2 and reads them differently; put 2 before 1"),
        ((CACHED, GENERAL, SPECIAL), "2 also fits the lines of 3 and reads them differently; put 3 before 2"),
        ((SENT, ASKED), "1 also fits the lines of 2 and reads them differently; keep one of them"),
        ((ASKED, SENT), "1 also fits the lines of 2 and reads them differently; keep one of them"),
        (
            (SENT, SENT.replace("request", "request_uri")),
            "1 also fits the lines of 2 and reads them differently; keep one of them",
        ),
        ((CACHED, "$status"), "2 has no $time_local"),
        ((), "is not a list"),
    ],
)
def test_what_would_be_misread_is_told_when_the_configuration_is_read(log_formats: tuple[str, ...], wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"formats\.main\.log_format " + re.escape(wrong)):
        settings_of(config(*log_formats), "auditor.toml")


@pytest.mark.parametrize(
    "log_formats",
    [
        (SPECIAL, GENERAL),
        (COMBINED, f'{COMBINED} "$http_x_forwarded_for"', f"{COMBINED} $request_time $upstream_cache_status"),
        (SPECIAL, SPECIAL.replace("$request_time", "$upstream_response_time")),  # the same to us
    ],
)
def test_others_may_stand_together(log_formats: tuple[str, ...]) -> None:
    assert settings_of(config(*log_formats), "auditor.toml").log_formats["main"] == log_formats
