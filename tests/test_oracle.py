"""The product against the brute-force oracle: every figure of generated logs, and nothing depends on order."""

import json
import random
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from auditor.config import settings_of
from auditor.pipeline import Options, audit
from auditor.plans import cents
from auditor.reports.json_v1 import document
from auditor.sources import discover
from tests.oracle.generate import generate
from tests.oracle.report import audit as oracle

SEEDS = 120
SIZES = (60, 300, 900)
BULK_SEEDS = 24


def product(files: Mapping[str, bytes], config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """JSON v1 of the product for logs in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sources = discover([str(folder / name) for name in files], folder)
    result = audit(sources, settings_of(config, "generated"), Options(cache=False), lambda *_: None)
    return json.loads(json.dumps(document(result)))


def comparable(report: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a report, without words, and in one notation."""
    inputs = {
        name: report["inputs"][name]
        for name in ("lines", "events", "superseded", "duplicates", "filtered", "rejected", "assumed_timezone")
    }
    findings = {}
    for finding in report["findings"]:
        if finding["rule"] == "secret-in-log":
            continue
        subject = tuple(sorted(finding["subject"].items()))
        findings[finding["rule"], subject] = {
            "severity": str(finding["severity"]),
            "confidence": str(finding["confidence"]),
            "credits": exact(finding["credits"]),
            "bytes": int(finding["bytes"]),
            "evidence": {name: exact(value) for name, value in finding["evidence"].items() if name in EVIDENCE},
        }
    return {
        "inputs": inputs,
        "totals": {name: exact(value) for name, value in report["totals"].items()},
        "waste": {name: exact(value) for name, value in report["waste"].items()},
        "accounts": {
            (account["provider"], account["account"]): account_figures(account) for account in report["accounts"]
        },
        "findings": findings,
    }


EVIDENCE = (
    "renders",
    "concurrent",
    "repeat",
    "expired_identical",
    "pairs",
    "agreeing",
    "stored_wasted_bytes",
    "delivered_wasted_bytes",
    "errors",
    "retries",
    "uncertain",
)


def account_figures(account: Mapping[str, Any]) -> dict[str, Any]:
    """An account without words."""
    return {
        **{name: account[name] for name in ("plan", "recommended_plan", "recommended_after_fixes", "projected")},
        "cycles": [
            {
                name: exact(cycle[name])
                for name in (
                    "start",
                    "end",
                    "complete",
                    "credits",
                    "demand",
                    "utilisation",
                    "unused_credits",
                    "cheapest_plan",
                )
            }
            for cycle in account["cycles"]
        ],
        "bills": [money(cycle["bill"]) for cycle in account["cycles"]],
        "savings": [money(account["monthly_saving"]), money(account["monthly_saving_after_fixes"])],
    }


def money(value: Any) -> str | None:
    """Cents, whatever holds the amount."""
    return None if value is None else cents(Fraction(value))


def exact(value: Any) -> Any:
    """Numbers to six decimals, so that floats and decimals compare."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, int | float | Decimal | Fraction):
        return round(Fraction(str(value)) if isinstance(value, float) else Fraction(value), 6)
    return value


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_figure_is_the_oracles(seed: int, tmp_path: Path) -> None:
    """Totals, waste, cycles, bills, advice and findings are those of the slow reading of the rules."""
    files, config = generate(seed, SIZES[seed % len(SIZES)])
    assert comparable(product(files, config, tmp_path)) == comparable(oracle(files, config))


@pytest.mark.parametrize("seed", range(0, SEEDS, 10))
def test_no_figure_depends_on_the_order_of_lines_or_files(seed: int, tmp_path: Path) -> None:
    """Shuffling all lines over as many files changes no figure, and no word of a finding."""
    files, config = generate(seed, 300)
    rng = random.Random(seed)
    lines = [line for data in files.values() for line in data.split(b"\n") if line.strip()]
    rng.shuffle(lines)
    shuffled = {name: b"\n".join(lines[index :: len(files)]) + b"\n" for index, name in enumerate(files)}
    before, after = product(files, config, tmp_path / "a"), product(shuffled, config, tmp_path / "b")
    for name in ("totals", "waste", "accounts", "findings"):
        strip = (
            [finding for finding in before[name] if finding.get("rule") != "secret-in-log"]
            if name == "findings"
            else before[name]
        )
        other = (
            [finding for finding in after[name] if finding.get("rule") != "secret-in-log"]
            if name == "findings"
            else after[name]
        )
        assert strip == other
    assert {**before["inputs"], "files": 0, "rejections": 0} == {**after["inputs"], "files": 0, "rejections": 0}


@pytest.mark.parametrize("seed", range(BULK_SEEDS))
def test_the_bulk_reader_and_the_compiled_walk_give_the_same(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What big logs take, compiled, gives the figures of what small logs take."""
    files, config = generate(seed, 300)
    before = product(files, config, tmp_path / "a")
    monkeypatch.setattr("auditor.intake.BULK_FROM", 0)
    monkeypatch.setattr("auditor.replay.walk.COMPILE_FROM", 0)
    after = product(files, config, tmp_path / "a")
    assert {**before, "generated_at": 0} == {**after, "generated_at": 0}
