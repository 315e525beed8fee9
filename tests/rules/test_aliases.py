"""aliases, worked out by hand: one image, several keys, and no credit that another cause has."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DIGEST, OTHER, Report, documented, event, only

CONFIG = {"sources": {"shop": {"path": r"/cards/(?P<template>[^/]+)/.*"}}}


def render(n: int, key: str, digest: str | None = DIGEST, **fields: Any) -> dict[str, Any]:
    """A render in the *n*-th minute of a day."""
    at = f"2026-09-01T{8 + n // 60:02}:{n % 60:02}:00Z"
    return event(f"e{n:03}", at, key=f"k1:{key}", **{"digest": digest} if digest else {}, **fields)


def mine(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings of the rule."""
    return [each for each in report["findings"] if each["rule"] == "aliases"]


def test_two_keys_of_one_image(report: Report) -> None:
    """a, b, a, b within the TTL: b's first is the alias; the last two are repeats and counted as such."""
    found = report([render(0, "a"), render(1, "b"), render(2, "a"), render(3, "b"), render(4, "c", OTHER)])
    finding = only(found, "aliases")
    assert (finding["credits"], finding["confidence"], finding["severity"]) == (1, "high", "high")
    assert finding["evidence"] == {
        "renders": 1,
        "images": 1,
        "top_images": [{"renders": 1, "keys": 2, "examples": ["k1:a", "k1:b"]}],
    }
    assert found["waste"] == {"staging": 0, "concurrent": 0, "repeat": 2, "volatile": 0, "failed": 0, "total": 2}
    assert sum(each["credits"] for each in found["findings"]) == 3 == found["totals"]["credits"] - 2


@pytest.mark.parametrize(
    "events",
    [
        [render(0, "a"), render(1, "b", OTHER)],  # other images
        [render(0, "a"), render(1, "a")],  # one key: a repeat
        [render(0, "a", None), render(1, "b", None)],  # nothing is known of the images
        [render(0, "a"), render(1, "b", account="second")],  # no cache is shared
        [render(0, "a"), render(1, "b", environment="staging")],
    ],
)
def test_no_alias(report: Report, events: list[dict[str, Any]]) -> None:
    """What is no alias is not reported."""
    assert not mine(report(events))


def test_the_ttl_counts(report: Report) -> None:
    """After it the image had to be rendered anyway."""
    late = event("z", "2026-09-02T08:01:00Z", key="k1:b", digest=DIGEST)
    assert not mine(report([render(0, "a"), late]))
    assert (
        only(report([render(0, "a"), late], {"rules": {"duplicate-renders": {"ttl": "48h"}}}), "aliases")["credits"]
        == 1
    )


def test_what_the_other_walk_loses_is_taken_off(report: Report) -> None:
    """By image 08:00 serves b at 07:59 and not b at 08:01 of the next day; by key it is the other way round: saves 0."""
    events = [
        event("1", "2026-09-01T08:00:00Z", key="k1:a", digest=DIGEST),
        event("2", "2026-09-02T07:59:00Z", key="k1:b", digest=DIGEST),
        event("3", "2026-09-02T08:01:00Z", key="k1:b", digest=DIGEST),
    ]
    found = report(events)
    assert (only(found, "aliases")["credits"], found["waste"]["repeat"]) == (0, 1)


def test_another_template_may_show_the_same_image(report: Report) -> None:
    """The finding stands at the template that rendered it again."""
    finding = only(report([render(0, "a"), render(1, "b", template="card")]), "aliases")
    assert (finding["subject"]["template"], finding["credits"]) == ("card", 1)


def test_staging_and_free_renders_are_shown_without_credits(report: Report) -> None:
    """Their credits have a cause, or there are none."""
    staging = report([render(n, key, environment="staging") for n, key in enumerate("ab")])
    free = report([render(0, "a"), render(1, "b", credits=0)])
    for found in (staging, free):
        assert (only(found, "aliases")["evidence"]["renders"], only(found, "aliases")["credits"]) == (1, 0)


