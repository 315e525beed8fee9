"""The overview: what the cycle costs, whether the plan lasts, where credits go, and whether all of it is counted."""

from typing import Any

from auditor_exporter.alerts import source

from grafana.source.account import (
    ALERTS,
    LEFT,
    LIMITS,
    NAME,
    NO_AUDIT,
    NO_PLAN,
    OVERAGE,
    PLAN,
    PRICE,
    PROJECTED,
    SHARE,
    USED,
    WITHOUT_PLAN,
)
from grafana.source.arrival import arrival, provider
from grafana.source.frame import OF_ACCOUNT, assembled
from grafana.source.money import money
from grafana.source.panels import BAD, GOOD, MONEY, WARN, AnyPanel, Ask, Column, graph, number, ranking, rows
from grafana.source.queries import ACCOUNT, DELIVERED, SERVED, exact, growth, ratio, record, select, speed, total

BY_SHARE = record("account:imgrender_period_projected_by_share:sum")
ELAPSED = record("account:imgrender_period_elapsed:ratio")
EARLY = 0.1
"""Share of the cycle before which the part that is over says nothing of the rest."""
LASTS = record("account:imgrender_plan_lasts:seconds")
BURN = record("account:imgrender_plan_burn:ratio_long")
CLOSE = 1.1
"""Times the rest of the cycle below which credits that outlast it are close to its end."""


def dashboard(runbooks: str) -> dict[str, Any]:
    """As Grafana reads it."""
    return assembled(
        "overview",
        "What will this billing cycle cost, what of it is lost, and what to do about that? Will the plan last? "
        "Credits are the ledger's exact sums. Needs the exporter and the recording rules of grafana/rules.",
        {
            "Is money being lost?": money(), "Will the plan last?": _plan(), "Accounts and alerts": _details(),
            "Where do credits go?": _waste(), "Does all usage arrive?": arrival(),
            "Does the provider count the same?": provider(),
        },
        runbooks, since="now-7d", refresh="5m",
    )  # fmt: skip


