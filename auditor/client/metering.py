"""Metering: which calls of somebody else's code are renders, and whose."""

import logging
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

import httpx
import orjson
from prometheus_client import REGISTRY, CollectorRegistry

from auditor.client.clock import Clock
from auditor.client.forks import renew_in_children
from auditor.client.identity import Shapes
from auditor.client.meter import Meter
from auditor.client.request import Request
from auditor.client.sinks import Record, Sink, sink_of
from auditor.client.watch import Watch
from auditor.fingerprint import Scope, derive_key
from auditor.providers.facts import Seen
from auditor.registry import PROVIDERS
from auditor.settings import PRODUCTION

log = logging.getLogger("auditor.client")


class Rule(NamedTuple):
    """Which requests of a client are render calls, and how to read them."""

    provider: str
    recognise: Callable[[str, SplitResult, bytes], Seen | None]
    """(method, address, body) -> the call, or None."""
    hosts: frozenset[str]
    """Only requests to these are looked at more closely."""


def path_rule(provider: str, host: str, path: str, *, method: str = "POST") -> Rule:
    """A rule by host and a regular expression for the path with a group `template`.

    The JSON object in the body is what the picture depends on, the query are its options.
    """
    pattern = re.compile(path)

    def recognise(seen_method: str, url: SplitResult, content: bytes) -> Seen | None:
        match = pattern.fullmatch(url.path)
        if seen_method != method or url.hostname != host or match is None:
            return None
        try:
            found = orjson.loads(content or b"{}")
        except orjson.JSONDecodeError:
            found = {}
        return Seen(match["template"], found if isinstance(found, dict) else {}, dict(parse_qsl(url.query)))

    return Rule(provider, recognise, frozenset({host}))


def provider_rules() -> tuple[Rule, ...]:
    """A rule a known provider."""
    return tuple(Rule(name, provider.recognise, frozenset(provider.hosts)) for name, provider in PROVIDERS.items())


class Metering:
    """What all metered calls of one account and environment have in common."""

    def __init__(
        self,
        *,
        account: str = "default",
        environment: str = "production",
        events: str | Path | Sink | Callable[[Record], object] | None = None,
        secret: str | None = None,
        rules: Sequence[Rule] | None = None,
        placement: str | None = None,
        registry: CollectorRegistry | None = REGISTRY,
        clock: Clock | None = None,
    ) -> None:
        secret = secret or os.environ.get("AUDITOR_SECRET")
        # Without a secret the digests of one process agree with each other, and with nobody else's.
        self._secret = derive_key(secret) if secret else os.urandom(32)
        self._account, self._environment, self._placement = account, environment.lower(), placement
        self._clock = clock or Clock()
        self._sink = sink_of(events, self._clock)
        self._rules = provider_rules() if rules is None else tuple(rules)
        self._shapes: dict[str, Shapes] = {}
        self._registry = registry
        self._meters: dict[str, Meter] = {}
        renew_in_children(self)

    def meter(self, provider: str) -> Meter:
        """The meter of a provider."""
        found = self._meters.get(provider)
        if found is None:
            scope = Scope(provider, self._account, self._environment, self._secret)
            found = self._meters[provider] = Meter(
                scope, sink=self._sink, registry=self._registry, clock=self._clock,
                production=self._environment in PRODUCTION,
            )  # fmt: skip
        return found

    def request(self, provider: str, seen: Seen) -> Request:
        """The request that was seen, with its key."""
        shapes = self._shapes.get(provider)
        if shapes is None:
            shapes = self._shapes[provider] = Shapes(self.meter(provider).scope, dict)
        shape = shapes.of(seen.template, None, seen.options)
        slot, body = shape.identify(seen.overrides)
        return Request(seen.template, slot, body, shape.options, None, self._placement, "online", 0.0)

    def recognised(self, request: httpx.Request) -> Watch | None:
        """A watch over a render call; None for everything else, and for whatever cannot be understood."""
        try:
            rules = [rule for rule in self._rules if request.url.host in rule.hosts]
            if not rules:
                return None
            try:
                content = request.content
            except httpx.RequestNotRead:
                content = b""
            url = urlsplit(str(request.url))
            for rule in rules:
                seen = rule.recognise(request.method, url, content)
                if seen is not None:
                    return Watch(self.meter(rule.provider), self.request(rule.provider, seen), rule.provider)
        except Exception as error:
            log.debug("a call was not understood (%s)", type(error).__name__)
        return None

    def forked(self) -> None:
        """Go on in a child process."""
        for each in self._meters.values():
            each.forked()

    def close(self) -> None:
        """Seal the spool."""
        if self._sink is not None:
            self._sink.close()
