"""oversized-outputs, worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser import browsed, found, image
from tests.conftest import Report, event, only

CARD = {
    "limits": {"placements": {"card": {"width": 400}}},
    "prices": {"egress_per_gb": "0.09", "storage_per_gb_month": "0.023"},
}
BIG: dict[str, Any] = {"placement": "card", "width": 1600, "height": 1200, "bytes": 420_001}


def test_stored_once_and_delivered_each_time(report: Report) -> None:
    """s = 1/4, so 15/16 of 420,001 bytes, half up, are needless: 393,751; stored once, delivered four times."""
    events = [event("a", **BIG), event("b", "2026-09-02T08:00:00Z", outcome="hit", count=3, **BIG)]
    finding = only(report(events, CARD), "oversized-outputs")
    assert (finding["evidence"]["stored_wasted_bytes"], finding["bytes"]) == (393_751, 4 * 393_751)
    assert finding["severity"] == "high"
    assert finding["evidence"]["largest"] == {"width": 1600, "height": 1200, "bytes": 420_001, "wasted_bytes": 393_751}


def test_severity_is_a_share_of_the_delivered_bytes(report: Report) -> None:
    """A tenth of what was delivered is high, however large the bodies of failed and forbidden calls were."""
    plain = event("b", key="k2", bytes=9 * 393_751 - 26_250)  # so 393,751 of 10 x 393,751
    failed = [event(f"f{n}", outcome=outcome, bytes=10**9) for n, outcome in enumerate(("error", "refused", "attempt"))]
    found = report([event("a", **BIG), plain, *failed], CARD)
    assert found["totals"]["bytes"] == 3_937_510
    assert only(found, "oversized-outputs")["severity"] == "high"


@pytest.mark.parametrize(
    ("limit", "fields", "wasted"),
    [
        ({"width": 400, "dpr": 2}, {}, 315_001),  # s = 1/2, 315,000.75
        ({"height": 300}, {}, 393_751),
        ({"width": 800, "height": 300}, {}, 393_751),  # the smaller ratio counts
        ({"width": 1600}, {}, 0),
        ({"width": 5000}, {}, 0),  # never enlarged
        ({"width": 400}, {"format": "svg"}, 0),
        ({"width": 400}, {"format": "pdf"}, 0),
        ({"width": 400}, {"bytes": 4369}, 4096),  # 4,095.9 rounds up to the least that counts
        ({"width": 400}, {"bytes": 4368}, 0),
        ({"width": 400}, {"width": None}, 0),
    ],
)
def test_limits(report: Report, limit: dict[str, Any], fields: dict[str, Any], wasted: int) -> None:
    """Sides, pixel ratio, formats and the least waste that counts."""
    found = report([event("a", **{**BIG, **fields})], {"limits": {"placements": {"card": limit}}})
    assert sum(finding["bytes"] for finding in found["findings"] if finding["rule"] == "oversized-outputs") == wasted


@pytest.mark.slow
def test_a_template_limit_replaces_its_placements(report: Report) -> None:
    """Template, else configured placement, else the built-in table, else nothing."""
    large = {"limits": {"templates": {"og": {"width": 1600}}, "placements": {"card": {"width": 400}}}}
    assert report([event("a", **BIG)], large)["findings"] == []
    assert only(report([event("a", **{**BIG, "placement": "og_image"})]), "oversized-outputs")["bytes"] == 304_238
    assert report([event("a", **{**BIG, "placement": "nowhere"})])["findings"] == []


@pytest.mark.slow
def test_money_is_unknown_without_prices(report: Report) -> None:
    """Null, never 0; with prices it is storage over the window and egress."""
    events = [event("a", **BIG), event("b", "2026-10-01T18:30:00Z", key="k2")]  # 30.4375 days: one month
    unknown = only(report(events, {"limits": CARD["limits"]}), "oversized-outputs")["money"]
    assert unknown == {"now": None, "after_plan_change": None, "currency": "USD"}
    thousand = [event(f"e{n}", key=f"k{n}", **{**BIG, "bytes": 10**9}) for n in range(10)]
    found = only(report([*thousand, event("z", "2026-10-01T18:30:00Z")], CARD), "oversized-outputs")
    assert found["money"]["now"] == "1.06"  # 9.375 GB × (0.09 + 0.023)


def test_without_a_limit_the_width_counts_at_which_browsers_asked(tmp_path: Path) -> None:
    """Of 1600 px 800 are shown in the widest place: 3/4 of 100,001 bytes, half up, in each of two deliveries."""
    big, same = "/img/hero/a-1600x1200.png", {"size": 100_001}
    entries = [
        image(big, asked={"Sec-CH-Width": "400"}, **same),
        image(big, asked={"Sec-CH-Width": "400, 800"}, _fromCache="disk", **same),  # the last one counts
        image(big, status=304, size=0),
        image("/img/hero/b-1600x1200.png", asked={"Width": "1600"}, **same),
        image("/img/hero/c-1600x1200.png", asked={"Width": "0"}, **same),
        image("/img/hero/d-1600x1200.png", asked={"Sec-CH-Viewport-Width": "400"}, **same),
        image("/img/hero/e-1600x1200.svg", asked={"Width": "400"}, **same),
    ]
    finding = found(browsed(tmp_path, entries), "oversized-outputs")["hero"]
    assert (finding["bytes"], finding["evidence"]["stored_wasted_bytes"]) == (150_002, 75_001)
    assert (finding["evidence"]["pictures"], finding["evidence"]["requests"]) == (1, 2)
    assert finding["evidence"]["limit"] == {"width": 800, "height": None, "dpr": 1, "source": "Sec-CH-Width"}
    assert finding["advice"] == "Render at 800 px wide instead of 1600 x 1200"
    limited = browsed(tmp_path, entries, {"limits": {"templates": {"hero": {"width": 1600}}}})
    assert not found(limited, "oversized-outputs")  # what the user says comes first
