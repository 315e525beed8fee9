"""Exchange -> event: recognized providers and the user's own endpoints, keys that merge nothing, and what was assumed.

A key holds the host, the path and every parameter that the user did not exclude: in one shop `name=` selects the
image, so nothing is noise until a rule has shown it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from fnmatch import fnmatch
from urllib.parse import urlsplit

from auditor.exchanges.addresses import grouped, parameters, split
from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.cost import cost, used_up
from auditor.exchanges.exchange import Exchange, Exported
from auditor.exchanges.mapped import (
    COUNT,
    MASKED_ADDRESS,
    MASKED_BODY,
    NO_BODY,
    Lack,
    LeftOut,
    Mapped,
    content_of,
    digest_of,
    key_of,
)
from auditor.exchanges.masks import is_masked, is_masked_body, is_masked_path, may_be_masked
from auditor.exchanges.matching import CompiledTable, picture_format, side
from auditor.exchanges.outcome import Fate, fate, left_out, served, tells_size
from auditor.exchanges.units import Took, Units
from auditor.exchanges.unrendered import marked
from auditor.model.events import MAX_BYTES, Outcome, UsageEvent
from auditor.model.fingerprint import ADDRESS, Scope, derive_key
from auditor.model.media import media_type_of
from auditor.model.provider import FORMAT_OF
from auditor.model.settings import Settings
from auditor.registry import PROVIDERS

MEMO = 200_000
"""Requests that are remembered; a log repeats few addresses often."""


class Mapper:
    """Maps the exchanges of one log."""

    def __init__(self, settings: Settings, label: str, units: Units | None = None) -> None:
        self._settings = settings
        self.units = units or Units()
        """Of the log's durations."""
        rules = [CompiledTable(each) for each in settings.sources if each.logs is None or fnmatch(label, each.logs)]
        self._rules = [rule for rule in rules if rule.table.path is not None]
        self._owners = [rule for rule in rules if rule.table.path is None]
        self._hosts = {host: name for name, provider in PROVIDERS.items() for host in provider.hosts}
        self._secret = derive_key(os.environ.get("AUDITOR_SECRET") or "foreign logs")
        self._memo: dict[tuple[str, str | None, str, str | None], Mapped | None] = {}

    def request(
        self, method: str, host: str | None, target: str, body: bytes | None = None, environment: str | None = None
    ) -> Mapped | None:
        """What a request is; None if it asks for no image that anybody told of.

        *environment* is the log's; what the configuration says of a request comes first.
        """
        if body or (method not in ("GET", "HEAD") and body is None):
            return marked(self._request(method, host, target, body, environment), target, body)
        address = (method, host, target, environment)
        if address not in self._memo:
            if len(self._memo) >= MEMO:
                self._memo.clear()
            self._memo[address] = marked(self._request(method, host, target, b"", environment), target, b"")
        return self._memo[address]

    def event(self, exchange: Exchange, identity: str) -> tuple[UsageEvent, tuple[StrEnum, ...]] | LeftOut | None:
        """The event and what was assumed for it; None for a request that asks for no image anybody told of."""
        mapped = self.request(exchange.method, exchange.host, exchange.target, exchange.body, exchange.environment)
        return None if mapped is None else self.answered(mapped, exchange, identity)

    def answered(
        self, mapped: Mapped, exchange: Exchange, identity: str
    ) -> tuple[UsageEvent, tuple[StrEnum, ...]] | LeftOut:
        """The event of a request that is known, and its answer."""
        media_type = media_type_of(exchange.media_type)
        why = left_out(exchange.status, media_type, exchange.failure, typed=mapped.typed, redirects=mapped.redirects)
        if why is not None:
            return LeftOut(why, (mapped.provider, mapped.account))
        by = served(exchange.cache)
        became = fate(exchange.status, by, mapped.otherwise, mapped.redirects, used_up(mapped.provider))
        whole = tells_size(became.outcome, became.status, media_type)
        size = exchange.bytes if whole else None
        credits, free = cost(mapped, became, exchange)
        duration, assumed = self.duration(exchange.duration_us, exchange.took, mapped.duration_unit)
        if exchange.unread is not None:
            self.units.unread.add(exchange.unread)
            assumed = (Assumption.UNREAD_DURATION,)
        event = UsageEvent(
            id=exchange.id or identity,
            ts_us=exchange.ts_us - (duration or 0 if exchange.ended else 0),
            outcome=became.outcome,
            provider=mapped.provider,
            account=mapped.account,
            environment=mapped.environment,
            template=mapped.template,
            key=mapped.key or key_of(mapped.provider, identity),
            template_version=mapped.template_version,
            placement=mapped.placement,
            format=mapped.format or FORMAT_OF.get(media_type),
            width=exchange.width or mapped.width,
            height=exchange.height or mapped.height,
            bytes=size if size is not None and 0 <= size <= MAX_BYTES else None,
            digest=exchange.digest if whole else None,
            duration_us=duration,
            status=became.status,
            credits=credits,
            inputs=mapped.inputs if became.outcome in (Outcome.RENDER, Outcome.ERROR) else None,
            error=became.error,
            assumed_timezone=exchange.assumed_timezone,
            unknown=mapped.unknown if became.outcome is Outcome.RENDER else None,
            unrendered=mapped.unrendered,
        )
        return event, (*assumptions(mapped, became, exchange.cache), *free, *exchange.assumed, *assumed)

    def exported(self, item: Exported) -> tuple[UsageEvent, tuple[Assumption, ...]]:
        """An event of an export with its duration, and what was assumed for that."""
        owner = self._owner(item.event.provider)
        told = owner.table.duration_unit if owner else None
        duration, assumed = self.duration(item.event.duration_us, item.took, told)
        return replace(item.event, duration_us=duration), assumed

    def duration(self, known: int | None, took: Took, told: str | None) -> tuple[int | None, tuple[Assumption, ...]]:
        """(microseconds, what was assumed) of a *known* duration, or of one whose unit the source's table may tell."""
        if known is not None or not took:
            return known, ()
        duration, assumed = self.units.micros(took, told)
        if duration is None:
            return None, (Assumption.DURATION_UNKNOWN,)
        return duration, (Assumption.DURATION_UNIT,) if assumed else ()

    def _owner(self, provider: str) -> CompiledTable | None:
        """The table that says whose a provider's calls are."""
        return next((rule for rule in self._owners if rule.table.provider == provider), None)

    def tries(self, exchange: Exchange, answered: UsageEvent) -> Iterator[UsageEvent]:
        """What may have been billed before the call that was answered: calls to a known provider that failed."""
        if answered.provider not in PROVIDERS:
            return
        began = exchange.ts_us
        for number, call in enumerate(exchange.tries, 1):
            became = fate(call.status, None, Outcome.ERROR, used_up=used_up(answered.provider))
            yield replace(
                answered,
                id=f"{answered.id}-{number}",
                ts_us=began,
                outcome=Outcome.ERROR,
                status=became.status,
                error=became.error or "other",
                duration_us=call.duration_us,
                credits=None,
                bytes=None,
                digest=None,
                retried=True,
                assumed=None,
            )
            began += call.duration_us or 0

    def _request(
        self, method: str, host: str | None, target: str, body: bytes | None, environment: str | None
    ) -> Mapped | None:
        host, path, query = split(host, target)
        if host in self._hosts:
            return self._call(self._hosts[host], method, host, path, query, body, environment)
        pairs = parameters(query)
        for rule in self._rules:
            found = rule.groups(method, host, path, pairs)
            if found is not None:
                said = found.get("environment") or rule.table.environment or environment
                return self._own(rule, method, host, path, pairs, body, found, said)
        return None

    def _own(
        self,
        rule: CompiledTable,
        method: str,
        host: str | None,
        path: str,
        query: Sequence[tuple[str, str]],
        body: bytes | None,
        found: Mapping[str, str],
        environment: str | None,
    ) -> Mapped:
        """A request to an endpoint of the user's own."""
        table = rule.table
        keyed = rule.keyed(query)
        scope = self._scope(table.provider, found.get("account", table.account), environment)
        template = found.get("template") or table.template or table.name
        parts = [method, host or "", path, *(text for pair in keyed for text in pair)]
        lack: Lack | None = None
        if body is None:
            lack = NO_BODY
        elif may_be_masked("/".join(parts)) and (
            is_masked([host, *({name: value} for name, value in keyed)]) or is_masked_path(path)
        ):
            lack = MASKED_ADDRESS
        elif is_masked_body(body):
            lack = MASKED_BODY
        return Mapped(
            scope.provider,
            scope.account,
            scope.environment,
            template,
            None if body is None or lack else digest_of([*_owner(scope, template), *parts, body]),
            table.uncached,
            found.get("template_version"),
            found.get("placement") or table.placement,
            picture_format(found.get("format")) or table.format,
            side(found.get("width")),
            side(found.get("height")),
            # What the address says is a part of the inputs only.
            None if lack else scope.input_digests(grouped([(ADDRESS, path), *keyed])),
            _assumed(lack, environment=bool(environment), account=True),
            redirects=table.redirects,
            duration_unit=table.duration_unit,
            unknown=lack and lack.unknown,
        )

    def _call(
        self, provider: str, method: str, host: str | None, path: str, query: str, body: bytes | None,
        environment: str | None,
    ) -> Mapped | None:  # fmt: skip
        """An outbound call to a known provider."""
        try:
            url = urlsplit(f"https://{host}{path}" + (f"?{query}" if query else ""))
        except ValueError:
            return None
        seen = PROVIDERS[provider].recognise(method, url, body)
        if seen is None:
            return None
        content = content_of(seen)
        lack = COUNT if seen.images is None else NO_BODY if content is None else None
        if lack is None and (is_masked_path(seen.template) or is_masked([seen.overrides, seen.options])):
            lack = MASKED_BODY if body else MASKED_ADDRESS
        owner = self._owner(provider)
        accounts = [name for name, each in self._settings.accounts.items() if each.provider == provider]
        account = owner.table.account if owner else accounts[0] if len(accounts) == 1 else "default"
        environment = (owner.table.environment if owner else None) or environment
        scope = self._scope(provider, account, environment)
        options = {name: str(seen.options.get(name, "")) for name in ("format", "width", "height")}
        return Mapped(
            provider,
            account,
            scope.environment,
            seen.template,
            None if lack or content is None else digest_of([*_owner(scope, seen.template), *content]),
            template_version=seen.template_version,
            format=picture_format(options["format"]),
            width=side(options["width"]),
            height=side(options["height"]),
            inputs=None if lack else scope.input_digests(seen.overrides),
            assumed=_assumed(lack, environment=bool(environment), account=bool(owner) or len(accounts) == 1),
            typed=False,
            redirects=PROVIDERS[provider].redirects,
            duration_unit=owner.table.duration_unit if owner else None,
            unknown=lack and lack.unknown,
            credits=seen.credits,
            deduplicated=seen.deduplicated and lack is None,
        )

    def _scope(self, provider: str, account: str, environment: str | None) -> Scope:
        return Scope(provider, account, (environment or "production").lower(), self._secret)


def assumptions(mapped: Mapped, became: Fate, cache: str | None) -> tuple[Assumption, ...]:
    """What was taken where the log does not tell; *cache* is what it says of one, word for word."""
    more = []
    if became.outcome is Outcome.RENDER and served(cache) is None:
        more.append(Assumption.ODD_VERDICT if cache else Assumption.NO_VERDICT)
    if became.error == "throttled":
        more.append(Assumption.LIMITED)
    return (*mapped.assumed, *more)


def _owner(scope: Scope, template: str) -> list[str]:
    return [scope.provider, scope.account, scope.environment, template]


def _assumed(lack: Lack | None, *, environment: bool, account: bool) -> tuple[Assumption, ...]:
    missing = {Assumption.NO_ENVIRONMENT: not environment, Assumption.NO_ACCOUNT: not account}
    return (*((lack.assumed,) if lack else ()), *(assumption for assumption, true in missing.items() if true))
