"""The terminal report: first what was spent and wasted, then the bill, then the findings by weight with their cure.

Every word that came from a log or a file name passes through `plain`; colours appear only on a terminal, and
never where NO_COLOR is set.
"""

from collections.abc import Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text as Words

from auditor.analysis.bills import Bill
from auditor.model.numbers import exact_sum
from auditor.model.words import plural
from auditor.reports.shared.words import (
    CAUSES,
    advice,
    billed,
    cheapest_words,
    conserved,
    filtered_words,
    idle,
    local_dates,
    money,
    used,
    wasted,
)
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.results.audit import Result, document
from auditor.system.terminal import plain

_COLOURS = {"high": "bold red", "medium": "yellow", "low": "cyan"}


class Text:
    """`--format text`, the default."""

    name = "text"
    suffix, media_type = "txt", "text/plain"
    draws_curve = False

    def write(self, result: Result, out: TextIO) -> None:
        """Write the report; narrow terminals get narrower tables."""
        console = console_of(out)
        report = document(result)
        _head(console, report)
        _waste(console, report)
        for bill, *told in zip(result.case.bills, report["accounts"], local_dates(result), idle(result), strict=True):
            _bill(console, bill, *told)
        _findings(console, report["findings"])
        _suppressed(console, report.get("suppressed", []))
        write_inputs(console, report["inputs"])


def _head(console: Console, report: dict[str, Any]) -> None:
    window, totals = report["window"], report["totals"]
    console.print(
        Words("Render audit", style="bold"), f"{window['start'] or 'no event'} to {window['end'] or 'no event'}"
    )
    console.print()
    hit_ratio = "" if totals["hit_ratio"] is None else f", {totals['hit_ratio']:.1%} hits"
    ones = {"renders": "render", "hits": "hit", "errors": "error", "retries": "retry"}
    counts = ", ".join(
        f"{totals[name]:,} {ones.get(name, name) if totals[name] == 1 else name}"
        for name in ("renders", "hits", "coalesced", "errors", "refused", "retries")
        if totals[name]
    )
    console.print(f"Requests  {totals['requests']:,}{hit_ratio} ({counts or 'none'})")
    credits, doubt = billed(report)
    known = credits if credits == "unknown" else f"{credits} billed"
    separator = ": " if credits == "unknown" else " "
    console.print(Words(f"Credits   {known}", style="bold"), doubt and separator + doubt, sep="")


def _waste(console: Console, report: dict[str, Any]) -> None:
    known, *blind = wasted(report)
    style = "bold red" if report["waste"]["total"] else "bold" if report["unknown"]["renders"] else "bold green"
    inset(console, Words(f"Wasted    {known}", style=style), 0)
    for cause, meaning in CAUSES.items():
        if report["waste"][cause]:
            console.print(f"          {report['waste'][cause]:>9,}  {cause:11} {meaning}")
    for words in blind:
        inset(console, Words(words, style="bold"), 10)


def _bill(console: Console, bill: Bill, account: dict[str, Any], starts: Sequence[str], gaps: Sequence[str]) -> None:
    paid = " ".join(filter(None, ("Bill", plain(account["currency"] or ""))))
    columns = ("Cycle from", "Credits", "Demand", "Included", "Used", paid, "Cheapest plan")
    table = table_of(*columns, left=["Cycle from", "Cheapest plan"])
    for use, cycle, start in zip(bill.uses, account["cycles"], starts, strict=True):
        best = cheapest_words(account, cycle, plain)
        table.add_row(
            start + ("" if cycle["complete"] else " (part)"),
            used(use),
            f"{cycle['demand']:,}",
            _or_dash(cycle["included"]),
            "-" if cycle["utilisation"] is None or not use.known else f"{cycle['utilisation']:.0%}",
            cycle["bill"] or ("over the cap" if account["plan"] and cycle["complete"] else "-"),
            Words(best),
        )
    console.print()
    plan = plain(account["plan"]) if account["plan"] else "plan not configured"
    console.print(Words(f"Account {plain(account['provider'])}/{plain(account['account'])}: {plan}", style="bold"))
    inset(console, table)
    for gap in gaps:
        console.print(f"  {plain(gap)}")
    for label, words in zip(("Right plan now", "After all fixes"), advice(account), strict=True):
        console.print(
            f"  {label:16}{plain(words)}" + (" (projected)" if account["projected"] and account["currency"] else "")
        )


def _or_dash(value: int | float | None) -> str:
    return "-" if value is None else f"{value:,}"


def _findings(console: Console, findings: list[dict[str, Any]]) -> None:
    console.print()
    console.print(Words(f"{len(findings)} finding{'' if len(findings) == 1 else 's'}", style="bold"))
    for finding in findings:
        subject = "  ".join(plain(str(value)) for value in finding["subject"].values())
        head = Words(f"{finding['severity']:6} ", style=_COLOURS[finding["severity"]])
        head.append(f" {finding['rule']}", style="bold")
        head.append(f"  {subject}")
        head.append(f"  ({finding['confidence']} confidence)", "dim")
        console.print(head)
        saves = money(finding["money"])
        for line in (plain(finding["message"]) + (saves and f"; {saves}"), "Cure: " + plain(finding["advice"])):
            inset(console, line, 8)


def _suppressed(console: Console, suppressed: list[dict[str, Any]]) -> None:
    if suppressed:
        credits = exact_sum(one["credits"] for one in suppressed)
        console.print(f"and {len(suppressed):,} accepted in the baseline, {plural(credits, 'credit')}")
    for one in suppressed:
        subject = "  ".join(plain(str(value)) for value in one["subject"].values())
        console.print(Words(f"        {one['rule']}  {subject}: {plain(one['reason'])} (until {one['until']})", "dim"))


def write_inputs(console: Console, inputs: dict[str, Any]) -> None:
    """What was read, and which lines were not taken."""
    console.print()
    console.print(Words(conserved(inputs), style="dim"))
    if inputs["assumed_timezone"]:
        were = "time had no offset and was" if inputs["assumed_timezone"] == 1 else "times had no offset and were"
        console.print(f"{inputs['assumed_timezone']:,} {were} read in the configured time zone")
    for file in inputs["files"]:
        _foreign(console, file)
    for bad in inputs["rejections"][:5]:
        console.print(
            Words(f"  {plain(bad['path'])} line {bad['line']}: {bad['reason']}, {plain(bad['detail'])}", style="dim")
        )
    if inputs["rejected"] > 5:
        console.print(Words(f"  and {inputs['rejected'] - 5:,} more; --format json names the first 100", style="dim"))


def _foreign(console: Console, file: dict[str, Any]) -> None:
    """What a log that is no usage log could not tell."""
    facts = [file["detected"]] if "detected" in file else []
    if "other_requests" in file:
        one = file["other_requests"] == 1
        facts.append(f"{file['other_requests']:,} request{' is' if one else 's are'} for no known image: filtered")
    facts += [filtered_words(file["filtered"])] if "filtered" in file else []
    facts += [f"{file['explained'][name]} ({events:,})" for name, events in file["assumed"].items()]
    if facts:
        console.print(Words(f"{plain(file['path'])}: {plain(facts[0])}", style="dim"))
    for fact in facts[1:]:
        inset(console, Words(plain(fact), style="dim"))
