"""What pages loaded is told also where no rule finds anything in it: in every report, worked out by hand."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit
from auditor.registry import REPORTS
from tests.browser import har, image
from tests.conftest import documented
from tests.rules.test_loaded_images import LONG, shop, wide

NO_HEADERS: dict[str, str] = {}


def written(folder: Path, *entries: Any, config: Any = None) -> dict[str, str]:
    """Each report of a HAR file, by its name."""
    path = folder / "shop.har"
    path.write_text(har(entries))
    result = audit(
        discover([str(path)], folder), settings_of(config or {}, "test"), Options(cache=False), lambda *_: None
    )
    found = {}
    for name in ("text", "markdown", "html", "json"):
        REPORTS[name].write(result, out := io.StringIO())
        found[name] = " ".join(out.getvalue().split())
    return found


def entries() -> list[Any]:
    elsewhere = shop("/q/far.webp?v=secret", 30_000, media="image/webp")
    elsewhere["request"]["url"] = "https://img.example/q/far.webp?v=secret"
    return [
        shop("/p/a.png", 10_000),
        shop("/p/b.png", 20_000, {"Content-Type": "image/png"}),  # says no lifetime
        shop("/p/c.jpg", 5_000, NO_HEADERS, media="image/jpeg"),
        wide("/p/d.png", 4_000, 800, 400, 800),
        elsewhere,
        shop("/p/a.png", 10_000, _fromCache="memory"),
        shop("/page", media="text/html"),
    ]


def test_the_figures(tmp_path: Path) -> None:
    path = tmp_path / "shop.har"
    path.write_text(har(entries()))
    found = documented([path], tmp_path, findings=False)
    heaviest = [(each["request"], each["bytes"], each["format"]) for each in found["page_images"].pop("heaviest")]
    assert heaviest == [
        ("/q/far.webp?v=…", 30_000, "webp"), ("/p/b.png", 20_000, "png"), ("/p/a.png", 10_000, "png"),
        ("/p/c.jpg", 5_000, "jpeg"), ("/p/d.png", 4_000, "png"),
    ]  # fmt: skip
    assert found["page_images"] == {
        "start": "2026-09-01T06:00:00Z",
        "end": "2026-09-01T06:00:05Z",  # asked for once more, and taken from the browser's cache
        "images": 5, "bytes": 69_000,
        "headers_known": 4, "lifetime_stated": 3, "shown_size_known": 1,
        "of": [
            {"subject": {"host": "cdn.example"}, "formats": {
                "jpeg": {"images": 1, "bytes": 5_000}, "png": {"images": 3, "bytes": 34_000},
            }},
            {"subject": {"host": "img.example"}, "formats": {"webp": {"images": 1, "bytes": 30_000}}},
        ],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["text", "markdown", "html"])
def test_reports_tell_them(tmp_path: Path, name: str) -> None:
    found = written(tmp_path, *entries())[name].replace("\u2060", "").replace("\\", "")
    assert "Pages loaded 2026-09-01" in found
    assert "no event to no event" not in found
    assert "Cache lifetime stated for 3 of 4 images; unknown for 1, whose headers the log lacks." in found
    assert "Width on the page known for 1 of 5 images." in found
    assert "Heaviest: img.example /q/far.webp?v=… (30,000 bytes, webp)" in found
    assert "secret" not in found


def test_each_image_counts_once_and_each_load_its_bytes(tmp_path: Path) -> None:
    found = json.loads(written(tmp_path, shop("/p/a.png", 10_000), shop("/p/a.png", 10_000))["json"])
    assert (found["page_images"]["images"], found["page_images"]["bytes"]) == (1, 20_000)


def test_renders_that_pages_load_are_among_them(tmp_path: Path) -> None:
    config = {"sources": {"p": {"path": "/p/.*"}}}
    found = json.loads(written(tmp_path, shop("/p/a.png"), image("/q/b.png"), config=config)["json"])
    assert [each["subject"] for each in found["page_images"]["of"]] == [{"provider": "own", "template": "p"}]
    assert found["window"]["start"] == "2026-09-01T06:00:00Z"


def test_other_logs_have_none(tmp_path: Path) -> None:
    found = written(tmp_path, shop("/page", media="text/html"))
    assert "page_images" not in json.loads(found["json"])
    assert "No event" in found["text"]


def test_what_no_header_tells_is_unknown(tmp_path: Path) -> None:
    found = written(tmp_path, shop("/p/a.png", 10_000, NO_HEADERS))["text"]
    assert "Cache lifetime unknown: the log has no headers of answers." in found
    assert "Width on the page unknown: no request has Sec-CH-Width." in found


def test_names_from_the_log_are_escaped(tmp_path: Path) -> None:
    odd = shop("/p/<script>|`@all\x1b[2J.png", 10_000)
    found = written(tmp_path, odd)
    assert "<script>" not in found["html"]
    assert not any("\x1b" in text for text in found.values())


@pytest.mark.parametrize(("config", "how"), [(None, "Serve"), ({"sources": {"p": {"path": "/p/.*"}}}, "Render")])
def test_the_advice_fits_whose_image_it_is(tmp_path: Path, config: Any, how: str) -> None:
    found = json.loads(written(tmp_path, shop("/p/a.png", 900_000, LONG), config=config)["json"])
    (heavy,) = (each for each in found["findings"] if each["rule"] == "heavy-images")
    assert heavy["advice"].startswith(f"{how} at the size that is shown")
