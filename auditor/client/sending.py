"""Requests of requests' sessions on their way: into a session, and out of it as calls."""

import os
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from auditor.client.bodies import watch_body, watched_by
from auditor.client.call_rules import SeenRequest
from auditor.client.failures import content_of
from auditor.client.holders import Holder, attached_to
from auditor.client.metering import Metering, quiet
from auditor.client.passage import CURRENT, Passage, Passing, sender, started, underway
from auditor.client.watch import Journey

Asked = Callable[[Metering], SeenRequest | None]
"""The request as one who meters sees it; None for other traffic."""
SENDING: "ContextVar[Sending | None]" = ContextVar("auditor_sending", default=None)
_CALL: "ContextVar[Leaving | None]" = ContextVar("auditor_call", default=None)
"""The call that is leaving."""
_ELSEWHERE: set[SeenRequest] = set()
"""Requests under way of sessions that share an adapter with a metered one."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ELSEWHERE.clear)


@dataclass(eq=False)
class Sending(Passage):
    """One `send` of a session, while it goes on."""

    holder_of: Callable[[str], Holder]
    """The adapter of an address."""
    request: Any
    newest: Any = None
    """The newest answer of an adapter."""
    followed: list[Any] = field(default_factory=list)
    """Answers to requests of their own that were made meanwhile: steps of a redirect, calls of a hook."""

    @quiet
    def __enter__(self) -> None:
        self.tokens = (CURRENT.set(Passing(self.metering)), SENDING.set(self))
        asked = asked_of(self.metering, self.request.method, self.request.url, self.request.body)
        if asked is not None:
            self.journey, _ = started(self.metering, asked, self.request, layered=True)
            CURRENT.set(self.journey or Passing(self.metering))

    @quiet
    def left(self) -> None:
        """An outer one, if there is one, hears what followed on it."""
        super().left()
        outer = SENDING.get()
        if outer is not None and self.answer is not None:
            outer.followed += [self.answer, *self.answer.history]

    def answered(self, journey: Journey) -> None:
        """By the answer to the request itself, however many others were made for it."""
        own = self._own()
        if own is None:
            journey.left()
            return
        adapter = self.holder_of(own.request.url)
        adapter.reached = adapter.reached or bool(journey.calls)
        watching = watched_by(getattr(own, "raw", None))
        said = (own.status_code, own.headers, _from_cache(own))
        watch = journey.answered(*said, adapter.reached, lambda call: watching is call)
        if watch is not None:
            watch.chunk(content_of(own), decoded=True)
            watch.ended(whole=True)

    def _own(self) -> Any:
        """The answer to the request itself: not that of a redirect's later steps, or to what a hook sent.

        None where only other requests were answered.
        """
        answers = [*self.answer.history, self.answer]
        own = next((each for each in reversed(answers) if all(each is not other for other in self.followed)), None)
        hooked = self.request.hooks.get("response")
        if own is None or (hooked and _from_cache(own) is not True and self.newest is not None):
            return self.newest  # a hook may give anything for it
        return own


@dataclass(eq=False)
class Leaving(Passage):
    """A call leaves: at a pool, or at an adapter that brings its own connections."""

    asked: Asked
    adapter: Holder
    at_pool: bool
    """Where further tries, from inside as with `Retry`, can be seen."""
    retries: Any = None

    @quiet
    def __enter__(self) -> None:
        current, outer = CURRENT.get(), _CALL.get()
        metering = _metering(self.asked, self.adapter) if current is None else current.metering
        found = None if metering is None else self.asked(metering)
        if metering is None or found is None:
            return
        if outer is not None and outer.watch is not None and outer.journey is current:
            if not outer.at_pool:
                return
            for noted in (getattr(self.retries, "history", None) or ())[-1:]:  # by urllib3, of the try before
                if noted.status is not None:
                    outer.watch.heard(noted.status, {})
                elif noted.error is not None:
                    outer.watch.failed(noted.error)
            outer.watch.dropped()
        self.journey, self.watch = started(metering, found, found, layered=False, below=True)
        if self.journey is not None:
            self.tokens = (CURRENT.set(self.journey), _CALL.set(self))

    def answered(self, journey: Journey) -> None:
        """Its body is still to be read, as a rule."""
        del journey
        watch, answer = self.watch, self.answer
        if watch is None or watch.over:  # a later try, from inside, has been watched
            return
        watch.heard(answer.status if self.at_pool else answer.status_code, answer.headers)
        watch.cached = not self.at_pool and _from_cache(answer) is True
        if self.at_pool or getattr(answer, "_content", False) is False:
            watch_body(watch, answer if self.at_pool else answer.raw)
        else:
            watch.chunk(content_of(answer), decoded=True)
            watch.ended(whole=True)


@dataclass(eq=False)
class Foreign(Passage):
    """A request of a session that is not metered, at an adapter that it shares with a metered one."""

    asked: Asked
    found: SeenRequest | None = None

    @quiet
    def __enter__(self) -> None:
        self.tokens = (CURRENT.set(Passing(None)),)
        self.found = self.asked(self.metering)
        if self.found is not None:
            _ELSEWHERE.add(self.found)

    @quiet
    def left(self) -> None:
        """It is not under way any more."""
        super().left()
        _ELSEWHERE.discard(self.found)


def asked_of(metering: Metering, method: str, url: str, body: Any) -> SeenRequest | None:
    """A request as one who meters sees it; None for other traffic."""
    host = urlsplit(url).hostname or ""
    if not metering.knows(host):
        return None
    content = b"" if body is None else body.encode() if isinstance(body, str) else body
    held = isinstance(content, bytes | bytearray | memoryview)
    return SeenRequest(method, url, host, bytes(content) if held else None)


def _metering(asked: Asked, adapter: Holder) -> Metering | None:
    """Whose call it is that leaves in a thread which a session, or a layer in an adapter, has started."""
    session = sender()
    if session is not None:
        attached = attached_to(session)
        return None if attached is None else cast(Metering, attached.metering)
    users: list[Metering] = [each.metering for each in list(adapter.users)]
    found = [(metering, each) for metering in users if (each := asked(metering)) is not None]
    for metering, each in found:
        if underway(each) is not None:
            return metering
    return next((metering for metering, each in found if not any(map(each.same, list(_ELSEWHERE)))), None)


def _from_cache(response: Any) -> bool | None:
    """What a caching layer says: requests-cache and CacheControl, hishel; None where none speaks."""
    word = getattr(response, "from_cache", None)
    if isinstance(word, bool):
        return word
    said = str(response.headers.get("x-hishel-from-cache", "")).lower()
    return None if said not in ("true", "false") else said == "true"
