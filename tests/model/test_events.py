"""What is an event, and what it is worth."""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.model.event_reader import parse_event, parse_time
from auditor.model.events import BadRecordError, Outcome, Reason, default_credits
from tests.conftest import event
from tests.records import record_of

UTC = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"v": 2}, Reason.UNKNOWN_VERSION),
        ({"v": True}, Reason.UNKNOWN_VERSION),
        ({"v": "1"}, Reason.UNKNOWN_VERSION),
        ({"v": None}, Reason.MISSING_FIELD),
        ({"template": None}, Reason.MISSING_FIELD),
        ({"id": ""}, Reason.BAD_VALUE),
        ({"id": "x" * 201}, Reason.BAD_VALUE),
        ({"id": 5}, Reason.BAD_VALUE),
        ({"outcome": "miss"}, Reason.BAD_VALUE),
        ({"format": "bmp"}, Reason.BAD_VALUE),
        ({"error": "odd"}, Reason.BAD_VALUE),
        ({"source": "cron"}, Reason.BAD_VALUE),
        ({"width": 0}, Reason.BAD_VALUE),
        ({"width": Decimal("1.5")}, Reason.BAD_VALUE),
        ({"width": "5"}, Reason.BAD_VALUE),
        ({"width": True}, Reason.BAD_VALUE),
        ({"height": 10**10}, Reason.BAD_VALUE),
        ({"bytes": -1}, Reason.BAD_VALUE),
        ({"bytes": 2**64}, Reason.BAD_VALUE),
        ({"duration_ms": -1}, Reason.BAD_VALUE),
        ({"status": -1}, Reason.BAD_VALUE),
        ({"credits": -1}, Reason.BAD_VALUE),
        ({"credits": Decimal("1e-19")}, Reason.BAD_VALUE),
        ({"digest": "sha256:zz"}, Reason.BAD_VALUE),
        ({"digest": "a" * 64}, Reason.BAD_VALUE),
        ({"inputs": {"a": 1}}, Reason.BAD_VALUE),
        ({"inputs": []}, Reason.BAD_VALUE),
        ({"count": 2}, Reason.BAD_VALUE),
        ({"count": 0, "outcome": "hit"}, Reason.BAD_VALUE),
        ({"retried": True}, Reason.BAD_VALUE),
        ({"retried": 1, "outcome": "error"}, Reason.BAD_VALUE),
        ({"key": "\ud800"}, Reason.BAD_VALUE),
        ({"ts": "2026-02-30T00:00:00Z"}, Reason.BAD_VALUE),
        ({"ts": "2026-01-01"}, Reason.BAD_VALUE),
        ({"ts": "2026-01-01T24:00:00Z"}, Reason.BAD_VALUE),
        ({"ts": "2026-01-01T00:00:61Z"}, Reason.BAD_VALUE),
        ({"ts": "0001-01-01T00:00:00+10:00"}, Reason.ODD_TIME),
        ({"ts": "2026-01-01T00:00:00+24:00"}, Reason.BAD_VALUE),
        ({"ts": "2026-01-01T00:00:00.Z"}, Reason.BAD_VALUE),
        ({"ts": "٢٠٢٦-01-01T00:00:00Z"}, Reason.BAD_VALUE),
    ],
)
def test_a_record_that_is_no_event_says_why(change: dict[str, Any], reason: Reason) -> None:
    """Each kind of fault has its reason."""
    with pytest.raises(BadRecordError) as caught:
        parse_event(event(**change), UTC)
    assert caught.value.reason is reason


def test_values_are_brought_to_one_form() -> None:
    """Environments are lower case, jpg is jpeg, whole floats are integers, hex is lower case, null is absent."""
    parsed = parse_event(
        event(
            environment="STAGING",
            format="jpg",
            width=Decimal("1200.0"),
            digest="sha256:" + "A" * 64,
            placement=None,
            count=Decimal("1.0"),
            duration_ms=Decimal("0.0005"),
            unknown={"a": []},
        ),
        UTC,
    )
    assert (parsed.environment, parsed.format, parsed.width, parsed.placement) == ("staging", "jpeg", 1200, None)
    assert (parsed.digest, parsed.count, parsed.duration_us) == ("sha256:" + "a" * 64, 1, 0)


