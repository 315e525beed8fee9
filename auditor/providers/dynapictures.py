"""DynaPictures (dynapictures.com): synchronous. Plans and rules of billing were not found: nothing is assumed.

Describe your plan with `[plans.dynapictures.NAME]`.
"""

from auditor.model.endpoints import Auth, Billing, Endpoint
from auditor.model.provider import Provider

DYNAPICTURES = Provider(
    name="dynapictures",
    hosts=("api.dynapictures.com",),
    endpoints=(
        Endpoint(r"/designs/(?P<template>[^/]+)/?", overrides="params", ignored=("metadata",)),
    ),
    auth=Auth(scheme="Bearer"),
    billing=Billing(),
    notes=("plans, usage and rules of billing are unknown",),
)  # fmt: skip
