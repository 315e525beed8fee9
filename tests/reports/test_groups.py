"""Findings of one rule and account stand together, with their sums; digests are short enough to read."""

import re
from pathlib import Path

from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit
from auditor.reports.shared.groups import readable
from auditor.results.audit import Result
from tests.conftest import event, lines
from tests.reports.conftest import written


def result(folder: Path, *, all_findings: bool = False) -> Result:
    """Duplicates of five templates of one account and one of another: 2 to 6 renders each, so 1 to 5 duplicates."""
    log = folder / "usage.jsonl"
    log.write_bytes(
        lines(
            event(
                f"{name}{n}",
                f"2026-09-01T08:{n:02d}:00Z",
                template=name,
                account=account,
                key=f"k1:{'ab' * 31}0{name[1]}",
            )
            for account, name, renders in [("main", f"t{m}", m + 1) for m in range(1, 6)] + [("other", "t9", 2)]
            for n in range(renders)
        )
    )
    options = Options(cache=False, all_findings=all_findings)
    return audit(discover([str(log)], folder), settings_of({}, "test"), options, lambda *_: None)


def test_three_are_named_and_the_rest_is_counted(tmp_path: Path) -> None:
    """1 + 2 + 3 + 4 + 5 = 15 credits; the group of one is told as before."""
    found = result(tmp_path)
    for name in ("text", "markdown"):
        text = " ".join(written(found, name).split())
        assert "5 findings: 15 credits" in text and "1 finding:" not in text
        assert text.count("renders were duplicates") + text.count("renders was a duplicate") == 3 + 1
        assert re.search(r"and 2 more[:;]", text)
        named = [text.index(each) for each in ("t5", "t4", "t3")]
        assert named == sorted(named) and not re.search(r"\bt[12]\b", text)
    assert "and 2 more" not in written(result(tmp_path, all_findings=True), "text")


def test_a_page_keeps_the_rest_folded(tmp_path: Path) -> None:
    """All six are there, two of them behind the line that counts them."""
    page = written(result(tmp_path), "html")
    assert page.count("<article") == 6 and "5 findings: 15 credits." in page
    (folded,) = re.findall(r"<details><summary>And 2 more</summary>(.*?)\n</details>", page, re.DOTALL)
    assert "t2" in folded and "t5" not in folded


def test_no_report_for_people_has_a_whole_digest(tmp_path: Path) -> None:
    """Twelve digits tell which key it is; JSON has all."""
    found = result(tmp_path, all_findings=True)
    for name in ("text", "markdown", "html"):
        assert not re.search(r"[0-9a-f]{33}", written(found, name).partition("</style>")[2] or written(found, name))
    assert "k1:abababababab…" in written(found, "html") and "ab" * 31 in written(found, "json")
    assert readable("a1b2c3 " + "f" * 31) == "a1b2c3 " + "f" * 31
