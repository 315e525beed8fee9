"""Renders that need not have waited for a request, as a simulation tells of them."""

from typing import Annotated

from msgspec import Meta, Struct

from auditor.model.numbers import ratio
from auditor.model.plans import moment
from auditor.results.document import Count, Share, Time
from auditor.simulation.batch import TOP, Batch, Renders

Hour = Annotated[int, Meta(ge=0, le=23)]


class Subject(Struct, frozen=True):
    """Where some renders were made."""

    provider: str
    account: str
    environment: str
    template: str


class SteadyKey(Subject, frozen=True):
    """A key that is asked for day by day."""

    key: str
    renders: Count


class Burst(Subject, frozen=True):
    """New keys of one template, one after the other."""

    start: Time
    renders: Count


class Steady(Struct, frozen=True):
    """The first renders of a day, of keys that are asked for day by day."""

    keys: Count
    renders: Count
    top: Annotated[tuple[SteadyKey, ...], Meta(max_length=TOP)]


class Bursts(Struct, frozen=True):
    """The first renders of new keys."""

    bursts: Count
    renders: Count
    top: Annotated[tuple[Burst, ...], Meta(max_length=TOP)]


class PeakHours(Struct, frozen=True):
    """What can move out of one account's peak hours."""

    provider: str
    account: str
    online_renders: Count
    movable: Count
    movable_share: Share | None
    peak_hours: tuple[Hour, ...]
    movable_in_peak_hours: Count
    busiest_hour: Count
    busiest_hour_then: Count


class Ahead(Struct, frozen=True):
    """Renders that need not have waited for a request."""

    steady: Steady
    bursts: Bursts
    accounts: tuple[PeakHours, ...]


def ahead(batch: Batch) -> Ahead:
    """What could have been made ahead."""

    def subject(each: Renders) -> tuple[str, str, str, str]:
        unit = batch.units[each.unit]
        return unit.provider, unit.account, unit.environment, unit.template

    steady = tuple(SteadyKey(*subject(each), batch.keys[each.row], each.renders) for each in batch.steady[:TOP])
    bursts = tuple(Burst(*subject(each), moment(each.first_us), each.renders) for each in batch.bursts[:TOP])
    return Ahead(
        Steady(len(batch.steady), sum(each.renders for each in batch.steady), steady),
        Bursts(len(batch.bursts), sum(each.renders for each in batch.bursts), bursts),
        tuple(
            PeakHours(
                each.payer.provider, each.payer.account, each.online, each.movable, ratio(each.movable, each.online),
                each.hours, each.movable_in_peak, each.busiest_hour, each.busiest_hour_then,
            )
            for each in batch.peaks
        ),
    )  # fmt: skip
