"""Tables for spreadsheets: `csv` the findings, `csv-cycles` the bills, `csv-daily` the use; RFC 4180, UTF-8."""

import json
from collections.abc import Iterator, Sequence

from auditor.model.events import Outcome
from auditor.model.numbers import is_unknown, number
from auditor.model.plans import cents
from auditor.model.waste import Use
from auditor.reports.shared.sheet import Sheet, own
from auditor.results.audit import Result
from auditor.results.document import written
from auditor.results.finding import subject_column

SUBJECT = ("provider", "account", "environment", "template", "placement", "field", "error", "file")
"""Names of subjects in the order of their columns; others have theirs at the end, where rules have such names."""
UNPRICED = ("credits", "utilisation", "unused_credits", "unused_value")
"""Figures of a cycle that rest on what its calls cost."""
REQUESTS = (Outcome.HIT, Outcome.COALESCED, Outcome.RENDER, Outcome.ERROR, Outcome.REFUSED)
"""Outcomes that answer a request."""


class Findings(Sheet):
    """`--format csv`: a row a finding, most severe first."""

    name = suffix = "csv"

    def rows(self, result: Result) -> Iterator[Sequence[str | None]]:
        """The columns of all findings, those of rare subjects last."""
        findings = result.report.findings
        more = sorted({name for finding in findings for name in finding.subject}.difference(SUBJECT))
        yield ["severity", "rule", "confidence", *SUBJECT, "credits", "bytes", "saves_alone", "action", "cost",
               "currency", "message", "advice", "evidence", *map(subject_column, more)]  # fmt: skip
        for finding in findings:
            money = finding.money
            yield [
                own(finding.severity), own(finding.rule), own(finding.confidence),
                *(finding.subject.get(name) for name in SUBJECT), own(number(finding.credits)), own(finding.bytes),
                own(cents(money.alone)), own(money.part), own(cents(money.cost)), money.currency, finding.message,
                finding.advice, json.dumps(finding.evidence, ensure_ascii=False),
                *(finding.subject.get(name) for name in more),
            ]  # fmt: skip


class Cycles(Sheet):
    """`--format csv-cycles`: a row an account and billing cycle."""

    name, suffix = "csv-cycles", "cycles.csv"

    def rows(self, result: Result) -> Iterator[Sequence[str | None]]:
        """The account, its cycle, and the plan that would have been cheapest."""
        figures = ("start", "end", "complete", "credits", "demand", "included", "utilisation", "bill",
                   "price_per_render", "unused_credits", "unused_value")  # fmt: skip
        yield ["provider", "account", "plan", "currency", *figures, "cheapest_plan", "cheapest_bill"]
        for account in result.report.accounts:
            for cycle in account.cycles:
                # An empty field is an unknown one.
                told = written(cycle) | ({} if cycle.known else dict.fromkeys(UNPRICED))
                yield [
                    account.provider, account.account, account.plan, account.currency,
                    *(own(told[name]) for name in figures), cycle.cheapest_plan, own(cents(cycle.cheapest_bill)),
                ]  # fmt: skip


class Daily(Sheet):
    """`--format csv-daily`: a row an account and local day with an event."""

    name, suffix = "csv-daily", "daily.csv"

    def rows(self, result: Result) -> Iterator[Sequence[str | None]]:
        """The account, its day, requests by outcome, and credits by what became of them."""
        counts = ("requests", "hits", "coalesced", "renders", "errors", "refused", "credits", "credits_uncertain")
        yield ["provider", "account", "date", "timezone", *counts, *(f"credits_{use}" for use in Use)]
        for day in result.days:
            account = result.report.accounts[day.payer]
            unknown = is_unknown(day.total, day.requests[Outcome.RENDER], day.uncertain)
            total, *uses = (
                None if unknown else own(number(each)) for each in (day.total, *(day.credits[use] for use in Use))
            )
            yield [
                account.provider, account.account, own(day.date), own(account.timezone),
                own(sum(day.requests.values())), *(own(day.requests[outcome]) for outcome in REQUESTS),
                total, own(day.uncertain), *uses,
            ]  # fmt: skip
