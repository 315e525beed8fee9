"""The HTML report in a real browser: it shows everything, loads nothing, and no word from a log comes alive."""

import base64
import hashlib
import itertools
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import PropertyMock, patch

import pytest
from axe_playwright_python.sync_playwright import Axe

from auditor.model.waste import Day
from auditor.reports.html import MOST_ACCOUNTS, MOST_FINDINGS
from auditor.reports.shared import charts
from auditor.results.audit import Result, document
from auditor.system.terminal import plain
from tests.conftest import ROOT, event, lines
from tests.reports import corpus
from tests.reports.conftest import Hostile, Seen, written

LIMIT = 3_000_000
"""Bytes of a report, however large the log."""
Visit = Callable[..., Seen]


def nodes(page: object) -> int:
    """Elements, attributes and comments of the document: what markup would add to."""
    return int(
        page.evaluate(  # type: ignore[attr-defined]
            "() => { const walk = document.createTreeWalker(document, 129); let n = 0;"
            " while (walk.nextNode()) n += 1 + (walk.currentNode.attributes?.length ?? 0); return n }"
        )
    )


@pytest.mark.parametrize("name", corpus.CORPORA)
def test_no_word_comes_alive(visit: Visit, hostile: Hostile, name: str) -> None:
    """0 dialogs, 0 requests, 0 errors, and as many nodes as with harmless words; each word is there to be read."""
    result, harmless = hostile(name)
    page, did = visit(written(result, "html"))
    reached = page.evaluate(
        "() => [...document.querySelectorAll('summary, a, [tabindex], input, button')].map(each => {"
        " each.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})); each.focus();"
        " return each === document.activeElement })"
    )
    assert any(reached)
    assert did == []
    assert page.url.endswith("report.html")
    shown = page.evaluate("document.body.textContent")
    assert [text for text in corpus.CORPORA[name] if plain(text) not in shown] == []
    assert nodes(page) == nodes(visit(written(harmless, "html"))[0])


