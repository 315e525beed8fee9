"""The first row: what the billing cycle will cost, what of it is lost, and what to do about that."""

from grafana.source.account import FIRING, LEFT, NO_AUDIT
from grafana.source.frame import OF_ACCOUNT
from grafana.source.panels import BAD, GOOD, MONEY, UNKNOWN, WARN, AnyPanel, Ask, Column, number, rows
from grafana.source.queries import ACCOUNT, alone, exact, otherwise, ratio, select, total

PERIOD = "imgrender_period_start_timestamp_seconds"
STEPS = {"plan": ("change the plan", None), "fixes": ("fix all findings", None)}


def money() -> list[AnyPanel]:
    """Its panels."""
    bill = f"max by (provider, account, plan, currency) ({select('imgrender_period_projected_bill')})"
    saving = total(exact("imgrender_monthly_saving"), *ACCOUNT, "currency")
    return [
        number(
            "This cycle will cost",
            "The bill of the billing cycle if the rest of it goes as the last week went: the plan's price, overage and "
            "top-ups. Where a plan with a hard cap does not hold what is coming, the bill on the cheapest plan of the "
            "provider that does: its name is not that of your plan then. Needs the account's plan and a week of usage.",
            MONEY, Ask(bill, "{{account}} on {{plan}} {{currency}}"), nothing="not known yet", width=7,
        ),
        number(
            "Can be saved each month",
            "How much smaller the bill would be by what the newest audit recommends: the right plan, and the fixes on "
            "the plan that is enough after them. 0 is good: nothing to save. Below 0 the plan is too small for what is "
            "asked of it, and the larger one costs so much more. The findings have each step. Needs an audit, the "
            "account's plan, and a complete cycle or a week of usage.",
            MONEY, Ask(saving, "{{account}} {{currency}}"), steps=(UNKNOWN, (-1e9, BAD), (0, GOOD), (0.005, WARN)),
            nothing="not known yet", width=7,
        ),
        number(
            "Wasted, as the audit says",
            "Credits that the newest audit calls wasted, of all it looked at. They cost money where a smaller plan is "
            "enough without them, or where each credit is billed: see what can be saved.",
            "percentunit", Ask(ratio(total(exact("imgrender_waste_credits")), total(exact("imgrender_audit_credits")))),
            steps=((None, GOOD), (0.1, WARN), (0.3, BAD)), nothing=NO_AUDIT, decimals=1, named=False, width=5,
        ),
        number(
            "Alerts that fire",
            "How many of our alerts fire now; the table of alerts names them. Not green and not empty, since without "
            "the exporter all are silent: then ImgRenderExporterDown fires.",
            "short", Ask(f"count({FIRING}) or vector(0)"), steps=((None, GOOD), (1, BAD)), named=False, width=5,
        ),
        _to_do(),
        _fixes(),
        _missing(),
    ]  # fmt: skip


def _to_do() -> AnyPanel:
    saving = total(exact("imgrender_monthly_saving"), *ACCOUNT, "action", "plan", "currency")
    return rows(
        "What to do now",
        "What the newest audit recommends for each account, in two steps that add up to what can be saved: the plan "
        "that is right for the demand, and then all fixes, on the plan that is enough after them. Below 0 your plan is "
        "too small for the demand, and the larger one costs so much more.",
        [
            Column("action", "Step", words=STEPS, width=150),
            Column("account", "Account", links=OF_ACCOUNT[1:], width=120), Column("plan", "Plan then", width=90),
            Column("Value", "Saves a month", decimals=2, width=140), Column("currency", "Currency"),
        ],
        Ask(otherwise(f"{saving} != 0", "action", "nothing to save", select("imgrender_monthly_saving"))), width=12,
        sort="Saves a month", nothing="not known yet: an audit, the plan, or a cycle or week of usage is missing",
    )  # fmt: skip


def _fixes() -> AnyPanel:
    credits = f"{total(exact('imgrender_finding_credits'), *ACCOUNT, 'rule')} > 0"
    return rows(
        "Fix first",
        "The findings of the newest audit with the credits that they are about; the name opens how to fix it. The "
        "saving is that of fixing one finding alone, the one of the rule that saves most. It is often 0, "
        "since a plan costs the same however much of it is used, while all fixes together save: see What to do now.",
        [
            Column("rule", "Finding", links=(("How to fix it", "${runbooks}#${__value.raw}"),), width=180),
            Column("account", "Account", links=OF_ACCOUNT[1:], width=120),
            Column("Value #A", "Credits", "locale", decimals=0, width=85),
            Column("Value #B", "Saves a month", decimals=2, width=140), Column("currency", "Currency"),
        ],
        Ask(credits), Ask(alone()), width=12, sort="Credits",
        nothing="no audit yet, or it found nothing",
    )  # fmt: skip


def _missing() -> AnyPanel:
    accounts = total(select(PERIOD, 'account!="other"'), *ACCOUNT)
    plans = total(select("imgrender_plan_info"), *ACCOUNT)
    young = f"max by (provider, account) ({select('imgrender_credits_forecast_week_ratio')}) < 1"
    return rows(
        "What is missing",
        "What the panels of all dashboards need and do not have, and how to get it.",
        [
            Column("missing", "Missing", width=150), Column("account", "Account", width=120),
            Column("how", "How to get it", wrapped=True),
        ],
        _lack(
            f"{accounts} unless on (provider, account) {plans}", "plan",
            "auditor.toml: provider and plan under [accounts.ALIAS]; then reload the exporter",
        ),
        _lack(young, "week of usage", "wait: until then, the cost of the cycle is not known"),
        _lack(
            _none(select("imgrender_audit_timestamp_seconds")), "audit",
            "auditor audit --format json --output report.json, daily; auditor-exporter serve --findings report.json",
        ),
        _lack(
            f"{_none(LEFT)} and on () count({select(PERIOD)})", "recording rules",
            "load grafana/rules/imgrender.yml in Prometheus (rule_files)",
        ),
        _lack(
            _none(select("imgrender_ingest_last_success_timestamp_seconds")), "usage",
            "auditor-exporter serve --follow FOLDER, or auditor ingest",
        ),
        _lack(_none(select("imgrender_exporter_build_info")), "exporter", "start auditor-exporter serve; scrape it"),
        _lack(
            _none(select("imgrender_client_build_info")), "client metrics",
            "scrape the processes that render: waits, and the answers of the API",
        ),
        height=5, nothing="nothing is missing",
    )  # fmt: skip


def _none(selector: str) -> str:
    """A sample where there is no such series."""
    return f'label_replace(vector(1) unless on () count({selector}), "account", "all", "", "")'


def _lack(expr: str, what: str, how: str) -> Ask:
    """A row of what is missing, where *expr* has a sample."""
    return Ask(f'label_replace(label_replace({expr}, "missing", "{what}", "", ""), "how", "{how}", "", "")')
