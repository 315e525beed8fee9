"""HTML/CSS to Image (hcti.io). Every answer says in its headers what it cost and what is left.

Plans as a directory lists them (2026-06-20), not from the provider itself: check them against your invoice and
override them with `[plans.hcti.NAME]`.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypedDict
from urllib.parse import SplitResult, quote

import orjson

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade, Quota, Seen
from auditor.model.errors import InvalidRequestError, QuotaExceededError, RenderError
from auditor.model.fingerprint import parsed
from auditor.model.provider import Answer, Call, Picture, Provider, error_of
from auditor.model.usage import Usage, number
from auditor.providers import catalogue

_LISTED = (
    "https://apis.io/providers/htmlcsstoimage (unverified directory entry)", date(2026, 6, 20), Grade.UNVERIFIED,
)  # fmt: skip
_PAID = {
    "1,000": ("14.00", 1_000), "3,000": ("29.00", 3_000), "10,000": ("69.00", 10_000), "30,000": ("149.00", 30_000),
    "65,000": ("249.00", 65_000), "100,000": ("375.00", 100_000),
}  # fmt: skip
_OPTIONS = {"format", "device_scale", "viewport_width", "viewport_height"}
_FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_PATH = re.compile(r"/v1/image/([^/]+)/?")
_AUTH = Auth(scheme="Basic")


class HctiOptions(TypedDict, total=False):
    """What `render` takes for hcti."""

    format: Literal["png", "jpeg", "jpg", "webp"] | None
    device_scale: float | None
    viewport_width: int | None
    viewport_height: int | None


class Hcti:
    """`POST https://hcti.io/v1/image/{template}` with Basic authentication; the key is `user_id:api_key`."""

    base_url = "https://hcti.io/v1/image"
    per_second = 10.0
    key_variable = "HCTI_API_KEY"

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """`format` (png, jpeg, webp), `device_scale`, `viewport_width` and `viewport_height`."""
        checked = {name: value for name, value in given.items() if value is not None}
        for name in checked.keys() - _OPTIONS:
            raise ValueError(f"{name!r} is no option of hcti; options are {', '.join(sorted(_OPTIONS))}")
        if checked.get("format") == "jpg":
            checked["format"] = "jpeg"
        if "format" in checked and checked["format"] not in _FORMATS:
            raise ValueError(f"format={checked['format']!r}: hcti knows {', '.join(_FORMATS)}")
        return checked

    def call(self, base_url: str, api_key: str, template: str, overrides: bytes, options: Mapping[str, Any]) -> Call:
        """The overrides are the template's values; the format is chosen by the suffix of the picture's address."""
        pairs = b"".join(
            b',"%b":%b' % (name.encode(), orjson.dumps(value)) for name, value in options.items() if name != "format"
        )
        return Call(
            "POST",
            f"{base_url}/{quote(template, safe='')}",
            {**_AUTH.headers(api_key), "content-type": "application/json"},
            b'{"template_values":%b%b}' % (overrides, pairs),
        )

    def picture(self, answer: Answer, options: Mapping[str, Any]) -> Picture:
        """An address that stays; `x-renders-consumed` says what it cost, which need not be 1."""
        url = answer.document.get("url")
        if not isinstance(url, str) or not url:
            raise InvalidRequestError("the answer holds no address", status=answer.status, credits=None)
        allowed, used = _number(answer, "x-renders-allowed"), _number(answer, "x-renders-used")
        consumed = _number(answer, "x-renders-consumed")
        known = str(options.get("format", "png"))
        return Picture(
            None,
            f"{url}.{known}" if "format" in options else url,
            _FORMATS[known],
            known,
            credits=Decimal(1) if consumed is None else consumed,
            remaining=None if allowed is None or used is None else max(allowed - used, Decimal(0)),
        )

    def error(self, answer: Answer) -> RenderError:
        """A 429 is the plan's limit: image creation has no rate limit, and waiting does not restore credits."""
        status = answer.status
        said = str(answer.document.get("message") or answer.document.get("error") or f"HTTP {status}")[:200]
        if HCTI.quota.used_up(status, answer.content):
            return QuotaExceededError(f"hcti says: {said}", status=status)
        return error_of(status, f"hcti says: {said}")

    def recognise(self, method: str, url: SplitResult, content: bytes) -> Seen | None:
        """A POST that renders a template; pictures that are fetched cost nothing."""
        match = _PATH.fullmatch(url.path)
        if url.hostname not in HCTI.hosts or match is None or method != "POST":
            return None
        try:
            document = parsed(content or b"{}")
        except ValueError:
            return None
        values = document.get("template_values", {}) if isinstance(document, dict) else {}
        options = {name: document[name] for name in sorted(_OPTIONS) if name in document}
        return Seen(match[1], values if isinstance(values, dict) else {}, options)


def _number(answer: Answer, header: str) -> Decimal | None:
    try:
        value = Decimal(answer.headers.get(header, ""))
    except InvalidOperation:
        return None
    return value if value.is_finite() and value >= 0 else None


def _usage(document: Mapping[str, Any], now: datetime) -> Usage:
    """Of the billing period that is now; hours, days and months are the same pictures again."""
    for period in document["per_billing_period"]:
        start, end = (datetime.fromisoformat(period[name]) for name in ("start", "end"))
        if start <= now < end:
            return Usage(number(period["total_images"]), None)
    raise LookupError("no billing period is now")


HCTI = Provider(
    name="hcti",
    hosts=("hcti.io",),
    plans=(
        *catalogue("hcti", {"Free": ("0.00", 50)}, *_LISTED),
        *catalogue("hcti", _PAID, *_LISTED, overage=Decimal("0.01")),
    ),
    endpoints=(Endpoint(r"/v1/image(?:/(?P<template>[^/]+))?/?"),),
    auth=_AUTH,
    quota=Quota(frozenset({402, 429})),
    # `x-renders-consumed` says what each picture cost.
    billing=Billing(source="https://docs.htmlcsstoimage.com", checked=date(2026, 9, 30), grade=Grade.PROVIDER),
    usage_url="https://hcti.io/v1/usage",
    usage=_usage,
    notes=("overage, $10 for 1,000, has to be switched on for the account",),
    api=Hcti(),
)
