"""RenderForm (renderform.io): a server cache that a `version` in the call goes around; unused credits roll over.

No plan is listed, since no source gives credits with their price. Describe yours with `[plans.renderform.NAME]`.
"""

from datetime import date

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade
from auditor.model.provider import Provider
from auditor.model.usage import fields

RENDERFORM = Provider(
    name="renderform",
    hosts=("get.renderform.io",),
    endpoints=(
        Endpoint(
            r"/api/v2/render/?",
            template="template",
            overrides="data",
            ignored=("webhookUrl", "metadata", "fileName", "expires")
        ),
    ),
    auth=Auth("x-api-key"),
    billing=Billing(source="https://renderform.io/docs/api/render-image", checked=date(2026, 11, 22),
                    grade=Grade.PROVIDER),
    usage_url="https://get.renderform.io/api/v1/usage",
    usage=fields(("credits.used", "credits.total")),
    notes=(
        "prices are unknown: from about $9 a month (a rival's page, undated)",
        "50 watermarked images a month are free, and unused credits roll over (a rival's page, March 2026)",
        "whether a repeat that its cache serves is billed is not said",
    ),
)  # fmt: skip