def test_the_policy_allows_its_own_styles_alone(visit: Visit, samples: Result) -> None:
    """The hash is that of the style sheet; script, style, image and frame are refused even if they got in."""
    html = written(samples, "html")
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'content="{policy}"' in html.replace("&#39;", "'")
    assert not re.search(r"<script|\sstyle=|\son\w+=|@import|<link|<iframe", html)
    page, did = visit(
        html.replace(
            "<main>",
            "<main><script>alert(1)</script><img src=//canary.invalid/><p style='color:red' id=p>x</p>"
            "<style>p{color:red}</style>",
        )
    )
    refused = [each for each in did if each.startswith("console") and "Content Security Policy" in each]
    assert len(refused) == 4
    # The image was asked for and stopped before it left.
    assert sorted(set(did) - set(refused)) == ["failed file://canary.invalid/ csp", "request file://canary.invalid/"]
    assert page.evaluate("getComputedStyle(document.getElementById('p')).color") == "rgb(27, 33, 40)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_accessible(visit: Visit, samples: Result, width: int, scheme: str) -> None:
    """axe finds nothing: contrast, headings, names, scopes, scrolling by keyboard; all evidence open."""
    page, did = visit(written(samples, "html"), width, scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert did == []
    headings = [
        int(each) for each in page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(e => e.tagName[1])")
    ]
    assert headings[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(headings))
    assert page.evaluate("[...document.querySelectorAll('th:not([scope])')].length") == 0


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_nothing_runs_out_of_the_page(visit: Visit, samples: Result, width: int) -> None:
    """Only tables scroll, within themselves; one width of each chart is shown."""
    page, _ = visit(written(samples, "html"), width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    shown = {name: page.locator(f".{name} svg").first.is_visible() for name in ("wide", "narrow")}
    assert shown == {"wide": width >= 720, "narrow": width < 720}
    # Letters are not shrunk below what can be read.
    sizes = page.evaluate(
        "[...document.querySelectorAll('figure svg')].filter(e => e.checkVisibility())"
        ".map(e => e.getBoundingClientRect().width / (e.viewBox.baseVal.width || 1))"
    )
    assert min(sizes) > 0.75


def test_colors_follow_the_reader_and_paper_is_light(visit: Visit, samples: Result) -> None:
    """Page and charts, by variables; on paper all evidence is open."""
    html = written(samples, "html")
    colors = "[document.body, document.querySelector('.wide svg path[fill=\"var(--needed)\"]')].map((e, i) => "
    colors += "getComputedStyle(e)[i ? 'fill' : 'backgroundColor'])"
    light, dark = (visit(html, scheme=scheme)[0] for scheme in ("light", "dark"))
    assert light.evaluate(colors) == ["rgb(255, 255, 255)", "rgb(11, 114, 133)"]
    assert dark.evaluate(colors) == ["rgb(20, 24, 29)", "rgb(59, 184, 204)"]
    dark.emulate_media(media="print")
    assert dark.evaluate(colors) == light.evaluate(colors)
    visible = (
        "[...document.querySelectorAll('details > dl')].every(e => e.checkVisibility({contentVisibilityAuto: true}))"
    )
    assert (light.evaluate(visible), dark.evaluate(visible)) == (False, True)


def test_it_says_what_the_json_report_says(visit: Visit, samples: Result) -> None:
    """Totals, causes, cycles and findings, figure by figure."""
    report = document(samples)
    page, _ = visit(written(samples, "html"))
    tables = {
        caption: page.evaluate(
            "caption => [...document.querySelectorAll('table')].filter(t => t.caption?.textContent === caption)"
            ".flatMap(t => [...t.tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent.trim())))",
            caption,
        )
        for caption in (
            "Credits by cause",
            "Utilization by cycle",
            "By money, then credits",
            "Inputs",
            "Rejected lines",
        )
    }
    assert {row[0]: row[1] for row in tables["Credits by cause"]} == {
        {"total": "wasted"}.get(cause, cause): f"{credits:,}" for cause, credits in report["waste"].items()
    }
    cycles = {
        (f"{cycle['credits']:,}", f"{cycle['demand']:,}", cycle["bill"] or "-")
        for account in report["accounts"]
        for cycle in account["cycles"]
    }
    assert {(row[1], row[2], row[7]) for row in tables["Utilization by cycle"]} == cycles
    assert [row[0:2] for row in tables["By money, then credits"]] == [
        [finding.severity, finding.rule] for finding in samples.report.by_money
    ]
    assert len(tables["Inputs"]) == len(report["inputs"]["files"])
    assert len(tables["Rejected lines"]) == report["inputs"]["rejected"]
    text = page.evaluate("document.body.textContent")
    for finding in report["findings"]:
        assert finding["message"] in text
        assert finding["advice"] in text
    for figure in (report["totals"]["requests"], report["totals"]["credits"], report["waste"]["total"]):
        assert f"{figure:,}" in page.inner_text(".tiles")
    inputs = report["inputs"]
    assert f"{inputs['lines']:,} lines = {inputs['events']:,} events" in text


def test_pictures_are_drawn_to_scale(visit: Visit, samples: Result) -> None:
    """Delivered and shown, in the proportions of the evidence."""
    page, _ = visit(written(samples, "html"))
    delivered, shown = (
        page.evaluate(f"(({{width, height}}) => [width, height])(document.querySelector('.sizes .{name}').getBBox())")
        for name in ("delivered", "shown")
    )
    largest = next(each for each in document(samples)["findings"] if each["rule"] == "oversized-outputs")["evidence"]
    limit = largest["limit"]
    assert delivered[0] / delivered[1] == pytest.approx(
        largest["largest"]["width"] / largest["largest"]["height"], 0.01
    )
    assert shown[0] / delivered[0] == pytest.approx(limit["width"] * limit["dpr"] / largest["largest"]["width"], 0.01)


@pytest.mark.slow
def test_a_large_audit_makes_no_large_page(tmp_path: Path) -> None:
    """What is too much is counted, not shown."""
    result = corpus.hostile_result(tmp_path, [f"shop{number}" for number in range(80)])
    html = written(result, "html")
    assert len(html.encode()) <= LIMIT
    assert html.count("<article") == MOST_FINDINGS
    assert f"And {80 * 9 - MOST_FINDINGS} of less weight" in html
    assert f"And {80 - MOST_ACCOUNTS} more accounts" in html


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event("a", outcome="attempt")],
        [event("a", outcome="refused")],
        [event("a", credits=0)],
        [event("a", credits="0.333333"), event("b", "2026-09-01T08:00:01Z", credits=2.5)],
    ],
    ids=["no event", "an attempt", "a refusal", "free", "fractions"],
)
def test_little_is_no_problem(tmp_path: Path, visit: Visit, events: list[dict[str, object]]) -> None:
    """A log with hardly anything in it."""
    (tmp_path / "a.jsonl").write_bytes(lines(events))
    page, did = visit(written(corpus.result_of(tmp_path, {}, "x"), "html"), bypass_csp=True)
    assert did == []
    assert Axe().run(page).violations_count == 0


