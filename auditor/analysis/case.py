"""Audit: what a rule is, and what every rule is given."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, Protocol

from auditor.analysis.bills import Bill
from auditor.analysis.facts import Facts
from auditor.analysis.walk import Replayed
from auditor.model.findings import Finding
from auditor.model.measurements import Measured
from auditor.model.options import NoOptions
from auditor.model.waste import Cause


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that stands in an input: where, under which name, on how many lines, and masked."""

    path: str
    name: str
    lines: int
    masked: str


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that an audit may look at."""

    facts: Facts
    replayed: Replayed
    bills: tuple[Bill, ...]
    secrets: tuple[Secret, ...]
    credits: Fraction
    """Known credits of the window, the whole that severities are measured by."""
    requests: Callable[[Sequence[int]], Mapping[int, str]] = field(default=lambda _: {})
    """Row of a record of a foreign log -> its request for people: the path and the names of its parameters."""
    measured: tuple[Measured, ...] = ()
    """Images that `auditor inspect` measured, if it did."""

    def payer_of(self, unit: int) -> int:
        """The code of the account that pays for a unit."""
        return self.facts.units[unit].payer


class Rule(Protocol):
    """One rule. Its module's docstring is its manual page."""

    id: str
    """Kebab-case, the name of the fault; the file's name with hyphens."""
    summary: str
    causes: ClassVar[Collection[Cause]] = ()
    """Of the waste that its findings are about: a cheaper bill may need them to be mended (section 12)."""
    Options: ClassVar[type[Any]] = NoOptions
    """A frozen dataclass of fields annotated with `Option`: the keys of `[rules.NAME]` beside `enabled`."""

    def findings(self, case: Case) -> Iterable[Finding]:
        """What it finds."""
