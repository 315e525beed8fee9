"""Audit findings: what to mend first, and whether it gets better."""

from typing import Any

from grafana.source.account import NO_AUDIT
from grafana.source.frame import OF_ACCOUNT, TO_TRAFFIC, assembled
from grafana.source.panels import BAD, GOOD, WARN, AnyPanel, Ask, Column, graph, number, ranking, rows
from grafana.source.queries import alone, bytes_cost, exact, otherwise, ratio, select, total

AUDIT = select("imgrender_audit_timestamp_seconds")
CREDITS = "imgrender_finding_credits"
WITH_ACCOUNT, WITH_TEMPLATE = 'account!=""', 'template!=""'


def dashboard(runbooks: str) -> dict[str, Any]:
    """As Grafana reads it."""
    return assembled(
        "findings",
        "What the audits found, over time: how much, of which rule, for whom. The report itself has the evidence and "
        "the fix of each finding; `auditor explain RULE` is the manual page of a rule.",
        {"How bad is it?": _state(), "Over time": _course(), "Where to begin": _ranking()},
        runbooks, since="now-30d", refresh="5m",
    )  # fmt: skip


def _or_none(expr: str, label: str, none: str = "nothing to save") -> str:
    """What is above 0; a 0 that says *none* where an audit found nothing."""
    return otherwise(f"{expr} > 0", label, none, AUDIT)


def _severity(name: str) -> str:
    return total(exact("imgrender_findings", f'severity="{name}"'))


def _state() -> list[AnyPanel]:
    return [
        number(
            "High", "Findings about 10 % of the credits or more. Mend these first; each names its fix.", "short",
            Ask(_severity("high")), steps=((None, GOOD), (1, BAD)), nothing=NO_AUDIT, named=False,
        ),
        number(
            "Medium", "Findings about 1 % to 10 % of the credits.", "short", Ask(_severity("medium")),
            steps=((None, GOOD), (1, WARN)), nothing=NO_AUDIT, named=False,
        ),
        number("Low", "Findings about less than 1 % of the credits: when there is nothing else to do.", "short",
               Ask(_severity("low")), nothing=NO_AUDIT, named=False),
        number(
            "Wasted credits", "Credits of the audited time that were wasted, of all.", "percentunit",
            Ask(ratio(total(exact("imgrender_waste_credits")), total(exact("imgrender_audit_credits")))),
            steps=((None, GOOD), (0.1, WARN), (0.3, BAD)), nothing=NO_AUDIT, decimals=1, named=False,
        ),
        number(
            "Age of the audit",
            "When the report was made that is shown here. Orange after two days, red after a week: then look at the "
            "timer that runs `auditor audit`, since mended things still look bad, and new ones are not there.",
            "s", Ask(f"time() - max ({exact('imgrender_audit_timestamp_seconds')})"),
            steps=((None, GOOD), (2 * 86_400, WARN), (7 * 86_400, BAD)), nothing=NO_AUDIT, decimals=1, named=False,
        ),
        number(
            "Audited time",
            "How much time the newest audit looked at. Credits and bytes are of all of it, money is for a month of it.",
            "s", Ask(f"max ({exact('imgrender_audit_window_end_timestamp_seconds')})"
                f" - max ({exact('imgrender_audit_window_start_timestamp_seconds')})"),
            nothing=NO_AUDIT, decimals=0, named=False,
        ),
    ]  # fmt: skip


def _course() -> list[AnyPanel]:
    return [
        graph(
            "Findings by severity", "Findings of each audit. It should fall; a step up is a release worth looking at.",
            "short", *(Ask(_severity(name), name) for name in ("high", "medium", "low")), stacked=True, stepped=True,
            nothing=NO_AUDIT,
        ),
        graph(
            "Findings by rule",
            "Findings of each audit, by rule; `auditor explain RULE` says what a rule finds and how to mend it. Rules "
            "that find nothing are left out.",
            "short", Ask(_or_none(total(exact("imgrender_findings"), "rule"), "rule", "nothing found"), "{{rule}}"),
            stacked=True, stepped=True, nothing=NO_AUDIT,
        ),
        graph(
            "Credits by rule",
            "Credits that the findings of each rule are about. Each wasted credit has one cause, so these add up.",
            "short", Ask(_or_none(total(exact(CREDITS), "rule"), "rule"), "{{rule}}"), stacked=True, stepped=True,
            nothing=NO_AUDIT,
        ),
        graph(
            "Waste by cause", "Wasted credits of the audited time by their one cause; they add up to the waste.",
            "short", Ask(total(exact("imgrender_waste_credits"), "cause"), "{{cause}}"), stacked=True, stepped=True,
            nothing=NO_AUDIT,
        ),
    ]  # fmt: skip


def _ranking() -> list[AnyPanel]:
    return [
        rows(
            "Money",
            "What the monthly bill falls by if one finding alone is fixed: the one of each rule that saves most. 0 is "
            "common, since a plan costs the same however much of it is used: then several fixes together save, see "
            "What to do now on the overview. Not known without the account's plan and a complete billing cycle or a "
            "week of usage. Bytes cost what [prices] in auditor.toml says; they belong to no account.",
            [
                Column("rule", "Finding", links=(("How to fix it", "${runbooks}#${__value.raw}"),)),
                Column("account", "Account", links=OF_ACCOUNT[:1]), Column("provider", "Provider"),
                Column("Value #A", "Saves a month", decimals=2), Column("Value #B", "Bytes a month", decimals=2),
                Column("currency", "Currency"),
            ],
            Ask(alone()), Ask(bytes_cost()), sort="Saves a month",
            nothing="no audit yet, or none that knows a plan and a cycle or week of usage",
        ),
        ranking(
            "Top accounts", "Accounts by the credits of their findings. Begin with the first.",
            "short", Ask(_top(CREDITS, "account", WITH_ACCOUNT, "provider"), "{{account}}"), nothing=NO_AUDIT, width=8,
            height=7, links=TO_TRAFFIC,
        ),
        ranking(
            "Top templates",
            "Templates by the credits of their findings, among those that have a label of their own; the rest are "
            "`other`. The report has all of them.",
            "short", Ask(_top(CREDITS, "template", WITH_TEMPLATE), "{{template}}"), nothing=NO_AUDIT, width=8, height=7,
        ),
        ranking(
            "Oversized bytes by template",
            "Delivered bytes beyond what the place needs where the picture is shown; an estimate. Ask for the size "
            "that is shown, or set its limit in auditor.toml.",
            "bytes", Ask(_top("imgrender_finding_bytes", "template", WITH_TEMPLATE), "{{template}}"), nothing=NO_AUDIT,
            width=8, height=7,
        ),
    ]  # fmt: skip


def _top(name: str, label: str, matcher: str, *beside: str) -> str:
    """The ten largest of a family by a label."""
    largest = f"topk(10, {total(exact(name, matcher), *beside, label)} > 0)"
    return otherwise(largest, label, "nothing to save", AUDIT)
