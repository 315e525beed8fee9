"""The overview: will the plan last, and is money being lost."""

from typing import Any

from auditor_exporter.alerts import Parameters

from grafana.source.frame import assembled
from grafana.source.panels import BAD, GOOD, WARN, AnyPanel, Ask, Column, graph, number, ranking, rows
from grafana.source.queries import ACCOUNT, DELIVERED, SERVED, exact, growth, ratio, record, select, speed, total

LIMITS = Parameters()
NAME = "{{account}}"
USED = record("account:imgrender_period_credits_used:sum")
PLAN = record("account:imgrender_plan_credits:max")
PROJECTED = record("account:imgrender_period_projected:sum")
BY_SHARE = record("account:imgrender_period_projected_by_share:sum")
ELAPSED = record("account:imgrender_period_elapsed:ratio")
EARLY = 0.1
"""Share of the cycle before which the part that is over says nothing of the rest."""
LEFT = record("account:imgrender_period_left:seconds")
COUNTED = record("account:imgrender_provider_credits_used:max")
LASTS = record("account:imgrender_plan_lasts:seconds")
BURN = record("account:imgrender_plan_burn:ratio_long")
OVERAGE = f"max by (provider, account, currency) ({select('imgrender_plan_overage_price')})"
SHARE = ((None, GOOD), (LIMITS.almost, WARN), (1.0, BAD))
FIRING = 'ALERTS{alertstate="firing",alertname=~"ImgRender.+",job=~"$job"}'
UNASKED = "no count: no [usage.ACCOUNT] in auditor.toml"
WITHOUT_RULES = "no data: is grafana/rules loaded, and the account's plan in auditor.toml?"


def dashboard(runbooks: str) -> dict[str, Any]:
    """As Grafana reads it."""
    return assembled(
        "overview",
        "Will the plan's credits last to the end of the billing cycle, and are some of them spent for nothing? "
        "Credits are the ledger's exact sums. Needs the exporter and the recording rules of grafana/rules.",
        {
            "Will the plan last?": _plan(), "Is money being lost?": _waste(),
            "Does the provider count the same?": _provider(), "Does all usage arrive?": _arrival(),
            "Accounts and alerts": _details(),
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
            nothing=WITHOUT_RULES, width=5, decimals=1,
        ),
        number(
            "Projected at the end",
            "Credits used at the end of the cycle if the rest of it goes as the last week went, as a share of the plan."
            " Above 100 % the plan runs out: open the findings and fix the most severe, or take the plan that is "
            "recommended there.",
            "percentunit", Ask(f"{PROJECTED} / ({PLAN} > 0)", NAME), steps=SHARE,
            runbook="ImgRenderCreditsProjectedOverPlan", nothing=WITHOUT_RULES, width=5, decimals=0,
        ),
        number(
            "Credits last for",
            "How long the rest of the plan lasts at the pace of the next 60 hours, as the last week and the last days "
            "have them; compare with the end of the cycle. Red below 60 hours. Stop what can wait (batches, staging), "
            "or take a larger plan now.",
            "s", Ask(LASTS, NAME), steps=((None, BAD), (60 * 3600, WARN), (10 * 86_400, GOOD)),
            runbook="ImgRenderCreditsExhaustSoon", nothing="nothing is spent", width=5, decimals=1,
        ),
        number(
            "Cycle ends in", "Time to the end of the billing cycle; credits that are left then are lost.", "s",
            Ask(LEFT, NAME), nothing=WITHOUT_RULES, width=5, decimals=1,
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
            dashed=".* (plan|projected)", runbook="ImgRenderCreditsProjectedOverPlan", nothing=WITHOUT_RULES, width=8,
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
            runbook="ImgRenderCreditsProjectedOverPlan", nothing=WITHOUT_RULES, width=8, height=9,
        ),
        graph(
            "Overage of the cycle",
            "What the provider bills for credits beyond the plan, beside the plan's price, in the plan's currency; for "
            "plans without a hard cap. Compare it with the price of the next larger plan.",
            "none", Ask(f"clamp_min({USED} - {PLAN}, 0) * on (provider, account) group_right () {OVERAGE}",
                        "{{account}} {{currency}}"),
            runbook="ImgRenderOverageBill", nothing="no plan with overage", width=8, height=9,
        ),
    ]  # fmt: skip


