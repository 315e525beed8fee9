"""repeated-downloads, worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser import browsed, found, image


def test_downloads_of_one_page_but_for_the_first_of_each_image(tmp_path: Path) -> None:
    """Three and two downloads in one page are 1 + 2 too many; hits of a CDN are downloads, too."""
    report = browsed(
        tmp_path,
        [
            *[image("/img/hero/a.png?t=secret", 50_000)] * 3,
            *[image("/img/hero/b.png", 20_000)] * 2,
            image("/img/hero/b.png", 20_000, pageref="page_2"),
            *[image("/img/card/c.png", 4_095)] * 2,
        ],
    )
    (finding,) = found(report, "repeated-downloads").values()
    assert finding["subject"] == {"provider": "own", "template": "hero"}
    assert finding["message"] == (
        "pages fetched 2 images again: 3 downloads too many, 120,000 bytes; most for /img/hero/a.png?t=…"
    )
    assert (finding["bytes"], finding["severity"], finding["confidence"]) == (120_000, "high", "medium")
    assert finding["evidence"] == {
        "images": 2, "downloads": 3, "most": {"request": "/img/hero/a.png?t=…", "bytes": 50_000, "downloads": 2},
    }  # fmt: skip
    assert report["waste"]["total"] == 0  # a cache had them all: nothing was rendered


def test_of_answers_that_differ_the_largest_was_needed(tmp_path: Path) -> None:
    """Of 30,000, 50,000 and 20,000 bytes all but the 50,000 are too many."""
    report = browsed(tmp_path, [image(size=size) for size in (30_000, 50_000, 20_000)])
    assert found(report, "repeated-downloads")["hero"]["bytes"] == 50_000


@pytest.mark.parametrize("odd", [5, {"a": 1}, [], True, "-", "p" * 100_000])
def test_odd_names_of_pages_are_read(tmp_path: Path, odd: Any) -> None:
    """Whatever stands there, the entry is."""
    report = browsed(tmp_path, [image(pageref=odd, asked={"Sec-CH-Width": "９"}, answer={"Expires": "\x00"})])
    assert (report["inputs"]["rejected"], report["totals"]["requests"]) == (0, 1)


@pytest.mark.parametrize(
    "second",
    [
        {"_fromCache": "memory"},  # Chrome
        {"cache": {"afterRequest": None}},  # Firefox
        {"status": 304, "size": 0},
        {"pageref": "page_2"},
        {"pageref": None},
    ],
)
def test_what_is_no_second_download_of_a_page(tmp_path: Path, second: dict[str, Any]) -> None:
    """The browser's cache, a confirmation, another page, and an entry of which no page is known."""
    assert not found(browsed(tmp_path, [image(), image(**second)]), "repeated-downloads")


def test_what_is_of_no_page_may_be_of_several_browsers(tmp_path: Path) -> None:
    """Proxies write no pages."""
    assert not found(browsed(tmp_path, [image(pageref=None)] * 2), "repeated-downloads")


@pytest.mark.parametrize("cache", [{"afterRequest": {"hitCount": 0}}, {"beforeRequest": None, "afterRequest": None}])
def test_what_others_say_of_their_cache_is_a_download(tmp_path: Path, cache: dict[str, Any]) -> None:
    """With bytes on the network, or with the entry before the request, `afterRequest` tells what was put there."""
    second = image(cache=cache)
    if "beforeRequest" not in cache:
        second["response"]["bodySize"] = 10_300
    assert found(browsed(tmp_path, [image(), second]), "repeated-downloads")["hero"]["bytes"] == 10_000