def _plan() -> list[AnyPanel]:
    requests = total(growth("imgrender_requests_total"))
    return [
        number(
            "Plan used",
            "Credits of this billing cycle as a share of the plan. Orange from 80 %, red when nothing is left: then a "
            "plan with a hard cap refuses renders. See the projection beside it before you buy a larger plan.",
            "percentunit", Ask(f"{USED} / ({PLAN} > 0)", NAME), steps=SHARE, runbook="ImgRenderPlanAlmostUsed",
            nothing=NO_PLAN, width=5, decimals=1,
        ),
        number(
            "Projected at the end",
            "Credits used at the end of the cycle if the rest of it goes as the last week went, as a share of the plan."
            " Above 100 % the plan runs out: open the findings and fix the most severe, or take the plan that is "
            "recommended there.",
            "percentunit", Ask(f"{PROJECTED} / ({PLAN} > 0)", NAME), steps=SHARE,
            runbook="ImgRenderCreditsProjectedOverPlan", nothing="not known yet", width=5, decimals=0,
        ),
        number(
            "Credits last for",
            "How long the rest of the plan lasts at the pace of the next 60 hours, as the last week and the last days "
            "have them. Green where that is beyond the end of the cycle, orange where it is only just (a tenth), red "
            "where the plan ends first: then stop what can wait (batches, staging), or take a larger plan now.",
            "s", Ask(f"{LASTS} >= {CLOSE} * {LEFT}", NAME, GOOD),
            Ask(f"{LASTS} >= {LEFT} < {CLOSE} * {LEFT}", NAME, WARN), Ask(f"{LASTS} < {LEFT}", NAME, BAD),
            runbook="ImgRenderCreditsExhaustSoon", nothing="not known yet", width=5, decimals=1,
        ),
        number(
            "Cycle ends in", "Time to the end of the billing cycle; credits that are left then are lost.", "s",
            Ask(LEFT, NAME), nothing="no rules loaded", width=5, decimals=1,
        ),
        number(
            "Hit rate",
            "Requests of the shown time that needed no call: from the cache, or with a call in flight. When it falls, "
            "look for a deploy, an emptied cache or an input that changes at every call.",
            "percentunit", Ask(ratio(total(growth("imgrender_requests_total", SERVED)), requests), "hits"),
            steps=((None, "green"),), runbook="ImgRenderHitRateDropped", nothing="no requests", decimals=1, named=False,
        ),
        graph(
            "Credits of the cycle",
            "What is used, what the plan holds (dashed), and where the pace of the last week leads (dashed). A line "
            "that crosses its plan before the cycle ends is a plan that runs out.",
            "short", Ask(USED, f"{NAME} used"), Ask(PLAN, f"{NAME} plan"), Ask(PROJECTED, f"{NAME} projected"),
            dashed=".* (plan|projected)", runbook="ImgRenderCreditsProjectedOverPlan", nothing=WITHOUT_PLAN, width=8,
            height=9,
        ),
        graph(
            "Projected share of the plan",
            "Two ways to look ahead: the pace of the last week, and the part of the cycle that is over. Where both are "
            "above the line, the plan is too small for what is asked of it. The second says nothing in a cycle's first "
            "days.",
            "percentunit", Ask(f"{PROJECTED} / ({PLAN} > 0)", f"{NAME} by pace"),
            Ask(f"{BY_SHARE} / ({PLAN} > 0) and {ELAPSED} > {EARLY}", f"{NAME} by elapsed time"),
            steps=((None, "transparent"), (1.0, BAD)), dashed=".* by elapsed time",
            runbook="ImgRenderCreditsProjectedOverPlan", nothing=WITHOUT_PLAN, width=8, height=9,
        ),
        graph(
            "Overage of the cycle",
            "What the provider bills for credits beyond the plan, beside the plan's price, in the plan's currency; for "
            "plans without a hard cap. Compare it with the price of the next larger plan.",
            MONEY, Ask(f"clamp_min({USED} - {PLAN}, 0) * on (provider, account) group_right () {OVERAGE}",
                        "{{account}} {{currency}}"),
            runbook="ImgRenderOverageBill", nothing="no plan with overage, only hard caps", width=8, height=9,
        ),
    ]  # fmt: skip


def _waste() -> list[AnyPanel]:
    outside = exact("imgrender_period_credits_used", 'production="false"')
    duplicates = total(speed("imgrender_duplicate_renders_total"))
    delivered = total(growth("imgrender_requests_total", DELIVERED, window="1d"), *ACCOUNT)
    period = record("account:imgrender_period:seconds")
    return [
        number(
            "Non-production credits",
            "Exact credits of this cycle that tests, previews and staging spent. Point them at a free account or at "
            "`auditor sandbox`.",
            "short", Ask(total(outside) + " or vector(0)"), steps=((None, GOOD), (1, WARN)),
            runbook="ImgRenderCreditsOutsideProduction", width=12, named=False,
        ),
        number(
            "Renders again",
            "Share of the renders of the shown time whose picture was there already. Above 5 % callers go around the "
            "cache: share one (Redis), and let identical calls wait for the first.",
            "percentunit", Ask(ratio(total(growth("imgrender_duplicate_renders_total")),
                                     total(growth("imgrender_requests_total", 'result="render"')))),
            steps=((None, GOOD), (LIMITS.duplicates, BAD)), runbook="ImgRenderDuplicateRenders", width=12,
            decimals=1, nothing="no renders", named=False,
        ),
        ranking(
            "Waste by cause",
            "Credits that the newest audit calls wasted, each for exactly one cause: staging traffic, simultaneous "
            "identical calls (coalesce them), repeats (cache them), inputs that change nothing (leave them out).",
            "short", Ask(f"sort_desc({total(exact('imgrender_waste_credits'), 'cause')})", "{{cause}}"),
            nothing=NO_AUDIT,
        ),
        graph(
            "Credits an hour",
            "The speed at which credits go, by environment, and how much of it renders pictures again that were there "
            "(dashed). A step up without more visitors is a deploy, an emptied cache or a crawler.",
            "short", Ask(total(speed("imgrender_credits_used_total"), "app_env") + " * 3600", "{{app_env}}"),
            Ask(f"{duplicates} * 3600", "needless"), dashed="needless", runbook="ImgRenderCreditsFastBurn", width=16,
        ),
        graph(
            "Cost of a delivered image",
            "The plan's price for a day, over the pictures that callers got in the last day, hits among them: what a "
            "picture costs on the bill, unused credits included. It rises when caching falls or the plan is too large.",
            MONEY, Ask(f"{PRICE} / on (provider, account) group_left () ({period} > 0) * 86400"
                        f" / on (provider, account) group_left () ({delivered} > 0)", "{{account}} {{currency}}"),
            nothing="no account with a plan has delivered anything in the last day",
        ),
        graph(
            "Burn rate",
            "How many times faster than evenly the plan was used up in the last hour: at 1 it lasts exactly one cycle. "
            "A loop or an emptied cache shows at once; from 14.4 on, 2 % of a month's plan go in an hour.",
            "short", Ask(BURN, NAME), steps=((None, "transparent"), (1, WARN), (14.4, BAD)),
            runbook="ImgRenderCreditsFastBurn", nothing=WITHOUT_PLAN,
        ),
    ]  # fmt: skip


