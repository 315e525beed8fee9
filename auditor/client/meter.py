"""Meter: one usage event and the metrics of every request and call; nothing that goes wrong here reaches a caller."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import EllipsisType
from typing import Any, Literal, NamedTuple

import orjson
from prometheus_client import CollectorRegistry

from auditor.caches import Entry
from auditor.client.clock import NEW_ID, Clock
from auditor.client.metrics import AccountMetrics, ClientMetrics, client_metrics
from auditor.client.request import Request
from auditor.client.sinks import Sink
from auditor.model.errors import RenderError
from auditor.model.events import SCHEMA_VERSION, Outcome
from auditor.model.fingerprint import UNKNOWN_PREFIX, Scope
from auditor.model.settings import PRODUCTION

log = logging.getLogger("auditor.client")
RESULTS = tuple(str(outcome) for outcome in Outcome if outcome is not Outcome.ATTEMPT)
_WARN_EVERY_NS = 60_000_000_000


class MeteredTry(NamedTuple):
    """One call that leaves the process, from its write-ahead record to its final event."""

    id: str
    ts_ns: int
    """When the request reached the client; for a further try, when that began."""
    started: float


class Meter:
    """Observes for one provider, account and environment."""

    def __init__(
        self,
        scope: Scope,
        *,
        sink: Sink | None,
        registry: CollectorRegistry | None,
        production: bool | None = None,
        hits: Literal["all", "none"] = "all",
        clock: Clock,
    ) -> None:
        self.scope, self.sink, self.clock = scope, sink, clock
        self.writes_hits = sink is not None and hits == "all"
        self.metrics: ClientMetrics | None = None if registry is None else client_metrics(registry)
        self._account: AccountMetrics | None = None
        if self.metrics is not None:
            real = scope.environment in PRODUCTION if production is None else production
            labels = (scope.provider, scope.account, scope.environment)
            self._account = AccountMetrics(self.metrics, *labels, real, RESULTS)
        self._warned_ns: int | None = None
        self.dropped = 0
        """Events that could not be written."""

    def begin(self) -> MeteredTry:
        """A request, or another try of one, begins now."""
        now = self.clock.wall_ns()
        return MeteredTry(NEW_ID(now), now, self.clock.steady())

    def attempt(self, request: Request, made: MeteredTry) -> None:
        """Write the write-ahead record: from here on the call may be billed."""
        self._write(lambda: self._event(request, made, Outcome.ATTEMPT), lasting=True)

    def count_hit(self, entry: Entry, started: float) -> None:
        """The metrics of a hit: the hot path, without decorator, request or event."""
        if self._account is not None:
            try:
                self._account.ended("hit", self.clock.steady() - started, entry.size, entry.picture.format)
            except Exception as error:
                self.lost(error)

    def hit(self, request: Request, entry: Entry, ts_ns: int, started: float) -> None:
        """Served from a cache."""
        self.count_hit(entry, started)
        if not self.writes_hits or self.sink is None:
            return
        try:
            made = MeteredTry(NEW_ID(ts_ns), ts_ns, started)
            waited = self.clock.steady() - started
            self.sink.write(self._event(request, made, Outcome.HIT, waited, entry), lasting=False)
        except Exception as error:  # (the promise of this module)
            self.lost(error)

    def coalesced(self, request: Request, entry: Entry, made: MeteredTry) -> None:
        """Waited for an identical call in flight."""
        waited = self.clock.steady() - made.started
        self._write(lambda: self._event(request, made, Outcome.COALESCED, waited, entry), lasting=False)
        self._count(lambda account: account.ended("coalesced", waited, entry.size, entry.picture.format))

    def rendered(
        self,
        request: Request,
        entry: Entry,
        made: MeteredTry,
        status: int | None,
        credits: Decimal | EllipsisType | None = ...,
    ) -> None:
        """A call was made and an image came back; the call's own duration.

        *status* is None where the answer was not seen; *credits* are those of the image unless given, None if unknown.
        """
        took = self.clock.steady() - made.started
        picture = entry.picture
        cost = picture.credits if isinstance(credits, EllipsisType) else credits

        def event() -> dict[str, Any]:
            billed = _status(status) | {"credits": _number(cost), "inputs": self._inputs(request)}
            return self._event(request, made, Outcome.RENDER, took, entry) | billed

        def count(account: AccountMetrics) -> None:
            account.called(status or 200, took, None if cost is None else float(cost), self.clock.now())
            account.ended("render", took, entry.size, picture.format)
            if picture.remaining is not None:
                account.child("credits_remaining").set(float(picture.remaining))
                account.child("credits_remaining_timestamp_seconds").set(self.clock.now())

        self._write(event, lasting=True)
        self._count(count)

    def served(self, request: Request, entry: Entry, made: MeteredTry, status: int | None) -> None:
        """Another cache had it, or the provider confirmed (304) that the caller does."""
        took = self.clock.steady() - made.started
        answer = _status(status) | {"credits": 0}

        def count(account: AccountMetrics) -> None:
            if status == 304:
                account.called(status, took, 0.0, self.clock.now())
            account.ended("hit", took, entry.size, entry.picture.format)

        self._write(lambda: self._event(request, made, Outcome.HIT, took, entry) | answer, lasting=True)
        self._count(count)

    def failed(
        self, request: Request, error: RenderError, made: MeteredTry, *, retried: bool = False, spared: bool = False
    ) -> None:
        """A call was made and failed, for this time or for good; *spared*: its request is served from the cache."""
        took = self.clock.steady() - made.started

        def event() -> dict[str, Any]:
            failure = {"status": error.status, "credits": _number(error.credits), "error": error.word}
            again = {"retried": True} if retried or spared else {}
            return self._event(request, made, Outcome.ERROR, took) | failure | {"inputs": self._inputs(request)} | again

        def count(account: AccountMetrics) -> None:
            credits = None if error.credits is None else float(error.credits)
            account.called(error.status, took, credits, self.clock.now())
            if retried:
                account.child("api_retries_total", _reason(error)).inc()
            elif not spared:
                account.ended("error", took)

        self._write(event, lasting=True)
        self._count(count)

    def gave_up(self, request: Request, word: str, made: MeteredTry) -> None:
        """A request that made no call of its own got nothing: its flight failed, or its caller would not wait."""
        waited = self.clock.steady() - made.started
        nothing = {"credits": 0, "error": word}
        self._write(lambda: self._event(request, made, Outcome.ERROR, waited) | nothing, lasting=False)
        self._count(lambda account: account.ended("error", waited))

    def refused(self, request: Request, made: MeteredTry) -> None:
        """A guard forbade the call."""
        waited = self.clock.steady() - made.started
        self._write(lambda: self._event(request, made, Outcome.REFUSED), lasting=False)
        self._count(lambda account: account.ended("refused", waited))

    def cache_failed(self, tier: str, operation: str) -> None:
        """A cache did not do what it was asked for."""
        metrics = self.metrics
        if metrics is not None:
            self._kept(lambda: metrics.child("cache_errors_total", tier, operation).inc())

    def inflight(self, by: int) -> None:
        """Requests that wait now, more or fewer."""
        self._count(lambda account: account.inflight.inc(by))

    def _write(self, event: Callable[[], dict[str, Any]], *, lasting: bool) -> None:
        """The event first, so that no trouble with metrics can cost it."""
        sink = self.sink
        if sink is not None:
            self._kept(lambda: sink.write(event(), lasting=lasting))

    def _count(self, count: Callable[[AccountMetrics], None]) -> None:
        account = self._account
        if account is not None:
            self._kept(lambda: count(account))

    def _kept(self, work: Callable[[], object]) -> None:
        """The promise of this module: what goes wrong in *work* is counted and reaches no caller."""
        try:
            work()
        except Exception as error:
            self.lost(error)

    def lost(self, error: Exception) -> None:
        """Count an event that could not be written, and say so at most once a minute."""
        try:
            self.dropped += 1
            reason = "io" if isinstance(error, OSError) else "error"
            if self.metrics is not None:
                self.metrics.child("events_dropped_total", reason).inc()
            now = self.clock.wall_ns()
            if self._warned_ns is None or now - self._warned_ns >= _WARN_EVERY_NS:
                self._warned_ns = now
                # The kind only: the text of an error may hold a path or a value.
                kind = type(error).__name__
                log.warning("usage events are being dropped (%s); %d so far in this process", kind, self.dropped)
        except Exception:  # noqa: S110 (nothing is left to tell it to)
            pass

    def close(self) -> None:
        """Seal what is open."""
        if self.sink is not None:
            self._kept(self.sink.close)

    def forked(self) -> None:
        """Go on in a child process."""
        if self.metrics is not None:
            self.metrics.forked()
            self._count(lambda account: account.inflight.set(0))  # the parent's requests end there
        if self.sink is not None:
            self.sink.forked()

    def _event(
        self, request: Request, made: MeteredTry, result: Outcome, took: float | None = None, entry: Entry | None = None
    ) -> dict[str, Any]:
        scope = self.scope
        moment = datetime.fromtimestamp(made.ts_ns / 1e9, UTC)  # floats of seconds are exact to a quarter of a µs here
        event: dict[str, Any] = {
            "v": SCHEMA_VERSION, "id": made.id, "ts": moment, "outcome": result, "provider": scope.provider,
            "account": scope.account, "environment": scope.environment, "template": request.template,
            "key": request.slot.key,
        }  # fmt: skip
        if request.template_version is not None:
            event["template_version"] = request.template_version
        if request.placement is not None:
            event["placement"] = request.placement
        if request.source != "online":
            event["source"] = request.source
        if took is not None:
            event["duration_ms"] = round(took * 1000, 3)
        if entry is not None:
            picture = entry.picture
            if picture.format is not None:
                event["format"] = picture.format
            if picture.width is not None:
                event["width"], event["height"] = picture.width, picture.height
            if entry.size is not None:
                event["bytes"], event["digest"] = entry.size, entry.digest
        return event

    def _inputs(self, request: Request) -> dict[str, str] | None:
        if request.slot.key.startswith(UNKNOWN_PREFIX):
            return None
        overrides = orjson.loads(request.body)
        return self.scope.input_digests(overrides) if isinstance(overrides, Mapping) else {}


def _status(status: int | None) -> dict[str, Any]:
    return {} if status is None else {"status": status}


def _number(credits: Decimal | None) -> Any:
    """Exactly, as a JSON number."""
    if credits is None:
        return None
    return int(credits) if credits == credits.to_integral_value() else orjson.Fragment(str(credits))


def _reason(error: RenderError) -> str:
    if error.status == 429:
        return "429"
    if error.status is not None and error.status >= 500:
        return "5xx"
    return error.word