def test_bars_are_as_long_as_the_exact_credits(tmp_path: Path) -> None:
    """Also of 17 digits, which the library would not read exactly from a text."""
    needed = 0.08375779756625729
    (tmp_path / "a.jsonl").write_bytes(lines([event(credits=needed), event("b", environment="staging", key="k1:b")]))
    page = written(corpus.result_of(tmp_path, {}, "x"), "html")
    assert f"h{658 * (needed / 1.08375779756625729)}v" in page


@pytest.mark.slow
def test_a_long_history_is_drawn_in_one_walk(samples: Result) -> None:
    """No day is added up for the cycles that it is not in."""
    (code, account), *_ = ((code, each) for code, each in enumerate(samples.report.accounts) if len(each.cycles) > 1)
    days = [day for day in samples.days if day.payer == code]
    with patch.object(Day, "total", new_callable=PropertyMock, return_value=Fraction(1)) as total:
        charts.credits_by_day(account, days)
    assert total.call_count == len(days)


@pytest.mark.parametrize("library", ["jinja2", "vl_convert"])
def test_a_missing_library_is_said_before_anything_is_read(library: str) -> None:
    """Which extra to install; the audit of a large log would be in vain."""
    code = f"import sys; sys.modules[{library!r}] = None; from auditor.cli import main; main()"
    command = [sys.executable, "-c", code, "audit", "no-such-file.jsonl", "--format", "html"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert "'.[reports]'" in done.stderr


@pytest.mark.slow
def test_the_line_and_the_words_are_of_the_plan_that_was_in_force(tmp_path: Path) -> None:
    """A plan that changed is neither drawn nor told as if it had always been the one, and a year is not a month."""
    log = [event(str(month), f"2026-0{month}-02T08:00:00Z", key=str(month)) for month in (7, 8, 9)]
    (tmp_path / "a.jsonl").write_bytes(lines(log))
    account = {"provider": "imejis", "plan": "Basic", "plans": [{"plan": "Year", "since": date(2026, 9, 1)}]}
    year = {"price": "240.00", "period": "year", "included": 5000}
    found = corpus.result_of(
        tmp_path, {"accounts": {"main": account}, "plans": {"imejis": {"Year": year}}}, "x", curve=True
    )
    (account,) = found.report.accounts
    drawn: Any = charts.credits_by_day(account, found.days)
    assert drawn is not None
    assert [cap["plan"] for cap in drawn["vconcat"][0]["layer"][1]["data"]["values"]] == [1000, 1000, 5000]
    page = written(found, "html")
    assert "the line is what each cycle had" in page
    assert "imejis/main, from 2026-07-01 on, pays 14.99 USD a month for 1,000 credits (Basic)" in page
    assert "imejis/main, from 2026-09-01 on, pays 20.00 USD a month, 240.00 a year for 5,000 credits (Year)" in page