def _waste() -> list[AnyPanel]:
    outside = exact("imgrender_period_credits_used", 'production="false"')
    duplicates = total(speed("imgrender_duplicate_renders_total"))
    delivered = total(growth("imgrender_requests_total", DELIVERED, window="1d"), *ACCOUNT)
    price = f"max by (provider, account, currency) ({select('imgrender_plan_price')})"
    period = record("account:imgrender_period:seconds")
    return [
        number(
            "Wasted, as the audit says",
            "Credits that the newest audit calls needless, of all it looked at. Open the findings: each names its "
            "cure.",
            "percentunit", Ask(ratio(total(exact("imgrender_waste_credits")), total(exact("imgrender_audit_credits")))),
            steps=((None, GOOD), (0.1, WARN), (0.3, BAD)), nothing="no audit yet", width=6, decimals=1, named=False,
        ),
        number(
            "Non-production credits",
            "Exact credits of this cycle that tests, previews and staging spent. Point them at a free account or at "
            "`auditor sandbox`.",
            "short", Ask(total(outside) + " or vector(0)"), steps=((None, GOOD), (1, WARN)),
            runbook="ImgRenderCreditsOutsideProduction", width=6, named=False,
        ),
        number(
            "Renders again",
            "Share of the renders of the shown time whose picture was there already. Above 5 % callers go around the "
            "cache: share one (Redis), and let identical calls wait for the first.",
            "percentunit", Ask(ratio(total(growth("imgrender_duplicate_renders_total")),
                                     total(growth("imgrender_requests_total", 'result="render"')))),
            steps=((None, GOOD), (LIMITS.duplicates, BAD)), runbook="ImgRenderDuplicateRenders", width=6,
            decimals=1, nothing="no renders", named=False,
        ),
        number(
            "Alerts that fire",
            "How many of our alerts fire now; the table at the end names them. Not green and not empty, since without "
            "the exporter all are silent: then ImgRenderExporterDown fires.",
            "short", Ask(f"count({FIRING}) or vector(0)"), steps=((None, GOOD), (1, BAD)), width=6, named=False,
        ),
        ranking(
            "Waste by cause",
            "Credits that the newest audit calls needless, each for exactly one cause: staging traffic, simultaneous "
            "identical calls (coalesce them), repeats (cache them), inputs that change nothing (leave them out).",
            "short", Ask(f"sort_desc({total(exact('imgrender_waste_credits'), 'cause')})", "{{cause}}"),
            nothing="no audit yet",
        ),
        graph(
            "Credits an hour",
            "The speed at which credits go, by environment, and how much of it renders pictures again that were there "
            "(dashed). A step up without more visitors is a deploy, an emptied cache or a crawler.",
            "short", Ask(total(speed("imgrender_credits_used_total"), "app_env") + " * 3600", "{{app_env}}"),
            Ask(f"{duplicates} * 3600", "needless"), dashed="needless", runbook="ImgRenderCreditsFastBurn", width=16,
        ),
        graph(
            "Cost of a delivered picture",
            "The plan's price for a day, over the pictures that callers got in the last day, hits among them: what a "
            "picture costs on the bill, unused credits included. It rises when caching falls or the plan is too large.",
            "none", Ask(f"{price} / on (provider, account) group_left () ({period} > 0) * 86400"
                        f" / on (provider, account) group_left () ({delivered} > 0)", "{{account}} {{currency}}"),
            nothing="no plan with a price, or nothing delivered",
        ),
        graph(
            "Burn rate",
            "How many times faster than evenly the plan was used up in the last hour: at 1 it lasts exactly one cycle. "
            "A loop or an emptied cache shows at once; from 14.4 on, 2 % of a month's plan go in an hour.",
            "short", Ask(BURN, NAME), steps=((None, "transparent"), (1, WARN), (14.4, BAD)),
            runbook="ImgRenderCreditsFastBurn", nothing=WITHOUT_RULES,
        ),
    ]  # fmt: skip


def _provider() -> list[AnyPanel]:
    drift = f"abs({COUNTED} - {USED}) / ({PLAN} > 0)"
    told = exact("imgrender_credits_remaining_timestamp_seconds")
    return [
        graph(
            "Credits, by the ledger and by the provider",
            "The ledger's exact credits of the cycle and what the provider itself says was used (dashed): by its usage "
            "address, else by its answers to renders. The lines lie on each other. Where the provider's is higher, "
            "somebody else uses the key or a host ships no events; the provider's plan shows a wrong one in "
            "auditor.toml.",
            "short", Ask(f"{USED} and on (provider, account) {COUNTED}", f"{NAME} ledger"),
            Ask(COUNTED, f"{NAME} provider"), Ask(exact("imgrender_provider_plan_credits"), f"{NAME} provider's plan"),
            dashed=".* (provider|provider's plan)", runbook="ImgRenderLedgerDrift", nothing=UNASKED,
        ),
        number(
            "Difference",
            "How far the provider's count is from the ledger's, as a share of the plan. Red from 2 %: find who else "
            "uses the key, and the hosts whose events do not arrive.",
            "percentunit", Ask(drift, NAME), steps=((None, GOOD), (LIMITS.drift, BAD)),
            runbook="ImgRenderLedgerDrift", nothing=UNASKED, height=8, decimals=2,
        ),
        number(
            "Provider: left",
            "Credits that the provider itself says are left in its period. Believe it rather than the plan in "
            "auditor.toml: it is what refuses renders.",
            "short", Ask(total(exact("imgrender_credits_remaining"), *ACCOUNT), NAME), nothing=UNASKED, height=8,
        ),
        number(
            "Provider: age",
            "How long ago the provider was last heard. From an hour on its key is wrong or it does not answer: see "
            "ImgRenderCollectorFails, and the exporter's log.",
            "s", Ask(f"clamp_min(time() - max by (provider, account) ({told}), 0)", NAME),
            steps=((None, GOOD), (3600, WARN)), runbook="ImgRenderCollectorFails", nothing=UNASKED, height=8,
        ),
    ]  # fmt: skip


