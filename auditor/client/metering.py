"""Metering: whose the calls of foreign code are, and what they are counted with."""

import functools
import logging
import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any, Concatenate, ParamSpec, TypedDict, TypeVar, Unpack, cast
from urllib.parse import urlsplit

from prometheus_client import REGISTRY, CollectorRegistry

from auditor.caches import Slot
from auditor.client.call_rules import CallRule, SeenRequest, json_object, provider_rules
from auditor.client.clock import Clock
from auditor.client.forks import renew_in_children
from auditor.client.identity import Shapes
from auditor.client.meter import Meter
from auditor.client.metrics import client_metrics
from auditor.client.request import Request
from auditor.client.sinks import Record, Sink, sink_of
from auditor.client.stable import UnstableError, stable
from auditor.client.unread import UNREAD
from auditor.model.endpoints import Seen
from auditor.model.errors import ConfigError
from auditor.model.fingerprint import UNKNOWN_PREFIX, Scope, derive_key
from auditor.model.hosts import host_of

log = logging.getLogger("auditor.client")
P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
UNSEEN = (
    "%s counts as one call a request, since its connections cannot be seen: if it caches or retries, hits count as "
    "renders and retries are missed; meter the transport that it calls: MeteredTransport(…)"
)
"""Said when a client is metered."""


