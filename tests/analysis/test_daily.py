"""Days are local, and add up: to cycles, to totals, and by cause to the waterfall."""

import itertools
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.analysis.days import DAY_US, spans
from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.model.events import Outcome
from auditor.model.plans import micros, moment
from auditor.model.waste import Cause, Day, Use
from auditor.pipeline import Options, audit
from auditor.results.audit import Result, document
from tests.conftest import event, lines
from tests.random_logs import generate

pytestmark = pytest.mark.usefixtures("random_now")


def result(files: Mapping[str, bytes], config: Mapping[str, Any], folder: Path) -> Result:
    """The audit of logs in memory."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sources = discover([str(folder / name) for name in files], folder)
    return audit(sources, settings_of(config, "test"), Options(cache=False), lambda *_: None)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_days_add_up(seed: int, tmp_path: Path) -> None:
    """To the cycles of each account, to the totals, and by cause to the waste; each day lies in its cycle."""
    got = result(*generate(seed, 150), tmp_path)
    report, waste = document(got), got.case.replayed.waste
    by_use: dict[Use, Fraction] = defaultdict(Fraction)
    for day in got.days:
        for use, credits in day.credits.items():
            assert credits >= 0
            by_use[use] += credits
    assert sum(by_use.values(), Fraction(0)) == got.case.credits
    assert {cause: by_use[Use(cause)] for cause in Cause} == {cause: waste.total(cause) for cause in Cause}
    for outcome, name in ((Outcome.HIT, "hits"), (Outcome.RENDER, "renders"), (Outcome.COALESCED, "coalesced"),
                          (Outcome.ERROR, "errors"), (Outcome.REFUSED, "refused")):  # fmt: skip
        assert sum(day.requests[outcome] for day in got.days) == report["totals"][name]
    assert sum(day.uncertain for day in got.days) == report["totals"]["credits_uncertain"]
    for bill in got.case.bills:
        zone = bill.payer.settings.timezone
        for use in bill.uses:
            first, last = (edge.astimezone(zone).date() for edge in (use.cycle.start, use.cycle.end))
            inside = [day for day in got.days if day.payer == bill.payer.code and first <= day.date < last]
            assert sum((day.total for day in inside), Fraction(0)) == use.credits


def days_of(zone: str, times: list[str], folder: Path) -> list[Day]:
    """The days of renders at some times."""
    log = lines(event(str(number), at) for number, at in enumerate(times))
    return list(result({"a.jsonl": log}, {"timezone": zone}, folder).days)


def test_days_begin_at_local_midnight(tmp_path: Path) -> None:
    """23:59:59.999999 and 00:00 in New York, on both sides of both changes of its clocks."""
    zone = ZoneInfo("America/New_York")
    edges = [datetime(2026, month, day, tzinfo=zone) for month, day in ((3, 8), (3, 9), (11, 1), (11, 2), (7, 4))]
    times = [(edge - timedelta(microseconds=back)).astimezone(UTC).isoformat() for edge in edges for back in (1, 0)]
    got = days_of("America/New_York", times, tmp_path)
    expected = {"03-07": 1, "03-08": 2, "03-09": 1, "07-03": 1, "07-04": 1, "10-31": 1, "11-01": 2, "11-02": 1}
    assert {f"{day.date:%m-%d}": day.requests[Outcome.RENDER] for day in got} == expected


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"])
def test_spans_have_the_offset_of_every_instant(name: str) -> None:
    """They touch, cover everything, and are right a microsecond before and at each edge."""
    zone = ZoneInfo(name)
    first, last = micros(datetime(2024, 1, 5, 7, tzinfo=UTC)), micros(datetime(2026, 12, 1, tzinfo=UTC))
    found = spans(first, last + 1, name)
    assert found[0][0] == first
    assert found[-1][1] > last
    assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
    for start, end, offset in found:
        for us in {start, end - 1, *range(start, end, 7 * DAY_US)}:
            assert moment(us).astimezone(zone).utcoffset() == timedelta(microseconds=offset)