def _arrival() -> list[AnyPanel]:
    beat = exact("imgrender_ingest_last_success_timestamp_seconds")
    source = exact("imgrender_source_last_seen_timestamp_seconds")
    return [
        number(
            "Usage is as old as",
            "How long ago an ingester last looked for usage. From a quarter of an hour on, credits look flat and are "
            "not: start the ingester again.",
            "s", Ask(f"clamp_min(time() - max ({beat}), 0)"),
            steps=((None, GOOD), (LIMITS.stale_seconds, BAD)), runbook="ImgRenderIngestStale",
            nothing="no ingester", width=6, decimals=0, named=False,
        ),
        number(
            "Lines not counted",
            "Lines of the shown time that are in no figure: no usage events (rejected), older than what was pruned "
            "(late), or not to be booked (set_aside). The ingester's log names file, line and reason.",
            "short", Ask(total(growth("imgrender_ledger_lines_total", 'fate=~"rejected|late|set_aside"'), "fate"),
                         "{{fate}}"),
            steps=((None, GOOD), (0.5, BAD)), runbook="ImgRenderLinesRejected", width=6, decimals=0,
        ),
        number(
            "Files set aside",
            "Files that cannot be read to their end: what they hold is in no figure. `auditor ledger show` names each, "
            "with the reason and since when.",
            "short", Ask(f"max ({exact('imgrender_ingest_files_set_aside')})"), steps=((None, GOOD), (1, BAD)),
            runbook="ImgRenderFilesSetAside", width=6, named=False,
        ),
        number(
            "Files that differ",
            "How often an auditor.toml contradicts the ledger about a billing day, time zone or plan, once for each "
            "file and account. The ledger's values count; `auditor ledger show` prints both.",
            "short", Ask(f"sum ({exact('imgrender_ledger_config_conflict')})"), steps=((None, GOOD), (1, WARN)),
            runbook="ImgRenderConfigConflict", width=6, named=False,
        ),
        rows(
            "Sources",
            "Each file or folder that an ingester follows, and how long ago it was last read. Orange from a quarter of "
            "an hour on: that host's usage is missing, while credits of the others look right.",
            [
                Column("source", "Source"),
                Column("Value #A", "Last read", "s", ((None, GOOD), (LIMITS.stale_seconds, WARN)), decimals=0),
                Column("Value #B", "Never read", "short", ((None, GOOD), (1, WARN))),
            ],
            Ask(f"clamp_min(time() - (max by (source) ({source}) > 0), 0)"),
            Ask(f"max by (source) ({source}) == bool 0"),
            width=14, height=6, runbook="ImgRenderSourceStale", sort="Last read",
        ),
        rows(
            "Accounts that differ",
            "Accounts about which an auditor.toml contradicts the ledger; no account is the time zone of all.",
            [Column("provider", "Provider"), Column("account", "Account")],
            Ask(f"{total(exact('imgrender_ledger_config_conflict'), *ACCOUNT)} > 0"), width=10, height=6,
            runbook="ImgRenderConfigConflict",
        ),
    ]  # fmt: skip


def _details() -> list[AnyPanel]:
    used = total(exact("imgrender_period_credits_used"), *ACCOUNT)
    uncertain = total(exact("imgrender_period_credits_uncertain"), *ACCOUNT)
    plan = f"max by (provider, account, plan) ({select('imgrender_plan_info')})"
    return [
        rows(
            "Accounts",
            "A row for each account: exact credits of the cycle, calls that may have been billed beside them, the "
            "plan, and where it leads. Compare the credits with the provider's own page; a gap is what "
            "ImgRenderLedgerDrift means.",
            [
                Column("provider", "Provider", width=110), Column("account", "Account", width=150),
                Column("plan", "Plan", width=90), Column("Value #A", "Credits used", "locale"),
                Column("Value #B", "Perhaps billed", "locale"), Column("Value #C", "Plan's credits", "locale"),
                Column("Value #D", "Used", "percentunit", SHARE, decimals=1),
                Column("Value #E", "Projected", "percentunit", SHARE, decimals=1),
                Column("Value #F", "Cycle ends in", "s", decimals=1),
            ],
            Ask(used), Ask(uncertain), Ask(f"{plan} * on (provider, account) group_left () {PLAN}"),
            Ask(f"{USED} / ({PLAN} > 0)"), Ask(f"{PROJECTED} / ({PLAN} > 0)"), Ask(LEFT),
            height=6, runbook="ImgRenderLedgerDrift", sort="Credits used",
        ),
        rows(
            "Alerts",
            "Our alerts that fire now. The name opens its runbook: what it means, how to find the cause, what to do.",
            [
                Column("alertname", "Alert", link="${runbooks}#${__value.raw}", width=320),
                Column("severity", "Severity"), Column("account", "Account"), Column("app_env", "Environment"),
            ],
            Ask(f"max by (alertname, severity, account, app_env) ({FIRING})"), height=6,
        ),
    ]  # fmt: skip
