"""APITemplate.io (apitemplate.io): images and PDF from templates, overage only for Enterprise customers.

Only the free plan has both a price and credits in what was found (a directory, 2026-05-08). Describe yours with
`[plans.apitemplate.NAME]`.
"""

from datetime import date

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade
from auditor.model.provider import Provider
from auditor.providers import catalogue

_DIRECTORY = "https://apis.io/rate-limits/apitemplate (unverified directory entry)"
_CHECKED = date(2026, 5, 8)

APITEMPLATE = Provider(
    name="apitemplate",
    hosts=("rest.apitemplate.io", "rest-us.apitemplate.io", "rest-de.apitemplate.io", "rest-au.apitemplate.io"),
    plans=catalogue("apitemplate", {"Free": ("0", 50)}, _DIRECTORY, _CHECKED, Grade.UNVERIFIED),
    endpoints=(
        Endpoint(r"/v2/create-(?:image|pdf)/?", template="template_id", ignored=("meta",)),
    ),
    auth=Auth("x-api-key"),
    billing=Billing(source=_DIRECTORY, checked=_CHECKED, grade=Grade.UNVERIFIED),
    notes=("prices of the plans with 1,500, 9,000 and 20,000 images and PDF are unknown",),
)  # fmt: skip
