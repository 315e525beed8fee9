"""Creatomate (creatomate.com): images and video. Prices from a rival's comparison (March 2026).

They are prices of 1,000 and of 10,000 images a month; what happens beyond is not said. Override them with
`[plans.creatomate.NAME]`.
"""

from datetime import date

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade
from auditor.model.provider import Provider
from auditor.providers import catalogue

_RIVAL = "https://www.imejis.io/blogs/comparisons/image-api-checklist-choose-provider"
_DIRECTORY = "https://apis.io/providers/creatomate (unverified directory entry)"
_CHECKED = date(2026, 3, 31)
_PLANS = {"1,000": ("54.00", 1_000), "10,000": ("129.00", 10_000)}

CREATOMATE = Provider(
    name="creatomate",
    hosts=("api.creatomate.com",),
    plans=catalogue("creatomate", _PLANS, _RIVAL, _CHECKED, Grade.THIRD_PARTY, limit_known=False),
    endpoints=(
        Endpoint(
            r"/v[12]/renders/?",
            template="template_id",
            overrides="modifications",
            ignored=("webhook_url", "metadata"),
            dry="dry_run",
        ),
    ),
    auth=Auth(scheme="Bearer"),
    billing=Billing(sizes=(), source=_DIRECTORY, checked=date(2026, 6, 20), grade=Grade.UNVERIFIED),
    notes=(
        "a trial of 50 credits, once",
        "a minute of 720p video costs about 14 credits (the directory)",
        "plans of the directory, without prices: Essential 2,000 credits, Growth 10,000–40,000, Beyond 50,000–200,000",
        "a call with `dry_run` costs nothing; files expire after 30 days (https://creatomate.com/llms/api.md)",
    ),
)
