"""A report and its comparison in a few lines of plain text: what is printed, mailed and posted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from fractions import Fraction
from operator import itemgetter
from typing import Any

from auditor.model.findings import Severity
from auditor.model.numbers import number
from auditor.model.plans import Unadvised, cents
from auditor.model.words import plural, too_little
from auditor.reports.shared.headline import told
from auditor.reports.shared.snippets import to_copy
from auditor.reports.shared.words import billed, share, share_words, unknown
from auditor.results.document import written
from auditor.results.report import Account, Report

MOST = 5
"""Findings that are named of each kind."""
_plain = itemgetter("message")


def subject(name: str, report: Report) -> str:
    """The subject of a mail."""
    high = sum(finding.severity is Severity.HIGH for finding in report.findings)
    waste = "waste unknown" if is_blind(report) else f"{plural(number(report.waste.total), 'credit')} wasted"
    return f"Render audit {name}: {waste}, {plural(high, 'high finding')}"


def is_blind(report: Report) -> bool:
    """Whether nothing is known of the waste."""
    return not report.waste.total and bool(unknown(report)) and share(report) is None


def summary(label: str, report: Report, comparison: Mapping[str, Any] | None, zone: tzinfo = UTC) -> list[str]:
    """One line a fact, the most important first; days are those of *zone*.

    Words of logs stand in it as they are: escape them for the sink.
    """
    totals, blind, inputs = report.totals, unknown(report), report.inputs
    priced = billed(totals)[0] != "unknown"
    credits = plural(number(totals.credits), "credit") if priced else "credits unknown"
    spent = f"Cycle {label}: {plural(totals.requests, 'request')}, {credits}"
    part = share_words(report)
    wasted = f", {number(report.waste.total):,} wasted" + (part and f" ({part})")
    lines = list(_headline(report))
    lines.append(spent if is_blind(report) else spent + wasted)
    if blind:
        lines.append(f"Waste {blind}")
    if totals.credits_uncertain:
        lines.append(f"Up to {plural(totals.credits_uncertain, 'more call')} may have been billed")
    cut = sum(file.truncated for file in inputs.files)
    if inputs.rejected or cut:
        lost = f"{plural(inputs.rejected, 'line')} rejected, {plural(cut, 'file')} cut off or damaged"
        lines.append(f"Input not whole: {lost}")
    lines += [_account(account) for account in report.accounts]
    if comparison is None:
        lines += [plural(len(report.findings), "finding"), *_named(map(written, report.by_money), _plain)]
    else:
        lines += _compared(comparison, zone)
    if report.accepted:
        spared = number(sum((one.credits for one in report.accepted), Fraction(0)))
        lines.append(f"{plural(len(report.accepted), 'finding')} accepted in the baseline, {plural(spared, 'credit')}")
    return lines


def _headline(report: Report) -> Iterator[str]:
    """What a month costs and what to do, by currency."""
    for headline in report.headline:
        each = told(headline)
        yield each.sentence
        for step in each.steps:
            yield f"- {step.change} {step.when}: {step.what}"
        yield from each.notes
        for heading, lines in to_copy(headline):
            yield f"{heading}:"
            yield from (f"    {line}".rstrip() for line in lines)


def _account(account: Account) -> str:
    words = f"Account {account.provider}/{account.account}: {account.plan or 'plan not configured'}"
    bills = [bill for cycle in account.cycles if (bill := cents(cycle.bill)) is not None]
    if bills:
        words += f", bill {' + '.join(bills)} {account.currency}"
    if account.advice is Unadvised.TOO_LITTLE_DATA:
        return f"{words}; {too_little(account.covered)}"
    best = account.recommended_after_fixes if account.fixes_known else None
    saving = cents(account.monthly_saving_after_fixes)
    if best is not None and saving not in (None, "0.00"):
        words += f"; after all fixes {best}, {saving} {account.currency} a month less"
    return words


def _compared(comparison: Mapping[str, Any], zone: tzinfo) -> list[str]:
    findings, saving, window = comparison["findings"], comparison["saving"], comparison["before"]["window"]
    lines = [f"Compared with {_day(window['start'], zone)} to {_day(window['end'], zone)}:"]
    lines += [f"Not the same question: {difference}" for difference in comparison["different_options"]]
    for kind, describe in (("new", _plain), ("grown", _change), ("shrunk", _change), ("fixed", _plain)):
        if findings[kind]:
            lines += [f"{len(findings[kind]):,} {kind}", *_named(findings[kind], describe)]
    lines.append(f"{findings['unchanged']:,} unchanged")
    if findings["not_looked_for"]:
        lines.append(f"{len(findings['not_looked_for']):,} not looked for this time")
    lines.append(
        f"Wasted credits: {saving['predicted_credits']:,} could have been saved, {saving['wasted_credits']:,} "
        f"{'is' if saving['wasted_credits'] == 1 else 'are'} wasted now: {_saved(saving['realised_credits'])}, "
        f"{_saved(saving['realised_at_equal_traffic'])} at equal traffic"
    )
    for account in comparison["accounts"]:
        promised, came = account["predicted_monthly_saving_after_fixes"], account["realised_monthly_saving"]
        if came is not None and (promised, came) != ("0.00", "0.00"):
            lines.append(
                f"Account {account['provider']}/{account['account']}: bill {account['bill_before']} before, "
                f"{account['bill']} now; {promised or 'an unknown sum'} a month was promised after all fixes, "
                f"{came} {account['currency']} came of it"
            )
    return lines


def _day(instant: str | None, zone: tzinfo) -> str:
    return datetime.fromisoformat(instant).astimezone(zone).date().isoformat() if instant else "no event"


def _saved(credits: int | float | None) -> str:
    if credits is None:
        return "an unknown number saved"
    return f"{abs(credits):,.0f} {'saved' if credits >= 0 else 'more wasted'}"


def _named(findings: Iterable[Mapping[str, Any]], describe: Callable[[Any], Any]) -> list[str]:
    found = list(findings)
    lines = [
        f"- {each['severity']} {each['rule']} {' '.join(map(str, each['subject'].values()))}: {describe(each)}"
        for each in found[:MOST]
    ]
    return [*lines, f"- and {len(found) - MOST:,} more"] if len(found) > MOST else lines


def _change(finding: Mapping[str, Any]) -> str:
    if finding["credits"] != finding["credits_before"]:
        return f"{plural(finding['credits_before'], 'credit')} before, {finding['credits']:,} now"
    if finding["bytes"] != finding["bytes_before"]:
        return f"{plural(finding['bytes_before'], 'byte')} before, {finding['bytes']:,} now"
    return str(_plain(finding))
