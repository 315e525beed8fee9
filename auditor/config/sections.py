"""One function for each kind of table in auditor.toml -> its frozen part of `Settings`.

A table knows where it stands, and which of its keys were not asked for.

`[rules.NAME]` says whether a rule runs, and its own options, as the rule's `Options` type declares them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar, get_args, get_type_hints
from zoneinfo import ZoneInfo

from auditor.config import values
from auditor.config.values import Readers
from auditor.model.endpoints import Grade
from auditor.model.errors import ConfigError
from auditor.model.names import available
from auditor.model.options import Option, options_of
from auditor.model.plans import Plan, TopUp
from auditor.model.settings import Account, ClientSettings, DeliverySettings, Limit, SourceTable, UsageSettings
from auditor.registry import DELIVERIES, PROVIDERS, REPORTS, RULES

T = TypeVar("T")
D = TypeVar("D")
Catalogue: TypeAlias = Mapping[str, Mapping[str, Plan]]
"""Plans by provider and name."""
_CATALOGUED: Mapping[str, Any] = {"valid_from": None, "checked": None, "grade": Grade.CONFIGURED, "limit_known": True}
"""What only the catalog of the program says of a plan."""


@dataclass(slots=True)
class CheckedTable:
    """A table that remembers which of its keys were read, so that the rest can be named as unknown."""

    values: Mapping[str, Any]
    where: str
    path: str
    known: set[str] = field(default_factory=set)

    def fail(self, key: str, message: str) -> ConfigError:
        """An error that names the file and the key."""
        return ConfigError(f"{self.where}: {'.'.join(filter(None, (self.path, key)))} {message}")

    def take(self, key: str, convert: Callable[[Any], T], default: D) -> T | D:
        """The converted value of *key*, or *default* where it is absent."""
        self.known.add(key)
        return self.need(key, convert) if key in self.values else default

    def need(self, key: str, convert: Callable[[Any], T]) -> T:
        """The converted value of *key*, an error where it is absent."""
        if key not in self.values:
            raise self.fail(key, "is missing")
        self.known.add(key)
        try:
            return convert(self.values[key])
        except (ValueError, TypeError) as error:
            raise self.fail(key, str(error)) from None

    def table(self, key: str) -> "CheckedTable":
        """The sub-table *key*, empty where it is absent."""
        self.known.add(key)
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(key, "is not a table")
        return CheckedTable(value, self.where, ".".join(filter(None, (self.path, key))))

    def tables(self, key: str | None = None) -> list[tuple[str, "CheckedTable"]]:
        """(name, table) of each table below *key*, or below this one."""
        parent = self if key is None else self.table(key)
        return [(name, parent.table(name)) for name in parent.values]

    def each(self, read: Callable[[str, "CheckedTable"], T], key: str | None = None) -> dict[str, T]:
        """What *read* makes of the name and the table of each below *key*, or below this one, by name."""
        return {name: table.all_of(read(name, table)) for name, table in self.tables(key)}

    def entries(self, key: str, read: Callable[["CheckedTable"], T]) -> list[T]:
        """What *read* makes of the tables of `[[key]]`, none where it is absent."""
        self.known.add(key)
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise self.fail(key, f"is not a list of tables; write [[{self.path}.{key}]]")
        path = ".".join(filter(None, (self.path, key)))
        tables = [CheckedTable(entry, self.where, f"{path}[{number}]") for number, entry in enumerate(value, 1)]
        return [table.all_of(read(table)) for table in tables]

    def read(self, kind: Callable[..., T], readers: Readers = MappingProxyType({}), **given: Any) -> T:
        """A dataclass whose fields are keys of this table, but for the *given* ones: one without a default is needed.

        Values are converted as their names or their types say, or by *readers*.
        """
        assert isinstance(kind, type)
        hints, known = get_type_hints(kind), {**values.READERS, **readers}
        for each in (each for each in fields(kind) if each.name not in given):
            self.known.add(each.name)
            if each.name in self.values or MISSING is each.default is each.default_factory:
                keys = (each.name, hints[each.name], *get_args(hints[each.name]))
                given[each.name] = self.need(each.name, next(known[key] for key in keys if key in known))
        made: T = kind(**given)
        return made

    def all_of(self, made: T) -> T:
        """What was *made* of the table, unless that left out a key: the first one is an error."""
        for key in self.values:
            if key not in self.known:
                raise self.fail(key, f"is unknown; {available(key, sorted(self.known))}")
        return made


def account(default_zone: ZoneInfo, catalogue: Catalogue, _: str, table: CheckedTable) -> Account:
    """`[accounts.NAME]`: who is billed, by which plans since when, and what was bought beside them."""
    provider = table.need("provider", values.text)
    history = table.entries(
        "plans", lambda each: (each.need("since", values.calendar_day), _plan(each, provider, catalogue))
    )
    topups = table.entries("topups", _topup)
    found = Account(
        provider=provider,
        plan=_plan(table, provider, catalogue) if "plan" in table.values else None,
        anchor_day=table.take("anchor_day", values.day_of_month, 1),
        timezone=table.take("timezone", values.zone, default_zone),
        history=tuple(sorted(history, key=lambda entry: entry[0])),
        topups=tuple(sorted(topups, key=lambda topup: topup.day)),
    )
    if len({since for since, _ in history}) < len(history):
        raise table.fail("plans", "names two plans that begin on the same day")
    currencies = {plan.currency for plan in (found.plan, *(plan for _, plan in history)) if plan is not None}
    if len(currencies) > 1:
        raise table.fail("plans", f"are in {' and '.join(sorted(currencies))}; bills of one account need one currency")
    return found


def _topup(table: CheckedTable) -> TopUp:
    found = table.read(TopUp, day=table.need("date", values.calendar_day))
    if found.expires is not None and found.expires < found.day:
        raise table.fail("expires", "is before the day on which the credits were bought")
    return found


def _plan(table: CheckedTable, provider: str, catalogue: Catalogue) -> Plan:
    """The plan that the key names, out of the catalog of a provider."""
    name, plans = table.need("plan", values.text), catalogue.get(provider, {})
    if name not in plans:
        allowed = f" of {provider}; {available(name, plans)}" if plans else f"; {provider} has no known plans"
        raise table.fail("plan", f"= {name!r} is not a plan{allowed}; or describe it as [plans.{provider}.{name}]")
    return plans[name]


def client(_: str, table: CheckedTable) -> ClientSettings:
    """`[client.ENVIRONMENT]`: how that environment calls the provider."""
    provider = table.take("provider", values.text, "imejis")
    if provider not in PROVIDERS:
        raise table.fail("provider", f"= {provider!r} is unknown; {available(provider, PROVIDERS)}")
    return table.read(ClientSettings, provider=provider)


def source(accounts: Mapping[str, Account], name: str, table: CheckedTable) -> SourceTable:
    """`[sources.NAME]`: what calls in a foreign log are renders, and of what; whose, where there are *accounts*."""
    query = table.table("query")
    patterns = {"query": lambda _: {parameter: query.need(parameter, values.pattern) for parameter in query.values}}
    found = table.read(SourceTable, patterns, name=name)
    if accounts and "account" in table.values and found.account not in accounts:
        wrong = f"= {found.account!r} is no [accounts] table; {available(found.account, accounts)}"
        raise table.fail("account", f"{wrong}; correct it, or add [accounts.{found.account}]")
    if found.key is not None and found.ignore:
        raise table.fail("key", "and ignore exclude each other: key names all that count, ignore all that do not")
    if found.path is None and found.provider not in PROVIDERS:
        raise table.fail("path", f"is missing; only calls to {', '.join(PROVIDERS)} are recognized without one")
    return found


def delivery(_: str, table: CheckedTable) -> DeliverySettings:
    """`[delivery.NAME]`: where a report goes; the kind says which keys there are."""
    kind = table.need("kind", values.text)
    if kind not in DELIVERIES:
        raise table.fail("kind", f"= {kind!r} is unknown; {available(kind, DELIVERIES)}")
    way = DELIVERIES[kind]
    formats = table.take("formats", values.texts, ("text",))
    if unknown := set(formats) - set(REPORTS) - REPORTS.allowed:
        raise table.fail("formats", f"= {min(unknown)!r} is unknown; {available(min(unknown), REPORTS)}")
    formats = tuple(name for name in formats if name in REPORTS)  # (without those of a plug-in that cannot be used)
    if way.MOST_REPORTS == 1 and len(formats) > 1:
        raise table.fail("formats", f"are {len(formats)}; a {kind} holds one: write a [delivery.NAME] for each")
    given: dict[str, Any] = {}
    for name, shape in way.FIELDS.items():
        as_shape = values.SHAPES.get(shape) or partial(values.word, shape.split("|"))
        given[name] = table.need(name, as_shape) if name in way.REQUIRED else table.take(name, as_shape, None)
    return DeliverySettings(kind, formats, {name: value for name, value in given.items() if value is not None})


def usage(accounts: Mapping[str, Account], name: str, table: CheckedTable) -> UsageSettings:
    """`[usage.ACCOUNT]`: how to ask the provider for its own count."""
    if name not in accounts:
        raise table.fail("", f"is of no configured account; add [accounts.{name}]")
    provider = accounts[name].provider
    known = PROVIDERS.get(provider)
    if known is None or known.usage_url is None or known.usage is None:
        able = ", ".join(each.name for each in PROVIDERS.values() if each.usage is not None)
        raise table.fail("", f"cannot be: {provider} does not tell what was used; those that do are {able}")
    key = table.need("api_key_env", values.text)
    return UsageSettings(provider, key, table.take("url", values.text, known.usage_url))


def plan(provider: str, name: str, table: CheckedTable) -> Plan:
    """`[plans.PROVIDER.NAME]`: a plan that the catalog lacks, or has at another price."""
    found = table.read(Plan, provider=provider, name=name, source=table.where, **_CATALOGUED)
    for key in ("rollover_cycles", "rollover_limit"):
        if key in table.values and not found.rollover:
            raise table.fail(key, "needs rollover = true")
    if found.rollover_limit is not None and found.rollover_limit < 1:
        wrong = f"= {found.rollover_limit} is below 1; it is a multiple of the included credits"
        raise table.fail("rollover_limit", wrong)
    return found


def limit(_: str, table: CheckedTable) -> Limit:
    """`[limits.templates.NAME]`, `[limits.placements.NAME]`: the largest size at which it is shown."""
    found = table.read(Limit, source=table.where)
    if found.width is None and found.height is None:
        raise table.fail("width", "and height are both missing; a limit needs at least one side")
    for side in (found.width, found.height):
        if side is not None and side * found.dpr * 1000 % 1:
            raise table.fail("dpr", "times a side has more than three decimals; round it")
    return found


def rules(tables: Iterable[tuple[str, CheckedTable]], *, own: bool) -> dict[str, Any]:
    """Fields of `Settings` that the tables below `[rules]` set, by name.

    `options` are instances of a rule's `Options` by rule, where its table sets any; options that the stages before the
    rules have to know are fields of their own. Without *own*, options of a rule itself are not looked at, and it is not
    imported.
    """
    disabled, options, found = set(), {}, dict[str, Any]()
    for name, table in tables:
        if name not in RULES and name not in RULES.allowed:
            raise table.fail("", f"is unknown; {available(name, RULES)}")
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
            raise ValueError(f"= {min(unknown)!r} is no {option.called}; {available(min(unknown), option.choices)}")
        return tuple(name for name in option.choices if name in chosen)
    found = values.READERS[kind](value)
    if (option.least is not None and found < option.least) or (option.most is not None and found > option.most):
        limits = [f"{word} {edge}" for word, edge in (("from", option.least), ("to", option.most)) if edge is not None]
        raise ValueError(f"= {value!r} is out of range; allowed is {' '.join(limits)}")
    return found
