"""The product against the brute-force reading of the rules: every figure of random logs, whatever the order."""

import json
import random
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.model.plans import cents
from auditor.pipeline import Options, audit
from auditor.results.audit import document
from tests.bruteforce import NOW, Audit, grouped, oversized, unit
from tests.bruteforce_headline import headlines
from tests.random_logs import SOURCES, access_log, generate

SEEDS = 150
SIZES = (40, 250, 800)


def product(files: Mapping[str, bytes], config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """JSON report of the product for logs in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sources = discover([str(folder / name) for name in files], folder)
    result = audit(sources, settings_of(config, "generated"), Options(cache=False, now=lambda: NOW), lambda *_: None)
    return json.loads(json.dumps(document(result)), parse_float=Fraction)


def found(report: Mapping[str, Any], rule: str, *names: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """Subject (by names) -> finding of a rule."""
    return {
        tuple(finding["subject"].get(name, "") for name in names): finding
        for finding in report["findings"]
        if finding["rule"] == rule
    }


UNIT = ("provider", "account", "environment", "template")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_figure_is_that_of_the_slow_reading(seed: int, tmp_path: Path) -> None:
    """Inputs, totals, waste, cycles, bills, advice and the figures of each rule agree exactly."""
    files, config = generate(seed, SIZES[seed % 3])
    report, slow = product(files, config, tmp_path), Audit(files, config)
    assert {name: report["inputs"][name] for name in slow.inputs} == slow.inputs
    assert report["inputs"]["reasons"].get("odd_time", 0) == slow.odd
    assert report["totals"] == slow.totals()
    assert report["waste"] == slow.waste()
    assert bills_of_product(report) == bills_of_slow(slow)
    duplicates(report, slow)
    volatile(report, slow)
    oversize(report, slow)
    failed(report, slow)
    staging(report, slow)
    headline(report, slow)


def bills_of_product(report: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Cycles and advice by account."""
    return {
        (a["provider"], a["account"]): (
            a["plan"],
            a["recommended_plan"],
            a["recommended_after_fixes"],
            a["projected"],
            a["advice"],
            [(g["start"], g["end"], g["cycles"], g["bill"]) for g in a["gaps"]],
            [
                (c["start"], c["end"], c["complete"], c["credits"], c["demand"], c["bill"], c["cheapest_plan"])
                for c in a["cycles"]
            ],
        )
        for a in report["accounts"]
    }


def utc(moment: datetime) -> str:
    """As reports write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def bills_of_slow(slow: Audit) -> dict[tuple[str, str], Any]:
    """The same, read slowly."""
    return {
        who: (
            a["plan"],
            a["recommended_plan"],
            a["recommended_after_fixes"],
            a["projected"],
            a["advice"],
            [(utc(start), utc(end), count, cents(bill)) for start, end, count, bill in a["gaps"]],
            [
                (
                    utc(c["start"]),
                    utc(c["end"]),
                    c["complete"],
                    c["credits"],
                    c["demand"],
                    cents(bill),
                    best,
                )
                for c, bill, best in zip(a["cycles"], a["bills"], a["cheapest"], strict=True)
            ],
        )
        for who, a in slow.accounts().items()
    }


def duplicates(report: Mapping[str, Any], slow: Audit) -> None:
    """duplicate-renders: counts and the credits that the waterfall left it."""
    want = {}
    for who, renders in grouped(slow.renders, unit).items():
        verdicts = [slow.verdict[e["id"]] for e in renders]
        counts = tuple(verdicts.count(name) for name in ("concurrent", "repeat", "expired_identical"))
        credits = sum(
            (slow.wasted[e["id"]].get(cause, 0) for e in renders for cause in ("concurrent", "repeat")), Fraction(0)
        )
        if counts[0] + counts[1]:
            want[who] = (len(renders), *counts, credits)
    have = {
        who: (*(f["evidence"][name] for name in ("renders", "concurrent", "repeat", "expired_identical")), f["credits"])
        for who, f in found(report, "duplicate-renders", *UNIT).items()
    }
    assert have == want


def volatile(report: Mapping[str, Any], slow: Audit) -> None:
    """volatile-inputs: fields, pairs, confidence and credits."""
    have = {
        who: (f["evidence"]["pairs"], f["evidence"]["agreeing"], f["confidence"], f["credits"])
        for who, f in found(report, "volatile-inputs", *UNIT, "field").items()
    }
    assert have == {
        (*who, field): figures
        for who, fields in slow.volatile.items()
        for field, *rest in fields
        for figures in [tuple(rest)]
    }


def oversize(report: Mapping[str, Any], slow: Audit) -> None:
    """oversized-outputs: stored and delivered needless bytes."""
    have = {
        place: (f["evidence"]["stored_wasted_bytes"], f["evidence"]["delivered_wasted_bytes"])
        for place, f in found(report, "oversized-outputs", "provider", "template", "placement").items()
    }
    assert have == oversized(slow)


def failed(report: Mapping[str, Any], slow: Audit) -> None:
    """failed-calls: requests, further tries and perhaps billed ones."""
    errors = [e for e in slow.finals if e["outcome"] == "error"]
    want = {
        who: (
            sum(not e.get("retried") for e in group),
            sum(bool(e.get("retried")) for e in group),
            sum(e["cost"] is None for e in group),
            sum((e["cost"] or 0 for e in group), Fraction(0)),
        )
        for who, group in grouped(errors, lambda e: (e["provider"], e["account"], e.get("error", "other"))).items()
    }
    have = {
        who: (*(f["evidence"][name] for name in ("errors", "retries", "uncertain")), f["credits"])
        for who, f in found(report, "failed-calls", "provider", "account", "error").items()
    }
    assert have == want


def staging(report: Mapping[str, Any], slow: Audit) -> None:
    """staging-credits: credits by account and environment."""
    want = {}
    for who, renders in grouped(slow.renders, lambda e: unit(e)[:3]).items():
        credits = sum((slow.wasted[e["id"]].get("staging", 0) for e in renders), Fraction(0))
        if credits:
            want[who] = credits
    assert {who: f["credits"] for who, f in found(report, "staging-credits", *UNIT[:3]).items()} == want


def headline(report: Mapping[str, Any], slow: Audit) -> None:
    """What a month costs, the actions with their fixes, and the money of each finding of waste."""
    want, money = headlines(slow)

    def close(told: dict[str, Any]) -> dict[str, Any]:
        fixes = [
            (fix["rule"], tuple(sorted(fix["subject"].items())), pytest.approx(float(fix["credits_per_month"])))
            for fix in told.get("fixes", ())
        ]
        return told | ({"fixes": fixes} if "fixes" in told else {})

    assert [each | {"actions": [close(action) for action in each["actions"]]} for each in report["headline"]] == want
    have = {
        (f["rule"], tuple(sorted(f["subject"].items()))): (f["money"]["action"], f["money"]["saves_alone"])
        for f in report["findings"]
        if "action" in f["money"]
    }
    assert {group: have[group] for group in money} == money


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what names files and lines."""
    inputs = {name: value for name, value in report["inputs"].items() if name not in ("files", "rejections")}
    return {**report, "inputs": inputs, "generated_at": None}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_sizes_are_evidence_as_the_slow_reading_has_it(seed: int, tmp_path: Path) -> None:
    """An access log, and usage events that say the same and have no digest either."""
    access, events = access_log(seed)
    slow = Audit({"usage.jsonl": events}, {})
    alike, foreign = (
        product({"usage.jsonl": events}, {}, tmp_path / "a"),
        product({"access.log": access}, SOURCES, tmp_path / "b"),
    )
    for report in (alike, foreign):
        assert report["waste"] == slow.waste()
        volatile(report, slow)
        assert not [f for f in report["findings"] if f["confidence"] == "low" and f["severity"] == "high"]


@pytest.mark.slow
def test_the_generated_logs_without_digests_are_on_both_sides_of_every_limit() -> None:
    """Else the test above would prove little."""
    said = Counter(
        finding[3]
        for seed in range(60)
        for found in Audit({"a": access_log(seed)[1]}, {}).volatile.values()
        for finding in found
    )
    assert said["low"] > 10
    assert said["medium"] > 4
    assert sum(not any(Audit({"a": access_log(seed)[1]}, {}).volatile.values()) for seed in range(60)) > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, SEEDS, 10))
def test_no_figure_depends_on_the_order_of_lines_or_files(seed: int, tmp_path: Path) -> None:
    """All lines shuffled over as many files give the same figures and the same words."""
    files, config = generate(seed, 300)
    lines = [line.rstrip(b"\r") for data in files.values() for line in data.split(b"\n") if line.strip()]
    random.Random(seed).shuffle(lines)
    shuffled = {name: b"\n".join(lines[index :: len(files)]) + b"\n" for index, name in enumerate(files)}
    assert figures(product(files, config, tmp_path / "a")) == figures(product(shuffled, config, tmp_path / "b"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_the_compiled_reader_and_walk_change_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What big logs take gives the very report of what small logs take."""
    files, config = generate(seed, 300)
    before = product(files, config, tmp_path)
    monkeypatch.setattr("auditor.intake.read.BULK_FROM", 0)
    monkeypatch.setattr("auditor.replay.walk.COMPILE_FROM", 0)
    after = product(files, config, tmp_path)
    assert {**before, "generated_at": None} == {**after, "generated_at": None}
