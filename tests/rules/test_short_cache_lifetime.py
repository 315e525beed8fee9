"""short-cache-lifetime, worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

from auditor.exchanges.freshness import lifetime
from auditor.model.events import UNSTATED
from tests.browser import browsed, found, image

DAY, YEAR = 86_400, 31_536_000
NOW_US = 1_788_242_400 * 10**6  # 2026-09-01T06:00:00Z
DATE = "Tue, 01 Sep 2026 06:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"content-type": "image/png"}, UNSTATED),
        ({"last-modified": DATE}, UNSTATED),
        ({"cache-control": "public, max-age=31536000, immutable"}, YEAR),
        ({"cache-control": 'MAX-AGE="60"'}, 60),
        ({"cache-control": "max-age=60, max-age=5"}, 60),
        ({"cache-control": "s-maxage=600"}, UNSTATED),  # for shared caches
        ({"cache-control": "s-maxage=600, max-age=60"}, 60),
        ({"cache-control": "public"}, UNSTATED),
        ({"cache-control": "no-store, max-age=60"}, 0),
        ({"cache-control": "No-Cache"}, 0),
        ({"cache-control": 'no-cache="set-cookie", max-age=60'}, 60),
        ({"cache-control": 'no-cache="a, max-age=0, no-store, b", max-age=60'}, 60),
        ({"cache-control": 'private="x, no-store, y", max-age=60'}, 60),
        ({"cache-control": "max-age=" + "0" * 40 + "60"}, 60),
        ({"cache-control": "max-age=000"}, 0),
        ({"cache-control": "max-age=soon"}, 0),
        ({"cache-control": "max-age=-1"}, 0),
        ({"cache-control": "max-age=" + "9" * 4_000}, 2**31),
        ({"cache-control": "max-age=60", "expires": "0"}, 60),
        ({"expires": "Wed, 02 Sep 2026 06:00:00 GMT", "date": DATE}, DAY),
        ({"expires": "Wed, 02 Sep 2026 06:00:00 GMT"}, DAY),  # from the request
        ({"expires": "Wed, 02 Sep 2026 06:00:00 GMT", "date": "Wed, 02 Sep 2026 05:59:00 GMT"}, 60),
        ({"expires": "Thu, 01 Jan 1970 00:00:00 GMT", "date": DATE}, 0),
        ({"expires": "0"}, 0),
        ({"expires": "-1"}, 0),
        ({"expires": "9" * 100_000}, 0),
    ],
)
def test_lifetimes_by_rfc_9111(headers: dict[str, str], seconds: int | None) -> None:
    """As a browser's cache reads them."""
    assert lifetime(headers, NOW_US) == seconds


def test_images_are_counted_by_what_they_lack(tmp_path: Path) -> None:
    """Of 6 images one is kept for a week and one is unknown; of two answers with one image the shorter counts."""

    def kept(name: str, size: int, control: str | None, **fields: Any) -> dict[str, Any]:
        headers = {"Content-Type": "image/png"} | ({"Cache-Control": control} if control else {})
        return image(f"/img/hero/{name}.png?t=secret", size, headers, **fields)

    report = browsed(
        tmp_path,
        [
            kept("week", 10_000, "max-age=604800"),
            kept("week", 0, None, status=304),  # says nothing of the image that the browser has
            kept("nearly", 20_000, "max-age=604799"),
            kept("minute", 30_000, "max-age=604800"),
            kept("minute", 30_000, "max-age=60", pageref="page_2"),
            kept("none", 40_000, None),
            kept("never", 50_000, "no-store"),
            image("/img/hero/unknown.png", 90_000, {}),  # no header in the file
            kept("pixel", 4_095, "no-store"),
            kept("posted", 90_000, "no-store", method="POST"),
            kept("lost", 90_000, "no-store", status=404),
            image("/img/card/a.png", 800_000, {"Cache-Control": "max-age=31536000"}),
        ],
    )
    (finding,) = found(report, "short-cache-lifetime").values()
    assert finding["subject"] == {"provider": "own", "template": "hero"}
    assert finding["message"] == (
        "browsers may keep 4 of 5 images for less than 7d: 1 without a lifetime, 1 stale at once, 2 short; "
        "largest /img/hero/never.png?t=…"
    )
    assert finding["bytes"] == 20_000 + 2 * 30_000 + 40_000 + 50_000
    assert (finding["severity"], finding["confidence"]) == ("high", "medium")
    assert finding["evidence"] == {
        "least_seconds": 604_800, "images": 5, "unstated": 1, "stale": 1, "short": 2, "shortest_seconds": 60,
        "largest": {"request": "/img/hero/never.png?t=…", "bytes": 50_000, "lifetime_seconds": 0},
    }  # fmt: skip


def test_the_lifetime_that_is_asked_for_is_an_option(tmp_path: Path) -> None:
    """An hour is enough for who says so."""
    entries = [image(answer={"Cache-Control": "max-age=3600"})]
    assert found(browsed(tmp_path, entries), "short-cache-lifetime")
    assert not found(
        browsed(tmp_path, entries, {"rules": {"short-cache-lifetime": {"least": "1h"}}}), "short-cache-lifetime"
    )
