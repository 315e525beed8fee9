"""`POST /v1/events` and what a forwarder needs besides it: who may send, how much at once, and what is answered.

An answer is sent after the commit. The ledger is written by one thread of its own, so that scrapes do not wait for it,
and so few requests are held at a time that memory stays bounded; the others come again later.
"""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiohttp import web
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from auditor.feed.wire import EVENTS, MARKS, MAX_BODY, MAX_LINES, NDJSON, SOURCES, Part, digest_of, marks_to
from auditor.ledger.receive import Received, Receiver
from auditor.model.errors import AuditorError
from auditor.model.metrics import INGEST
from auditor.system.network import is_loopback
from auditor_exporter.bodies import body_of
from auditor_exporter.ledger import FATES
from auditor_exporter.problems import ProblemError
from auditor_exporter.rates import Rates
from auditor_exporter.snapshot import reason
from auditor_exporter.tokens import Tokens
from auditor_exporter.webconfig import WebConfig

T = TypeVar("T")
SENDER = web.RequestKey("sender", str)
"""Who sent a request, for rejections and rates."""
HELD = 6
"""Requests whose bodies are in memory at a time."""
PATIENCE = 30.0
"""Seconds in which a body has to come."""
LATER, SOON = 5, 1
"""Seconds after which to come again: when the ledger fails, and when others are being answered."""
_KINDS = (NDJSON, "application/jsonl", "application/jsonlines", "application/x-jsonlines", "application/json")
"""None that a form of a web page can send."""
_MAX_SOURCES = 100
_MAX_NAME = 150
_REJECTED_SHOWN = 1000
"""Rejected lines that an answer names; the ledger keeps all."""


