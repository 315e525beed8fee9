"""Tables for spreadsheets: `csv` the findings, `csv-cycles` the bills, `csv-daily` the use; RFC 4180, UTF-8.

A spreadsheet takes a cell that begins like a formula for one, also behind quotes. Such cells get an apostrophe in
front, as OWASP advises, and only cells of words do: a number stays a number.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from auditor.model.events import Outcome
from auditor.model.numbers import is_unknown, number
from auditor.model.plans import cents
from auditor.model.waste import Use
from auditor.results.audit import Result
from auditor.results.document import written
from auditor.results.report import Finding, subject_column
from auditor.system.terminal import plain

FORMULA = re.compile(r"""(^|;)(?=[\s"']*[=+\-@|%＝＋－＠])""")
"""Where a formula would begin: at the start, and after a semicolon, which many countries' spreadsheets split at."""
SUBJECT = ("provider", "account", "environment", "template", "placement", "field", "error", "file")
"""Names of subjects in the order of their columns; others have theirs at the end, where rules have such names."""
UNPRICED = ("credits", "utilisation", "unused_credits", "unused_value")
"""Figures of a cycle that rest on what its calls cost."""
REQUESTS = (Outcome.HIT, Outcome.COALESCED, Outcome.RENDER, Outcome.ERROR, Outcome.REFUSED)


def word(text: object) -> str:
    """A word that came from outside, as a cell that no spreadsheet evaluates or turns into something else."""
    return FORMULA.sub(r"\1'", plain(str(text)))


class Number(str):
    """A number, date or word of our own, which goes into its cell as it is."""

    __slots__ = ()


def own(value: object) -> Number | None:
    """A figure or a word of this package as a cell; None stays None."""
    return None if value is None else Number(str(value).lower() if isinstance(value, bool) else value)


def write(out: TextIO, head: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
    """Write a table: numbers as they are, None as nothing, everything else as a word."""
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow(["" if cell is None else cell if isinstance(cell, Number) else word(cell) for cell in row])


class Findings:
    """`--format csv`: a row a finding, most severe first."""

    name = "csv"
    suffix, media_type = "csv", "text/csv"
    draws_curve = False

    def write(self, result: Result, out: TextIO) -> None:
        """Write the table."""
        findings = result.report.findings
        more = sorted({name for finding in findings for name in finding.subject}.difference(SUBJECT))
        head = ["severity", "rule", "confidence", *SUBJECT, "credits", "bytes", "saves_now", "saves_after_plan_change",
                "currency", "message", "advice", "evidence", *map(subject_column, more)]  # fmt: skip
        write(out, head, (_finding(finding, more) for finding in findings))


def _finding(finding: Finding, more: Sequence[str]) -> list[str | None]:
    money = finding.money
    return [
        own(finding.severity), own(finding.rule), own(finding.confidence),
        *(finding.subject.get(name) for name in SUBJECT),
        own(number(finding.credits)), own(finding.bytes), own(cents(money.now)), own(cents(money.after_plan_change)),
        money.currency, finding.message, finding.advice, json.dumps(finding.evidence, ensure_ascii=False),
        *(finding.subject.get(name) for name in more),
    ]  # fmt: skip


class Cycles:
    """`--format csv-cycles`: a row an account and billing cycle."""

    name = "csv-cycles"
    suffix, media_type = "cycles.csv", "text/csv"
    draws_curve = False

    def write(self, result: Result, out: TextIO) -> None:
        """Write the table."""
        figures = ["start", "end", "complete", "credits", "demand", "included", "utilisation", "bill",
                   "price_per_render", "unused_credits", "unused_value"]  # fmt: skip
        head = ["provider", "account", "plan", "currency", *figures, "cheapest_plan", "cheapest_bill"]
        write(out, head, _cycles(result, figures))


def _cycles(result: Result, figures: Sequence[str]) -> Iterator[list[str | None]]:
    for account in result.report.accounts:
        for cycle in account.cycles:
            told = written(cycle) | ({} if cycle.known else dict.fromkeys(UNPRICED))  # an empty field is an unknown one
            yield [
                account.provider, account.account, account.plan, account.currency,
                *(own(told[name]) for name in figures), cycle.cheapest_plan, own(cents(cycle.cheapest_bill)),
            ]  # fmt: skip


class Daily:
    """`--format csv-daily`: a row an account and local day with an event."""

    name = "csv-daily"
    suffix, media_type = "daily.csv", "text/csv"
    draws_curve = False

    def write(self, result: Result, out: TextIO) -> None:
        """Write the table."""
        counts = ["requests", "hits", "coalesced", "renders", "errors", "refused", "credits", "credits_uncertain"]
        head = ["provider", "account", "date", "timezone", *counts, *(f"credits_{use}" for use in Use)]
        write(out, head, _days(result))


def _days(result: Result) -> Iterator[list[str | None]]:
    for day in result.days:
        account = result.report.accounts[day.payer]
        unknown = is_unknown(day.total, day.requests[Outcome.RENDER], day.uncertain)
        credits = [None if unknown else own(number(each)) for each in (day.total, *(day.credits[use] for use in Use))]
        yield [
            account.provider, account.account, own(day.date), own(account.timezone),
            own(sum(day.requests.values())), *(own(day.requests[outcome]) for outcome in REQUESTS),
            credits[0], own(day.uncertain), *credits[1:],
        ]  # fmt: skip
