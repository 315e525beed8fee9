"""Which cycle a report is about."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.config import settings_of
from auditor.schedule.edition import Rhythm, rhythms

BERLIN, YORK, APIA = (ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York", "Pacific/Apia"))


def span(rhythm: Rhythm, choice: str, now: str) -> tuple[str, str]:
    cycle = rhythm.cycle(choice, datetime.fromisoformat(now))
    return cycle.start.isoformat(), cycle.end.isoformat()


@pytest.mark.parametrize(
    ("rhythm", "choice", "now", "start", "end"),
    [
        (Rhythm(1, ZoneInfo("UTC")), "last", "2026-10-01T00:00:00+00:00", "2026-09-01T00:00:00", "2026-10-01T00:00:00"),
        (Rhythm(1, ZoneInfo("UTC")), "last", "2026-09-30T23:59:59+00:00", "2026-08-01T00:00:00", "2026-09-01T00:00:00"),
        (Rhythm(1, BERLIN), "last", "2026-09-30T22:00:00+00:00", "2026-08-31T22:00:00", "2026-09-30T22:00:00"),
        (Rhythm(1, BERLIN), "last", "2026-09-30T21:59:59+00:00", "2026-07-31T22:00:00", "2026-08-31T22:00:00"),
        (Rhythm(15, YORK), "last", "2026-11-20T12:00:00+00:00", "2026-10-15T04:00:00", "2026-11-15T05:00:00"),
        (
            Rhythm(31, ZoneInfo("UTC")),
            "last",
            "2026-03-30T12:00:00+00:00",
            "2026-01-31T00:00:00",
            "2026-02-28T00:00:00",
        ),
        (
            Rhythm(31, ZoneInfo("UTC")),
            "2026-02",
            "2026-03-30T12:00:00+00:00",
            "2026-02-28T00:00:00",
            "2026-03-31T00:00:00",
        ),
        (Rhythm(15, YORK), "2026-10", "2020-01-01T00:00:00+00:00", "2026-10-15T04:00:00", "2026-11-15T05:00:00"),
        (
            Rhythm(1, ZoneInfo("UTC")),
            "2024-02",
            "2026-03-30T12:00:00+00:00",
            "2024-02-01T00:00:00",
            "2024-03-01T00:00:00",
        ),
    ],
)
def test_cycles_by_hand(rhythm: Rhythm, choice: str, now: str, start: str, end: str) -> None:
    """Local midnights, clamped days, summer time."""
    assert span(rhythm, choice, now) == (f"{start}+00:00", f"{end}+00:00")


@given(
    st.integers(1, 31), st.sampled_from([ZoneInfo("UTC"), BERLIN, YORK, APIA]),
    st.integers(1_230_768_000, 2_051_222_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)  # fmt: skip
def test_the_last_cycle_has_ended_and_the_next_has_not(day: int, zone: ZoneInfo, now: datetime) -> None:
    """Whenever and wherever; and the month it starts in names it too."""
    rhythm = Rhythm(day, zone)
    cycle = rhythm.cycle("last", now)
    assert cycle.end <= now < cycle.end + timedelta(days=33)
    start = cycle.start.astimezone(zone)
    assert rhythm.cycle(f"{start:%Y-%m}", now) == cycle


@pytest.mark.parametrize("choice", ["", "next", "2026", "2026-13", "2026-9", "2026-09-01", "2026-00"])
def test_other_words_are_refused(choice: str) -> None:
    """With what is allowed."""
    with pytest.raises(ValueError, match="write last, or the month"):
        Rhythm(1, BERLIN).cycle(choice, datetime(2026, 1, 1, tzinfo=UTC))


def test_accounts_with_the_same_rhythm_share_a_report() -> None:
    """The default first, since it is that of accounts nobody configured; then each rhythm once."""
    accounts: dict[str, Any] = {
        "a": {"provider": "imejis"},
        "b": {"provider": "imejis", "anchor_day": 15},
        "c": {"provider": "imejis", "anchor_day": 15},
        "d": {"provider": "imejis", "anchor_day": 15, "timezone": "Europe/Berlin"},
    }
    settings = settings_of({"accounts": accounts}, "test")
    found = rhythms(settings)
    assert [(one.anchor_day, str(one.timezone), one.default) for one in found] == [
        (1, "UTC", True), (15, "Europe/Berlin", False), (15, "UTC", False)]  # fmt: skip
    for name in (*accounts, "nobody"):
        assert sum(one.has(settings.account("imejis", name)) for one in found) == 1
    names = {one.name(one.cycle("2026-09", datetime(2026, 1, 1, tzinfo=UTC))) for one in found}
    assert names == {"2026-09-01", "2026-09-15_15_Europe-Berlin", "2026-09-15_15_UTC"}
    assert found[1].label(found[1].cycle("2026-09", datetime(2026, 1, 1, tzinfo=UTC))) == "2026-09-15 to 2026-10-14"