def _details() -> list[AnyPanel]:
    used = total(exact("imgrender_period_credits_used"), *ACCOUNT)
    uncertain = total(exact("imgrender_period_credits_uncertain"), *ACCOUNT)
    plan = f"max by (provider, account, plan) ({select('imgrender_plan_info')})"
    return [
        rows(
            "Accounts",
            "A row for each account, whose name opens its traffic and its findings: exact credits of the cycle, calls "
            "that may have been billed beside them, the plan, and where it leads. Compare the credits with the "
            "provider's own page; a gap is what ImgRenderLedgerDrift means.",
            [
                Column("provider", "Provider", width=110), Column("account", "Account", width=150, links=OF_ACCOUNT),
                Column("plan", "Plan", width=90), Column("Value #A", "Credits used", "locale"),
                Column("Value #B", "Perhaps billed", "locale"), Column("Value #C", "Plan's credits", "locale"),
                Column("Value #D", "Used", "percentunit", SHARE, decimals=1),
                Column("Value #E", "Projected", "percentunit", SHARE, decimals=1),
                Column("Value #F", "Cycle ends in", "s", decimals=1),
            ],
            Ask(used), Ask(uncertain), Ask(f"{plan} * on (provider, account) group_left () {PLAN}"),
            Ask(f"{USED} / ({PLAN} > 0)"), Ask(f"{PROJECTED} / ({PLAN} > 0)"), Ask(LEFT),
            height=6, runbook="ImgRenderLedgerDrift", sort="Credits used", nothing="no account has used anything yet",
        ),
        _alerts(),
    ]  # fmt: skip


def _alerts() -> AnyPanel:
    by = "alertname, severity, account, app_env"
    means = {alert.alert: (alert.summary, None) for alert in source().alerts}
    return rows(
        "Alerts",
        "Our alerts that fire, and those that are about to (pending), with the time for which their condition has "
        "lasted. The name opens its runbook: what it means, how to find the cause, what to do.",
        [
            Column("alertname", "Alert", links=(("Runbook", "${runbooks}#${__value.raw}"),), width=290),
            Column("alertstate", "State", words={"firing": ("firing", BAD), "pending": ("pending", WARN)}, width=80),
            Column("Value #B", "For", "s", decimals=1, width=90), Column("severity", "Severity", width=80),
            Column("account", "Account", width=110), Column("app_env", "Environment", width=105),
            Column("means", "Means", words=means, wrapped=True),
        ],
        Ask(f'label_join(max by ({by}, alertstate) (ALERTS{{{ALERTS}}}), "means", "", "alertname")'),
        Ask(f"time() - max by ({by}) (ALERTS_FOR_STATE{{{ALERTS}}})"),
        height=9, tall=True, sort="For", nothing="none fires; without the exporter and its rules none could",
    )  # fmt: skip
