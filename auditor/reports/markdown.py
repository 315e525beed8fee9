"""The Markdown report, for pull requests and wikis: CommonMark with the tables that GitHub and GitLab know.

A word from a log stands alone as a code span, where nothing is markup, a mention or a link; in the sentences of a
finding its markup is escaped, and an invisible word joiner keeps `@everyone`, `#1` and addresses from coming alive.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from msgspec import UNSET

from auditor.model.numbers import number
from auditor.model.words import plural
from auditor.reports.shared import bridge, headline, pages, snippets, words
from auditor.reports.shared.groups import NAMED, grouped, readable
from auditor.results.audit import Result, TtlPoint
from auditor.results.document import utc
from auditor.results.finding import Finding
from auditor.results.page_images import PageImages
from auditor.results.report import Account
from auditor.system.terminal import plain

MOST_GROUPS, MOST_REJECTIONS = 25, 10
"""A comment on GitHub holds 65,536 characters."""
JOINER = "\u2060"
_MARKUP = re.compile(r"[\\`*_\[\]<>|~&$]")
_START = re.compile(r"^(\d{0,9})([#+=.)-])")
_ALIVE = re.compile(r"(?i)([@#]|:(?=\S)|\bwww)")


class Markdown:
    """`--format markdown`."""

    name = "markdown"
    suffix, media_type = "md", "text/markdown"
    draws_curve = True

    def write(self, result: Result, out: TextIO) -> None:
        """Write the report."""
        out.writelines(f"{line}\n" for line in _lines(result))


def code(text: object) -> str:
    """A word that came from outside as a code span, in a table or not."""
    shown = plain(str(text)) or "(empty)"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def prose(text: object) -> str:
    """A sentence with words from outside in it, so that nothing in it is markup."""
    escaped = _MARKUP.sub(r"\\\g<0>", plain(str(text)).strip())
    return _START.sub(r"\1\\\2", _ALIVE.sub(rf"\1{JOINER}", escaped))


def fenced(lines: Sequence[str], indent: str = "") -> Iterator[str]:
    """Lines as they are, by a fence that is longer than any in them."""
    fence = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))
    yield from (f"{indent}{line}".rstrip() for line in (fence, *lines, fence))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: str = "") -> Iterator[str]:
    """A table; *right* has an `r` for each column of numbers."""
    marks = [" ---: " if place < len(right) and right[place] == "r" else " --- " for place in range(len(head))]
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join(marks)}|"
    for row in rows:
        cells = (cell.replace("|", "\\|") if cell.startswith("`") else cell for cell in row)
        yield f"| {' | '.join(cells)} |"


def _lines(result: Result) -> Iterator[str]:
    found = result.report
    totals, waste, blind = found.totals, found.waste, words.unknown(found)
    hits = "" if totals.hit_ratio is None else f"{totals.hit_ratio:.1%} from the cache"
    yield "# Render audit"
    yield ""
    yield pages.span(found.window, utc, found.page_images)
    yield ""
    for each in found.headline:
        told = headline.told(each)
        yield from (f"**{prose(told.sentence)}**", "")
        if told.steps:
            steps = [[f"{place}.", *step[:2], prose(step.what)] for place, step in enumerate(told.steps, 1)]
            yield from table(["", "a month", "when", ""], steps, "rr")
            yield ""
        for note in told.notes:
            yield from (prose(note), "")
        for heading, copied in snippets.to_copy(each):
            yield from (f"{heading}:", "", *fenced(copied), "")
    rows = [
        ["Requests", f"{totals.requests:,}", hits],
        ["Credits billed", *words.billed(totals)],
        ["Credits wasted", f"{number(waste.total):,}" if waste.total or not blind else "",
         "; ".join(filter(None, [words.share_words(found), blind]))],
    ]  # fmt: skip
    rows += [
        [f"– {cause}", f"{number(amount):,}", why] for cause, why in words.CAUSES.items() if (amount := waste.of(cause))
    ]
    yield from table(["", "", ""], rows, " r")
    yield from ("", "## From lines to credits", "")
    bold = ("", "**")
    stages = ([bold[row.total] + row.figure + bold[row.total], row.what] for row in bridge.rows(found.bridge))
    yield from table(["", ""], stages, "r")
    yield from _curve(result.curve)
    for account in found.accounts:
        yield from _account(account)
    if found.page_images is not UNSET:
        yield from _loaded(found.page_images)
    yield from _findings(found.by_money)
    yield from ("", "## What was read and assumed", "", words.conserved(found.inputs), "")
    for bad in found.inputs.rejections[:MOST_REJECTIONS]:
        yield f"- {code(bad.path)} line {bad.line}: {bad.reason}, {prose(bad.detail)}"
    more = found.inputs.rejected - MOST_REJECTIONS
    if more > 0:
        yield f"- and {plural(more, 'rejected line')} more"
    for sentence in words.assumed(result):
        yield f"- {prose(sentence)}"


def _curve(points: Sequence[TtlPoint]) -> Iterator[str]:
    if points and points[0].requests:
        yield from ("", "## Other TTLs", "")
        rows = [
            [
                words.ttl_word(point.ttl_us) + (" (now)" if point.now else ""),
                f"{float(point.served):.1%}",
                f"{point.renders:,}",
                f"{number(point.credits):,}",
                "?" if point.stale is None else f"{point.stale:,}",
            ]
            for point in points
        ]
        yield from table(["TTL", "Served", "Renders", "Credits", "Stale"], rows, " rrrr")


def _account(account: Account) -> Iterator[str]:
    plan = code(account.plan) if account.plan else "plan not configured"
    yield from ("", f"## Account {code(f'{account.provider}/{account.account}')}: {plan}", "")
    rows = [words.cycle_row(account, cycle, code) for cycle in account.cycles]
    bill = f"Bill {prose(account.currency)}" if account.currency else "Bill"
    heads = ["Cycle from", "Credits", "Demand", "Included", "Used", bill, "Cheapest plan"]
    yield from table(heads, rows, " rrrrr")
    for gap in words.idle(account):
        yield from ("", f"{prose(gap)}.")
    now, after = words.advice(account)
    yield ""
    yield f"Right plan now: {prose(now)}. After all fixes: {prose(after)}." + (
        " (Projected: no cycle is complete.)" if account.projected else ""
    )


def _loaded(loaded: PageImages) -> Iterator[str]:
    yield from ("", "## Images that pages loaded", "")
    yield f"{plural(loaded.images, 'image')}, {plural(loaded.bytes, 'byte')}."
    rows = [[code(source), code(kind), *figures] for source, kind, *figures in pages.loaded_rows(loaded)]
    yield ""
    yield from table(["From", "Format", "Images", "Bytes"], rows[: pages.MOST_GROUPS], "  rr")
    yield ""
    if len(rows) > pages.MOST_GROUPS:
        yield f"- and {len(rows) - pages.MOST_GROUPS:,} more; `--format json` names all"
    for sentence in pages.loaded_words(loaded):
        yield f"- {prose(sentence)}"


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    yield from ("", f"## {len(findings)} finding{'' if len(findings) == 1 else 's'}", "")
    found = grouped(findings)
    for group in found[:MOST_GROUPS]:
        single, named = len(group.members) == 1, group.members[:NAMED]
        if not single:
            owner = " · ".join(map(code, group.account))
            yield f"- **{group.severity}** `{group.rule}` {owner} ({prose(group.sums)})"
        for finding in named:
            subject = list(finding.subject.values()) if single else group.own(finding)
            yield from _finding(finding, subject, "" if single else "  ")
        if len(group.members) > len(named):
            yield f"  - and {len(group.members) - len(named):,} more; `--format csv` has all"
    more = sum(len(group.members) for group in found[MOST_GROUPS:])
    if more:
        yield f"- and {more:,} of less weight; `--format csv` has all"


def _finding(finding: Finding, subject: Sequence[str], indent: str) -> Iterator[str]:
    saves = words.money(finding.money)
    named = " · ".join(map(code, subject))
    yield f"{indent}- **{finding.severity}** `{finding.rule}` {named} ({finding.confidence} confidence)  "
    yield f"{indent}  Found: {prose(readable(finding.message))}" + (f"; {prose(saves)}" if saves else "") + "  "
    yield f"{indent}  Fix: {prose(finding.advice)}"
    copied = snippets.own(finding)
    if copied is not None:
        yield from ("", f"{indent}  Copy this {snippets.WHERE[copied.kind]}:", "")
        yield from (*fenced(snippets.code(copied), f"{indent}  "), "")