@pytest.mark.parametrize(
    ("outcome", "status", "credits"),
    [
        ("render", None, 1),
        ("hit", None, 0),
        ("coalesced", None, 0),
        ("refused", None, 0),
        ("error", 404, 0),
        ("error", 429, 0),
        ("error", 500, 0),
        ("error", 503, 0),
        ("error", None, None),
        ("error", 408, None),
        ("error", 502, None),
        ("error", 504, None),
        ("error", 519, 0),
        ("error", 520, None),
        ("error", 527, None),
        ("error", 528, 0),
    ],
)
def test_credits_that_are_not_said(outcome: str, status: int | None, credits: int | None) -> None:
    """A render costs one; answers that leave it open are unknown, never free."""
    assert default_credits(Outcome(outcome), status) == credits


def test_credits_null_is_unknown_and_on_an_attempt_ignored() -> None:
    """Absent and null differ for credits, and for credits only."""
    assert parse_event(event(credits=None), UTC).credits is None
    assert parse_event(event(), UTC).credits == 1
    assert parse_event(event(credits=Decimal("0.1")), UTC).credits == Decimal("0.1")
    assert parse_event(event(outcome="attempt", credits=-7), UTC).credits is None


@pytest.mark.parametrize(
    ("text", "zone", "same_as"),
    [
        ("2026-06-30T23:59:60Z", "UTC", "2026-07-01T00:00:00Z"),
        ("2026-06-30T23:59:60.5Z", "UTC", "2026-07-01T00:00:00.5Z"),
        ("2026-01-01t00:00:00z", "UTC", "2026-01-01T00:00:00Z"),
        ("2026-01-01 00:00:00-00:00", "UTC", "2026-01-01T00:00:00Z"),
        ("2026-01-01T05:30:00+05:30", "UTC", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.1234569Z", "UTC", "2026-01-01T00:00:00.123456Z"),
        ("2026-03-29T02:30:00", "Europe/Berlin", "2026-03-29T01:30:00Z"),
        ("2026-10-25T02:30:00", "Europe/Berlin", "2026-10-25T00:30:00Z"),
        ("2026-03-08T02:30:00", "America/New_York", "2026-03-08T07:30:00Z"),
    ],
)
def test_times(text: str, zone: str, same_as: str) -> None:
    """Leap seconds, offsets, fractions, and times that a change of clocks skips or doubles."""
    assert parse_time(text, ZoneInfo(zone))[0] == parse_time(same_as, UTC)[0]
    assert parse_time(text, ZoneInfo(zone))[1] == (zone != "UTC")


@pytest.mark.parametrize("name", ["credits", "bytes", "width", "status", "duration_ms", "v"])
@pytest.mark.parametrize(
    "text",
    ["1e9999999", "-1e9999999", "1e-9999999", "0e9999999", "1e400", "9" * 400, "1." + "0" * 60 + "1", "1." + "0" * 60],
)
def test_an_absurd_number_is_a_value_or_a_rejection(name: str, text: str) -> None:
    """JSON allows any exponent: beyond what a Decimal's arithmetic holds, nothing else may be raised, and nothing rounded."""
    number = Decimal(text)
    try:
        found = parse_event(event(**{name: number}), UTC)
    except BadRecordError as error:
        assert error.reason in {Reason.BAD_VALUE, Reason.UNKNOWN_VERSION}
        assert number != 1 or name == "v"
    else:
        if name == "credits":
            assert found.credits == number
            assert len(str(found.credits)) < 32
        record_of(found)


def test_credits_keep_all_their_digits() -> None:
    """Twelve before the point and eighteen after it, through the record too."""
    most = Decimal("999999999999.999999999999999999")
    found = parse_event(event(credits=most), UTC)
    assert found.credits == most
    assert record_of(found)["credits"] == str(most)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ts": "9999-12-31T00:00:00Z"}, "between the years"),
        ({"ts": "0001-12-31T23:59:59Z"}, "between the years"),
        ({"outcome": "hit", "count": 10**15 + 1}, "count is above"),
        ({"outcome": "hit", "count": 10**9, "bytes": 10**12}, "bytes times count"),
    ],
)
def test_what_no_calendar_and_no_sum_holds_is_rejected(change: dict[str, Any], words: str) -> None:
    """By the line that said it; it would stop the audit of all others, and the ledger."""
    with pytest.raises(BadRecordError, match=words):
        parse_event(event(**change), UTC)
