"""Imejis.io. Plans from the provider's cost guide, "Cost optimization for image APIs at scale"."""

from datetime import date
from decimal import Decimal

from auditor.plans import Plan
from auditor.providers.base import Provider

_SOURCE = "https://www.imejis.io/blogs/tutorials/cost-optimization-image-api-scale"
_CHECKED = date(2026, 11, 22)


def _plan(name: str, price: str, included: int) -> Plan:
    return Plan("imejis", name, Decimal(price), Decimal(included), source=_SOURCE, checked=_CHECKED)


IMEJIS = Provider(
    name="imejis",
    hosts=("render.imejis.io", "api.imejis.io"),
    plans=(_plan("Free", "0.00", 100), _plan("Basic", "14.99", 1_000), _plan("Pro", "24.99", 10_000)),
    terms="no published rule on several accounts of one customer was found",
)
