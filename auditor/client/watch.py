"""A watch over one call in flight, and the journey of the request that it is made for.

Between a caller and the provider there may be layers that cache or try again. A journey is what the caller asked for;
each call that really leaves is watched apart. So a request that made no call is a hit, and one that made three has
three events: two tries that were followed by another, and the last.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from decimal import Decimal

from auditor.caches import Entry
from auditor.client.answers import decoded
from auditor.client.call_rules import CallRule, SeenRequest, json_object
from auditor.client.failures import failure_of, given_up_at
from auditor.client.meter import Meter, MeteredTry
from auditor.client.metering import Metering, quiet
from auditor.client.request import Request
from auditor.client.unread import UNREAD
from auditor.model.endpoints import Seen
from auditor.model.errors import QuotaExceededError, RenderError
from auditor.model.media import is_picture, tells_size
from auditor.model.provider import FORMAT_OF, Answer, Picture, error_of, size_of
from auditor.registry import PROVIDERS

HEAD = 256 << 10
"""Bytes of an answer that are kept, for sizes and error texts."""


class Journey:
    """One request of a caller's, until it has its answer; *layered* if there may be layers between it and its calls."""

    def __init__(
        self, metering: Metering, rule: CallRule, seen: Seen, request: Request, asked: SeenRequest, *, layered: bool
    ) -> None:
        self.metering, self.rule, self.seen, self.request, self.asked = metering, rule, seen, request, asked
        self.meter: Meter = metering.meter(rule.provider)
        self._unused = [self.meter.begin()]
        self.calls: list[Watch] = []
        """In the order in which they left; a layer may have several in flight."""
        self._held: list[tuple[Watch, RenderError]] = []
        """Failures that another try may follow."""
        self.open = layered
        self._answer: Watch | None = None
        self._settled = False
        if layered:
            UNDERWAY.add(self)

    def begin(self, *, apart: bool = False) -> "Watch":
        """A call leaves; *apart* if in a thread of its own, so that it need not be what the caller waits for."""
        for call in self.calls:
            if call.status is not None and call.failing:
                call.dropped()
        self._release(retried=True)
        watch = Watch(self, self._try())
        watch.apart = apart
        self.meter.attempt(self.request, watch.made)
        self.calls.append(watch)
        return watch

    def _try(self) -> MeteredTry:
        try:
            return self._unused.pop()  # by one thread alone
        except IndexError:
            return self.meter.begin()

    def fails(self, call: "Watch", error: RenderError) -> None:
        """One of its calls failed: held back while another try may follow."""
        if not self.open:
            retried = self._settled and call is not self._answer  # the request ended otherwise
            self.meter.failed(self.request, error, call.made, retried=retried)
            return
        self._held.append((call, error))
        if not self.open:  # meanwhile, in another thread
            self._release(retried=True)

    def _release(self, *, retried: bool, last: "Watch | None" = None) -> bool:
        """Write the failures that were held back, the newest one, or that of *last*, as the request's own end."""
        ended = False
        while True:
            try:
                call, error = self._held.pop()  # by one thread alone
            except IndexError:
                return ended
            again = retried or ended or (last is not None and call is not last)
            self.meter.failed(self.request, error, call.made, retried=again)
            ended = ended or not again

    def _settle(self, own: "Watch | None", *, retried: bool) -> None:
        """The request is over; *own* is the call whose answer is its answer."""
        UNDERWAY.discard(self)
        for call in self.calls:
            if call is not own and call.status is not None and not call.apart:
                call.dropped()  # what the layers made of it is not its own answer
        ended = self._release(retried=retried, last=own)
        if own is None and not ended and not retried:
            own = next((call for call in reversed(self.calls) if call.status is None), None)  # its end is to come
        self._answer, self._settled, self.open = own, True, False
        self._release(retried=True)

    @quiet
    def raised(self) -> None:
        """The request ended with an exception."""
        if not self.calls:
            # Whatever forbade it, no call was made.
            self.meter.refused(self.request, self._try())
        self._settle(None, retried=False)

    @quiet
    def left(self) -> None:
        """Another request, which is metered by itself, took its place."""
        self._settle(None, retried=False)

    @quiet
    def answered(
        self, status: int, headers: Mapping[str, str], cached: bool | None, reached: bool, of: Callable[["Watch"], bool]
    ) -> "Watch | None":
        """The request has its answer; a watch over its body where none of its calls is watched already.

        *cached* is the word of a layer that says whether the answer comes from its cache; *reached* is whether calls
        below these layers have ever been seen; *of* whether it is the very answer to a call.
        """
        good = 200 <= status < 300 or status == 304
        # A stale image in place of a failure is a hit, and the call that failed was only a try. One in a thread of its
        # own may have refreshed the cache.
        served = good and all(call.failing or (call.apart and not of(call)) for call in self.calls)
        own = None if served else next((call for call in reversed(self.calls) if call.status == status), None)
        self._settle(own, retried=good)
        if not served:
            if not self.calls:
                self.meter.refused(self.request, self._try())
            return None
        watch = self._answer = Watch(self, self._try())
        watch.heard(status, headers)
        watch.cached = cached is not False and (cached is True or reached or bool(self.calls))
        return watch


