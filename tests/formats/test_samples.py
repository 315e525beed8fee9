"""One sample a format: what each of its lines becomes is known, and the lines add up."""

import json
from pathlib import Path

import pytest

from auditor.registry import FORMATS
from tests.formats.samples import SAMPLES, golden, golden_of, verdicts


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_each_line_of_a_sample_becomes_what_it_did(path: Path) -> None:
    """Every field of every event; after a wanted change, run `make golden`."""
    told = golden_of(path)
    assert told.is_file(), f"{path.name} has no golden file; run make golden and read what it writes"
    assert told.read_text(encoding="utf-8").splitlines() == list(golden(path)), f"{told.name} differs; run make golden"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_lines_are_conserved_and_samples_show_every_fate(path: Path) -> None:
    """lines = events + others + filtered + rejected, and a sample is worth its name only with an event and a rejected line."""
    _, found, tally = verdicts(path)
    filtered = tally.others + tally.filtered.total()
    assert tally.lines == len(found) == sum("event" in each for each in found) + filtered + tally.reasons.total()
    assert any("event" in each for each in found)
    assert tally.reasons.total() or path.suffix in {".har", ".parquet"}
    assert b"0123456789abcdef" not in json.dumps(found).encode()


def test_every_format_has_a_sample_and_is_detected() -> None:
    """The sample's name is the format's, and detection agrees with it."""
    for path in SAMPLES:
        name = verdicts(path)[0]
        assert name.startswith(path.name.partition(".")[0])
    sampled = {path.name.partition(".")[0] for path in SAMPLES}
    missing = ", ".join(f"sample_logs/formats/{name}.EXT" for name in FORMATS if name not in {*sampled, "jsonl"})
    assert not missing, f"add {missing} with an event and a rejected line, then run make golden docs"
    unknown = ", ".join(sorted(sampled - set(FORMATS)))
    assert not unknown, f"sample_logs/formats: name each sample after its format; unknown formats: {unknown}"
