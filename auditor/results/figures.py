"""The figures of a window: requests and calls, wasted credits, and what of them the log cannot tell."""

from fractions import Fraction
from typing import Annotated

from msgspec import Meta, Struct, field

from auditor.model.events import Unknown as Reason
from auditor.model.waste import Cause
from auditor.results.document import Count, Credits, Share, Some, only


class Totals(Struct, frozen=True, kw_only=True):
    """Requests, calls and credits of the window (semantics section 1)."""

    requests: Count
    hits: Count
    misses: Count
    coalesced: Count
    renders: Count
    errors: Count
    refused: Count
    retries: Count
    unresolved: Count
    credits: Credits
    credits_uncertain: Count
    bytes: Count
    hit_ratio: Share | None


class Waste(Struct, frozen=True, kw_only=True):
    """Wasted credits by their one cause (semantics section 4)."""

    staging: Credits
    concurrent: Credits
    repeat: Credits
    volatile: Credits
    failed: Credits = field(default_factory=Fraction)
    total: Credits

    def of(self, cause: Cause | str) -> Fraction:
        """The credits of one cause."""
        found = getattr(self, cause)
        assert isinstance(found, Fraction)
        return found


class Unknown(Struct, frozen=True):
    """Renders of which the log cannot tell which image they were (semantics section 11)."""

    renders: Count
    credits: Credits
    reasons: Annotated[dict[str, Some], Meta(extra_json_schema=only(*Reason))]
