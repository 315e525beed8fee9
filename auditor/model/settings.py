"""Settings: what auditor.toml says, parsed and frozen. Audits read this and nothing else of the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from auditor.model.events import Outcome
from auditor.model.json_shape import JsonShape
from auditor.model.plans import Cycle, Plan, TopUp

Chosen = TypeVar("Chosen")
OwnFormat: TypeAlias = str | tuple[str, ...] | JsonShape
"""What `[formats.NAME]` declares: an nginx `log_format`, a list of them, or where JSON objects hold what."""
PRODUCTION = frozenset({"production", "prod", "live"})
"""Environments that are production unless the configuration says otherwise."""
TTL = timedelta(days=1)
"""How long a stored image may be served unless the configuration says otherwise."""
FOR_EVER_US = 10**18
"""Some 31,000 years: longer than any log, and small enough to be added to a time in 64 bits."""


@dataclass(frozen=True, slots=True)
class Account:
    """One API key or workspace."""

    provider: str
    plan: Plan | None
    """The plan of all cycles before the first one of `history`."""
    anchor_day: int
    timezone: ZoneInfo
    history: tuple[tuple[date, Plan], ...] = ()
    """(first day, plan), ascending, where the plan changed."""
    topups: tuple[TopUp, ...] = ()

    def plan_of(self, cycle: Cycle) -> Plan | None:
        """The plan of a cycle: a larger one counts from the cycle in which it begins, a smaller one from the next."""
        plan = self.plan
        if not self.history:
            return plan
        start, end = self.day(cycle.start), self.day(cycle.end)
        for since, other in self.history:
            if since <= start or (since < end and (plan is None or other.included > plan.included)):
                plan = other
        return plan

    def bought(self, cycle: Cycle) -> tuple[TopUp, ...]:
        """The top-ups that were bought in a cycle."""
        start, end = (self.day(each) for each in (cycle.start, cycle.end)) if self.topups else (date.min, date.min)
        return tuple(each for each in self.topups if start <= each.day < end)

    def day(self, moment: datetime) -> date:
        """The date of an instant where the account is."""
        return moment.astimezone(self.timezone).date()


@dataclass(frozen=True, slots=True)
class Limit:
    """How large an image is shown, in CSS px; an unset side does not limit."""

    width: Decimal | None = None
    height: Decimal | None = None
    dpr: Decimal = Decimal(1)
    source: str = "auditor.toml"


@dataclass(frozen=True, slots=True)
class BytePrices:
    """What bytes cost; None is unknown, never free."""

    egress_per_gb: Decimal | None = None
    storage_per_gb_month: Decimal | None = None
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How the renders of one environment are made; None leaves it to the client."""

    provider: str
    account: str
    api_key_env: str
    """The environment variable that holds the API key; the key itself never stands in a file."""
    base_url: str | None = None
    cache: str | None = None
    events: str | None = None
    spool_mode: int | None = None
    spool_group: str | int | None = None
    """Who besides the application reads the folder of events."""
    spool: str | None = None
    """Where events wait that go to an address."""
    budget: Decimal | None = None
    """Credits a billing cycle."""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """Which requests of foreign logs are for images, as patterns; without `path`, whose a provider's calls are."""

    name: str
    provider: str = "own"
    account: str = "default"
    environment: str | None = None
    template: str | None = None
    placement: str | None = None
    format: str | None = None
    host: str | None = None
    path: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    """Patterns for the values of parameters."""
    key: frozenset[str] | None = None
    """Parameters that belong to the key; None is all of them."""
    ignore: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset({"GET", "POST"})
    uncached: Outcome = Outcome.RENDER
    """What a good answer is without a cache verdict."""
    redirects: Outcome | None = None
    """What a redirect stands for; None filters it."""
    duration_unit: str | None = None
    """Of the durations whose unit nothing else names: s, ms, us or ns."""
    logs: str | None = None
    """A glob for the paths of the logs that it is for."""


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """Where reports go: the kind of way, its own settings, and the formats that are attached."""

    kind: str
    formats: tuple[str, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UsageSettings:
    """Where the provider says how many credits an account has used."""

    provider: str
    api_key_env: str
    """The environment variable that holds the API key."""
    url: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration."""

    timezone: ZoneInfo
    production: frozenset[str]
    accounts: Mapping[str, Account]
    catalogue: Mapping[str, tuple[Plan, ...]]
    """Plans by provider, built-in and configured."""
    terms: Mapping[str, str]
    """What each provider's terms say of several accounts."""
    template_limits: Mapping[str, Limit]
    placement_limits: Mapping[str, Limit]
    prices: BytePrices
    disabled: frozenset[str]
    clients: Mapping[str, ClientSettings]
    """By environment, in lower case."""
    usage: Mapping[str, UsageSettings]
    """By account."""
    sources: tuple[SourceTable, ...] = ()
    """In the order of the file: the first that fits a request takes it."""
    log_formats: Mapping[str, OwnFormat] = field(default_factory=dict)
    """By name."""
    duration_unit: str | None = None
    """The answer of --duration-unit: of all durations whose unit nothing else names."""
    ttl: timedelta = TTL
    options: Mapping[str, Any] = field(default_factory=dict)
    """An instance of the rule's `Options` by rule, where the configuration sets any."""
    deliveries: Mapping[str, DeliverySettings] = field(default_factory=dict)
    decimal: str | None = None
    """The decimal mark in tables whose columns do not tell it."""
    ids: str | None = None
    """Whether ids that repeat at other times count once (`keep`) or a row each (`rows`); None asks."""

    @property
    def ttl_us(self) -> int:
        """The TTL of the walk in microseconds, capped where it is as good as forever."""
        return min(self.ttl // timedelta(microseconds=1), FOR_EVER_US)

    def options_of(self, rule: str, kind: type[Chosen]) -> Chosen:
        """The options of a rule, as configured or by default."""
        found = self.options.get(rule)
        return found if isinstance(found, kind) else kind()

    def today(self, now: datetime) -> date:
        """The date of an instant in the configured zone: the last day of a baseline's entry ends at midnight there."""
        return now.astimezone(self.timezone).date()

    def account(self, provider: str, name: str) -> Account:
        """The account's settings; the defaults where it is not configured, or with another provider."""
        account = self.accounts.get(name)
        if account is not None and account.provider == provider:
            return account
        return Account(provider=provider, plan=None, anchor_day=1, timezone=self.timezone)

    def free_plan(self, provider: str) -> Plan | None:
        """The provider's plan that costs nothing, the largest if there are several, of equal ones the first by name."""
        free = [plan for plan in self.catalogue.get(provider, ()) if plan.price == 0 and not plan.overage]
        return min(free, key=lambda plan: (-plan.included, plan.name), default=None)
