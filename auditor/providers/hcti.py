"""HTML/CSS to Image (hcti.io). Every answer says in its headers what it cost and what is left.

Plans as a directory lists them (2026-06-20), not from the provider itself: check them against your invoice and
override them with `[plans.hcti.NAME]`.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TypedDict
from urllib.parse import quote

import orjson

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade, Quota, listed
from auditor.model.errors import InvalidRequestError, QuotaExceededError, RenderError
from auditor.model.provider import FORMAT_OF, Answer, Call, Picture, Provider, credits_of, error_of, size_of
from auditor.model.usage import Usage, number
from auditor.providers import catalogue

_LISTED = (
    "https://apis.io/providers/htmlcsstoimage (unverified directory entry)", date(2026, 6, 20), Grade.UNVERIFIED,
)  # fmt: skip
_PAID = {
    "1,000": ("14.00", 1_000), "3,000": ("29.00", 3_000), "10,000": ("69.00", 10_000), "30,000": ("149.00", 30_000),
    "65,000": ("249.00", 65_000), "100,000": ("375.00", 100_000), "200,000": ("749.00", 200_000),
    "350,000": ("1225.00", 350_000), "500,000": ("1650.00", 500_000), "1,000,000": ("3000.00", 1_000_000),
}  # fmt: skip
_OPTIONS = {"format", "device_scale", "viewport_width", "viewport_height"}
_FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_TILE, _DIGITS = 8000, 9
_DAY, _SHORTEST = 86_400, 30 * 86_400
"""Seconds. For how long the smaller plans find what was rendered; the others do for longer."""
_FORMAT = r"(?:[./](?P<format>png|jpe?g|webp|pdf))?/?"
_GET = frozenset({"GET"})
_IGNORED = ("dedupe_duration_s",)
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
            raise ValueError(f"{name!r} is not an option of hcti; options are {', '.join(sorted(_OPTIONS))}")
        if checked.get("format") == "jpg":
            checked["format"] = "jpeg"
        if "format" in checked and checked["format"] not in _FORMATS:
            raise ValueError(f"format={checked['format']!r}: hcti knows {', '.join(_FORMATS)}")
        return checked

    def call(self, base_url: str, api_key: str, template: str, overrides: bytes, options: Mapping[str, Any]) -> Call:
        """The overrides are the template's values; the format is chosen by the suffix of the image's address."""
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
        """An address that stays, or what a signed address gives; `x-renders-consumed` says what it cost."""
        known = FORMAT_OF.get(answer.media_type)
        credits = HCTI.cost(Decimal(1), answer.headers) or Decimal(0)
        if known is not None and answer.content:
            return Picture(answer.content, None, answer.media_type, known, *size_of(answer.content), credits=credits)
        url = answer.document.get("url")
        if not isinstance(url, str) or not url:
            raise InvalidRequestError("the answer holds no address", status=answer.status, credits=None)
        allowed, used = (credits_of(answer.headers.get(f"x-renders-{name}")) for name in ("allowed", "used"))
        known = str(options.get("format", "png"))
        return Picture(
            None,
            f"{url}.{known}" if "format" in options else url,
            _FORMATS[known],
            known,
            credits=credits,
            remaining=None if allowed is None or used is None else max(allowed - used, Decimal(0)),
        )

    def error(self, answer: Answer) -> RenderError:
        """A 429 is the plan's limit: image creation has no rate limit, and waiting does not restore credits."""
        status = answer.status
        said = str(answer.document.get("message") or answer.document.get("error") or f"HTTP {status}")[:200]
        if HCTI.quota.used_up(status, answer.content):
            return QuotaExceededError(f"hcti says: {said}", status=status)
        return error_of(status, f"hcti says: {said}")


def _price(image: Mapping[str, Any]) -> Decimal | None:
    """One credit for each 5 seconds of delay, begun or not, and one for each tile of a jumbo image."""
    delay, width, height = (_whole(image.get(name, 0)) for name in ("ms_delay", "jumbo_max_width", "jumbo_max_height"))
    if delay is None or width is None or height is None:
        return None
    return Decimal(max(1, _parts(delay, 5000)) + _parts(width, _TILE) * _parts(height, _TILE))


def _parts(whole: int, part: int) -> int:
    return -(-whole // part)


def _whole(value: Any) -> int | None:
    """A number from 0 on, as JSON or a query has it; null is none."""
    text = str(value or 0).removesuffix(".0")
    return int(text) if value is not True and text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def _deduplicates(image: Mapping[str, Any]) -> bool:
    """HTML for 30 days or more, by plan; screenshots of a URL only where the call asks for it."""
    window = _whole(image.get("dedupe_duration_s", 0 if image.get("url") else _SHORTEST))
    return window is not None and window >= _DAY


def _usage(document: Mapping[str, Any], now: datetime) -> Usage:
    """Of the billing period that is now; hours, days and months are the same images again."""
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
    endpoints=(
        Endpoint(r"/v1/image/?", named="html", ignored=_IGNORED, price=_price, deduplicates=_deduplicates),
        Endpoint(r"/v1/image/batch/?", named="batch", images=listed("variations", "default_options"), price=_price),
        Endpoint(
            r"/v1/image/(?P<template>[^/]+)(?:/(?P<template_version>\d+))?/?", overrides="template_values", price=_price
        ),
        # Signed addresses: the token follows from the query, and is no part of what makes the image.
        Endpoint(rf"/v1/image/create-and-render/[^/]+/[^/.]+{_FORMAT}", _GET, named="create-and-render", price=_price),
        Endpoint(rf"/v1/image/(?P<template>[^/]+)/[^/.]+{_FORMAT}", _GET, options=frozenset({"template_version"})),
    ),
    auth=_AUTH,
    quota=Quota(frozenset({402, 429})),
    consumed="x-renders-consumed",
    billing=Billing(
        source="https://docs.htmlcsstoimage.com/parameters/dedupe_duration_s/",
        checked=date(2026, 11, 30),
        grade=Grade.PROVIDER,
    ),
    usage_url="https://hcti.io/v1/usage",
    usage=_usage,
    notes=(
        "overage, $10 for 1,000, has to be switched on for the account",
        "repeats of identical HTML are free for 30 days (Free, Basic), 180 (Pro) or 365 (Scale), as far as they are "
        "found; of screenshots only on request; of templates, signed addresses and batches never",
        "a delay above 5, 10 and 15 s costs 2, 3 and 4 credits (https://docs.htmlcsstoimage.com/parameters/ms_delay/)",
        "a jumbo image costs 1 credit more for each tile of 8,000 x 8,000 px "
        "(https://docs.htmlcsstoimage.com/guides/advanced/jumbo-images/)",
        "its own pages call the plans Free, Basic, Pro and Scale: the directory, which has other names, may be stale",
    ),
    api=Hcti(),
)
