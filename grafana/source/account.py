"""What is known of an account, by our recording rules and by its plan, and how that is called and colored."""

from auditor_exporter.alerts import Parameters

from grafana.source.panels import BAD, GOOD, WARN
from grafana.source.queries import record, select

LIMITS = Parameters()
NAME = "{{account}}"
USED = record("account:imgrender_period_credits_used:sum")
PLAN = record("account:imgrender_plan_credits:max")
PROJECTED = record("account:imgrender_period_projected:sum")
LEFT = record("account:imgrender_period_left:seconds")
OVERAGE = f"max by (provider, account, currency) ({select('imgrender_plan_overage_price')})"
PRICE = f"max by (provider, account, currency) ({select('imgrender_plan_price')})"
SHARE = ((None, GOOD), (LIMITS.almost, WARN), (1.0, BAD))
ALERTS = 'alertname=~"ImgRender.+",job=~"$job"'
FIRING = f'ALERTS{{alertstate="firing",{ALERTS}}}'
WITHOUT_PLAN = "no data: the plan or the recording rules are missing, see What is missing"
NO_PLAN = "no plan known"
NO_AUDIT = "no audit yet"
