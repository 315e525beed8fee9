"""The tables in a real spreadsheet: 0 cells evaluated, every word and figure where it belongs."""

import csv
import io
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from auditor.model.waste import Use
from auditor.reports.shared.sheet import word
from auditor.results.audit import Result, document
from auditor.system.terminal import plain
from tests.reports import corpus
from tests.reports.conftest import written
from tests.services import need

TABLES = ("csv", "csv-cycles", "csv-daily", "focus")


def rows(text: str) -> list[dict[str, str]]:
    """A table by its head."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def opened(folder: Path, tables: Mapping[str, str], separator: str) -> dict[str, str]:
    """Each table as LibreOffice Calc reads it, with formulas allowed: flat XML."""
    office = need("libreoffice-calc-nogui", "soffice")
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    # Separator, quote, UTF-8, from line 1; numbers are detected and formulas evaluated (the last token).
    options = f"{ord(separator)},34,76,1,,0,false,true,false,false,false,-1,true"
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    subprocess.run(
        [office, profile, "--headless", f"--infilter=Text - txt - csv (StarCalc):{options}", "--convert-to", "fods",
         "--outdir", folder, *(folder / f"{name}.csv" for name in tables)],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip
    made = {path.name.split(".")[0].split("-Sheet")[0]: path for path in folder.glob("*.fods")}
    return {name: made[name].read_text(encoding="utf-8") for name in tables}


def formulas(sheet: str) -> list[str]:
    """What a sheet evaluates."""
    return re.findall(r'table:formula="([^"]*)"', sheet)


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_spreadsheet_evaluates_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, separator: str
) -> None:
    """Every hostile word in every column, read with commas and as half of Europe does; unguarded ones are evaluated."""
    result = corpus.hostile_result(tmp_path_factory.mktemp("in"), corpus.HOSTILE)
    tables = {name: written(result, name) for name in TABLES}
    raw = io.StringIO(newline="")
    csv.writer(raw).writerows([[text] for text in corpus.FORMULAS])
    sheets = opened(tmp_path, {**tables, "raw": raw.getvalue()}, separator)
    assert len(formulas(sheets.pop("raw"))) >= 6
    assert {name: formulas(sheet) for name, sheet in sheets.items()} == {name: [] for name in TABLES}
    if separator == ",":
        assert sheets["csv"].count("<table:table-row") == 1 + len(result.findings)


@pytest.mark.parametrize("text", corpus.HOSTILE)
def test_words_are_kept(text: str) -> None:
    """A guard adds apostrophes and nothing else; a harmless word stays as it is."""
    assert word(text).replace("'", "") == plain(text).replace("'", "")
    assert word(f"a{text.replace(';', '')}") == plain(f"a{text.replace(';', '')}")


def test_findings_cycles_and_days_are_those_of_the_report(samples: Result) -> None:
    """Row by row and sum by sum."""
    report = document(samples)
    findings = rows(written(samples, "csv"))
    assert [(row["rule"], row["credits"], row["message"]) for row in findings] == [
        (each["rule"], str(each["credits"]), each["message"]) for each in report["findings"]
    ]
    cycles = rows(written(samples, "csv-cycles"))
    expected = [(account["account"], cycle) for account in report["accounts"] for cycle in account["cycles"]]
    assert [(row["account"], row["start"], row["credits"], row["bill"]) for row in cycles] == [
        (account, cycle["start"], str(cycle["credits"]), cycle["bill"] or "") for account, cycle in expected
    ]
    days = rows(written(samples, "csv-daily"))
    totals = {name: report["totals"][name] for name in ("requests", "hits", "renders", "credits", "credits_uncertain")}
    assert {name: sum(Fraction(row[name]) for row in days) for name in totals} == totals
    for cause in ("staging", "concurrent", "repeat", "volatile"):
        assert sum(Fraction(row[f"credits_{cause}"]) for row in days) == report["waste"][cause]
    for row in days:
        assert Fraction(row["credits"]) == sum(Fraction(row[f"credits_{use}"]) for use in Use)


@pytest.mark.parametrize("name", TABLES)
def test_the_files_are_rfc_4180(samples: Result, name: str) -> None:
    """CRLF, one head, as many cells in each row."""
    text = written(samples, name)
    assert text.endswith("\r\n")
    table = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(row) for row in table} == {len(table[0])}
    assert len(set(table[0])) == len(table[0])


@pytest.mark.parametrize(
    ("name", "column"), [("region", "region"), ("credits", "subject_credits"), ("currency", "subject_currency")]
)
def test_a_new_name_of_a_subject_has_a_column_at_the_end(name: str, column: str, samples: Result) -> None:
    """A rule may name what it is about as it likes: no word is lost, and the columns before stay where they are."""
    first, second = samples.findings[-2:]  # (part of no action: another subject would be another fix)
    named = replace(first, subject={**first.subject, name: "eu-west"})
    before, after = (
        rows(written(replace(samples, findings=found), "csv")) for found in ([first, second], [named, second])
    )
    assert list(after[0]) == [*before[0], column]
    assert after == [{**before[0], column: "eu-west"}, {**before[1], column: ""}]
