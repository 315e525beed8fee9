"""The curve of TTLs is what `auditor simulate` says, and drawn only for those who want it."""

from pathlib import Path

import pytest

from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.pipeline import CURVE, Options, audit, simulate
from auditor.registry import REPORTS
from auditor.results.audit import Result
from auditor.results.simulation import Setting
from tests.random_logs import generate
from tests.reports.conftest import written

pytestmark = pytest.mark.usefixtures("random_now")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, 12, 2))
def test_it_is_what_simulate_says(seed: int, tmp_path: Path) -> None:
    """Point by point, --since and --until included; the audit's own TTL is among them and marked."""
    files, config = generate(seed, 150)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    sources, settings = discover([str(tmp_path / name) for name in files], tmp_path), settings_of(config, "test")
    plain = audit(sources, settings, Options(cache=False), lambda *_: None)
    window = plain.case.facts.window
    assert plain.curve == ()
    for since, until in ((None, None), window or (None, None)):
        options = Options(cache=False, curve=True, since=since, until=until)
        curve = audit(sources, settings, options, lambda *_: None).curve
        caches = [Setting.of(point.ttl_us) for point in curve]
        found = simulate(sources, settings, options, caches, lambda *_: None)
        assert {point.requests for point in curve} == {found.demand}
        for point, row in zip(curve, found.rows, strict=True):
            assert (point.renders, point.stale) == (row.renders, row.stale_served if found.stale_known else None)
            assert row.credits in (None, point.credits)  # None where no render says what it cost
        assert {point.ttl_us for point in curve} == {*CURVE, settings.ttl_us}
        assert [point.ttl_us for point in curve if point.now] == [settings.ttl_us]
        assert [point.ttl_us for point in curve][-1] is None


@pytest.mark.slow
def test_unknown_stale_pictures_are_not_none(samples: Result) -> None:
    """No hit of the samples has a digest: nobody knows whether an image would have been stale."""
    assert {point.stale for point in samples.curve} == {None}
    assert "| 7 d | 71.8% | 7,149 | 7,149 | ? |" in written(samples, "markdown")
    assert "it is unknown here, since no hit of the log has a digest" in written(samples, "html")


@pytest.mark.slow
def test_html_and_markdown_draw_it(samples: Result) -> None:
    """Every point in both tables; the other formats do without the walk."""
    assert {name for name, report in REPORTS.items() if report.draws_curve} == {"html", "markdown"}
    for name in ("html", "markdown"):
        text = written(samples, name)
        for point in samples.curve:
            assert f"{point.renders:,}" in text
            assert f"{float(point.served):.1%}" in text
    assert "24 h (now)" in written(samples, "html")
