"""In which unit the durations of one log are, where neither a field's name nor a vendor's page says it (section 11.1).

The first values of a field decide for its whole file: the unit is the only one in which their median is as long as
requests take. Where several fit, or none, the durations are not used, and the user is asked.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

HEAD = 10_000
"""Values above 0 of each field that decide."""
SHORTEST_US, LONGEST_US = 1000, 120 * 10**6
"""Between these lies the median of what requests take."""
UNITS: Mapping[str, Decimal] = {"s": Decimal(10**6), "ms": Decimal(1000), "us": Decimal(1), "ns": Decimal("0.001")}
"""Microseconds of each unit."""
Took = tuple[tuple[str, Decimal], ...]
"""(field, value) of the durations of one record whose unit is unknown, the most telling first."""


class Units:
    """The units of one log, decided when they are first asked for."""

    def __init__(self, values: Callable[[], Iterable[Took]] = tuple, told: str | None = None) -> None:
        self._values, self._told = values, told
        self._fitting: dict[str, tuple[str, ...]] = {}
        self.unread: set[str] = set()
        """The fields of unreadable durations."""

    def micros(self, took: Took, told: str | None = None) -> tuple[int | None, bool]:
        """(microseconds, whether the unit was assumed) of a record's first duration; None where the unit is unknown.

        *told* is the unit that the table of the record's source names.
        """
        field, value = took[0]
        named = told or self._told
        fitting = (named,) if named else self.fitting(field)
        return (micros(value, UNITS[fitting[0]]), not named) if len(fitting) == 1 else (None, False)

    def fitting(self, field: str) -> tuple[str, ...]:
        """The units that fit a field."""
        if field not in self._fitting:
            self._fitting |= {name: fitting_units(values) for name, values in self._heads(field).items()}
        return self._fitting[field]

    def _heads(self, wanted: str) -> dict[str, list[Decimal]]:
        """The first values of a field, and those of the fields that were complete by then."""
        heads: dict[str, list[Decimal]] = {wanted: []}
        for took in self._values():
            for field, value in took:
                head = heads.setdefault(field, [])
                if value > 0 and len(head) < HEAD:
                    head.append(value)
            if len(heads[wanted]) == HEAD:
                return {field: head for field, head in heads.items() if len(head) == HEAD}
        return heads

    def assumed(self) -> str:
        """What was taken for the unit of which field, for people."""
        found = [f"`{field}` in {units[0]}" for field, units in sorted(self._fitting.items()) if len(units) == 1]
        return f"nothing names the unit of the durations: {', '.join(found)} is the only one that fits" if found else ""

    def not_read(self) -> str:
        """Which durations are written in a way or at a place that is not read, and which ways are."""
        if not self.unread:
            return ""
        fields = ", ".join(f"`{field}`" for field in sorted(self.unread))
        return f"the durations in {fields} are not used: log a number, or one with its unit, at the top of the record"

    def unknown(self) -> str:
        """Which durations were not used, and what answers."""
        open_ = {field: units for field, units in sorted(self._fitting.items()) if len(units) != 1}
        if not open_:
            return ""
        found = ", ".join(f"`{field}` ({' or '.join(units) or 'no unit'} fits)" for field, units in open_.items())
        possible = {unit for units in open_.values() for unit in units or UNITS}
        answers = " or ".join(f"--duration-unit {unit}" for unit in UNITS if unit in possible)
        return (
            f"nothing names the unit of the durations in {found}: they are not used; name it with {answers}, "
            "or with duration_unit in a [sources] table"
        )


def micros(value: Decimal, unit: Decimal) -> int | None:
    """Whole microseconds of a duration, None where it is longer than any can be."""
    found = value * unit
    return int(found.quantize(Decimal(1))) if found < 10**15 else None


def fitting_units(values: Iterable[Decimal | int]) -> tuple[str, ...]:
    """The units in which the median of some values is as long as requests take."""
    ordered = sorted(values)
    if not ordered:
        return ()
    median = ordered[(len(ordered) - 1) // 2]
    return tuple(name for name, unit in UNITS.items() if SHORTEST_US <= median * unit <= LONGEST_US)
