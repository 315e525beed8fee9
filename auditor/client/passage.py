"""Passages of requests through metered places: into a client's layers, or out of them as calls."""

import sys
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from auditor.client.call_rules import SeenRequest
from auditor.client.metering import Metering, quiet
from auditor.client.watch import UNDERWAY, Journey, Watch


class Passing(NamedTuple):
    """A request that is not a render, as far as anything is known; without *metering* an unmetered client's."""

    metering: Metering | None


CURRENT: ContextVar[Journey | Passing | None] = ContextVar("auditor_journey", default=None)
"""The request that the layers of this context work on."""


@dataclass(eq=False)
class Passage:
    """One request that passes a place; what enters says what it is, and `answer` is what comes back.

    Faults in between are counted, and the request goes on as if unwatched.
    """

    metering: Metering
    journey: Journey | None = field(default=None, init=False)
    watch: Watch | None = field(default=None, init=False)
    """Over the call, where it leaves here; without one the journey is the request's own."""
    answer: Any = field(default=None, init=False)
    tokens: tuple[Token[Any], ...] = field(default=(), init=False)
    """What was set for as long as it lasts."""

    @quiet
    def __enter__(self) -> None:
        """Nothing is known of it."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.left()
        self._ended(error)

    @quiet
    def left(self) -> None:
        """What was set is as it was."""
        for token in self.tokens:
            try:
                token.var.reset(token)
            except ValueError:  # a loop that goes on in another context
                token.var.set(None)

    @quiet
    def _ended(self, error: BaseException | None) -> None:
        if self.journey is None:
            return
        if error is not None:
            self.journey.raised() if self.watch is None else self.watch.failed(error)
            return
        try:
            self.answered(self.journey)
        except Exception:
            self.journey.left() if self.watch is None else self.watch.dropped()
            raise

    def answered(self, journey: Journey) -> None:
        """The answer is there."""


def started(
    metering: Metering, asked: SeenRequest, request: object, *, layered: bool, below: bool = False
) -> tuple[Journey | None, Watch | None]:
    """A request passes a place that is metered: its journey, and the watch over its call if it leaves here.

    A call that a layer makes for a request that is under way belongs to that request's journey, also one from *below*
    layers in a thread of its own. (None, None) for what is not a render.
    """
    found = metering.rule(asked)
    if found is None:
        return None, None
    current = CURRENT.get()
    journey = underway(asked) if below and current is None else current
    if isinstance(journey, Journey) and journey.open and journey.rule.provider == found[0].provider:
        return (None, None) if layered else (journey, journey.begin(apart=current is None))
    journey = Journey(metering, *found, metering.identified(found, asked, request), asked, layered=layered)
    return journey, None if layered else journey.begin()


def underway(asked: SeenRequest) -> Journey | None:
    """The journey of the same request, of several the one with the fewest calls."""
    return min((one for one in list(UNDERWAY) if asked.same(one.asked)), key=lambda one: len(one.calls), default=None)


_SENDS = {
    "httpx._client": "_send_single_request", "httpx2._client": "_send_single_request", "requests.sessions": "send",
}  # fmt: skip
"""By module: the function of a client in which its transport, or adapter, is called."""


def sender() -> Any:
    """The client that is sending in this thread; None in a thread that a layer below it started."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == _SENDS.get(frame.f_globals.get("__name__", "")):
            return frame.f_locals.get("self")
        frame = frame.f_back  # type: ignore[assignment]
    return None
