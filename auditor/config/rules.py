"""`[rules.NAME]`: whether a rule runs, and its own options, as the rule's `Options` type declares them."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from auditor.config import values
from auditor.config.table import CheckedTable
from auditor.model.options import Option, options_of
from auditor.registry import RULES


def settings_of_rules(tables: Iterable[tuple[str, CheckedTable]], *, own: bool) -> dict[str, Any]:
    """Fields of `Settings` that the tables below `[rules]` set, by name.

    `options` are instances of a rule's `Options` by rule, where its table sets any; options that the stages before the
    rules have to know are fields of their own. Without *own*, options of a rule itself are not looked at, and it is not
    imported.
    """
    disabled, options, found = set(), {}, dict[str, Any]()
    for name, table in tables:
        if name not in RULES and name not in RULES.allowed:
            raise table.fail("", f"is unknown; rules are {', '.join(RULES)}")
        if not table.take("enabled", values.flag, default=True):
            disabled.add(name)
        if table.values.keys() <= {"enabled"} or not own or name not in RULES:
            continue
        kind, taken = RULES[name].Options, {}
        for key, shape, default, option in options_of(kind):
            taken[key] = table.take(key, partial(_value, shape, option), default)
            if option.setting:
                found[option.setting] = taken[key]
        options[name] = table.all_of(kind(**taken))
    return {**found, "disabled": frozenset(disabled), "options": options}


def _value(kind: Any, option: Option, value: Any) -> Any:
    """A value as its field has it; `ValueError` where the type or the bounds do not allow it."""
    if option.choices:
        chosen = values.names(value)
        if unknown := chosen - set(option.choices):
            known = ", ".join(option.choices)
            raise ValueError(f"= {min(unknown)!r} is no {option.called}; {option.called.split()[0]}s are {known}")
        return tuple(name for name in option.choices if name in chosen)
    found = values.READERS[kind](value)
    if (option.least is not None and found < option.least) or (option.most is not None and found > option.most):
        limits = [f"{word} {edge}" for word, edge in (("from", option.least), ("to", option.most)) if edge is not None]
        raise ValueError(f"= {value!r} is out of range; allowed is {' '.join(limits)}")
    return found
