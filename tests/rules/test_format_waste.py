"""format-waste, worked out by hand."""

from typing import Any

import pytest

from auditor.model.measurements import Measured, Trial
from tests.conftest import DIGEST, OTHER, Report, event, only

PRICES = {"prices": {"egress_per_gb": "1000000", "storage_per_gb_month": "0"}}


def picture(digest: str = DIGEST, size: int = 100_000, **trials: tuple[int, int | None]) -> Measured:
    """A PNG, and (bytes, quality) by format; no quality is lossless."""
    tried = tuple(
        Trial(name, smaller, quality is None, quality, 1.0 if quality is None else 0.99)
        for name, (smaller, quality) in trials.items()
    )
    return Measured(
        source="a.png", digest=digest, bytes=size, format="png", width=1200, height=630, frames=1, alpha=False, flat=True,
        trials=tried,
    )  # fmt: skip


BOTH = (
    picture(webp=(60_000, 80), avif=(55_000, 70), jpeg=(70_000, 85)),
    picture(OTHER, 50_000, webp=(10_000, None), avif=(20_000, 60), jpeg=(49_000, 90)),
)


def delivered(identity: str, digest: str | None, **fields: Any) -> dict[str, Any]:
    size = {DIGEST: 100_000, OTHER: 50_000}.get(digest or "", 100_000)
    return event(identity, key=f"k1:{digest}", digest=digest, bytes=size, format="png", **fields)


EVENTS = [
    delivered("a", DIGEST),
    delivered("b", DIGEST, outcome="hit", count=4, ts="2026-09-01T09:00:00Z"),
    delivered("c", OTHER),
    delivered("d", "sha256:" + "c" * 64),
]


def test_delivered_each_time_and_stored_once(report: Report) -> None:
    """WebP saves 5 × 40,000 + 40,000 = 240,000; AVIF 5 × 45,000 + 30,000 = 255,000 and wins; 85,000 are stored less."""
    finding = only(report(EVENTS, PRICES, measured=BOTH), "format-waste")
    assert finding["bytes"] == 255_000
    evidence = finding["evidence"]
    assert evidence["saved_by_format"] == {"webp": 240_000, "avif": 255_000, "jpeg": 150_000}
    assert (evidence["format"], evidence["pictures"], evidence["requests"]) == ("avif", 2, 6)
    assert (evidence["stored_wasted_bytes"], evidence["delivered_wasted_bytes"]) == (75_000, 255_000)
    assert (evidence["lossless"], evidence["drawings"], evidence["transparent"]) == (0, 2, 0)
    assert evidence["largest"]["digest"] == DIGEST
    assert finding["money"]["now"] == "255.00"
    # 650,000 bytes were delivered.
    assert (finding["severity"], finding["confidence"]) == ("high", "medium")
    assert "lossy" in finding["advice"] and "60 to 70" in finding["advice"]


@pytest.mark.slow
def test_it_says_nothing_without_measurements_and_changes_nothing_else(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Format waste is only reported from measured bytes; waste, bills and every other finding stay."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790812800")
    without, with_them = report(EVENTS), report(EVENTS, measured=BOTH)
    assert "format-waste" not in {finding["rule"] for finding in without["findings"]}
    with_them["findings"] = [one for one in with_them["findings"] if one["rule"] != "format-waste"]
    assert without == with_them


@pytest.mark.parametrize(
    ("formats", "bytes_saved", "best"),
    [(["webp", "jpeg"], 240_000, "webp"), (["jpeg"], 150_000, "jpeg"), (["avif", "webp"], 255_000, "avif")],
)
def test_only_formats_that_can_be_delivered(report: Report, formats: list[str], bytes_saved: int, best: str) -> None:
    """As auditor.toml says."""
    config = {"rules": {"format-waste": {"formats": formats}}}
    finding = only(report(EVENTS, config, measured=BOTH), "format-waste")
    assert (finding["bytes"], finding["evidence"]["format"]) == (bytes_saved, best)


def test_link_previews_and_mail_take_jpeg_and_png_alone(report: Report) -> None:
    """Built-in placements are shown by others."""
    events = [{**one, "placement": "og_image"} for one in EVENTS]
    finding = only(report(events, measured=BOTH), "format-waste")
    assert (finding["evidence"]["format"], finding["subject"]["placement"]) == ("jpeg", "og_image")


@pytest.mark.parametrize(("saved", "found"), [(4096, 1), (4095, 0), (0, 0), (-5000, 0)])
def test_the_least_waste_that_counts(report: Report, saved: int, found: int) -> None:
    """4096 bytes of one image; what is larger in another format is no waste."""
    measured = (picture(webp=(100_000 - saved, 80)),)
    rules = [one["rule"] for one in report(EVENTS, measured=measured)["findings"]]
    assert rules.count("format-waste") == found


def test_other_pictures_are_not_guessed_at(report: Report) -> None:
    """An event without a digest, or with another one, says nothing."""
    events = [delivered("a", None), delivered("b", "sha256:" + "c" * 64)]
    assert report(events, measured=BOTH)["findings"] == []


def test_lossless_everywhere_is_sure(report: Report) -> None:
    """Every pixel stays: high confidence, and it is said."""
    finding = only(report(EVENTS, measured=(picture(webp=(30_000, None)),)), "format-waste")
    assert finding["confidence"] == "high"
    assert finding["advice"] == "Deliver webp, lossless: every pixel stays"


def test_right_sizing_is_measured_beside_it(report: Report) -> None:
    """In its own format, and in the best one; it adds nothing to the bytes of the finding."""
    from dataclasses import replace

    sized = replace(
        picture(webp=(60_000, 80)), shown=(600, 315),
        right_sized=(Trial("png", 30_000, True, None, 1.0), Trial("webp", 9_000, False, 80, 0.99)),
    )  # fmt: skip
    finding = only(report(EVENTS, measured=(sized,)), "format-waste")
    assert finding["bytes"] == 200_000
    assert finding["evidence"]["right_sized"] == {
        "pictures": 1, "bytes": 100_000, "bytes_at_shown_size": 30_000, "bytes_at_shown_size_as_best_format": 9_000,
    }  # fmt: skip


def test_staging_and_other_accounts_count_like_all_delivered_bytes(report: Report) -> None:
    """One finding for each template and placement, over accounts and environments."""
    events = [
        *EVENTS,
        delivered("e", DIGEST, environment="staging", account="other"),
        delivered("f", DIGEST, template="card"),
    ]
    findings = [one for one in report(events, measured=BOTH)["findings"] if one["rule"] == "format-waste"]
    assert {one["subject"]["template"]: one["bytes"] for one in findings} == {"og": 300_000, "card": 45_000}
