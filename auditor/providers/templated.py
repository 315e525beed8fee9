"""Templated (templated.io): synchronous, one credit a picture or PDF page.

Plans as a directory lists them (2026-06-25), not from the provider itself: prices of a month where a year is paid at
once; by the month they are higher, and no page says by how much. What happens beyond the included credits is
not said anywhere that was found. Check them against your invoice and override them with `[plans.templated.NAME]`.
"""

from datetime import date

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade
from auditor.model.provider import Provider
from auditor.model.usage import fields
from auditor.providers import catalogue

_DIRECTORY = "https://apis.io/providers/templated (unverified directory entry)"
_CHECKED = date(2026, 6, 25)
_PLANS = {"Starter": ("29.00", 1_000), "Scale": ("79.00", 5_000), "Enterprise": ("179.00", 25_000)}

TEMPLATED = Provider(
    name="templated",
    hosts=("api.templated.io",),
    plans=catalogue("templated", _PLANS, _DIRECTORY, _CHECKED, Grade.UNVERIFIED, limit_known=False),
    endpoints=(
        Endpoint(
            r"/v1/render/?", template="template", overrides="layers", ignored=("webhook_url", "metadata", "external_id")
        ),
    ),
    auth=Auth(scheme="Bearer"),
    billing=Billing(sizes=(), pdf_page=1, source=_DIRECTORY, checked=_CHECKED, grade=Grade.UNVERIFIED),
    usage_url="https://api.templated.io/v1/account",
    usage=fields(("apiUsage", "apiQuota")),
    notes=(
        "a trial of 50 credits, once",
        "all prices are those of a month where a year is paid at once; by the month they are higher (the directory)",
    ),
)
