"""Placid (placid.app): queued by default, credits by the longest side, unused credits roll over up to a limit.

No plan is listed: the sources found disagree on what 1,000 images cost. Describe yours with `[plans.placid.NAME]`.
"""

from datetime import date

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade, costs, listed
from auditor.model.provider import Provider

_CREDITS = "https://placid.app/help/how-do-placid-credits-work"
_IGNORED = ("webhook_success", "passthrough", "create_now")
_OTHERS = "templates|collections|media|videos|editor-templates|compose|accounts|images|pdfs"

PLACID = Provider(
    name="placid",
    hosts=("api.placid.app",),
    endpoints=(
        Endpoint(r"/api/rest/images/?", template="template_uuid", overrides="layers", ignored=_IGNORED),
        Endpoint(r"/api/rest/pdfs/?", named="pdf", ignored=_IGNORED, images=listed("pages"), price=costs(2)),
        Endpoint(rf"/api/rest/(?P<template>(?!(?:{_OTHERS})/?$)[^/]+)/?", overrides="layers", ignored=_IGNORED),
        # Rendered when it is first asked for and then kept for some time: what a request costs is unknown.
        Endpoint(r"/u/(?P<template>[^/]+)/?", frozenset({"GET"}), price=costs(None)),
    ),
    auth=Auth(scheme="Bearer"),
    billing=Billing(
        sizes=((4000, 1), (8000, 8), (12000, 16), (16000, 32)),
        pdf_page=2,
        source=_CREDITS,
        checked=date(2026, 11, 22),
        grade=Grade.PROVIDER,
    ),
    notes=(
        "prices are unknown: $19 for 500 credits (a rival's page, undated), $19–39 for 1,000 and about $99 or more "
        "for 10,000 (another rival's page, March 2026)",
        "no overage: rendering stops; unused credits roll over up to twice the monthly ones",
    ),
)
