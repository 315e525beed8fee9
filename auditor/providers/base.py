"""Provider: the facts about one render API that bills, audits and advice rest on."""

from dataclasses import dataclass

from auditor.plans import Plan


@dataclass(frozen=True, slots=True)
class Provider:
    """One metered render API."""

    name: str
    hosts: tuple[str, ...]
    """Hosts of the API, to recognise calls in logs."""
    plans: tuple[Plan, ...]
    """The built-in catalogue; `[plans.NAME.…]` of the configuration adds to it."""
    terms: str
    """What the provider says of several accounts, or that nothing is known."""
