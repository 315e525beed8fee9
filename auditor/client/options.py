"""What type checkers know of a call: the options of each provider, and those of every call."""

from typing import Literal, TypedDict

from auditor.client.arguments import Seconds
from auditor.providers.hcti import HctiOptions
from auditor.providers.imejis import ImejisOptions

Imejis = Literal["imejis"]
Hcti = Literal["hcti"]


class CallOptions(TypedDict, total=False):
    """Of every call; `Renderer.render` says what they mean."""

    placement: str | None
    template_version: str | None
    ttl: Seconds | None
    timeout: Seconds | None
    refresh: bool
    stale_if_error: Seconds | None


class ImejisCall(CallOptions, ImejisOptions, total=False):
    """A call to Imejis."""


class HctiCall(CallOptions, HctiOptions, total=False):
    """A call to hcti."""
