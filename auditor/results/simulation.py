"""Simulation, JSON v1: the public shape, frozen apart from the internal types, with a JSON Schema in the package."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, TextIO

from auditor.analysis.facts import NAMES
from auditor.model.numbers import number, ratio
from auditor.model.plans import cents, moment
from auditor.results.document import utc, written
from auditor.results.inputs import Inputs
from auditor.simulation.batch import TOP, Batch, Renders
from auditor.simulation.rows import Bill, Outcome, Row, Setting, Simulation, Template
from auditor.system.indented import indented

SCHEMA = "render-auditor/simulation/v1"


@dataclass(frozen=True, slots=True)
class Simulated:
    """One run of `auditor simulate`."""

    simulation: Simulation
    inputs: Inputs
    window: tuple[datetime, datetime] | None
    options: Mapping[str, Any]
    generated_at: datetime
    batch: Batch | None = None
    """Asked for with --batch."""


def write(result: Simulated, out: TextIO) -> None:
    """Write the document, keys in the order of the schema, and a newline."""
    out.write(indented(document(result)) + "\n")


def document(result: Simulated) -> dict[str, Any]:
    """The simulation as plain data."""
    from auditor.version import __version__

    simulation = result.simulation
    start, end = result.window or (None, None)
    asked = simulation.logged.outcome
    return {
        "schema": SCHEMA,
        "tool_version": __version__,
        "generated_at": utc(result.generated_at),
        "window": {"start": utc(start) if start else None, "end": utc(end) if end else None},
        "options": dict(result.options),
        "inputs": written(result.inputs),
        "demand": asked.requests,
        "demand_bytes": asked.bytes,
        "logged": {**_figures(simulation.logged), "credits_uncertain": asked.uncertain},
        "rows": [_row(row) for row in simulation.rows],
        "recommendation": _chosen(simulation.best) if simulation.best else None,
        "knee": _knee(simulation.knee) if simulation.knee else None,
        "fewest_credits": _chosen(simulation.fewest) if simulation.fewest else None,
        "templates": [_template(each) for each in simulation.templates],
        "each_template_its_own": _figures(simulation.each_best) if simulation.each_best else None,
        "batch": _batch(result.batch) if result.batch else None,
    }


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "ttl_seconds": None if setting.ttl_us is None else number(Fraction(setting.ttl_us, 10**6)),
        "coalescing": setting.coalescing,
        "capacity_entries": setting.entries,
        "capacity_bytes": setting.bytes,
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "renders": outcome.renders,
        "hits": outcome.hits,
        "coalesced": outcome.coalesced,
        "served_ratio": ratio(outcome.hits + outcome.coalesced, outcome.requests),
        "miss_ratio": ratio(outcome.renders, outcome.requests),
        "byte_miss_ratio": ratio(outcome.missed_bytes, outcome.bytes),
        "credits": number(outcome.credits) if outcome.known else None,
        "stale_served": outcome.stale,
    }


def _figures(row: Row) -> dict[str, Any]:
    return {**_outcome(row.outcome), "bill": [_bill(bill) for bill in row.bills]}


def _row(row: Row) -> dict[str, Any]:
    return {**_setting(row.setting), **_figures(row)}


def _bill(bill: Bill) -> dict[str, Any]:
    plan = bill.payer.plan
    currencies = [known.currency for known in (plan, bill.cheapest) if known is not None]
    return {
        "provider": bill.payer.provider,
        "account": bill.payer.account,
        "credits": None if bill.credits is None else number(bill.credits),
        "currency": currencies[0] if currencies else None,
        "plan": plan.name if plan else None,
        "bill": cents(bill.bill),
        "cheapest_plan": bill.cheapest.name if bill.cheapest else None,
        "cheapest_bill": cents(bill.cheapest_bill),
    }


def _knee(row: Row) -> dict[str, Any]:
    return {"ttl_seconds": _setting(row.setting)["ttl_seconds"], "renders": row.outcome.renders}


def _chosen(row: Row) -> dict[str, Any]:
    return {
        **_setting(row.setting),
        "renders": row.outcome.renders,
        "credits": number(row.outcome.credits),
        "stale_served": row.outcome.stale,
    }


def _template(each: Template) -> dict[str, Any]:
    return {
        "provider": each.payer.provider,
        "account": each.payer.account,
        "template": each.template,
        "demand": each.best.outcome.requests,
        "recommendation": _chosen(each.best),
        "rows": [{**_setting(row.setting), **_outcome(row.outcome)} for row in each.rows],
    }


def _batch(batch: Batch) -> dict[str, Any]:
    units = batch.units

    def subject(each: Renders) -> dict[str, Any]:
        return {name: str(units[name].iloc[each.unit]) for name in NAMES}

    return {
        "steady": {
            "keys": len(batch.steady),
            "renders": sum(each.renders for each in batch.steady),
            "top": [
                {**subject(each), "key": batch.keys[each.row], "renders": each.renders} for each in batch.steady[:TOP]
            ],
        },
        "bursts": {
            "bursts": len(batch.bursts),
            "renders": sum(each.renders for each in batch.bursts),
            "top": [
                {**subject(each), "start": utc(moment(each.first_us)), "renders": each.renders}
                for each in batch.bursts[:TOP]
            ],
        },
        "accounts": [
            {
                "provider": peak.payer.provider,
                "account": peak.payer.account,
                "online_renders": peak.online,
                "movable": peak.movable,
                "movable_share": ratio(peak.movable, peak.online),
                "peak_hours": list(peak.hours),
                "movable_in_peak_hours": peak.movable_in_peak,
                "busiest_hour": peak.busiest_hour,
                "busiest_hour_then": peak.busiest_hour_then,
            }
            for peak in batch.peaks
        ],
    }
