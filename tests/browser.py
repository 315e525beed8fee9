"""HAR files of a browser, as small as tests need them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, documented

SHOP = {"sources": {"shop": {
    "path": r"/img/(?P<template>[a-z]+)/[^/-]+(?:-(?P<width>\d+)x(?P<height>\d+))?\.(?P<format>png|jpg|webp|svg)",
}}}  # fmt: skip
BROWSER = ROOT / "sample_logs" / "browser"


def listed(headers: Mapping[str, str]) -> list[dict[str, str]]:
    """Headers as HAR has them."""
    return [{"name": name, "value": value} for name, value in headers.items()]


def image(
    path: str = "/img/hero/a-800x600.png",
    size: int = 10_000,
    answer: Mapping[str, str] | None = None,
    asked: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    status: int = 200,
    **fields: Any,
) -> dict[str, Any]:
    """An entry of page_1: an image of *size* bytes, the headers of its *answer* and of what *asked* for it."""
    return {
        "pageref": "page_1",
        "startedDateTime": "2026-09-01T06:00:00Z",
        "time": 10,
        "request": {
            "method": method, "url": f"https://shop.example{path}", "headers": listed(asked or {}), "bodySize": 0,
        },
        "response": {
            "status": status, "headers": listed({"X-Cache": "HIT"} if answer is None else answer),
            "content": {"size": size, "mimeType": "application/octet-stream"}, "bodySize": -1,
        },
        "cache": {},
        **fields,
    }  # fmt: skip


def har(entries: Sequence[Mapping[str, Any]]) -> str:
    """The file; entries start a second apart."""
    spread = [
        {**entry, "startedDateTime": f"2026-09-01T06:{number // 60:02}:{number % 60:02}Z"}
        for number, entry in enumerate(entries)
    ]
    return json.dumps({"log": {"creator": {"name": "WebInspector"}, "pages": [], "entries": spread}})


def browsed(
    folder: Path, entries: Sequence[Mapping[str, Any]], config: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """JSON report of a page load."""
    path = folder / "page.har"
    path.write_text(har(entries))
    return documented([path], folder, {**SHOP, **(config or {})})


def found(report: Mapping[str, Any], rule: str) -> dict[str, dict[str, Any]]:
    """Template -> the finding of a rule."""
    return {each["subject"]["template"]: each for each in report["findings"] if each["rule"] == rule}
