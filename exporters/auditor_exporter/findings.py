"""The findings of a JSON report as gauges; the file is read again when another one stands there."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from auditor.model.errors import InputError
from auditor.model.findings import ActionKind, Severity
from auditor.model.metrics import OTHER
from auditor.model.settings import Settings
from auditor.model.waste import Cause
from auditor.registry import RULES
from auditor.results.report import BEFORE, SCHEMA
from auditor.system.files import FileStamp
from auditor_exporter.families import Families, Folded, Labels, StaleError


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
                self._families = self._read(json.loads(self._path.read_bytes(), parse_float=Decimal))
                self._seen = seen
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read ({error.strerror})") from None
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
            raise InputError(
                f"{self._path}: is not a JSON report; write one with `auditor audit --format json --output`"
            ) from None

    def _read(self, report: Mapping[str, Any]) -> Families:
        if report["schema"] not in (SCHEMA, BEFORE):
            raise ValueError(report["schema"])
        families = Families()
        families.put("audit_timestamp_seconds", (), _seconds(report["generated_at"]))
        for end in ("start", "end"):
            if report["window"][end] is not None:
                families.put(f"audit_window_{end}_timestamp_seconds", (), _seconds(report["window"][end]))
        families.put("audit_credits", (), _number(report["totals"]["credits"]))
        for cause in Cause:
            families.add("waste_credits", (cause.value,), _number(report["waste"].get(cause.value, 0)))
        # Bounds are of one report: a template that is no longer rendered makes room for the next one.
        self._labels = Labels(self._folded, self._settings, "template")
        self._currencies = self._folded.bounded("currency")
        names = {plan.name for plans in self._settings.catalogue.values() for plan in plans}
        self._plans = self._folded.bounded("plan", names)
        for account in report["accounts"]:
            payer = self._labels.payer(account["provider"], account["account"])
            for rule in RULES:
                self._preset(families, payer, rule)
            self._nothing_saved(families, payer, account)
        for month in report.get("headline", ()):  # (version 1 has none)
            self._actions(families, month)
        for finding in report["findings"]:
            self._finding(families, finding)
        return families

    def _preset(self, families: Families, payer: Iterable[str], rule: str) -> None:
        for severity in Severity:
            families.add("findings", (*payer, rule, severity.value), 0)

    def _nothing_saved(self, families: Families, payer: Iterable[str], account: Mapping[str, Any]) -> None:
        """Zero, to which its actions add, where the saving of a month is known."""
        if account["monthly_saving"] is None:
            return
        for kind, plan in ((ActionKind.PLAN, "recommended_plan"), (ActionKind.FIXES, "recommended_after_fixes")):
            to = self._plans(str(account[plan] or account["plan"]))
            families.add("monthly_saving", (*payer, to, self._currencies(str(account["currency"])), kind.value), 0)

    def _actions(self, families: Families, month: Mapping[str, Any]) -> None:
        for action in month["actions"]:
            payer = self._labels.payer(action["provider"], action["account"])
            kind = ActionKind(action["kind"])
            if kind is not ActionKind.CHANGED:  # (it already happened)
                labels = (*payer, self._plans(str(action["to"])), self._currencies(str(month["currency"])), kind.value)
                families.add("monthly_saving", labels, _number(action["saving"]))

    def _finding(self, families: Families, finding: Mapping[str, Any]) -> None:
        rule = finding["rule"] if finding["rule"] in RULES else OTHER
        severity = finding["severity"] if finding["severity"] in list(Severity) else OTHER
        subject, money = finding["subject"], finding["money"]  # (a finding about a file has no account)
        provider, account, template = (str(subject.get(name) or "") for name in ("provider", "account", "template"))
        payer = self._labels.payer(provider, account)
        place = (*self._labels.place(provider, account, template, rule), rule, severity)
        self._preset(families, payer, rule)
        families.add("findings", (*payer, rule, severity), 1)
        families.add("finding_credits", place, _number(finding["credits"]))
        families.add("finding_bytes", place, _number(finding["bytes"]))
        currency = self._currencies(str(money["currency"]))
        if money.get("saves_alone") is not None:  # (each bill by itself: of several, the largest)
            families.put("finding_monthly_saving", (*payer, rule, currency), _number(money["saves_alone"]))
        elif money.get("now") is not None and not account:  # (bytes belong to no account, and add up)
            families.add("finding_bytes_cost", (provider, rule, currency), _number(money["now"]))


def _number(value: Any) -> Decimal:
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError(value)
    return number


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