def test_a_volatile_field_keeps_its_credits(report: Report) -> None:
    """Four renders that differ in `t` are volatile-inputs' alone; a fifth with another title is an alias."""
    events = [render(n, f"{n}", inputs={"title": "x", "t": str(n)}) for n in range(4)]
    found = report(events)
    assert (found["waste"]["volatile"], mine(found)) == (3, [])
    found = report([*events, render(9, "9", inputs={"title": "y", "t": "0"})])
    assert (found["waste"]["volatile"], only(found, "aliases")["credits"]) == (3, 1)


def test_a_placeholder_keeps_its_credits(report: Report) -> None:
    """The image of `undefined` is one whatever was asked for."""
    found = report([render(0, "a", inputs={"t": "undefined"}), render(1, "b", inputs={"t": "null"})])
    assert not mine(found)
    assert sum(each["credits"] for each in found["findings"]) == 2


def log(path: Path, size: Callable[[int], int], pictures: int = 40) -> Path:
    """Images in turn, of which every twentieth comes a second time ten minutes later under another address."""
    asked = [(n, f"/cards/og/{n}.png", size(n)) for n in range(pictures)]
    asked += [(n + 10.5, f"/cards/og/en/{n}.png", size(n)) for n in range(3, pictures, 20)]
    text = '203.0.113.7 - - [01/Sep/2026:{:02}:{:02}:{:02} +0000] "GET {} HTTP/1.1" 200 {} "-" "-"\n'
    path.write_text(
        "".join(
            text.format(8 + int(at) // 60, int(at) % 60, round(at % 1 * 60), target, length)
            for at, target, length in sorted(asked)
        )
    )
    return path


def test_by_size(tmp_path: Path) -> None:
    """42 renders, 41 neighbors of other inputs, none of equal size: the two of equal size are aliases."""
    found = documented([log(tmp_path / "access.log", lambda n: 5000 + 137 * n)], tmp_path, CONFIG)
    finding = only(found, "aliases")
    assert (finding["credits"], finding["confidence"], finding["severity"]) == (2, "low", "medium")
    assert finding["evidence"]["compared"] == "sizes"
    assert (finding["evidence"]["other_pairs"], finding["evidence"]["other_pairs_of_equal_size"]) == (41, 0)
    assert finding["evidence"]["top_images"][0]["examples"] == ["/cards/og/3.png", "/cards/og/en/3.png"]
    assert found["waste"]["total"] == 0


def test_by_size_with_many_pairs(tmp_path: Path) -> None:
    """From 100 pairs and 1 % on the confidence is medium."""
    found = documented([log(tmp_path / "access.log", lambda n: 5000 + 137 * n, 120)], tmp_path, CONFIG)
    assert (only(found, "aliases")["credits"], only(found, "aliases")["confidence"]) == (6, "medium")


@pytest.mark.parametrize(
    ("size", "pictures"),
    [
        (lambda n: 5000, 40),  # sizes tell nothing apart
        (lambda n: 5000 + 137 * n, 18),  # 18 pairs are too few
        (lambda n: 5000 + n, 40),  # a byte apart: equal ones are as likely by chance
    ],
)
def test_sizes_that_show_nothing(tmp_path: Path, size: Callable[[int], int], pictures: int) -> None:
    """Nothing is reported then."""
    assert not mine(documented([log(tmp_path / "access.log", size, pictures)], tmp_path, CONFIG))


def test_no_credit_stands_in_two_findings(report: Report) -> None:
    """Whatever is mixed: findings with a cause sum to the waste, and all of them stay within the credits."""
    events = [
        render(n, f"{n % 5}{n % 3}", DIGEST if n % 2 else OTHER, environment="staging" if n % 7 == 0 else "production",
               credits=n % 4, inputs={"title": str(n % 3), "t": str(n % 11)})
        for n in range(60)
    ]  # fmt: skip
    found = report(events)
    caused = ("duplicate-renders", "volatile-inputs", "staging-credits", "failed-calls")
    credits = [(each["rule"] in caused, Fraction(str(each["credits"]))) for each in found["findings"]]
    assert sum(each for has, each in credits if has) == found["waste"]["total"]
    assert mine(found)
    assert sum(each for _, each in credits) <= found["totals"]["credits"]
