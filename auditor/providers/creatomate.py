"""Creatomate (creatomate.com): pictures and video. Prices from a rival's comparison (March 2026).

They are prices of 1,000 and of 10,000 pictures a month; what happens beyond is not said. Override them with
`[plans.creatomate.NAME]`.
"""

from datetime import date

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade
from auditor.model.provider import Provider
from auditor.providers import catalogue

_RIVAL = "https://www.imejis.io/blogs/comparisons/image-api-checklist-choose-provider"
_CHECKED = date(2026, 3, 31)
_PLANS = {"1,000": ("54.00", 1_000), "10,000": ("129.00", 10_000)}

CREATOMATE = Provider(
    name="creatomate",
    hosts=("api.creatomate.com",),
    plans=catalogue("creatomate", _PLANS, _RIVAL, _CHECKED, Grade.THIRD_PARTY, limit_known=False),
    endpoints=(
        Endpoint(
            r"/v[12]/renders/?", template="template_id", overrides="modifications", ignored=("webhook_url", "metadata")
        ),
    ),
    auth=Auth(scheme="Bearer"),
    billing=Billing(source=_RIVAL, checked=_CHECKED, grade=Grade.THIRD_PARTY),
    notes=("a trial of 50 credits, once", "video costs more than pictures"),
)
