"""NUL bytes where nothing was written: before the first line after `copytruncate`, at the end after a crash."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from auditor.config import load
from auditor.reading.lines import LineReader
from tests.formats.samples import FOLDER, SAMPLES, taken
from tests.formats.test_foreign import line, report

TEXTS = [path for path in SAMPLES if path.suffix in (".log", ".csv", ".tsv")]


@pytest.mark.parametrize("size", [1, 5000, 9 << 20])
@pytest.mark.parametrize("bulk", [False, True])
def test_a_hole_before_a_line_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, bulk: bool
) -> None:
    """However large, at the head, between lines and at the end: no line, and no part of one."""
    if bulk:
        monkeypatch.setattr("auditor.intake.read.BULK_FROM", 0)
    hole = "\0" * size
    log = tmp_path / "access.log"
    log.write_text(f"{hole}{line(1)}{line(2)}{hole}{line(3)}damage\n{hole}\n{line(4)}{hole}")
    config = {"sources": {"img": {"path": "/img/(?P<template>[^/]+)/.*"}}}
    inputs = report(log, config=config)["inputs"]
    assert [(bad["line"], bad["excerpt"]) for bad in inputs["rejections"]] == [(4, "damage")]
    assert (inputs["lines"], inputs["events"]) == (5, 4)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_each_format_is_read_behind_a_hole(tmp_path: Path, path: Path) -> None:
    """As without one, and detected as without one."""
    log = tmp_path / path.name
    log.write_bytes(path.read_bytes())
    expected = taken(log, load(FOLDER / "auditor.toml"))
    log.write_bytes(b"\0" * 70_000 + path.read_bytes() + b"\0" * 100)
    found = taken(log, load(FOLDER / "auditor.toml"))
    assert (found.tally.lines, found.tally.reasons) == (expected.tally.lines, expected.tally.reasons)
    assert found.records == expected.records != []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_each_format_is_read_behind_a_byte_order_mark(tmp_path: Path, path: Path) -> None:
    """As without one, and detected as without one: editors and exports put it before the first line."""
    log = tmp_path / path.name
    log.write_bytes(path.read_bytes())
    expected = taken(log, load(FOLDER / "auditor.toml"))
    log.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    found = taken(log, load(FOLDER / "auditor.toml"))
    assert (found.tally.lines, found.tally.reasons) == (expected.tally.lines, expected.tally.reasons)
    assert found.records == expected.records != []


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_byte_order_mark_may_come_in_parts(size: int) -> None:
    """As a pipe or a packed stream gives it."""
    data = io.BytesIO(b"\xef\xbb\xbfa\nb\n")
    stream = SimpleNamespace(read1=lambda _: data.read(size))
    assert [each.data for each in LineReader(stream)] == [b"a", b"b"]
