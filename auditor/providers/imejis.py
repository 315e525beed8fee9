"""Imejis.io. Plans from the provider's cost guide, "Cost optimization for image APIs at scale".

The render API as its public clients use it: POST with a key in a header, credits reported only in the body of a 429.
A 429 is a throttle only if it is not about the plan: `reason` and `data` tell, the status does not.
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Literal, TypedDict
from urllib.parse import quote, urlencode

from auditor.model.endpoints import Auth, Billing, Endpoint, Grade, Quota
from auditor.model.errors import (
    AuthenticationError,
    InvalidRequestError,
    NoPlanError,
    QuotaExceededError,
    RenderError,
    ThrottledError,
)
from auditor.model.provider import FORMAT_OF, Answer, Call, Picture, Provider, error_of, seconds, size_of
from auditor.providers import catalogue

_SOURCE = "https://www.imejis.io/blogs/tutorials/cost-optimization-image-api-scale"
_CHECKED = date(2026, 11, 22)
_PLANS = {"Free": ("0.00", 100), "Basic": ("14.99", 1_000), "Pro": ("24.99", 10_000)}
_FORMATS = ("png", "jpeg", "webp", "pdf")
_DELIVERIES = ("stream", "hosted", "signed")
_OPTIONS = {"format", "quality", "delivery", "expiresIn"}
_AUTH = Auth("dma-api-key", query=frozenset({"dma-api-key"}))


class ImejisOptions(TypedDict, total=False):
    """What `render` takes for Imejis."""

    format: Literal["png", "jpeg", "jpg", "webp", "pdf"] | None
    quality: int | None
    """Of a JPEG, 1–100."""
    delivery: Literal["stream", "hosted", "signed"] | None
    expires_in: int | None
    """Minutes, 1–10080; only with delivery="signed"."""


class Imejis:
    """render.imejis.io; `https://api.imejis.io/api/designs` is understood as a base URL too, the older host."""

    base_url = "https://render.imejis.io/v1"
    per_second = 10.0
    key_variable = "IMEJIS_API_KEY"

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """`format`, `quality` (JPEG, 1–100), `delivery` and `expires_in` (minutes, 1–10080, signed only)."""
        checked = {_NAMES.get(name, name): value for name, value in given.items() if value is not None}
        for name in checked.keys() - _OPTIONS:
            raise ValueError(f"{name!r} is not an option of Imejis; options are format, quality, delivery, expires_in")
        if checked.get("format") == "jpg":
            checked["format"] = "jpeg"
        _one_of(checked, "format", _FORMATS)
        _one_of(checked, "delivery", _DELIVERIES)
        _between(checked, "quality", 1, 100)
        _between(checked, "expiresIn", 1, 10_080)
        if "expiresIn" in checked and checked.get("delivery") != "signed":
            raise ValueError("expires_in is only for delivery='signed'")
        return checked

    def call(self, base_url: str, api_key: str, template: str, overrides: bytes, options: Mapping[str, Any]) -> Call:
        """`POST /v1/{design}`: options in the query, overrides as the body."""
        query = urlencode(options)
        url = f"{base_url}/{quote(template, safe='')}" + (f"?{query}" if query else "")
        return Call("POST", url, {**_AUTH.headers(api_key), "content-type": "application/json"}, overrides)

    def picture(self, answer: Answer, options: Mapping[str, Any]) -> Picture:
        """Bytes for `stream`, an address for `hosted` and `signed`; the older host answers either way."""
        del options  # the answer says what it is
        media_type = answer.media_type or "image/png"
        if media_type != "application/json":
            picture_format = FORMAT_OF.get(media_type)
            if picture_format is None or not answer.content:
                raise InvalidRequestError(f"the answer is not an image but {media_type}, {len(answer.content)} bytes",
                                          status=answer.status, credits=None)  # fmt: skip
            width, height = size_of(answer.content)
            return Picture(answer.content, None, media_type, picture_format, width, height)
        document = answer.document
        url = document.get("url")
        if not isinstance(url, str) or not url:
            raise InvalidRequestError("the answer holds neither an image nor an address", status=answer.status,
                                      credits=None)  # fmt: skip
        picture_format = {"jpg": "jpeg"}.get(str(document.get("format")), document.get("format"))
        known = picture_format if picture_format in _FORMATS else None
        media_type = {"pdf": "application/pdf"}.get(str(known), f"image/{known}") if known else "text/uri-list"
        return Picture(None, url, media_type, known, expires_at=seconds(document.get("expiresAt")))

    def error(self, answer: Answer) -> RenderError:
        """By both shapes: `{success, message, reason, data}` of quotas and `{success, error}` of keys."""
        document, status = answer.document, answer.status
        said = str(document.get("message") or document.get("error") or f"HTTP {status}")[:200].rstrip(".")
        request_id = str(document["requestId"])[:64] if isinstance(document.get("requestId"), str) else None
        facts: dict[str, Any] = {"status": status, "request_id": request_id}
        if status == 429:
            return self._limited(document, answer, said, facts)
        if status == 404 and "key" in said.lower():
            return AuthenticationError(f"Imejis says: {said}", **facts)
        return error_of(retry_after=_after(answer), said=f"Imejis says: {said}", **facts)

    def _limited(self, document: Mapping[str, Any], answer: Answer, said: str, facts: Mapping[str, Any]) -> RenderError:
        if document.get("reason") == "no-plan":
            return NoPlanError(f"Imejis says: {said}", **facts)
        data = document.get("data")
        resets = seconds(data.get("resetAt")) if isinstance(data, dict) else None
        if IMEJIS.quota.used_up(429, said.encode()) or (isinstance(data, dict) and data.get("remaining") == 0):
            return QuotaExceededError(f"Imejis says: {said}", resets_at=resets, **facts)
        wait = _after(answer)
        if wait is None and resets is not None:
            wait = max(0.0, resets - self._clock())
        return ThrottledError(f"Imejis says: {said}", retry_after=wait, **facts)


_NAMES = {"expires_in": "expiresIn"}


def _one_of(options: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> None:
    if name in options and options[name] not in allowed:
        raise ValueError(f"{name}={options[name]!r}: Imejis knows {', '.join(allowed)}")


def _between(options: Mapping[str, Any], name: str, low: int, high: int) -> None:
    value = options.get(name, low)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name}={value!r}: a whole number from {low} to {high} is needed")


def _after(answer: Answer) -> float | None:
    """`Retry-After` in seconds; the date form is not used by this API."""
    text = answer.headers.get("retry-after", "")
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d+)?", text) else None


IMEJIS = Provider(
    name="imejis",
    hosts=("render.imejis.io", "api.imejis.io"),
    plans=catalogue("imejis", _PLANS, _SOURCE, _CHECKED, Grade.PROVIDER),
    endpoints=(
        # A GET has its overrides, and often the key, in the query.
        Endpoint(r"/(?:v1|api/designs)/(?P<template>[^/]+)/?", frozenset({"GET", "POST"}), options=frozenset(_OPTIONS)),
    ),
    auth=_AUTH,
    quota=Quota(says=r"\bquota\b"),
    billing=Billing(sizes=(), repeats=True, source=_SOURCE, checked=_CHECKED, grade=Grade.PROVIDER),
    api=Imejis(),
)
