"""Noise in the addresses of an access log: sizes show it, with a step less confidence, and selectors are left alone."""

import json
from pathlib import Path

from tests.conftest import command, only

CONFIG = "[sources.shop]\npath = '/img/(?P<template>[^/]+)/\\d+\\.png'\n"


def log(path: Path, size: str = "{size}") -> None:
    """Forty renders: `t=` is new each time, `name=` selects one of two pictures of different size."""
    lines = []
    for n in range(40):
        name, length = ("a", 5000) if n % 3 else ("b", 7000)
        lines.append(
            f'203.0.113.7 - - [01/Sep/2026:08:{n:02}:00 +0000] "GET /img/og/1.png?name={name}.jpg&t={n} HTTP/1.1" 200 '
            f"{size.format(size=length)}\n"
        )
    path.write_text("".join(lines))


def test_sizes_show_noise_and_spare_selectors(tmp_path: Path) -> None:
    """`t` is reported with medium confidence, `name` is not, though both change the key."""
    log(tmp_path / "access.log")
    (tmp_path / "auditor.toml").write_text(CONFIG)
    report = json.loads(command("audit", str(tmp_path), "--format", "json").stdout)
    finding = only(report, "volatile-inputs")
    assert finding["subject"]["field"] == "t"
    assert finding["confidence"] == "medium"
    assert finding["evidence"]["compared"] == "sizes"
    assert report["waste"]["volatile"] == finding["credits"] == 38
    assert "by size" in finding["message"]


def test_without_sizes_nothing_is_noise(tmp_path: Path) -> None:
    """A log that has no bytes proves nothing."""
    log(tmp_path / "access.log", size="-")
    (tmp_path / "auditor.toml").write_text(CONFIG)
    report = json.loads(command("audit", str(tmp_path), "--format", "json").stdout)
    assert report["totals"]["renders"] == 40
    assert not [finding for finding in report["findings"] if finding["rule"] == "volatile-inputs"]
