"""The findings of a JSON v1 report as gauges; the file is read again when another one stands there."""

import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from msgspec import convert

from auditor.model.errors import InputError
from auditor.model.findings import Severity
from auditor.model.metrics import OTHER
from auditor.model.numbers import number
from auditor.model.settings import Settings
from auditor.model.waste import Cause
from auditor.registry import RULES
from auditor.results.report import Finding, Report
from auditor.system.files import FileStamp
from auditor_exporter.families import Families, Folded, Labels, StaleError


class _Finding(Finding, frozen=True, kw_only=True):
    severity: str  # type: ignore[assignment]  # (a newer auditor may know others)


class _Report(Report, frozen=True, kw_only=True):
    findings: tuple[_Finding, ...]


class FindingsCollector:
    """Reads the report at *path*; accounts and plans that *settings* name keep their labels."""

    name = "findings"

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path, self._settings = path, settings
        self._folded = Folded()
        self._seen: FileStamp | None = None
        self._families = Families()

    def collect(self, families: Families, _now: float) -> None:  # (the report has its own time)
        """Add what the report says; `InputError` if it is none and never was."""
        try:
            self._renew()
        except InputError as error:
            if self._seen is None:
                raise
            families.take(self._families)
            raise StaleError(f"{error}; the report before it is shown") from None
        finally:
            self._folded.add_to(families)
        families.take(self._families)

    def _renew(self) -> None:
        try:
            seen = FileStamp.of(self._path.stat())
            if seen != self._seen:
                found = json.loads(self._path.read_bytes(), parse_float=Decimal)
                self._families = self._read(convert(found, _Report, dec_hook=lambda kind, value: kind(value)))
                self._seen = seen
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read ({error.strerror})") from None
        except (ValueError, TypeError, ArithmeticError):
            raise InputError(
                f"{self._path}: is no JSON v1 report; write one with `auditor audit --format json --output`"
            ) from None

    def _read(self, report: _Report) -> Families:
        families = Families()
        families.put("audit_timestamp_seconds", (), report.generated_at.timestamp())
        for end, when in (("start", report.window.start), ("end", report.window.end)):
            if when is not None:
                families.put(f"audit_window_{end}_timestamp_seconds", (), when.timestamp())
        families.put("audit_credits", (), number(report.totals.credits))
        for cause in Cause:
            families.add("waste_credits", (cause.value,), number(report.waste.of(cause)))
        # Bounds are of one report: a template that nobody renders any more makes room for the next one.
        self._labels = Labels(self._folded, self._settings, "template")
        self._currencies = self._folded.bounded("currency")
        for account in report.accounts:
            for rule in RULES:
                self._preset(families, self._labels.payer(account.provider, account.account), rule)
        for finding in report.findings:
            self._finding(families, finding)
        return families

    def _preset(self, families: Families, payer: Iterable[str], rule: str) -> None:
        for severity in Severity:
            families.add("findings", (*payer, rule, severity.value), 0)

    def _finding(self, families: Families, finding: _Finding) -> None:
        rule = finding.rule if finding.rule in RULES else OTHER
        severity = finding.severity if finding.severity in list(Severity) else OTHER
        # (A finding about a file has no account.)
        provider, account, template = (finding.subject.get(name, "") for name in ("provider", "account", "template"))
        payer = self._labels.payer(provider, account)
        place = (*self._labels.place(provider, account, template, rule), rule, severity)
        self._preset(families, payer, rule)
        families.add("findings", (*payer, rule, severity), 1)
        families.add("finding_credits", place, number(finding.credits))
        families.add("finding_bytes", place, finding.bytes)
        money = finding.money
        for when, amount in (("now", money.now), ("after_plan_change", money.after_plan_change)):
            if amount is not None:
                currency = self._currencies(str(money.currency))
                families.add("finding_money", (*payer, rule, when, currency), number(amount))
