"""Delivery: what is sent, what a way of sending is, and how settings of one are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from auditor.model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Attachment:
    """A report in one format."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One report on its way."""

    id: str
    """The same whenever the same report goes to the same place, so that a receiver can tell a second try."""
    name: str
    """Of the cycle."""
    subject: str
    lines: Sequence[str]
    """The summary; words of logs stand in it as they are."""
    attachments: Sequence[Attachment]
    document: Mapping[str, Any]
    """The report's totals and the comparison, for programs."""


class DeliveryError(Exception):
    """It did not arrive. The text names no secret.

    *again* says whether another try may help, *after* how many seconds the receiver asked to wait.
    """

    def __init__(self, what: str, *, again: bool, after: float | None = None) -> None:
        super().__init__(what)
        self.again = again
        self.after = after


class Delivery(Protocol):
    """One way of sending, made of its settings and the environment."""

    FIELDS: ClassVar[Mapping[str, str]]
    """Its settings: name -> `text`, `texts`, `port`, `flag`, or the words that are allowed, parted by `|`."""
    REQUIRED: ClassVar[frozenset[str]]
    MOST_REPORTS: ClassVar[int | None]
    """How many go with it: 0 the summary and its figures alone, None any number."""
    target: str
    """Where it goes, for people: no secret in it."""

    def __init__(self, settings: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """Take the settings; `ConfigError` where the environment lacks something."""

    def send(self, message: Message) -> None:
        """Send, or raise `DeliveryError`."""


def secret(settings: Mapping[str, Any], field_name: str, environment: Mapping[str, str]) -> str | None:
    """The value of the environment variable that a setting names; None where the setting is left out."""
    variable = settings.get(field_name)
    if variable is None:
        return None
    value = environment.get(variable, "").strip()
    if not value:
        raise ConfigError(f"the environment variable {variable} is empty; {field_name} names it, set it")
    return value
