"""Orshot (orshot.com): repeats that its own cache serves are billed like the first render.

Prices from a rival's comparison (March 2026). Overage is off unless the customer switches it on, so the plans are hard
caps here; override them with `[plans.orshot.NAME]`.
"""

from datetime import date
from decimal import Decimal

from auditor.model.endpoints import Auth, Billing, Endpoint, Quota
from auditor.model.plans import Grade, Plan
from auditor.model.provider import Provider

_RIVAL = "https://www.imejis.io/blogs/comparisons/image-api-checklist-choose-provider"
_USAGE = "https://orshot.com/help/render-usage-and-credits"


def _plan(name: str, price: str, included: int) -> Plan:
    return Plan("orshot", name, Decimal(price), Decimal(included), source=_RIVAL, checked=date(2026, 3, 31),
                grade=Grade.THIRD_PARTY)  # fmt: skip


ORSHOT = Provider(
    name="orshot",
    hosts=("api.orshot.com",),
    plans=(_plan("1,000", "30.00", 1_000), _plan("10,000", "75.00", 10_000)),
    terms="no published rule on several accounts of one customer was found",
    endpoints=(
        Endpoint(
            r"/v1/studio/render/?",
            template="templateId",
            overrides="modifications",
            ignored=frozenset({"webhook", "metadata"}),
        ),
    ),
    auth=Auth(scheme="Bearer"),
    quota=Quota(says=r"subscription inactive|consumed all requests"),
    billing=Billing(
        sizes=(), repeats=True, pdf_page=1, source=_USAGE, checked=date(2026, 11, 22), grade=Grade.PROVIDER
    ),
    notes=(
        "a trial, once: 30 credits (its own page) or 60 (a rival's)",
        "overage can be switched on, with a limit; about $18 for 1,000 (a rival's page)",
        "some templates cost 2 credits; video costs 1 a second",
    ),
)
