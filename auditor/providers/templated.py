"""Templated (templated.io): synchronous, one credit an image or PDF page.

Plans as a directory lists them (2026-06-25), not from the provider itself: $29, $79 and $179 a month, all billed
yearly. Billed monthly they cost more, and no page says by how much. What happens beyond the included credits is not
said anywhere that was found. Check them against your invoice and override them with `[plans.templated.NAME]`.
"""

from datetime import date

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade
from auditor.model.provider import Provider
from auditor.model.usage import fields
from auditor.providers import catalogue

_DIRECTORY = "https://apis.io/providers/templated (unverified directory entry)"
_CHECKED = date(2026, 6, 25)
_PLANS = {"Starter": ("348.00", 1_000), "Scale": ("948.00", 5_000), "Enterprise": ("2148.00", 25_000)}
"""Twelve of the listed months, since the year is paid at once; credits are for a month."""

TEMPLATED = Provider(
    name="templated",
    hosts=("api.templated.io",),
    plans=catalogue("templated", _PLANS, _DIRECTORY, _CHECKED, Grade.UNVERIFIED, period="year", limit_known=False),
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
        "all listed prices are billed yearly; billed monthly the plans cost more (the directory)",
    ),
)
