"""Orshot (orshot.com): repeats that its own cache serves are billed like the first render.

Prices from a rival's comparison (March 2026). Overage is off unless the customer switches it on, so the plans are hard
caps here; override them with `[plans.orshot.NAME]`.
"""

from datetime import date

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade, Quota
from auditor.model.provider import Provider
from auditor.providers import catalogue

_RIVAL = "https://www.imejis.io/blogs/comparisons/image-api-checklist-choose-provider"
_USAGE = "https://orshot.com/docs/definitions/render-usage"
_PLANS = {"1,000": ("30.00", 1_000), "10,000": ("75.00", 10_000)}

ORSHOT = Provider(
    name="orshot",
    hosts=("api.orshot.com",),
    plans=catalogue("orshot", _PLANS, _RIVAL, date(2026, 3, 31), Grade.THIRD_PARTY),
    endpoints=(
        Endpoint(
            r"/v1/studio/render/?", template="templateId", overrides="modifications", ignored=("webhook", "metadata")
        ),
    ),
    auth=Auth(scheme="Bearer"),
    quota=Quota(says=r"subscription inactive|consumed all requests"),
    billing=Billing(
        sizes=(), repeats=True, pdf_page=1, source=_USAGE, checked=date(2026, 11, 30), grade=Grade.PROVIDER
    ),
    notes=(
        "a trial, once: 30 credits (its own page) or 60 (a rival's)",
        "overage can be switched on, with a limit; about $18 for 1,000 (a rival's page)",
        "2 of its renders are 1 credit: an image costs 1 a page (carousels and flowing text have several), a video 1 a "
        "second",
        "repeats that its cache serves are billed (https://orshot.com/help/render-usage-and-credits, 2026-11-22)",
    ),
)
