"""Options of a rule: a frozen dataclass whose fields are the keys of `[rules.NAME]`, with defaults and bounds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, get_type_hints

from auditor.model.words import ttl_words

_COLUMN = 19
"""Where the words behind a short option begin on a manual page."""


@dataclass(frozen=True, slots=True)
class NoOptions:
    """What a rule without options of its own declares."""


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of an option beyond its type and default; it annotates its field."""

    words: str
    """What it means, with its unit, for the manual page."""
    least: Any = None
    most: Any = None
    choices: tuple[str, ...] = ()
    """The only words that a list may hold, in the order in which it is kept."""
    called: str = "choice"
    """What one of the choices is."""
    setting: str = ""
    """The field of `Settings` that it sets, for what the stages before the rules have to know."""


def options_of(kind: type[Any]) -> Iterator[tuple[str, Any, Any, Option]]:
    """(name, type, default, option) of each field of an `Options` type."""
    hints = get_type_hints(kind, include_extras=True)
    for each in fields(kind):
        (option,) = hints[each.name].__metadata__
        yield each.name, hints[each.name].__origin__, each.default, option


def manual(rule: str, kind: type[Any]) -> Iterator[str]:
    """The lines of a manual page for the table of a rule, as auditor.toml has it with the defaults."""
    yield f"[rules.{rule}]"
    for name, _, default, option in options_of(kind):
        text = f"{name} = {_toml(default)}"
        yield f"{text:<{max(_COLUMN, len(text) + 5)}}{option.words}"
    yield "enabled = true"


def _toml(value: Any) -> str:
    if isinstance(value, timedelta):
        return json.dumps(ttl_words(value // timedelta(microseconds=1)))
    return json.dumps(value) if isinstance(value, bool | str | tuple) else str(value)
