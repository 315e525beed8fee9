"""auditor.toml -> frozen `Settings`; whatever is unknown or impossible is an error with the file and the key."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from auditor.errors import ConfigError
from auditor.events import FORMATS as PICTURE_FORMATS
from auditor.events import MAX_SIDE, Outcome
from auditor.plans import Plan, TopUp
from auditor.registry import AUDITS, DELIVERIES, PROVIDERS, REPORTS
from auditor.settings import (
    FORMATS,
    PRODUCTION,
    Account,
    ClientSettings,
    DeliverySettings,
    Limit,
    Prices,
    Settings,
    SourceTable,
    UsageSettings,
)

T = TypeVar("T")
D = TypeVar("D")
Convert = Callable[[Any], T]
FILE_NAME = "auditor.toml"
_TTL = re.compile(r"(\d+)(us|ms|s|m|h|d)")
_UNITS = {
    "us": timedelta(microseconds=1),
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


def find(paths: list[Path]) -> Path | None:
    """The auditor.toml in an audited folder, else beside an audited file, else in the working directory."""
    for path in [*paths, *(path.parent for path in paths), Path()]:
        candidate = path / FILE_NAME
        if path.is_dir() and candidate.is_file():
            return candidate
    return None


def load(path: Path | None) -> Settings:
    """The settings of a file, or the defaults."""
    if path is None:
        return settings_of({}, "the defaults")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name another file with --config") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    try:
        table = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None
    return settings_of(table, str(path))


def settings_of(table: Mapping[str, Any], where: str) -> Settings:
    """The settings that a parsed file stands for; *where* names it in errors."""
    root = _Table(table, where, "")
    default_zone = root.take("timezone", zone, ZoneInfo("UTC"))
    production = root.take("production_environments", _names, PRODUCTION)
    catalogue = {name: {plan.name: plan for plan in provider.plans} for name, provider in PROVIDERS.items()}
    for provider, plans in root.tables("plans"):
        for name, plan in plans.tables():
            catalogue.setdefault(provider, {})[name] = _plan(provider, name, plan)
    accounts = {name: _account(account, default_zone, catalogue) for name, account in root.tables("accounts")}
    limits = root.table("limits")
    templates = {name: _limit(limit) for name, limit in limits.tables("templates")}
    placements = {name: _limit(limit) for name, limit in limits.tables("placements")}
    limits.done()
    prices = _prices(root.table("prices"))
    rules = {name: _rule(name, rule) for name, rule in root.tables("rules")}
    clients = {name.lower(): _client(client) for name, client in root.tables("client")}
    sources = tuple(_source(name, source) for name, source in root.tables("sources"))
    log_formats = {name: _log_format(log_format) for name, log_format in root.tables("formats")}
    usage = {name: _usage(name, table, accounts) for name, table in root.tables("usage")}
    deliveries = {name: _delivery(delivery) for name, delivery in root.tables("delivery")}
    root.done()
    ttl = rules.get("duplicate-renders", {}).get("ttl", timedelta(days=1))
    return Settings(
        timezone=default_zone,
        production=production,
        accounts=accounts,
        catalogue={name: tuple(plans.values()) for name, plans in catalogue.items()},
        terms={name: provider.terms for name, provider in PROVIDERS.items()},
        template_limits=templates,
        placement_limits=placements,
        prices=prices,
        ttl=ttl,
        disabled=frozenset(name for name, rule in rules.items() if not rule["enabled"]),
        clients=clients,
        sources=sources,
        log_formats=log_formats,
        usage=usage,
        formats=rules.get("format-waste", {}).get("formats", FORMATS),
        deliveries=deliveries,
    )


@dataclass(slots=True)
class _Table:
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

    def table(self, key: str) -> "_Table":
        """The sub-table *key*, empty where it is absent."""
        self.known.add(key)
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(key, "is not a table")
        return _Table(value, self.where, ".".join(filter(None, (self.path, key))))

    def tables(self, key: str | None = None) -> list[tuple[str, "_Table"]]:
        """(name, table) of each table below *key*, or below this one."""
        parent = self if key is None else self.table(key)
        return [(name, parent.table(name)) for name in parent.values]

    def entries(self, key: str) -> list["_Table"]:
        """The tables of `[[key]]`, none where it is absent."""
        self.known.add(key)
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise self.fail(key, f"is not a list of tables; write [[{self.path}.{key}]]")
        path = ".".join(filter(None, (self.path, key)))
        return [_Table(entry, self.where, f"{path}[{number}]") for number, entry in enumerate(value, 1)]

    def done(self) -> None:
        """Raise for the first key that nothing asked for."""
        for key in self.values:
            if key not in self.known:
                raise self.fail(key, f"is unknown; allowed are {', '.join(sorted(self.known))}")


def _account(table: _Table, default_zone: ZoneInfo, catalogue: Mapping[str, Mapping[str, Plan]]) -> Account:
    provider = table.need("provider", _text)
    history = []
    for entry in table.entries("plans"):
        history.append((entry.need("since", _date), _plan_named(entry, "plan", provider, catalogue)))
        entry.done()
    topups = []
    for entry in table.entries("topups"):
        topups.append(
            TopUp(
                entry.need("date", _date),
                entry.need("credits", money),
                entry.need("price", money),
                entry.take("expires", _date, None),
            )
        )
        if topups[-1].expires is not None and topups[-1].expires < topups[-1].day:
            raise entry.fail("expires", "is before the day on which the credits were bought")
        entry.done()
    account = Account(
        provider=provider,
        plan=_plan_named(table, "plan", provider, catalogue) if "plan" in table.values else None,
        anchor_day=table.take("anchor_day", _day, 1),
        timezone=table.take("timezone", zone, default_zone),
        history=tuple(sorted(history, key=lambda entry: entry[0])),
        topups=tuple(sorted(topups, key=lambda topup: topup.day)),
    )
    if len({since for since, _ in history}) < len(history):
        raise table.fail("plans", "names two plans that begin on the same day")
    currencies = {plan.currency for plan in (account.plan, *(plan for _, plan in history)) if plan is not None}
    if len(currencies) > 1:
        raise table.fail("plans", f"are in {' and '.join(sorted(currencies))}; bills of one account need one currency")
    table.done()
    return account


def _plan_named(table: _Table, key: str, provider: str, catalogue: Mapping[str, Mapping[str, Plan]]) -> Plan:
    name, plans = table.need(key, _text), catalogue.get(provider, {})
    if name not in plans:
        allowed = f"known plans of {provider} are {', '.join(plans)}" if plans else f"{provider} has no known plans"
        raise table.fail(key, f"= {name!r} is unknown; {allowed}; or describe it as [plans.{provider}.{name}]")
    return plans[name]


def _client(table: _Table) -> ClientSettings:
    provider = table.take("provider", _text, "imejis")
    if provider not in PROVIDERS:
        raise table.fail("provider", f"= {provider!r} is unknown; providers are {', '.join(PROVIDERS)}")
    client = ClientSettings(
        provider=provider,
        account=table.need("account", _text),
        api_key_env=table.need("api_key_env", _text),
        base_url=table.take("base_url", _text, None),
        cache=table.take("cache", _text, None),
        events=table.take("events", _text, None),
        budget=table.take("budget", money, None),
    )
    table.done()
    return client


def _source(name: str, table: _Table) -> SourceTable:
    query = table.table("query")
    source = SourceTable(
        name=name,
        provider=table.take("provider", _text, "own"),
        account=table.take("account", _text, "default"),
        environment=table.take("environment", _text, None),
        template=table.take("template", _text, None),
        placement=table.take("placement", _text, None),
        format=table.take("format", _picture_format, None),
        host=table.take("host", _pattern, None),
        path=table.take("path", _pattern, None),
        query={parameter: query.need(parameter, _pattern) for parameter in query.values},
        key=table.take("key", _parameters, None),
        ignore=table.take("ignore", _parameters, frozenset()),
        methods=table.take("methods", _methods, frozenset({"GET", "POST"})),
        uncached=table.take("uncached", _uncached, Outcome.RENDER),
        logs=table.take("logs", _text, None),
    )
    if source.key is not None and source.ignore:
        raise table.fail("key", "and ignore exclude each other: key names all that count, ignore all that do not")
    if source.path is None and source.provider not in PROVIDERS:
        raise table.fail("path", f"is missing; only calls to {', '.join(PROVIDERS)} are recognised without one")
    table.done()
    return source


def _log_format(table: _Table) -> str:
    text = table.need("log_format", _template)
    table.done()
    return text


def _delivery(table: _Table) -> DeliverySettings:
    kind = table.need("kind", _text)
    if kind not in DELIVERIES:
        raise table.fail("kind", f"= {kind!r} is unknown; kinds are {', '.join(DELIVERIES)}")
    way = DELIVERIES[kind]
    convert: dict[str, Callable[[Any], Any]] = {"text": _text, "texts": _texts, "port": _port, "flag": _flag}
    formats = table.take("formats", _texts, ("text",))
    if unknown := set(formats) - set(REPORTS):
        raise table.fail("formats", f"= {min(unknown)!r} is unknown; formats are {', '.join(REPORTS)}")
    values: dict[str, Any] = {}
    for name, shape in way.FIELDS.items():
        as_shape = convert.get(shape) or partial(_word, shape.split("|"))
        values[name] = table.need(name, as_shape) if name in way.REQUIRED else table.take(name, as_shape, None)
    table.done()
    return DeliverySettings(kind, formats, {name: value for name, value in values.items() if value is not None})


def _usage(name: str, table: _Table, accounts: Mapping[str, Account]) -> UsageSettings:
    if name not in accounts:
        raise table.fail("", f"is of no configured account; add [accounts.{name}]")
    provider = accounts[name].provider
    known = PROVIDERS.get(provider)
    if known is None or known.usage_url is None or known.usage is None:
        able = ", ".join(each.name for each in PROVIDERS.values() if each.usage is not None)
        raise table.fail("", f"cannot be: {provider} does not tell what was used; those that do are {able}")
    usage = UsageSettings(provider, table.need("api_key_env", _text), table.take("url", _text, known.usage_url))
    table.done()
    return usage


def _plan(provider: str, name: str, table: _Table) -> Plan:
    plan = Plan(
        provider=provider,
        name=name,
        price=table.need("price", money),
        included=table.need("included", money),
        currency=table.take("currency", _text, "USD"),
        overage=table.take("overage", money, None),
        rollover=table.take("rollover", _flag, default=False),
        rollover_cycles=table.take("rollover_cycles", _count, None),
        rollover_limit=table.take("rollover_limit", money, None),
        period=table.take("period", _period, "month"),
        source=table.where,
    )
    for key in ("rollover_cycles", "rollover_limit"):
        if key in table.values and not plan.rollover:
            raise table.fail(key, "needs rollover = true")
    if plan.rollover_limit is not None and plan.rollover_limit < 1:
        raise table.fail(
            "rollover_limit", f"= {plan.rollover_limit} is below 1; it is a multiple of the included credits"
        )
    table.done()
    return plan


def _limit(table: _Table) -> Limit:
    limit = Limit(
        width=table.take("width", _positive, None),
        height=table.take("height", _positive, None),
        dpr=table.take("dpr", _positive, Decimal(1)),
        source=table.where,
    )
    if limit.width is None and limit.height is None:
        raise table.fail("width", "and height are both missing; a limit needs at least one side")
    for side in (limit.width, limit.height):
        if side is not None and side * limit.dpr * 1000 % 1:
            raise table.fail("dpr", "times a side has more than three decimals; round it")
    table.done()
    return limit


def _prices(table: _Table) -> Prices:
    prices = Prices(
        egress_per_gb=table.take("egress_per_gb", money, None),
        storage_per_gb_month=table.take("storage_per_gb_month", money, None),
        currency=table.take("currency", _text, "USD"),
    )
    table.done()
    return prices


def _rule(name: str, table: _Table) -> dict[str, Any]:
    audit = AUDITS.get(name)
    if audit is None:
        raise table.fail("", f"is unknown; rules are {', '.join(AUDITS)}")
    options: dict[str, Any] = {"enabled": table.take("enabled", _flag, default=True)}
    if name == "duplicate-renders":
        options["ttl"] = table.take("ttl", parse_duration, timedelta(days=1))
    if name == "format-waste":
        options["formats"] = table.take("formats", _formats, FORMATS)
    table.done()
    return options


def parse_duration(value: Any) -> timedelta:
    """A duration like `90s`, `15m`, `24h` or `7d`."""
    match = _TTL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"= {value!r} is not a duration; write 30s, 15m, 24h or 7d")
    try:
        return int(match[1]) * _UNITS[match[2]]
    except OverflowError:
        raise ValueError(f"= {value!r} is longer than a duration can be") from None


def zone(value: Any) -> ZoneInfo:
    """A time zone by its name."""
    try:
        return ZoneInfo(_text(value))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"= {value!r} is not a time zone; write a name like Europe/Berlin or UTC") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"= {value!r} is not a non-empty string")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"= {value!r} is not true or false")
    return value


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not value:
        raise ValueError("is not a list of names")
    return frozenset(_text(name).lower() for name in value)


def _parameters(value: Any) -> frozenset[str]:
    if not isinstance(value, list):
        raise ValueError("is not a list of query parameters")
    return frozenset(_text(name) for name in value)


def _methods(value: Any) -> frozenset[str]:
    return frozenset(name.upper() for name in _names(value))


def _pattern(value: Any) -> str:
    from auditor.exchanges.rules import compiled

    compiled(_text(value))
    return str(value)


def _template(value: Any) -> str:
    from auditor.formats.log_template import LogTemplate

    LogTemplate.of(_text(value))
    return str(value)


def _uncached(value: Any) -> Outcome:
    if value not in (Outcome.RENDER, Outcome.HIT):
        raise ValueError(f"= {value!r} is neither render nor hit")
    return Outcome(value)


def _picture_format(value: Any) -> str:
    from auditor.exchanges.rules import picture_format

    found = picture_format(_text(value))
    if found is None:
        raise ValueError(f"= {value!r} is none of {', '.join(sorted(PICTURE_FORMATS))}")
    return found


def _formats(value: Any) -> tuple[str, ...]:
    names = _names(value)
    if unknown := names - set(FORMATS):
        raise ValueError(f"= {min(unknown)!r} is no format to advise; formats are {', '.join(FORMATS)}")
    return tuple(name for name in FORMATS if name in names)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("is not a list of names")
    return tuple(_text(name) for name in value)


def _word(allowed: Sequence[str], value: Any) -> str:
    if value not in allowed:
        raise ValueError(f"= {value!r} is none of {', '.join(allowed)}")
    return str(value)


def _port(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise ValueError(f"= {value!r} is no port, 1 to 65535")
    return value


def _day(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 31:
        raise ValueError(f"= {value!r} is not a day of the month, 1 to 31")
    return value


def _date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(_text(value))
    except ValueError:
        raise ValueError(f"= {value!r} is not a date; write 2026-09-01") from None


def _period(value: Any) -> str:
    if value not in ("month", "year"):
        raise ValueError(f"= {value!r} is unknown; allowed are month, year")
    return str(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"= {value!r} is not a whole number from 1 on")
    return value


def money(value: Any) -> Decimal:
    """A number from 0 on, exactly."""
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise InvalidOperation
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"= {value!r} is not a number") from None
    if not number.is_finite() or number < 0:
        raise ValueError(f"= {value} is below 0 or not finite")
    if number.adjusted() > 15 or int(number.as_tuple().exponent) < -30:
        raise ValueError(f"= {value} has more digits than a sum can have")
    return number


def _positive(value: Any) -> Decimal:
    number = money(value)
    if not 0 < number <= MAX_SIDE:
        raise ValueError(f"= {value} is not above 0 and at most {MAX_SIDE:,}")
    return number


def example() -> str:
    """An auditor.toml with every setting explained."""
    return resources.files("auditor").joinpath("auditor.example.toml").read_text(encoding="utf-8")