def quiet(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R | None]:
    """A method of ours inside a caller's request: what it raises is counted as a fault, and None is its result."""

    @functools.wraps(method)
    def call(self: S, *args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            try:  # noqa: SIM105 (no room for one call more, at the end of the stack)
                cast(Any, self).metering.fault(error)
            except Exception:  # noqa: S110
                pass
            return None

    return cast(Callable[Concatenate[S, P], R | None], call)


class MeteringOptions(TypedDict, total=False):
    """The options of `Metering`, which `meter` and `metered` take too."""

    account: str
    environment: str
    events: str | Path | Sink | Callable[[Record], object] | None
    spool_mode: int | str | None
    spool_group: str | int | None
    spool: str | Path | None
    secret: str | None
    rules: Sequence[CallRule] | None
    placement: str | None
    registry: CollectorRegistry | None
    clock: Clock | None


class Metering:
    """What all metered calls of one account and environment have in common.

    *key* says what makes the image where a request's body streams, so that it cannot be read before it is sent: it
    is called with the request of the client's own library and gives anything that `metered` could hash.
    """

    def __init__(
        self,
        *,
        account: str = "default",
        environment: str = "production",
        events: str | Path | Sink | Callable[[Record], object] | None = None,
        spool_mode: int | str | None = None,
        spool_group: str | int | None = None,
        spool: str | Path | None = None,
        secret: str | None = None,
        rules: Sequence[CallRule] | None = None,
        placement: str | None = None,
        registry: CollectorRegistry | None = REGISTRY,
        clock: Clock | None = None,
        key: Callable[[Any], Any] | None = None,
    ) -> None:
        secret = secret or os.environ.get("AUDITOR_SECRET")
        # Without a secret the digests of one process agree with each other, and with no other process's.
        self._secret = derive_key(secret) if secret else os.urandom(32)
        self._account, self._environment, self._placement = account, environment.lower(), placement
        self._clock, self._key = clock or Clock(), key
        self._sink = sink_of(events, self._clock, spool_mode, spool_group, spool)
        self._rules: dict[str, list[CallRule]] = {}
        for rule in provider_rules() if rules is None else rules:
            for host in rule.hosts:
                self._rules.setdefault(host_of(host), []).append(rule)
        self._registry = registry
        self._meters: dict[str, tuple[Meter, Shapes]] = {}
        self._told: set[str] = set()
        renew_in_children(self)

    def meter(self, provider: str) -> Meter:
        """The meter of a provider."""
        return self._known(provider)[0]

    def _known(self, provider: str) -> tuple[Meter, Shapes]:
        found = self._meters.get(provider)
        if found is None:
            scope = Scope(provider, self._account, self._environment, self._secret)
            meter = Meter(scope, sink=self._sink, registry=self._registry, clock=self._clock)
            found = self._meters[provider] = (meter, Shapes(scope, dict))
        return found

    def request(self, provider: str, seen: Seen) -> Request:
        """The request that was seen, with its key."""
        version = seen.template_version
        shape = self._known(provider)[1].of(seen.template, version, seen.options)
        slot, body = shape.identify(seen.overrides)
        return Request(seen.template, slot, body, shape.options, version, self._placement, "online", 0.0)

    def keyless(self, provider: str, seen: Seen) -> Request:
        """A request whose image depends on something unknown: its key is that of no other, and it has no inputs."""
        known = self.request(provider, replace(seen, overrides={}))
        return known._replace(slot=Slot(known.slot.group, UNKNOWN_PREFIX + token_hex(32)))

    def knows(self, host: str) -> bool:
        """Whether calls to a host may be renders."""
        return host_of(host) in self._rules

    def rule(self, asked: SeenRequest) -> tuple[CallRule, Seen] | None:
        """The rule that takes a request, and what it sees in it; None for other traffic."""
        url = urlsplit(asked.url)
        for rule in self._rules.get(host_of(asked.host), ()):
            seen = rule.recognise(asked.method, url, asked.content or b"")
            if seen is not None:
                return rule, seen
        return None

    def identified(self, found: tuple[CallRule, Seen], asked: SeenRequest, request: object) -> Request:
        """The request that a rule took, with its key as far as its body tells it; *request* is the library's own."""
        rule, seen = found
        content = asked.content
        if content is None:
            if self._key is None:
                self.tell_once(
                    f"body of {rule.provider}",
                    "a %s call streams its request body, so its key is unknown; pass key= to meter() to provide one",
                    rule.provider,
                )
                return self.keyless(rule.provider, seen)
            try:
                seen = replace(seen, overrides={**seen.overrides, "key": stable(self._key(request))})
            except Exception as error:
                self.fault(error)
                return self.keyless(rule.provider, seen)
        elif content and not (seen.told and (seen.overrides or json_object(content) is not None)):
            # A form, a list, a blob: it says which image this is all the same.
            seen = replace(seen, overrides={**seen.overrides, "body": stable(content)})
        return self.request(rule.provider, seen)

    def named(self, provider: str, template: str, form: Callable[[], dict[str, Any]], where: str) -> Request:
        """The request of a function by its inputs, as *form* gives them; keyless, and said so, where it cannot."""
        try:
            return self.request(provider, Seen(template, form(), {}))
        except UnstableError as error:
            self.tell_once(
                f"{where}: {error}",
                "%s: %s cannot be hashed, so its key is unknown; pass key= to metered() to provide one",
                where,
                error,
            )
        except Exception as error:
            self.fault(error)
        return self.keyless(provider, Seen(template, {}, {}))

    def tell_once(self, about: str, text: str, *args: object) -> None:
        """One warning about one thing."""
        if about not in self._told:
            self._told.add(about)
            log.warning(text, *args)

    def fault(self, error: BaseException) -> None:
        """A fault of our own, or of a function that we were given: counted, said once, and kept from the caller."""
        try:
            if self._registry is not None:
                client_metrics(self._registry).families["faults_total"].inc()
            where = traceback.extract_tb(error.__traceback__)[-1:]
            at = f"{Path(where[0].filename).name}:{where[0].lineno}" if where else "?"
            # The kind and the place only: the text of an error may hold a value.
            self.tell_once(
                "fault",
                "metering failed (%s at %s); calls are not affected, and further failures are only counted",
                type(error).__name__,
                at,
            )
        except Exception:  # noqa: S110 (nothing is left to tell it to)
            pass

    def tried(self, function: Callable[[S], R], subject: S) -> R | None:
        """What a function says that may not be ours; None where it fails, which is counted."""
        try:
            return function(subject)
        except Exception as error:
            self.fault(error)
            return None

    def forked(self) -> None:
        """Go on in a child process."""
        for meter, _ in self._meters.values():
            meter.forked()

    def close(self) -> None:
        """Seal the spool."""
        UNREAD.wait()
        if self._sink is not None:
            self._sink.close()


def shared(
    metering: Metering | None, *, key: Callable[[Any], Any] | None = None, **options: Unpack[MeteringOptions]
) -> Metering:
    """The metering that was given, or one with these options; `ConfigError` for both."""
    if metering is None:
        return Metering(key=key, **options)
    if options or key is not None:
        given = ", ".join([*options, *(["key"] if key is not None else [])])
        raise ConfigError(f"{given}: pass either a Metering or its options, not both")
    return metering
