"""Audit findings: what to mend first, and whether it gets better."""

from typing import Any

from grafana.source.frame import assembled
from grafana.source.panels import BAD, GOOD, WARN, AnyPanel, Ask, Column, graph, number, ranking, rows
from grafana.source.queries import exact, ratio, total

NO_AUDIT = "no audit yet"
CREDITS = "imgrender_finding_credits"
WITH_ACCOUNT, WITH_TEMPLATE = 'account!=""', 'template!=""'


def dashboard(runbooks: str) -> dict[str, Any]:
    """As Grafana reads it."""
    return assembled(
        "findings",
        "What the audits found, over time: how much, of which rule, for whom. The report itself has the evidence and "
        "the cure of each finding; `auditor explain RULE` is the manual page of a rule.",
        {"How bad is it?": _state(), "Over time": _course(), "Where to begin": _ranking()},
        runbooks, since="now-30d", refresh="5m",
    )  # fmt: skip


def _severity(name: str) -> str:
    return total(exact("imgrender_findings", f'severity="{name}"'))


def _state() -> list[AnyPanel]:
    return [
        number(
            "High", "Findings about 10 % of the credits or more. Mend these first; each names its cure.", "short",
            Ask(_severity("high")), steps=((None, GOOD), (1, BAD)), nothing=NO_AUDIT, named=False,
        ),
        number(
            "Medium", "Findings about 1 % to 10 % of the credits.", "short", Ask(_severity("medium")),
            steps=((None, GOOD), (1, WARN)), nothing=NO_AUDIT, named=False,
        ),
        number("Low", "Findings about less than 1 % of the credits: when there is nothing else to do.", "short",
               Ask(_severity("low")), nothing=NO_AUDIT, named=False),
        number(
            "Wasted credits", "Credits of the audited time that were needless, of all.", "percentunit",
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
            "Audited time", "How much time the newest audit looked at; money below is over that time.", "s",
            Ask(f"max ({exact('imgrender_audit_window_end_timestamp_seconds')})"
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
            "short", Ask(total(exact("imgrender_findings"), "rule") + " > 0", "{{rule}}"), stacked=True, stepped=True,
            nothing="nothing found",
        ),
        graph(
            "Credits by rule",
            "Credits that the findings of each rule are about. Each wasted credit has one cause, so these add up.",
            "short", Ask(total(exact(CREDITS), "rule") + " > 0", "{{rule}}"), stacked=True, stepped=True,
            nothing="nothing to save",
        ),
        graph(
            "Waste by cause", "Needless credits of the audited time by their one cause; they add up to the waste.",
            "short", Ask(total(exact("imgrender_waste_credits"), "cause"), "{{cause}}"), stacked=True, stepped=True,
            nothing=NO_AUDIT,
        ),
    ]  # fmt: skip


def _ranking() -> list[AnyPanel]:
    money = "imgrender_finding_money"
    by = ("provider", "account", "rule", "currency")
    return [
        rows(
            "Money",
            "What mending the findings of a rule would change on the bill over the audited time: at the plan you "
            "have, and after the change to the cheapest plan that is then enough. Each is by itself: they do not add "
            "up. Nothing at the present plan is common, since a plan costs the same however much of it is used.",
            [
                Column("provider", "Provider"), Column("account", "Account"), Column("rule", "Rule"),
                Column("currency", "Currency"), Column("Value #A", "Now", "none", decimals=2),
                Column("Value #B", "After a plan change", "none", decimals=2),
            ],
            Ask(total(exact(money, 'when="now"'), *by)), Ask(total(exact(money, 'when="after_plan_change"'), *by)),
            sort="After a plan change",
        ),
        ranking(
            "Top accounts", "Accounts by the credits of their findings. Begin with the first.",
            "short", Ask(f"topk(10, {total(exact(CREDITS, WITH_ACCOUNT), 'provider', 'account')} > 0)", "{{account}}"),
            nothing="nothing to save", width=8, height=7,
        ),
        ranking(
            "Top templates",
            "Templates by the credits of their findings, among those that have a label of their own; the rest are "
            "`other`. The report has all of them.",
            "short", Ask(f"topk(10, {total(exact(CREDITS, WITH_TEMPLATE), 'template')} > 0)", "{{template}}"),
            nothing="nothing to save", width=8, height=7,
        ),
        ranking(
            "Oversized bytes by template",
            "Delivered bytes beyond what the place needs where the picture is shown; an estimate. Ask for the size "
            "that is shown, or set its limit in auditor.toml.",
            "bytes", Ask(f"topk(10, {total(exact('imgrender_finding_bytes'), 'template')} > 0)", "{{template}}"),
            nothing="no finding about bytes", width=8, height=7,
        ),
    ]  # fmt: skip
