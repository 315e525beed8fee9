"""Samples of one collection, and what keeps their labels few."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from auditor.model.errors import AuditorError
from auditor.model.metrics import FINDINGS, LABEL_CAP, LEDGER, OTHER, USAGE, Bounded
from auditor.model.settings import Settings

_DEFINITIONS = {definition.name.removeprefix("imgrender_"): definition for definition in (*LEDGER, *USAGE, *FINDINGS)}
Value = Decimal | int | float


class StaleError(AuditorError):
    """What a collector added is the newest that it knows, and not new."""


class Families:
    """Samples of one collection, added up where labels fall together."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[tuple[str, ...], Decimal]] = {name: {} for name in _DEFINITIONS}
        self._began: dict[tuple[str, tuple[str, ...]], float] = {}

    def add(self, name: str, labels: Iterable[str], value: Value) -> None:
        """Add to a sample."""
        samples, key = self._samples[name], tuple(labels)
        samples[key] = samples.get(key, Decimal(0)) + Decimal(str(value))

    def put(self, name: str, labels: Iterable[str], value: Value) -> None:
        """A sample that does not add up: the larger of two."""
        samples, key = self._samples[name], tuple(labels)
        samples[key] = max(samples.get(key, Decimal(str(value))), Decimal(str(value)))

    def began(self, name: str, labels: Iterable[str], when: float) -> None:
        """When a counter began, in seconds since 1970; 0 if that is not known. The earliest counts."""
        key = (name, tuple(labels))
        self._began[key] = min(self._began.get(key, when), when)

    def take(self, others: "Families") -> None:
        """Add all samples of a collector that worked."""
        for name, samples in others._samples.items():
            for labels, value in samples.items():
                self.add(name, labels, value)
        for (name, labels), when in others._began.items():
            self.began(name, labels, when)

    def metrics(self) -> Iterable[Metric]:
        """As prometheus_client writes them; families without a sample are left out."""
        for name, samples in self._samples.items():
            if samples:
                definition = _DEFINITIONS[name]
                kind: Any = CounterMetricFamily if definition.type == "counter" else GaugeMetricFamily
                family = kind(definition.name, definition.help, labels=definition.labels)
                for labels, value in samples.items():
                    began = self._began.get((name, labels))
                    family.add_metric(list(labels), float(value), **({"created": began} if began else {}))
                yield family


PLACES = 200
"""Combinations of an account with what is below it, as environments, that keep their label; the rest is `other`."""


class Folded:
    """Which values of each label became `other`; they are kept as hashes, since anybody's text may be long."""

    def __init__(self) -> None:
        self._values: dict[str, set[int]] = {}

    def bounded(self, label: str, known: Iterable[str] = (), cap: int = LABEL_CAP) -> Bounded:
        """The bound of a label, which tells here what it folds."""
        values = self._values.setdefault(label, set())
        return Bounded(lambda value: values.add(hash(value)), known, cap)

    def tell(self, label: str, value: tuple[str, ...]) -> None:
        """A combination that became `other`."""
        self._values.setdefault(label, set()).add(hash(value))

    def add_to(self, families: Families) -> None:
        """How many, by label."""
        for label, values in self._values.items():
            families.add("label_values_dropped_total", (label,), len(values))


class Labels:
    """Labels of accounts, and of what is *below* them: so few that a page stays short, whatever stands in the data.

    Configured accounts, *more* of them, pairs of (provider, account), and *known* names below keep theirs, and so do
    as many other *accounts*.
    """

    def __init__(
        self, folded: Folded, settings: Settings, below: str, known: Iterable[str] = (),
        more: Iterable[tuple[str, str]] = (), accounts: int = LABEL_CAP,
    ) -> None:  # fmt: skip
        self._folded, self._label = folded, below
        more = set(more)
        self._providers = folded.bounded("provider", {*settings.catalogue, *(provider for provider, _ in more)})
        names = {*settings.accounts, *(name for _, name in more)}
        self._accounts = folded.bounded("account", names, len(names) + accounts)
        self._below = folded.bounded(below, known)
        self._known = frozenset(known)
        self._configured = frozenset((account.provider, name) for name, account in settings.accounts.items()) | more
        self._payers: set[tuple[str, ...]] = set(self._configured)
        self._most = len(self._configured) + accounts
        self._places: set[tuple[str, ...]] = set()

    def payer(self, provider: str, account: str) -> tuple[str, str]:
        """(provider, account); what is empty stays empty."""
        pair = provider and self._providers(provider), account and self._accounts(account)
        if pair[1] in ("", OTHER) or _first(self._payers, pair, self._most):
            return pair
        self._folded.tell("account", (provider, account))
        return pair[0], OTHER

    def place(self, provider: str, account: str, name: str, *more: str) -> tuple[str, str, str]:
        """(provider, account, name); *more* makes the combination, and is not in the answer."""
        place = (*self.payer(provider, account), name and self._below(name))
        always = place[2] in ("", OTHER) or (place[:2] in self._configured and name in self._known)
        if always or _first(self._places, (*place, *more), PLACES):
            return place
        self._folded.tell(self._label, (provider, account, name))
        return *place[:2], OTHER


def _first(seen: set[tuple[str, ...]], key: tuple[str, ...], cap: int) -> bool:
    if key not in seen and len(seen) < cap:
        seen.add(key)
    return key in seen
