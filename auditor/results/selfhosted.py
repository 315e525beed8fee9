"""The comparison with rendering at home as JSON v1."""

from typing import Any, TextIO

from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.planning.selfhosted import Comparison, volumes
from auditor.results.plan import plan_document
from auditor.system.indented import indented

SCHEMA = "render-auditor/self-hosted/v1"


def write_json(found: Comparison, own: int | None, out: TextIO) -> None:
    """Write the document, keys in the order of the schema, and a newline."""
    from auditor.version import __version__

    low, high = found.own
    document = {
        "schema": SCHEMA,
        "tool_version": __version__,
        "provider": found.provider,
        "currency": found.plans[0].currency if found.plans else None,
        "assumptions": [
            {
                "name": each.name, "meaning": each.words, "unit": each.unit, "low": number(each.low),
                "high": number(each.high), "source": each.source,
                "checked": each.checked.isoformat() if each.checked else None,
            }
            for each in found.assumptions.values()
        ],
        "plans": [plan_document(plan) for plan in found.plans],
        "self_hosted": {"low": cents(low), "high": cents(high)},
        "break_even": {
            name: {"calls": even.calls, "plans_known_to": even.known_to}
            for name, even in zip(("low", "high"), found.break_even(), strict=True)
        },
        "points": [_point(found, calls, own) for calls in volumes(found, own)],
    }  # fmt: skip
    out.write(indented(document) + "\n")


def _point(found: Comparison, calls: int, own: int | None) -> dict[str, Any]:
    bought, cache = found.bought(calls), found.cache
    return {
        "calls": calls,
        "yours": calls == own,
        "plan": bought[0].name if bought else None,
        "bill": cents(bought[1]) if bought else None,
        "provider_low": cents(bought[1] + cache[0]) if bought else None,
        "provider_high": cents(bought[1] + cache[1]) if bought else None,
    }
