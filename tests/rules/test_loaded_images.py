"""HAR files of pages whose images no provider or `[sources]` table knows: findings by host, no renders, no credits."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.browser import har, image
from tests.conftest import command, documented

LONG = {"Cache-Control": "max-age=31536000"}


def shop(
    path: str, size: int = 10_000, headers: Mapping[str, str] = LONG, media: str = "image/png", **more: Any
) -> Any:
    """An entry of an image of cdn.example that only its media type tells."""
    entry = image(path, size, headers, **more)
    entry["request"]["url"] = f"https://cdn.example{path}"
    entry["response"]["content"]["mimeType"] = media
    return entry


def wide(path: str, size: int, width: int, height: int, shown: int) -> Any:
    """One whose bytes the file holds, and whose place the browser told."""
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4) + height.to_bytes(4)
    entry = shop(path, size, asked={"Sec-CH-Width": str(shown)})
    entry["response"]["content"] |= {"encoding": "base64", "text": base64.b64encode(head.ljust(size, b"\0")).decode()}
    return entry


def loaded(folder: Path, *entries: Any, **options: Any) -> dict[str, Any]:
    path = folder / "shop.har"
    path.write_text(har(entries))
    return documented([path], folder, **options)


def by_rule(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    assert len({each["rule"] for each in report["findings"]}) == len(report["findings"])
    return {each["rule"]: each for each in report["findings"]}


def test_what_the_rules_say_of_images_that_nobody_told_of(tmp_path: Path) -> None:
    """Heavy, short-lived, fetched twice, and with more pixels than are shown: worked out by hand."""
    found = loaded(
        tmp_path,
        shop("/p/heavy.jpg?t=secret", 300_000, media="image/jpeg"),
        shop("/p/short.png", 20_000, {"Cache-Control": "max-age=3600"}),
        shop("/p/twice.webp", 30_000, media="image/webp"),
        shop("/p/twice.webp", 30_000, media="image/webp"),
        wide("/p/wide.png", 40_000, 1600, 800, 800),
        shop("/page", media="text/html"),
        shop("/p/lost.png", status=404),
        shop("/p/posted.png", method="POST"),
    )
    findings = by_rule(found)
    assert all(each["subject"] == {"host": "cdn.example"} for each in findings.values())
    assert {rule: each["bytes"] for rule, each in findings.items()} == {
        "heavy-images": 100_000, "short-cache-lifetime": 20_000, "repeated-downloads": 30_000,
        "oversized-outputs": 30_000,  # 3/4 of the pixels
    }  # fmt: skip
    assert (
        "/p/heavy.jpg?t=… (300,000 bytes, jpeg); formats: jpeg 1, png 2, webp 1" in findings["heavy-images"]["message"]
    )
    assert findings["oversized-outputs"]["evidence"]["largest"]["shown_width"] == 800
    # Of 420,000 bytes that were loaded; what is of low confidence is of medium severity at most.
    assert {each["severity"] for each in findings.values()} == {"medium"}
    assert "secret" not in json.dumps(found)


def test_they_are_no_renders_and_cost_no_credits(tmp_path: Path) -> None:
    """Lines are conserved: such images stay filtered requests, and no account comes of them."""
    found = loaded(tmp_path, *(shop(f"/p/{n % 2}.png") for n in range(5)), shop("/page", media="text/html"))
    assert (found["totals"]["requests"], found["totals"]["credits"], found["accounts"]) == (0, 0, [])
    inputs = found["inputs"]
    assert (inputs["lines"], inputs["filtered"], inputs["events"]) == (6, 6, 0)
    assert (inputs["files"][0]["other_requests"], inputs["files"][0]["loaded_images"]) == (6, 5)


def test_a_table_that_knows_them_comes_first(tmp_path: Path) -> None:
    entries = [shop("/p/twice.png", 30_000)] * 2
    found = loaded(tmp_path, *entries, config={"sources": {"p": {"path": "/p/.*"}}})
    assert found["totals"]["requests"] == 2
    assert "loaded_images" not in found["inputs"]["files"][0]
    assert by_rule(found)["repeated-downloads"]["subject"] == {"provider": "own", "template": "p"}


def test_what_was_not_loaded_over_the_network_does_not_count(tmp_path: Path) -> None:
    """What the browser had, what the server confirmed, data in the page; a copy of the file tells nothing more."""
    data = shop("/p/a.png", 30_000)
    data["request"]["url"] = "data:image/png;base64,AAAA"
    entries = [
        shop("/p/a.png", 30_000), shop("/p/a.png", 30_000, _fromCache="memory"), shop("/p/a.png", 0, status=304), data,
    ]  # fmt: skip
    found = loaded(tmp_path, *entries)
    assert found["findings"] == []
    (tmp_path / "copy.har").write_text((tmp_path / "shop.har").read_text())
    both = documented([tmp_path / "shop.har", tmp_path / "copy.har"], tmp_path)
    assert both["findings"] == []


def test_the_window_chooses_them_too(tmp_path: Path) -> None:
    entries = [shop("/p/twice.png", 30_000)] * 2
    later = datetime(2026, 9, 1, 6, 0, 1, tzinfo=UTC)
    assert by_rule(loaded(tmp_path, *entries)).keys() == {"repeated-downloads"}
    assert loaded(tmp_path, *entries, since=later)["findings"] == []


def test_odd_times_are_no_second_count(tmp_path: Path) -> None:
    path = tmp_path / "old.har"
    path.write_text(har([shop("/p/heavy.png", 900_000)]).replace("2026-", "1970-"))
    found = documented([path], tmp_path)
    assert (found["inputs"]["lines"], found["inputs"]["filtered"], found["inputs"]["rejected"]) == (1, 1, 0)
    assert found["findings"] == []


def test_the_command_says_so_and_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "shop.har"
    path.write_text(har([shop("/p/heavy.png", 900_000)]))
    done = command("audit", str(path), cwd=tmp_path)
    assert done.returncode == 0
    assert "heavy-images  cdn.example" in done.stdout.decode()
    assert "1 of them is an image that pages loaded" in done.stdout.decode() + done.stderr.decode()
