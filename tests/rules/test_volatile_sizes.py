"""Noise in the addresses of an access log: sizes show it where they tell images apart; selectors are left alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DIGEST, Report, command, event, only

CONFIG = "[sources.shop]\npath = '/img/(?P<template>[^/]+)/\\d+\\.png'\n"


def log(path: Path, size: str = "{size}") -> None:
    """Forty renders: `t=` is new each time, `name=` selects one of two images of different size."""
    lines = []
    for n in range(40):
        name, length = ("a", 5000) if n % 3 else ("b", 7000)
        lines.append(
            f'203.0.113.7 - - [01/Sep/2026:08:{n:02}:00 +0000] "GET /img/og/1.png?name={name}.jpg&t={n} HTTP/1.1" 200 '
            f"{size.format(size=length)}\n"
        )
    path.write_text("".join(lines))


def test_sizes_show_noise_and_spare_selectors(tmp_path: Path) -> None:
    """`t` is reported, `name` is not, though both change the key."""
    log(tmp_path / "access.log")
    (tmp_path / "auditor.toml").write_text(CONFIG)
    report = json.loads(command("audit", str(tmp_path), "--format", "json").stdout)
    finding = only(report, "volatile-inputs")
    assert finding["subject"]["field"] == "t"
    assert finding["confidence"] == "low"
    assert finding["severity"] == "medium"
    assert finding["evidence"]["compared"] == "sizes"
    assert (finding["evidence"]["other_pairs"], finding["evidence"]["other_pairs_of_equal_size"]) == (26, 0)
    assert report["waste"]["volatile"] == finding["credits"] == 38
    assert "by size" in finding["message"]


def test_without_sizes_nothing_is_noise(tmp_path: Path) -> None:
    """A log that has no bytes proves nothing."""
    log(tmp_path / "access.log", size="-")
    (tmp_path / "auditor.toml").write_text(CONFIG)
    report = json.loads(command("audit", str(tmp_path), "--format", "json").stdout)
    assert report["totals"]["renders"] == 40
    assert not [finding for finding in report["findings"] if finding["rule"] == "volatile-inputs"]


def renders(titles: str, **fields: Any) -> list[dict[str, Any]]:
    """A render a minute without a digest, each with another `t`; `a` and `A` are two titles whose images have one size."""
    return [
        event(
            f"e{n:03d}",
            f"2026-09-01T{8 + n // 60:02d}:{n % 60:02d}:00Z",
            key=f"f1:{n}",
            bytes=1000 + ord(title.lower()),
            inputs={"title": title, "t": str(n)},
            **fields,
        )
        for n, title in enumerate(titles)
    ]


@pytest.mark.parametrize(
    ("titles", "confidence"),
    [
        ("aaaa" + "ba" * 9 + "b", None),  # 19 pairs of other images
        ("aaaa" + "ba" * 10, "low"),  # 20
        ("aaaa" + "ba" * 9 + "bB", "low"),  # 1 of 20 of equal size
        ("aaaa" + "ba" * 9 + "bBb", None),  # 2 of 21
        ("aaaa" + "ba" * 19 + "bBb", "low"),  # 2 of 41
        ("aaaa" + "ba" * 49 + "b", "low"),  # 99 pairs
        ("aaaa" + "ba" * 50, "medium"),  # 100
        ("aaaa" + "ba" * 49 + "bB", "medium"),  # 1 of 100
        ("aaaa" + "ba" * 49 + "bBb", "low"),  # 2 of 101
        ("aAaA" * 30, None),  # all sizes are one
    ],
)
def test_sizes_count_only_where_they_tell_other_images_apart(
    report: Report, titles: str, confidence: str | None
) -> None:
    """The edges of both limits."""
    found = [finding for finding in report(renders(titles))["findings"] if finding["rule"] == "volatile-inputs"]
    assert [finding["confidence"] for finding in found] == ([confidence] if confidence else [])
    assert all(
        (finding["subject"]["field"] == "t" and finding["severity"] != "high") or confidence == "medium"
        for finding in found
    )


@pytest.mark.parametrize(
    ("path", "size"),
    [("/og?title=Post+{n}", 20), ("/og?title=Post+{n}&w=1200", 1_048_576), ("/og?id={n}", 0), ("/og?u={n}&v={n}", 9)],
)
def test_answers_of_one_size_prove_nothing(tmp_path: Path, path: str, size: int) -> None:
    """A cap, an empty body, a placeholder: every field seems to change nothing."""
    (tmp_path / "a.log").write_text(
        "".join(
            f'1.2.3.4 - - [03/Sep/2026:08:{n:02}:00 +0000] "GET {path.format(n=n)} HTTP/1.1" 200 {size} "-" "x"\n'
            for n in range(60)
        )
    )
    (tmp_path / "auditor.toml").write_text("[sources.og]\npath = '/og'\n")
    report = json.loads(command("audit", str(tmp_path), "--format", "json").stdout)
    assert report["totals"]["renders"] == 60
    assert report["waste"]["total"] == 0
    assert not [finding for finding in report["findings"] if finding["rule"] == "volatile-inputs"]


def test_shapes_are_not_compared_with_each_other(report: Report) -> None:
    """Another width has another size whatever it shows: neighbors are looked for within one shape."""
    wide = renders("aaaa" + "aA" * 30)
    for n, each in enumerate(wide):
        each |= {"width": 100 + n % 2, "bytes": each["bytes"] + n % 2}
    assert not [finding for finding in report(wide)["findings"] if finding["rule"] == "volatile-inputs"]


@pytest.mark.slow
def test_one_digest_makes_sizes_superfluous(report: Report) -> None:
    """Where a unit has digests, they alone are evidence."""
    sized = renders("aaaa" + "ba" * 50)
    assert only(report(sized), "volatile-inputs")["evidence"]["compared"] == "sizes"
    sized[0]["digest"] = DIGEST
    assert not [finding for finding in report(sized)["findings"] if finding["rule"] == "volatile-inputs"]


def test_own_events_without_digests_are_not_compared(report: Report) -> None:
    """Sizes stand for digests in logs of other kinds only."""
    own = [{**each, "key": f"k1:{n}"} for n, each in enumerate(renders("aaaa" + "ba" * 50))]
    assert not [finding for finding in report(own)["findings"] if finding["rule"] == "volatile-inputs"]
