"""One function for each kind of table in auditor.toml -> its frozen part of `Settings`."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from auditor.config import values
from auditor.config.table import CheckedTable
from auditor.model.events import Outcome
from auditor.model.plans import Plan, TopUp
from auditor.model.settings import (
    Account,
    BytePrices,
    ClientSettings,
    DeliverySettings,
    Limit,
    SourceTable,
    UsageSettings,
)
from auditor.registry import DELIVERIES, PROVIDERS, REPORTS
from auditor.system.access import mode_of


def account(table: CheckedTable, default_zone: ZoneInfo, catalogue: Mapping[str, Mapping[str, Plan]]) -> Account:
    """`[accounts.NAME]`: who is billed, by which plans since when, and what was bought beside them."""
    provider = table.need("provider", values.text)
    history = []
    for entry in table.entries("plans"):
        history.append((entry.need("since", values.calendar_day), plan_named(entry, "plan", provider, catalogue)))
        entry.done()
    topups = []
    for entry in table.entries("topups"):
        topups.append(
            TopUp(
                entry.need("date", values.calendar_day),
                entry.need("credits", values.money),
                entry.need("price", values.money),
                entry.take("expires", values.calendar_day, None),
            )
        )
        if topups[-1].expires is not None and topups[-1].expires < topups[-1].day:
            raise entry.fail("expires", "is before the day on which the credits were bought")
        entry.done()
    found = Account(
        provider=provider,
        plan=plan_named(table, "plan", provider, catalogue) if "plan" in table.values else None,
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
    table.done()
    return found


def plan_named(table: CheckedTable, key: str, provider: str, catalogue: Mapping[str, Mapping[str, Plan]]) -> Plan:
    """The plan that *key* names, out of the catalogue of a provider."""
    name, plans = table.need(key, values.text), catalogue.get(provider, {})
    if name not in plans:
        allowed = f"known plans of {provider} are {', '.join(plans)}" if plans else f"{provider} has no known plans"
        raise table.fail(key, f"= {name!r} is unknown; {allowed}; or describe it as [plans.{provider}.{name}]")
    return plans[name]


def client(table: CheckedTable) -> ClientSettings:
    """`[client.ENVIRONMENT]`: how that environment calls the provider."""
    provider = table.take("provider", values.text, "imejis")
    if provider not in PROVIDERS:
        raise table.fail("provider", f"= {provider!r} is unknown; providers are {', '.join(PROVIDERS)}")
    found = ClientSettings(
        provider=provider,
        account=table.need("account", values.text),
        api_key_env=table.need("api_key_env", values.text),
        base_url=table.take("base_url", values.text, None),
        cache=table.take("cache", values.text, None),
        events=table.take("events", values.text, None),
        spool_mode=table.take("spool_mode", mode_of, None),
        spool_group=table.take("spool_group", values.group, None),
        budget=table.take("budget", values.money, None),
    )
    table.done()
    return found


def source(name: str, table: CheckedTable) -> SourceTable:
    """`[sources.NAME]`: what calls in a foreign log are renders, and of what."""
    query = table.table("query")
    found = SourceTable(
        name=name,
        provider=table.take("provider", values.text, "own"),
        account=table.take("account", values.text, "default"),
        environment=table.take("environment", values.text, None),
        template=table.take("template", values.text, None),
        placement=table.take("placement", values.text, None),
        format=table.take("format", values.picture_format, None),
        host=table.take("host", values.pattern, None),
        path=table.take("path", values.pattern, None),
        query={parameter: query.need(parameter, values.pattern) for parameter in query.values},
        key=table.take("key", values.parameters, None),
        ignore=table.take("ignore", values.parameters, frozenset()),
        methods=table.take("methods", values.methods, frozenset({"GET", "POST"})),
        uncached=table.take("uncached", values.uncached, Outcome.RENDER),
        redirects=table.take("redirects", values.uncached, None),
        duration_unit=table.take("duration_unit", values.duration_unit, None),
        logs=table.take("logs", values.text, None),
    )
    if found.key is not None and found.ignore:
        raise table.fail("key", "and ignore exclude each other: key names all that count, ignore all that do not")
    if found.path is None and found.provider not in PROVIDERS:
        raise table.fail("path", f"is missing; only calls to {', '.join(PROVIDERS)} are recognised without one")
    table.done()
    return found


def log_format(table: CheckedTable) -> str:
    """`[formats.NAME]`: an nginx `log_format` of the user."""
    text = table.need("log_format", values.log_template)
    table.done()
    return text


def delivery(table: CheckedTable) -> DeliverySettings:
    """`[delivery.NAME]`: where a report goes; the kind says which keys there are."""
    kind = table.need("kind", values.text)
    if kind not in DELIVERIES:
        raise table.fail("kind", f"= {kind!r} is unknown; kinds are {', '.join(DELIVERIES)}")
    way = DELIVERIES[kind]
    convert: dict[str, Callable[[Any], Any]] = {
        "text": values.text,
        "texts": values.texts,
        "port": values.port,
        "flag": values.flag,
    }
    formats = table.take("formats", values.texts, ("text",))
    if unknown := set(formats) - set(REPORTS) - REPORTS.allowed:
        raise table.fail("formats", f"= {min(unknown)!r} is unknown; formats are {', '.join(REPORTS)}")
    formats = tuple(name for name in formats if name in REPORTS)  # (without those of a plug-in that cannot be used)
    if way.MOST_REPORTS == 1 and len(formats) > 1:
        raise table.fail("formats", f"are {len(formats)}; a {kind} holds one: write a [delivery.NAME] for each")
    given: dict[str, Any] = {}
    for name, shape in way.FIELDS.items():
        as_shape = convert.get(shape) or partial(values.word, shape.split("|"))
        given[name] = table.need(name, as_shape) if name in way.REQUIRED else table.take(name, as_shape, None)
    table.done()
    return DeliverySettings(kind, formats, {name: value for name, value in given.items() if value is not None})


def usage(name: str, table: CheckedTable, accounts: Mapping[str, Account]) -> UsageSettings:
    """`[usage.ACCOUNT]`: how to ask the provider for its own count."""
    if name not in accounts:
        raise table.fail("", f"is of no configured account; add [accounts.{name}]")
    provider = accounts[name].provider
    known = PROVIDERS.get(provider)
    if known is None or known.usage_url is None or known.usage is None:
        able = ", ".join(each.name for each in PROVIDERS.values() if each.usage is not None)
        raise table.fail("", f"cannot be: {provider} does not tell what was used; those that do are {able}")
    found = UsageSettings(
        provider, table.need("api_key_env", values.text), table.take("url", values.text, known.usage_url)
    )
    table.done()
    return found


def plan(provider: str, name: str, table: CheckedTable) -> Plan:
    """`[plans.PROVIDER.NAME]`: a plan that the catalogue lacks, or has at another price."""
    found = Plan(
        provider=provider,
        name=name,
        price=table.need("price", values.money),
        included=table.need("included", values.money),
        currency=table.take("currency", values.text, "USD"),
        overage=table.take("overage", values.money, None),
        rollover=table.take("rollover", values.flag, default=False),
        rollover_cycles=table.take("rollover_cycles", values.count, None),
        rollover_limit=table.take("rollover_limit", values.money, None),
        period=table.take("period", values.period, "month"),
        source=table.where,
    )
    for key in ("rollover_cycles", "rollover_limit"):
        if key in table.values and not found.rollover:
            raise table.fail(key, "needs rollover = true")
    if found.rollover_limit is not None and found.rollover_limit < 1:
        raise table.fail(
            "rollover_limit", f"= {found.rollover_limit} is below 1; it is a multiple of the included credits"
        )
    table.done()
    return found


def limit(table: CheckedTable) -> Limit:
    """`[limits.templates.NAME]`, `[limits.placements.NAME]`: the largest size at which it is shown."""
    found = Limit(
        width=table.take("width", values.side, None),
        height=table.take("height", values.side, None),
        dpr=table.take("dpr", values.side, Decimal(1)),
        source=table.where,
    )
    if found.width is None and found.height is None:
        raise table.fail("width", "and height are both missing; a limit needs at least one side")
    for side in (found.width, found.height):
        if side is not None and side * found.dpr * 1000 % 1:
            raise table.fail("dpr", "times a side has more than three decimals; round it")
    table.done()
    return found


def prices(table: CheckedTable) -> BytePrices:
    """`[prices]`: what bytes cost."""
    found = BytePrices(
        egress_per_gb=table.take("egress_per_gb", values.money, None),
        storage_per_gb_month=table.take("storage_per_gb_month", values.money, None),
        currency=table.take("currency", values.text, "USD"),
    )
    table.done()
    return found
