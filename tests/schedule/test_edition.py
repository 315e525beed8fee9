"""What an edition keeps and sends of each report."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import pytest

from auditor.config import load
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit
from auditor.registry import REPORTS
from auditor.results.audit import Result
from auditor.schedule.edition import Edition, rhythms
from auditor.schedule.folder import History
from tests.conftest import ROOT


class Rules:
    """A report that no other part of the program knows."""

    name = "rules"
    suffix, media_type = "rules.tsv", "text/tab-separated-values"
    draws_curve = False

    def write(self, result: Result, out: TextIO) -> None:
        """A line a finding."""
        csv.writer(out, "excel-tab").writerows([finding.rule] for finding in result.findings)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Has the report in the register, as an entry would."""
    monkeypatch.setattr(REPORTS, "paths", {**REPORTS.paths, "rules": "rules:Rules"})
    monkeypatch.setitem(REPORTS._found, "rules", Rules())
    yield


@pytest.mark.slow
@pytest.mark.usefixtures("registered")
def test_a_report_is_kept_and_sent_by_the_suffix_and_media_type_that_it_declares(tmp_path: Path) -> None:
    """A new format needs no second entry anywhere."""
    config = tmp_path / "auditor.toml"
    config.write_text(
        (ROOT / "sample_logs" / "auditor.toml").read_text(encoding="utf-8")
        + '\n[delivery.disk]\nkind = "file"\npath = "www/{cycle}.tsv"\nformats = ["rules"]\n',
        encoding="utf-8",
    )
    settings = load(config)
    sources = discover([str(ROOT / "sample_logs")], tmp_path / "scratch")
    result = audit(sources, settings, Options(cache=False), lambda *_: None)
    rhythm = rhythms(settings)[0]
    cycle = rhythm.cycle("2026-09", datetime(2026, 10, 1, tzinfo=UTC))
    edition = Edition(settings, rhythm, cycle, result, None, ["json", "rules", "csv-daily"])
    entry = edition.keep(History(tmp_path / "history"), print, dry_run=False)
    assert entry.facts["files"] == ["report.daily.csv", "report.json", "report.rules.tsv"]
    (attachment,) = edition.message("disk", resend=False).attachments
    assert (attachment.name, attachment.media_type) == ("report.rules.tsv", "text/tab-separated-values")
    assert attachment.content == (entry.path / "report.rules.tsv").read_bytes()
    assert attachment.content.decode().split() == [finding.rule for finding in result.findings]
