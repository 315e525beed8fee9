"""Templated (templated.io): synchronous, one credit a picture or PDF page.

Plans as a directory lists them (2026-06-25), not from the provider itself; what happens beyond the included credits is
not said anywhere that was found. Check them against your invoice and override them with `[plans.templated.NAME]`.
"""

from datetime import date
from decimal import Decimal

from auditor.model.endpoints import Auth, Billing, Endpoint
from auditor.model.plans import Grade, Plan
from auditor.model.provider import Provider
from auditor.model.usage import fields

_DIRECTORY = "https://apis.io/providers/templated (unverified directory entry)"
_CHECKED = date(2026, 6, 25)


def _plan(name: str, price: str, included: int) -> Plan:
    return Plan("templated", name, Decimal(price), Decimal(included), source=_DIRECTORY, checked=_CHECKED,
                grade=Grade.UNVERIFIED, limit_known=False)  # fmt: skip


TEMPLATED = Provider(
    name="templated",
    hosts=("api.templated.io",),
    plans=(_plan("Starter", "29.00", 1_000), _plan("Scale", "79.00", 5_000), _plan("Enterprise", "179.00", 25_000)),
    terms="no published rule on several accounts of one customer was found",
    endpoints=(
        Endpoint(
            r"/v1/render/?",
            template="template",
            overrides="layers",
            ignored=frozenset({"webhook_url", "metadata", "external_id"}),
        ),
    ),
    auth=Auth(scheme="Bearer"),
    billing=Billing(sizes=(), pdf_page=1, source=_DIRECTORY, checked=_CHECKED, grade=Grade.UNVERIFIED),
    usage_url="https://api.templated.io/v1/account",
    usage=fields(("apiUsage", "apiQuota")),
    notes=("a trial of 50 credits, once", "the directory gives the Enterprise price as billed annually"),
)
