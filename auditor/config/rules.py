"""`[rules.NAME]`: whether a rule runs, and its own options, as the rule's `Options` type declares them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from auditor.config import values
from auditor.config.table import CheckedTable
from auditor.model.options import Option, options_of
from auditor.registry import RULES

_CONVERT: Mapping[Any, Callable[[Any], Any]] = {
    bool: values.flag,
    str: values.text,
    int: values.whole,
    Decimal: values.money,
    timedelta: values.parse_duration,
    tuple[str, ...]: values.texts,
}


@dataclass(slots=True)
class Rules:
    """What the tables below `[rules]` set."""

    disabled: set[str] = field(default_factory=set)
    options: dict[str, Any] = field(default_factory=dict)
    """An instance of the rule's `Options` by rule, where its table sets any."""
    settings: dict[str, Any] = field(default_factory=dict)
    """By field of `Settings`: options that the stages before the rules have to know."""

    def add(self, name: str, table: CheckedTable, *, own: bool) -> None:
        """Take one table in. Without *own*, options of the rule itself are not looked at, and it is not imported."""
        if name not in RULES and name not in RULES.allowed:
            raise table.fail("", f"is unknown; rules are {', '.join(RULES)}")
        if not table.take("enabled", values.flag, default=True):
            self.disabled.add(name)
        if table.values.keys() <= {"enabled"} or not own or name not in RULES:
            return
        kind = RULES[name].Options
        found = {}
        for key, shape, default, option in options_of(kind):
            found[key] = table.take(key, partial(_value, shape, option), default)
            if option.setting:
                self.settings[option.setting] = found[key]
        table.done()
        self.options[name] = kind(**found)


def _value(kind: Any, option: Option, value: Any) -> Any:
    """A value as its field has it; `ValueError` where the type or the bounds do not allow it."""
    if option.choices:
        chosen = values.names(value)
        if unknown := chosen - set(option.choices):
            known = ", ".join(option.choices)
            raise ValueError(f"= {min(unknown)!r} is no {option.called}; {option.called.split()[0]}s are {known}")
        return tuple(name for name in option.choices if name in chosen)
    found = _CONVERT[kind](value)
    if (option.least is not None and found < option.least) or (option.most is not None and found > option.most):
        limits = [f"{word} {edge}" for word, edge in (("from", option.least), ("to", option.most)) if edge is not None]
        raise ValueError(f"= {value!r} is out of range; allowed is {' '.join(limits)}")
    return found
