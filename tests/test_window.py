"""--since and --until in words, as of now and in the zone of the report."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from auditor.commands.window import window
from auditor.model.errors import ConfigError
from tests.conftest import command, event, lines

NOW = datetime(2026, 10, 1, 2, 30, 15, tzinfo=UTC)
UTC_ZONE, NEW_YORK, TOKYO = ZoneInfo("UTC"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("7d", UTC_ZONE, "2026-09-24T02:30:15+00:00"),
        ("90m", TOKYO, "2026-10-01T01:00:15+00:00"),
        ("today", UTC_ZONE, "2026-10-01T00:00:00+00:00"),
        ("today", NEW_YORK, "2026-09-30T04:00:00+00:00"),
        ("Yesterday", UTC_ZONE, "2026-09-30T00:00:00+00:00"),
        ("yesterday", NEW_YORK, "2026-09-29T04:00:00+00:00"),
        ("yesterday", TOKYO, "2026-09-29T15:00:00+00:00"),
        ("2026-09", UTC_ZONE, "2026-09-01T00:00:00+00:00"),
        ("2026-09", NEW_YORK, "2026-09-01T04:00:00+00:00"),
        ("2026-11-02", NEW_YORK, "2026-11-02T05:00:00+00:00"),
        ("2026-09-01T08:00:00", TOKYO, "2026-08-31T23:00:00+00:00"),
        ("2026-09-01T08:00:00+02:00", TOKYO, "2026-09-01T06:00:00+00:00"),
    ],
)
def test_words_are_moments(text: str, zone: ZoneInfo, expected: str) -> None:
    assert window(text, None, zone, NOW) == (datetime.fromisoformat(expected), None)
    assert window(None, text, zone, NOW) == (None, datetime.fromisoformat(expected))


@pytest.mark.parametrize(
    "text",
    ["", "7", "7 d", "7days", "-7d", "9" * 20 + "d", "99999999d", "tomorrow", "2026-13", "2026-9", "2026", "last week"],
)
def test_what_is_no_time_is_answered_with_what_is(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a time; write 7d, yesterday, 2026-09, 2026-09-01 or"):
        window(text, None, UTC_ZONE, NOW)


def test_words_are_from_the_moment_of_the_report(tmp_path: Path) -> None:
    """SOURCE_DATE_EPOCH, in --timezone."""
    path = tmp_path / "usage.jsonl"
    path.write_bytes(lines([event("a", "2026-09-29T03:59:59Z"), event("b", "2026-09-29T04:00:00Z", key="k1:b")]))
    asked = ["audit", str(path), "--since", "yesterday", "--timezone", "America/New_York"]
    epoch = str(int(NOW.timestamp()))
    done = command(*asked, SOURCE_DATE_EPOCH=epoch)
    assert b"1 event" in done.stdout and done.returncode == 0, done.stdout


@pytest.mark.parametrize("asked", ["audit", "simulate", "plan"])
@pytest.mark.parametrize("window", [["--since", "7d"], ["--until", "2026-08"]])
def test_a_window_that_leaves_nothing_says_when_the_log_ends(tmp_path: Path, asked: str, window: list[str]) -> None:
    path = tmp_path / "usage.jsonl"
    path.write_bytes(lines([event("a"), event("b", "2026-09-02T10:00:00.5Z", key="k1:b")]))
    done = command(asked, str(path), *window)
    said = b"the log has events from 2026-09-01T08:00:00Z to 2026-09-02T10:00:00Z, and none of them is within"
    assert done.returncode == 3 and said in done.stderr, done.stderr
    assert said not in command(asked, str(path), "--since", "2026-09").stderr
