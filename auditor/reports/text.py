"""The terminal report: what a month costs and what to do, the findings by money, then the figures behind them.

Every word that came from a log or a file name passes through `plain`; colors appear only on a terminal, and
never where NO_COLOR is set.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import TextIO

from msgspec import UNSET
from rich.console import Console
from rich.text import Text as Words

from auditor.model.numbers import number
from auditor.model.words import plural
from auditor.reports.shared import bridge, headline, pages, snippets, words
from auditor.reports.shared.groups import NAMED, grouped, readable
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.results.audit import Result
from auditor.results.document import utc
from auditor.results.finding import Finding, Suppressed
from auditor.results.inputs import Inputs
from auditor.results.page_images import PageImages
from auditor.results.report import Account, Report
from auditor.system.terminal import plain

MOST_FINDINGS = 10
MOST_LINES = 40
"""Of a fix to copy."""
_COLORS = {"high": "bold red", "medium": "yellow", "low": "cyan"}
_COUNTED = {"renders": "render", "hits": "hit", "coalesced": "coalesced", "errors": "error", "refused": "refused",
            "retries": "retry"}  # fmt: skip
"""What became of requests, in order -> the word for one of them."""


class Text:
    """`--format text`, the default."""

    name = "text"
    suffix, media_type = "txt", "text/plain"
    draws_curve = False

    def write(self, result: Result, out: TextIO) -> None:
        """Write the report; narrow terminals get narrower tables."""
        console = console_of(out)
        found = result.report
        _headline(console, found, whole=result.all_findings)
        _findings(console, found.by_money, whole=result.all_findings)
        _suppressed(console, found.accepted)
        _head(console, found)
        _waste(console, found)
        _bridge(console, found)
        for account in found.accounts:
            _bill(console, account)
        if found.page_images is not UNSET:
            _loaded(console, found.page_images)
        write_inputs(console, found.inputs)


def _headline(console: Console, report: Report, *, whole: bool) -> None:
    for each in report.headline:
        told = headline.told(each)
        console.print(Words(plain(told.sentence), style="bold"))
        steps = table_of(*[""] * 4, left=[""])
        for place, step in enumerate(told.steps, 1):
            steps.add_row(f"{place}.", *step[:2], Words(plain(step.what)))
        if told.steps:
            inset(console, steps)
        for note in told.notes:
            inset(console, plain(note), 2)
        for heading, lines in snippets.to_copy(each):
            console.print()
            _copied(console, heading, lines if whole else lines[:MOST_LINES])
            if len(lines) > MOST_LINES and not whole:
                inset(console, f"and {plural(len(lines) - MOST_LINES, 'line')} more: --all shows them")
    console.print()


def _copied(console: Console, heading: str, lines: Sequence[str], left: int = 2) -> None:
    """A fix to copy, whose lines are not broken."""
    inset(console, Words(f"{heading}:", style="bold"), left)
    for line in lines:
        console.print(Words(" " * (left + 4) + line if line else ""), soft_wrap=True)


def _head(console: Console, report: Report) -> None:
    totals = report.totals
    console.print()
    console.print(Words("Render audit", style="bold"), pages.span(report.window, utc, report.page_images))
    console.print()
    hit_ratio = "" if totals.hit_ratio is None else f", {totals.hit_ratio:.1%} hits"
    found = ((getattr(totals, many), one, many) for many, one in _COUNTED.items())
    counts = ", ".join(f"{count:,} {one if count == 1 else many}" for count, one, many in found if count)
    console.print(f"Requests  {totals.requests:,}{hit_ratio} ({counts or 'none'})")
    credits, doubt = words.billed(totals)
    told, separator = (credits, ": ") if credits == "unknown" else (f"{credits} billed", " ")
    console.print(Words(f"Credits   {told}", style="bold"), doubt and separator + doubt, sep="")


def _waste(console: Console, report: Report) -> None:
    total, part, blind = report.waste.total, words.share_words(report), words.unknown(report)
    # What was wasted, and what of it is not known: at least one of the two.
    told = [plural(number(total), "credit") + (part and f" ({part})")] if total or part or not blind else []
    told += [blind] if blind else []
    style = "bold red" if total else "bold" if report.unknown.renders else "bold green"
    inset(console, Words(f"Wasted    {told[0]}", style=style), 0)
    for cause, meaning in words.CAUSES.items():
        if amount := report.waste.of(cause):
            console.print(f"          {number(amount):>9,}  {cause:11} {meaning}")
    for unsure in told[1:]:
        inset(console, Words(unsure, style="bold"), 10)


def _bridge(console: Console, report: Report) -> None:
    console.print()
    console.print(Words("From lines to credits", style="bold"))
    table = table_of("", "", left=[""])
    table.columns[0].justify = "right"
    for row in bridge.rows(report.bridge):
        table.add_row(row.figure, Words(row.what), style="bold" if row.total else None)
    inset(console, table)


def _bill(console: Console, account: Account) -> None:
    paid = " ".join(filter(None, ("Bill", plain(account.currency or ""))))
    columns = ("Cycle from", "Credits", "Demand", "Included", "Used", paid, "Cheapest plan")
    table = table_of(*columns, left=["Cycle from", "Cheapest plan"])
    for cycle in account.cycles:
        *cells, cheapest = words.cycle_row(account, cycle, plain)
        table.add_row(*cells, Words(cheapest))
    console.print()
    plan = plain(account.plan or "plan not configured")
    console.print(Words(f"Account {plain(account.provider)}/{plain(account.account)}: {plan}", style="bold"))
    inset(console, table)
    for gap in words.idle(account):
        console.print(f"  {plain(gap)}")
    basis = " (projected)" if account.projected and account.currency else ""
    for label, advice in zip(("Right plan now", "After all fixes"), words.advice(account), strict=True):
        console.print(f"  {label:16}{plain(advice)}{basis}")


def _loaded(console: Console, loaded: PageImages) -> None:
    console.print()
    size = f"{plural(loaded.images, 'image')}, {plural(loaded.bytes, 'byte')}"
    console.print(Words(f"Loaded by pages: {size}", style="bold"))
    table = table_of("From", "Format", "Images", "Bytes", left=["From", "Format"])
    rows = pages.loaded_rows(loaded)
    for source, kind, *figures in rows[: pages.MOST_GROUPS]:
        table.add_row(Words(plain(source)), Words(plain(kind)), *figures)
    inset(console, table)
    if len(rows) > pages.MOST_GROUPS:
        console.print(f"  and {len(rows) - pages.MOST_GROUPS:,} more; --format json names all")
    for sentence in pages.loaded_words(loaded):
        inset(console, plain(sentence))


def _findings(console: Console, findings: Sequence[Finding], *, whole: bool) -> None:
    console.print(Words(plural(len(findings), "finding"), style="bold"))
    left, most = len(findings), len(findings) if whole else NAMED
    for group in grouped(findings):
        if not whole and len(findings) - left >= MOST_FINDINGS:
            break
        left -= len(group.members)
        if len(group.members) == 1:
            _finding(console, group.members[0], list(group.members[0].subject.values()), whole=whole)
            continue
        _head_line(console, group.severity, group.rule, group.account, group.sums)
        for finding in group.members[:most]:
            _finding(console, finding, group.own(finding), whole=whole, left=2)
        if len(group.members) > most:
            inset(console, f"and {len(group.members) - most:,} more: --all shows them", 2)
    if left:
        console.print(f"and {left:,} more: --all shows them")


def _head_line(console: Console, severity: str, rule: str, subject: Sequence[str], told: str, left: int = 0) -> None:
    head = Words(" " * left).append(f"{severity:6} ", style=_COLORS[severity])
    head.append(f" {rule}", style="bold")
    head.append("".join(f"  {plain(value)}" for value in subject))
    console.print(head.append(f"  ({told})", "dim"))


def _finding(console: Console, finding: Finding, subject: Sequence[str], *, whole: bool, left: int = 0) -> None:
    _head_line(console, finding.severity, finding.rule, subject, f"{finding.confidence} confidence", left)
    saves = words.money(finding.money)
    for line in (readable(plain(finding.message)) + (saves and f"; {saves}"), "Fix: " + plain(finding.advice)):
        inset(console, line, left + 8)
    copied = snippets.own(finding)
    if copied is not None and whole:
        _copied(console, f"Copy this {snippets.WHERE[copied.kind]}", snippets.code(copied), left + 8)
    elif copied is not None:
        inset(console, f"--all shows what to copy {snippets.WHERE[copied.kind]}", left + 8)


def _suppressed(console: Console, suppressed: Sequence[Suppressed]) -> None:
    if suppressed:
        credits = number(sum((one.credits for one in suppressed), Fraction(0)))
        console.print(f"and {len(suppressed):,} accepted in the baseline, {plural(credits, 'credit')}")
    for one in suppressed:
        subject = "  ".join(plain(value) for value in one.subject.values())
        console.print(Words(f"        {one.rule}  {subject}: {plain(one.reason)} (until {one.until})", "dim"))


def write_inputs(console: Console, inputs: Inputs) -> None:
    """What was read, and which lines were not taken."""
    console.print()
    console.print(Words(words.conserved(inputs), style="dim"))
    if inputs.assumed_timezone:
        were = "time had no offset and was" if inputs.assumed_timezone == 1 else "times had no offset and were"
        console.print(f"{inputs.assumed_timezone:,} {were} read in the configured time zone")
    for file in inputs.files:
        # What a log that is not a usage log could not tell.
        are = " is" if file.other_requests == 1 else "s are"
        others = file.other_requests and f"{file.other_requests:,} request{are} for no known image: filtered"
        for index, fact in enumerate(words.file_words(file, others, "{:,}".format)):
            if index:
                inset(console, Words(plain(fact), style="dim"))
            else:
                console.print(Words(f"{plain(file.path)}: {plain(fact)}", style="dim"))
    for bad in inputs.rejections[:5]:
        console.print(Words(f"  {plain(bad.path)} line {bad.line}: {bad.reason}, {plain(bad.detail)}", style="dim"))
    if inputs.rejected > 5:
        console.print(Words(f"  and {inputs.rejected - 5:,} more; --format json names the first 100", style="dim"))
