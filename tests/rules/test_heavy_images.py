"""heavy-images, worked out by hand."""

from pathlib import Path

from tests.browser import SHOP, browsed, found, har, image
from tests.conftest import documented


def test_images_beyond_the_budget_and_the_formats_of_all(tmp_path: Path) -> None:
    """Beyond 200,000 bytes: 100,000 once and 50,001 twice; each image counts once among the formats."""
    report = browsed(
        tmp_path,
        [
            image("/img/hero/a-2400x1600.png?k=secret", 300_000, asked={"Sec-CH-Width": "1200"}),
            image("/img/hero/b.webp", 250_001),
            image("/img/hero/b.webp", 250_001, pageref="page_2"),
            image("/img/hero/c.webp", 200_000),
            image("/img/card/d.webp", 200_000),
        ],
    )
    (finding,) = found(report, "heavy-images").values()
    assert finding["subject"] == {"provider": "own", "template": "hero"}
    assert (finding["severity"], finding["confidence"]) == ("medium", "low")  # not sure, so never high
    assert (finding["bytes"], finding["credits"]) == (200_002, 0)
    assert finding["message"] == (
        "2 of 3 images are larger than 200,000 bytes; largest /img/hero/a-2400x1600.png?k=… (300,000 bytes, png, "
        "2400 x 1600, shown 1200 px wide); formats: png 1, webp 2"
    )
    assert finding["evidence"] == {
        "most": 200_000,
        "images": 3,
        "heavy": 2,
        "heavy_bytes": 550_001,
        "formats": {"png": {"images": 1, "bytes": 300_000}, "webp": {"images": 2, "bytes": 450_001}},
        "heaviest": [
            {"request": "/img/hero/a-2400x1600.png?k=…", "bytes": 300_000, "format": "png", "width": 2400,
             "height": 1600, "shown_width": 1200},
            {"request": "/img/hero/b.webp", "bytes": 250_001, "format": "webp", "width": None, "height": None,
             "shown_width": None},
        ],
    }  # fmt: skip


def test_the_budget_is_an_option_and_what_a_browser_had_is_no_download(tmp_path: Path) -> None:
    """What came from the browser's cache was loaded by nobody, and an answer without an image has no size."""
    entries = [
        image("/img/hero/a.png", 5_000),
        image("/img/hero/b.png", 900_000, _fromCache="disk"),
        image("/img/hero/c.png", 900_000, status=404),
        image("/img/hero/d.png", 0, status=304),
    ]
    assert not found(browsed(tmp_path, entries), "heavy-images")
    report = browsed(tmp_path, entries, {"rules": {"heavy-images": {"most": 4_999}}})
    assert found(report, "heavy-images")["hero"]["evidence"]["images"] == 1


def test_of_equal_images_the_first_in_time_is_named(tmp_path: Path) -> None:
    """Whatever the order of the files, by every rule on downloads."""
    for name, before in (("a", [image("/img/hero/small.png", 9)]), ("b", [])):
        equal = [image(f"/img/hero/{name}.png", 300_000, {"Cache-Control": "max-age=60"})] * 2
        (tmp_path / f"{name}.har").write_text(har([*before, *equal]))
    findings = documented([tmp_path], tmp_path, SHOP)["findings"]
    said = {each["rule"]: each["message"] for each in findings}
    for rule in ("heavy-images", "short-cache-lifetime", "repeated-downloads"):
        assert "/img/hero/b.png" in said[rule], said[rule]
