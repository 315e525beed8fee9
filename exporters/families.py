"""Samples of one collection, and what keeps their labels few."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from auditor.metrics import FINDINGS, LEDGER, Bounded, Definition

_DEFINITIONS = {definition.name.removeprefix("imgrender_"): definition for definition in (*LEDGER, *FINDINGS)}
Value = Decimal | int | float


class Families:
    """Samples of one collection, added up where labels fall together."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[tuple[str, ...], Decimal]] = {name: {} for name in _DEFINITIONS}

    def add(self, name: str, labels: Iterable[str], value: Value) -> None:
        """Add to a sample."""
        samples, key = self._samples[name], tuple(labels)
        samples[key] = samples.get(key, Decimal(0)) + Decimal(str(value))

    def put(self, name: str, labels: Iterable[str], value: Value) -> None:
        """A sample that does not add up: the larger of two."""
        samples, key = self._samples[name], tuple(labels)
        samples[key] = max(samples.get(key, Decimal(str(value))), Decimal(str(value)))

    def take(self, others: "Families") -> None:
        """Add all samples of a collector that worked."""
        for name, samples in others._samples.items():
            for labels, value in samples.items():
                self.add(name, labels, value)

    def metrics(self) -> Iterable[Metric]:
        """As prometheus_client writes them; families without a sample are left out."""
        for name, samples in self._samples.items():
            if samples:
                family = _family(_DEFINITIONS[name])
                for labels, value in samples.items():
                    family.add_metric(list(labels), float(value))
                yield family


def _family(definition: Definition) -> Any:
    kind = CounterMetricFamily if definition.type == "counter" else GaugeMetricFamily
    return kind(definition.name, definition.help, labels=definition.labels)


class Folded:
    """Which values of each label became `other`; they are kept as hashes, since anybody's text may be long."""

    def __init__(self) -> None:
        self._values: dict[str, set[int]] = {}

    def bounded(self, label: str, known: Iterable[str] = ()) -> Bounded:
        """The bound of a label, which tells here what it folds."""
        values = self._values.setdefault(label, set())
        return Bounded(lambda value: values.add(hash(value)), known)

    def add_to(self, families: Families) -> None:
        """How many, by label."""
        for label, values in self._values.items():
            families.add("label_values_dropped_total", (label,), len(values))
