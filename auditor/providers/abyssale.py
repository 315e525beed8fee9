"""Abyssale (abyssale.com): paid by the seat; only renders that succeed are counted.

No plan is listed: prices are for seats, and the credits that come with them were not found. Describe yours with
`[plans.abyssale.NAME]`.
"""

from datetime import date

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade, Quota
from auditor.model.provider import Provider

ABYSSALE = Provider(
    name="abyssale",
    hosts=("api.abyssale.com",),
    endpoints=(
        Endpoint(
            r"/(?:async/)?banner-builder/(?P<template>[^/]+)/generate/?",
            overrides="elements",
            ignored=("callback_url",)
        ),
    ),
    auth=Auth("x-api-key"),
    quota=Quota(says=r"API limits reached"),
    billing=Billing(sizes=(), failed=False, pdf_page=1, source="https://developers.abyssale.com/rest-api",
                    checked=date(2026, 11, 22), grade=Grade.PROVIDER),
    notes=(
        "prices are unknown: $12–60 a seat and month (a rival's page, March 2026)",
        "a trial of 30 calls, once",
        "addresses of dynamic images cost a credit the first time and are cached for a year",
    ),
)  # fmt: skip