class Watch:
    """One call in flight: its events, its size and its digest."""

    def __init__(self, journey: Journey, made: MeteredTry) -> None:
        self.journey, self.made, self.metering = journey, made, journey.metering
        self._head: bytes | bytearray = b""
        self._size = 0
        self._digest = None if journey.meter.sink is None else hashlib.sha256()  # half of what metering costs
        self.over = False
        self._decoded = False
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.cached = False
        """Whether the answer comes from a cache."""
        self.apart = False
        """Whether it left in a thread that a layer started."""
        self.answer: Callable[[], object] | None = None
        """The object that the answer is, as long as it lives."""
        self.inside = False
        """Whether a method of a body is at work: what it calls of the others counts once."""

    @property
    def failing(self) -> bool:
        """Whether it has no image, as far as anything is known."""
        return self.status is None or not (200 <= self.status < 300 or self.status == 304)

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of the answer is there."""
        self.status, self.headers = status, headers

    @quiet
    def chunk(self, data: bytes, *, decoded: bool = False) -> None:
        """A piece of the answer passes by; *decoded* if it is not as it was sent."""
        if self.over:
            return
        self._decoded = decoded
        self._size += len(data)
        if self._digest is not None:
            self._digest.update(data)
        if not self._head:
            self._head = bytes(data[:HEAD])  # which copies nothing, and most answers come in one piece
        elif len(self._head) < HEAD:
            if isinstance(self._head, bytes):
                self._head = bytearray(self._head)
            self._head += data[: HEAD - len(self._head)]

    @quiet
    def failed(self, error: BaseException) -> None:
        """No answer came, or not to its end."""
        if self.over:
            return
        status = given_up_at(error)
        if status is None:
            self._fails(failure_of(error, self.journey.rule.provider))
        else:
            self.heard(status, {})
            self._ended(whole=False)

    @quiet
    def dropped(self) -> None:
        """The rest will not be read: it was another try, or the caller has something else."""
        self._ended(whole=False)
        if not self.over:  # there was no answer at all
            self._fails(failure_of(ConnectionError()))

    @quiet
    def ended(self, *, whole: bool) -> None:
        """The answer came to its end, or its reader had enough before."""
        self._ended(whole)

    @quiet
    def complete(self) -> bool:
        """Whether all that was announced has passed by."""
        return self.headers.get("content-length") == str(self._size)

    def _ended(self, whole: bool) -> None:
        if self.over or self.status is None:
            return
        self._ends()
        journey, status = self.journey, self.status
        headers, head = self.headers, bytes(self._head)
        self._head = b""  # this object may stay longer than its answer
        coding = headers.get("content-encoding", "identity")
        encoded = coding != "identity"
        known = head if self._decoded or not encoded else decoded(head, coding, HEAD)
        answer = Answer(status, headers, known or b"")
        if self.cached or status == 304:
            journey.meter.served(journey.request, self._entry(answer, whole, encoded, None), self.made, status)
        elif not 200 <= status < 300:
            self._fails(self._refusal(answer))
        else:
            try:
                cut = self._size > len(head) or len(answer.content) >= HEAD
                told = whole and known is not None and not (cut and answer.media_type.endswith("json"))
                entry = self._entry(answer, whole, encoded, self._picture(answer, told))
            except RenderError as error:
                self._fails(error)
            else:
                journey.meter.rendered(journey.request, entry, self.made, status, self._credits())

    def _fails(self, error: RenderError) -> None:
        self._ends()
        self.journey.fails(self, error)

    def _ends(self) -> None:
        self.over = True
        UNREAD.discard(self)

    def _refusal(self, answer: Answer) -> RenderError:
        rule, said = self.journey.rule, f"HTTP {answer.status}"
        known = PROVIDERS.get(rule.provider)
        found = None if known is None else self.metering.tried(known.error, answer)
        if found is None and rule.quota.used_up(answer.status, answer.content):
            return QuotaExceededError(said, status=answer.status)
        return found or error_of(answer.status, said)

    def _picture(self, answer: Answer, told: bool) -> Picture | None:
        provider = PROVIDERS.get(self.journey.rule.provider)
        # Nothing can be said of a body that was not read to its end, or of a document without its end, but that it was
        # paid for.
        if provider is None or provider.api is None or not told or self.journey.seen.images != 1:
            return None
        try:
            return provider.api.picture(answer, self.journey.request.options)
        except RenderError:
            raise
        except Exception as error:
            self.metering.fault(error)
            return None

    def _entry(self, answer: Answer, whole: bool, encoded: bool, picture: Picture | None) -> Entry:
        sized = answer.status in (200, 201) if picture else tells_size(answer.status, answer.media_type)
        picture = picture or picture_of(answer)
        if not (whole and sized and self._size) or encoded or picture.content is None:
            return Entry(picture)
        digest = None if self._digest is None else f"sha256:{self._digest.hexdigest()}"
        return Entry(picture, digest, self._size)

    def _credits(self) -> Decimal | None:
        """What the call cost, as the rule's price, the answer, or what it asked for says; None where none does."""
        rule, seen = self.journey.rule, self.journey.seen
        if rule.price.plain:
            known = PROVIDERS.get(rule.provider)
            return seen.credits if known is None else known.cost(seen.credits, self.headers)
        body = None if (content := self.journey.asked.content) is None else json_object(content)
        return None if body is None and rule.price.asks else self.metering.tried(rule.price.of, body)


UNDERWAY: set[Journey] = set()
"""Requests whose layers may make calls in threads of their own, where nothing tells whose these are."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=UNDERWAY.clear)  # those of other threads go on in the parent


def picture_of(answer: Answer) -> Picture:
    """What a 2xx answer of a provider without a description holds."""
    if is_picture(answer.media_type) is False:
        return Picture(None, None, answer.media_type)
    width, height = size_of(answer.content)
    media_type = answer.media_type or "application/octet-stream"
    return Picture(answer.content, None, media_type, FORMAT_OF.get(media_type), width, height)
