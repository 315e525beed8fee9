"""Frames of an audit: credits and money as exact decimals, times with their zone, absent values as missing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
from msgspec import Struct

from auditor.model.events import Outcome
from auditor.model.numbers import is_unknown, number
from auditor.model.plans import cents
from auditor.model.waste import Day, Use
from auditor.reports.csv import REQUESTS
from auditor.results.document import written
from auditor.results.finding import Finding, subject_column
from auditor.results.report import Report

Row = Mapping[str, object]


class Frames(NamedTuple):
    """What an audit found, a frame each."""

    findings: pd.DataFrame
    """A row a finding, most severe first: rule, severity, confidence, a column for each subject, credits, money."""
    cycles: pd.DataFrame
    """A row an account and billing cycle."""
    days: pd.DataFrame
    """A row an account and local day with an event: requests by outcome, credits by what became of them."""


def frames_of(report: Report, days: Sequence[Day]) -> Frames:
    """The frames of a report and its days."""
    return Frames(
        _frame([_finding(each) for each in report.findings]), _frame(_cycles(report)), _frame(_days(report, days))
    )


def _finding(finding: Finding) -> Row:
    money = finding.money
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        **{subject_column(name): value for name, value in finding.subject.items()},
        "credits": _decimal(number(finding.credits)),
        "bytes": finding.bytes,
        "saves_alone": _amount(money.alone),
        "action": money.part,
        "cost": _amount(money.cost),
        "currency": finding.money.currency,
        "message": finding.message,
        "advice": finding.advice,
    }


def _cycles(report: Report) -> Iterator[Row]:
    for account in report.accounts:
        names = {name: getattr(account, name) for name in ("provider", "account", "plan", "currency")}
        yield from (names | _exact(cycle) for cycle in account.cycles)


def _days(report: Report, days: Sequence[Day]) -> Iterator[Row]:
    for day in days:
        account = report.accounts[day.payer]
        unknown = is_unknown(day.total, day.requests[Outcome.RENDER], day.uncertain)
        credits = {"credits": day.total} | {f"credits_{use}": day.credits[use] for use in Use}
        yield {
            "provider": account.provider,
            "account": account.account,
            "date": day.date,
            **{f"requests_{outcome}": day.requests[outcome] for outcome in REQUESTS},
            "credits_uncertain": day.uncertain,
            **{name: None if unknown else _decimal(number(each)) for name, each in credits.items()},
        }


def _exact(struct: Struct) -> dict[str, object]:
    """The fields of a struct, fractions as the decimals that JSON shows."""
    told = written(struct)
    fields = {name: getattr(struct, name) for name in told}
    return {name: _decimal(told[name]) if isinstance(each, Fraction) else each for name, each in fields.items()}


def _amount(money: Fraction | None) -> Decimal | None:
    return None if money is None else Decimal(str(cents(money)))


def _decimal(told: object) -> Decimal:
    return Decimal(str(told))


def _frame(rows: Iterable[Row]) -> pd.DataFrame:
    """A frame with a column for each name of any row, in the order of their first sight."""
    listed = list(rows)
    names = dict.fromkeys(name for row in listed for name in row)
    arrays = {name: pa.array([row.get(name) for row in listed]) for name in names}
    return pd.DataFrame({name: pd.Series(array, dtype=pd.ArrowDtype(array.type)) for name, array in arrays.items()})
