"""Bannerbear (bannerbear.com): asynchronous by default, with a host that answers when the image is there.

Plans as a directory lists them (2026-06-20); a rival's comparison of March 2026 has the same two smaller prices.
Check them against your invoice and override them with `[plans.bannerbear.NAME]`.
"""

from datetime import date

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade, listed, several
from auditor.model.provider import Provider
from auditor.model.usage import fields
from auditor.providers import catalogue

_DIRECTORY = "https://apis.io/providers/bannerbear (unverified directory entry)"
_CREDITS = "https://www.bannerbear.com/help/articles/203-what-are-api-credits/"
_IGNORED = ("webhook_url", "metadata", "project_id")
_PLANS = {"Automate": ("49.00", 1_000), "Scale": ("149.00", 10_000), "Enterprise": ("299.00", 20_000)}

BANNERBEAR = Provider(
    name="bannerbear",
    hosts=("api.bannerbear.com", "sync.api.bannerbear.com"),
    plans=catalogue("bannerbear", _PLANS, _DIRECTORY, date(2026, 6, 20), Grade.UNVERIFIED),
    endpoints=(
        Endpoint(r"/v[25]/images/?", template="template", overrides="modifications", ignored=_IGNORED),
        # One image for each template of the set, and nothing says how many these are.
        Endpoint(r"/v2/collections/?", template="template_set", overrides="modifications", ignored=_IGNORED,
                 images=several),
        Endpoint(r"/v2/animated_gifs/?", template="template", ignored=_IGNORED, images=listed("frames")),
        Endpoint(r"/v2/screenshots/?", named="screenshot", ignored=_IGNORED),
        Endpoint(r"/v5/batches/?", named="batch", images=listed("items")),
    ),
    auth=Auth(scheme="Bearer"),
    billing=Billing(sizes=((3000, 1),), beyond=3, pdf_page=3, source=_CREDITS, checked=date(2026, 11, 22),
                    grade=Grade.PROVIDER),
    usage_url="https://api.bannerbear.com/v2/account",
    usage=fields(("api_usage", "api_quota"), ("quota.current", "quota.max")),
    notes=(
        "the directory gives the Enterprise price as from $299",
        "a trial of 30 credits, once",
        "the bandwidth of a plan is limited apart from its credits, and may be billed",
        "of the calls to its API only POST counts "
        "(https://www.bannerbear.com/help/articles/251-api-requests-count-against-my-quota, 2026-11-30)",
        "face detection costs 2 credits, a GIF 1 a frame",
        "keys of version 5 have an account address of their own: https://api.bannerbear.com/v5/account",
    ),
)  # fmt: skip