class Receiving(Collector):
    """The routes of `/v1/`. *receiver* gives what books now, None while the ledger is not open."""

    def __init__(
        self, receiver: Callable[[], Receiver | None], tokens: Tokens, say: Callable[[str], object],
        rates: Rates | None = None, patience: float = PATIENCE,
    ) -> None:  # fmt: skip
        self._receiver, self._tokens, self._say = receiver, tokens, say
        self._rates, self._patience = rates or Rates(), patience
        self._thread = ThreadPoolExecutor(1, "ingest")
        self._held, self._failing = 0, ""
        self._requests: Counter[str] = Counter()
        self._lines: Counter[str] = Counter(dict.fromkeys(FATES, 0))
        self._bytes = 0

    def add_to(self, router: web.UrlDispatcher) -> None:
        """The routes."""
        router.add_post(EVENTS, self._answered(self._events))
        router.add_get(MARKS, self._answered(self._marks), allow_head=False)
        router.add_post(SOURCES, self._answered(self._sources))

    def collect(self) -> Iterable[Metric]:
        """Requests by status, lines by what became of them, bytes."""
        requests, lines, size = (CounterMetricFamily(each.name, each.help, labels=each.labels) for each in INGEST)
        for code, many in list(self._requests.items()):
            requests.add_metric([code], many)
        for fate, many in list(self._lines.items()):
            lines.add_metric([fate], many)
        size.add_metric([], self._bytes)
        return requests, lines, size

    def sender(self, request: web.Request, config: WebConfig) -> str | None:
        """Who sends, where no password is needed: by a token, by a certificate, or from this machine."""
        known = self._tokens.identity(request.headers.get("authorization", ""))
        if known is not None:
            return known
        peer = str(((request.transport and request.transport.get_extra_info("peername")) or ("",))[0])
        if config.tls is not None and config.tls.verify_mode is ssl.CERT_REQUIRED and not config.users:
            return peer
        return peer if not config.users and not self._tokens and peer and is_loopback(peer) else None

    def count(self, status: int) -> None:
        """A request was answered."""
        self._requests[str(status)] += 1

    def _answered(
        self, handler: Callable[[web.Request, Receiver], Awaitable[Any]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            wait = self._rates.wait(request[SENDER])
            if wait:
                raise ProblemError(429, "this sender sends too many requests; send more lines with each", after=wait)
            receiver = self._receiver()
            if receiver is None:
                raise ProblemError(503, "the ledger is not open; the exporter's log says why", after=LATER)
            try:
                return web.json_response(await handler(request, receiver))
            except (web.RequestPayloadError, ConnectionError):
                raise ProblemError(400, "the body broke off; send it again") from None
            except (ProblemError, web.HTTPException):
                raise
            except Exception as error:  # (what it holds may be of the request)
                self._say(f"a fault of the program ({type(error).__name__}) at {request.path}; report it")
                raise ProblemError(500, "a fault of the exporter; its log names it") from None

        return answer

    async def _events(self, request: web.Request, receiver: Receiver) -> dict[str, Any]:
        if request.content_type not in _KINDS or "content-type" not in request.headers:
            raise ProblemError(415, f"the Content-Type is not supported; send lines of JSON as {NDJSON}")
        try:
            part = Part.of(dict(request.query))
        except ValueError as error:
            raise ProblemError(400, str(error)) from None
        if self._held >= HELD:
            raise ProblemError(503, "too many requests at a time; send this one again", after=SOON)
        self._held += 1
        lasting = None
        try:
            body = await body_of(request, MAX_BODY, self._patience)
            if body.count(b"\n") > MAX_LINES:
                raise ProblemError(413, f"the body has more than {MAX_LINES:,} lines; send it in parts")
            sender = f"POST by {request[SENDER]}"
            lasting = asyncio.ensure_future(self._in_turn(lambda: receiver.take(body, sender, part)))
            lasting.add_done_callback(self._release)
        finally:
            if lasting is None:
                self._held -= 1
        # A client that hangs up does not stop what is being booked.
        try:
            taken = await asyncio.shield(lasting)
        except ValueError as error:
            raise ProblemError(400, str(error)) from None
        if not isinstance(taken, Received):
            what = "the ledger has the file up to another position; go on from one of its marks"
            raise ProblemError(409, what, more={"marks": marks_to(taken)})
        self._bytes += len(body)
        self._lines.update({fate: taken.counts[fate] for fate in FATES})
        shown = [
            {"line": line, "reason": why, "detail": detail} for line, why, detail in taken.rejected[:_REJECTED_SHOWN]
        ]
        return {
            "lines": taken.counts["lines"], **{fate: taken.counts[fate] for fate in FATES if fate != "rejected"},
            "rejected": shown, "rejected_total": len(taken.rejected), "again": taken.again,
        }  # fmt: skip

    def _release(self, done: "asyncio.Future[Any]") -> None:
        self._held -= 1
        if not done.cancelled():
            done.exception()  # the client may have gone

    async def _marks(self, request: web.Request, receiver: Receiver) -> dict[str, Any]:
        try:
            first_line = digest_of(request.query.get("first_line", ""))
        except ValueError as error:
            raise ProblemError(400, f"the parameter first_line {error}") from None
        return {"marks": marks_to(await self._in_turn(lambda: receiver.marks(first_line)))}

    async def _sources(self, request: web.Request, receiver: Receiver) -> dict[str, Any]:
        if request.content_type != "application/json":
            raise ProblemError(415, "the Content-Type is not supported; send application/json")
        body = await body_of(request, 64 << 10, self._patience)
        try:
            found = json.loads(body)["sources"]
            wrong = not isinstance(found, dict) or not 0 < len(found) <= _MAX_SOURCES
            wrong = wrong or not all(_is_name(name) and isinstance(there, bool) for name, there in found.items())
        except (ValueError, LookupError, TypeError, RecursionError):
            wrong = True
        if wrong:
            many = f"at most {_MAX_SOURCES} names of at most {_MAX_NAME} characters"
            raise ProblemError(400, f'the body is not {{"sources": {{NAME: true or false}}}} with {many}')
        await self._in_turn(lambda: receiver.see(found))
        return {"sources": len(found)}

    async def _in_turn(self, work: Callable[[], T]) -> T:
        """What the ledger's one thread makes of *work*; a `ProblemError` if the ledger fails for now."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (AuditorError, OSError, MemoryError) as error:
            if (why := reason(error)) != self._failing:
                self._failing = why
                self._say(f"receiving fails ({why}); senders are told to come again")
            raise ProblemError(503, "the ledger cannot be used now; the exporter's log says why", after=LATER) from None
        if self._failing:
            self._failing = ""
            self._say("receiving works again")
        return found


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _MAX_NAME and name.isprintable()
