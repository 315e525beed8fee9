"""One request: what is sent, what comes back, what is retried, and the event and metrics that it leaves."""

import asyncio
import copy
import gc
import pickle
import socket
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpcore
import httpx
import pytest
from prometheus_client import CollectorRegistry

from auditor.client.budget import Budget
from auditor.client.renderer import Renderer
from auditor.model.errors import (
    AuthenticationError,
    BudgetExceededError,
    ConfigError,
    InvalidRequestError,
    NoPlanError,
    NotFoundError,
    NotSentError,
    ProviderError,
    QuotaExceededError,
    RateExceededError,
    RenderError,
    ThrottledError,
    UncertainError,
)
from auditor.model.event_reader import parse_event
from auditor.model.events import Outcome
from auditor.model.fingerprint import canonical
from tests.client.conftest import PICTURE, Time, Upstream, fails, outcomes

Build = Callable[..., Renderer]
Events = Callable[[], list[dict[str, Any]]]


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """A sample, 0 where there is none; sums over the labels that are not given."""
    return sum(
        sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == f"imgrender_client_{name}" and labels.items() <= sample.labels.items()
    )


def test_a_render_and_the_hit_after_it(build: Build, upstream: Upstream, events: Events) -> None:
    """One call; bytes, size and type as delivered; a hit costs nothing."""
    renderer = build()
    first = renderer.render("og", {"title.text": "Hello"}, format="png", placement="og_image")
    again = renderer.render("og", {"title.text": "Hello"}, format="png", placement="og_image")
    assert (first.content, first.width, first.height, first.media_type) == (PICTURE, 16, 8, "image/png")
    assert (first.outcome, first.credits) == (Outcome.RENDER, Decimal(1))
    assert (again.outcome, again.credits, again.content) == (Outcome.HIT, Decimal(0), PICTURE)
    assert first.key == again.key
    assert len(upstream.calls) == 1
    renderer.close()
    attempt, render, hit = events()
    assert attempt["outcome"] == "attempt" and attempt["id"] == render["id"] != hit["id"]
    assert render["placement"] == "og_image" and render["credits"] == 1 and render["status"] == 200
    assert hit["bytes"] == len(PICTURE) and hit["digest"] == render["digest"]
    assert list(render["inputs"]) == ["title.text"] and "Hello" not in str(render)


def test_the_bytes_sent_are_the_bytes_hashed(build: Build, upstream: Upstream) -> None:
    """RFC 8785, whatever order and number form the caller used; changing the mapping later changes nothing."""
    overrides = {"b": 1.0, "a": {"text": "Zoë", "n": [1e21, None]}}
    sent = canonical(overrides)
    build().render("og", overrides, format="jpg", quality=80)
    call = upstream.calls[0]
    assert call.content == sent == '{"a":{"n":[1e+21,null],"text":"Zoë"},"b":1}'.encode()
    assert str(call.url) == "https://render.imejis.io/v1/og?format=jpeg&quality=80"
    assert call.headers["dma-api-key"] == "a key"


def test_the_key_is_that_of_the_scope(build: Build) -> None:
    """Account, environment, version and options are in it; placement is not."""
    keys = [
        build(account=account, environment=environment).render("og", {}, template_version=version, **options).key
        for account, environment, version, options in (
            ("main", "production", None, {}), ("other", "production", None, {}), ("main", "staging", None, {}),
            ("main", "production", "2", {}), ("main", "production", None, {"format": "png"}),
        )
    ]  # fmt: skip
    assert len(set(keys)) == 5
    assert build().render("og", {}, placement="x").key == keys[0]
    assert build(secret="one").render("og", {}).key != keys[0]


@pytest.mark.parametrize(
    "bad", [{"a": float("nan")}, {"a": 2**53}, {1: "a"}, {"a": {1, 2}}, {"a": b"x"}, {"a": object()}]
)
def test_what_has_no_canonical_form_is_refused_before_any_call(build: Build, upstream: Upstream, bad: Any) -> None:
    """A ValueError that is a RenderError too."""
    with pytest.raises(InvalidRequestError, match="canonical") as caught:
        build().render("og", bad)
    assert isinstance(caught.value, ValueError) and not upstream.calls


def test_spellings_that_are_remembered_are_exact(build: Build, upstream: Upstream) -> None:
    """Equal requests are one however they are spelled; NaN, which is spelled like None, is not None."""
    renderer = build()
    assert renderer.render("og", {"a": 1, "b": {"c": "x"}}).outcome is Outcome.RENDER
    for same in ({"b": {"c": "x"}, "a": 1}, {"a": 1.0, "b": {"c": "x"}}, {"a": 1, "b": {"c": "x"}}):
        assert renderer.render("og", same).outcome is Outcome.HIT
    for other in (
        {"a": True, "b": {"c": "x"}},
        {"a": "1", "b": {"c": "x"}},
        {"a": 1, "b.c": "x"},
        {"a": None},
        {"a": "null"},
    ):
        assert [renderer.render("og", other).outcome for _ in range(2)] == [Outcome.RENDER, Outcome.HIT]
    with pytest.raises(InvalidRequestError):
        renderer.render("og", {"a": float("nan")})
    scope: Any = renderer._scope
    for document in ({"\ue000": 1, "\U0001f600": 2}, {"a": 1e21}, {"a": [1.0, -0.0]}, {"é": "e\u0301"}):
        assert renderer.render("og", document).key == renderer.render("og", document).key == scope.key("og", document)


@pytest.mark.parametrize(
    "options",
    [{"format": "bmp"}, {"quality": 0}, {"quality": True}, {"expires_in": 5}, {"width": 5}, {"format": ["png"]},
     {"delivery": "signed", "expires_in": 99_999}],
)  # fmt: skip
def test_options_are_checked_before_any_call(build: Build, upstream: Upstream, options: dict[str, Any]) -> None:
    """With the cure in the message."""
    with pytest.raises(InvalidRequestError):
        build().render("og", {}, **options)
    assert not upstream.calls


def test_signed_addresses_are_not_kept_longer_than_they_live(build: Build, upstream: Upstream, moving: Time) -> None:
    """However long the TTL is."""

    def signed(_: httpx.Request) -> httpx.Response:
        ends = f"2026-09-21T14:1{3 + len(upstream.calls)}:20Z"
        document = {"success": True, "url": f"https://cdn/{len(upstream.calls)}.png?token=s", "format": "png"}
        return httpx.Response(200, json=document | {"expiresAt": ends})

    upstream.script = [signed, signed]
    renderer = build(clock=moving.clock(), ttl=7 * 86_400)
    first = renderer.render("og", {}, delivery="signed")
    assert first.url == "https://cdn/1.png?token=s" and first.format == "png"
    with pytest.raises(ValueError, match="address"):
        _ = first.content
    moving.now += 29
    assert renderer.render("og", {}, delivery="signed").outcome is Outcome.HIT
    moving.now += 60
    assert renderer.render("og", {}, delivery="signed").url == "https://cdn/2.png?token=s"
    assert "token" not in repr(first)


QUOTA = {"success": False, "message": "used up", "data": {"usage": 100, "limit": 100, "remaining": 0}}
NO_PLAN = {"success": False, "message": "Your workspace has no active plan.", "reason": "no-plan",
           "data": {"usage": 0, "limit": 0, "remaining": 0}}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "kind", "calls", "credits"),
    [
        (fails(429, NO_PLAN), NoPlanError, 1, 0),
        (fails(429, QUOTA), QuotaExceededError, 1, 0),
        (fails(429, {"message": "slow down"}, retry_after="2"), ThrottledError, 3, 0),
        (fails(429, {"message": "slow down"}, retry_after="900"), ThrottledError, 1, 0),
        (fails(401, {"success": False, "error": "Unauthorized"}), AuthenticationError, 1, 0),
        (fails(404, {"success": False, "error": "Key not found"}), AuthenticationError, 1, 0),
        (fails(404, {"success": False, "message": "Design not found"}), NotFoundError, 1, 0),
        (fails(400, {"success": False, "message": "no"}), InvalidRequestError, 1, 0),
        (fails(302), InvalidRequestError, 1, 0),
        (fails(500), ProviderError, 3, 0),
        (fails(502), ProviderError, 3, None),
        (fails(504), UncertainError, 1, None),
        (lambda _: httpx.Response(200, headers={"content-type": "text/html"}, content=b"hi"), InvalidRequestError, 1, None),
        (lambda _: httpx.Response(200, json={"success": True}), InvalidRequestError, 1, None),
    ],
)  # fmt: skip
def test_failures(
    build: Build, upstream: Upstream, moving: Time, registry: CollectorRegistry, events: Events,
    answer: Any, kind: type[RenderError], calls: int, credits: int | None,
) -> None:  # fmt: skip
    """Each is one class; a quota or a missing plan is never tried again, a throttle and 5xx are, each try with an id."""
    upstream.script = [answer] * 3
    renderer = build(clock=moving.clock())
    with pytest.raises(kind) as caught:
        renderer.render("og", {"a": 1})
    assert type(caught.value) is kind and kind.fix in str(caught.value)
    assert len(upstream.calls) == calls
    assert caught.value.credits == credits
    renderer.close()
    written = events()
    finals = [event for event in written if event["outcome"] == "error"]
    assert outcomes(written) == {"attempt": calls, "error": calls}
    assert len({event["id"] for event in finals}) == calls
    assert [event.get("retried", False) for event in finals] == [True] * (calls - 1) + [False]
    assert all(event["credits"] == credits and event["error"] == caught.value.word for event in finals)
    for event in written:
        parse_event(event, None)  # type: ignore[arg-type]
    assert value(registry, "requests_total", result="error") == 1
    assert value(registry, "api_requests_total") == calls
    assert value(registry, "api_retries_total") == calls - 1
    assert value(registry, "credits_uncertain_total") == (calls if credits is None else 0)


def test_a_throttle_that_ends_gives_a_picture(build: Build, upstream: Upstream, moving: Time, events: Events) -> None:
    """After the wait that the provider asked for."""
    upstream.script = [fails(429, {"message": "slow"}, retry_after="7"), fails(503)]
    renderer = build(clock=moving.clock())
    assert renderer.render("og", {}).outcome is Outcome.RENDER
    assert moving.waits[0] == 7 and 0.5 <= moving.waits[1] <= 1
    renderer.close()
    assert outcomes(events()) == {"attempt": 3, "error": 2, "render": 1}


def raising(error: Exception) -> Any:
    """A transport error."""

    def respond(_: httpx.Request) -> httpx.Response:
        raise error

    return respond


def test_a_timeout_after_sending_is_uncertain_and_not_repeated(
    build: Build, upstream: Upstream, events: Events
) -> None:
    """It may have been billed."""
    upstream.script = [raising(httpx.ReadTimeout("slow")), raising(httpx.ReadError("gone"))]
    renderer = build()
    for word in ("timeout", "connection"):
        with pytest.raises(UncertainError) as caught:
            renderer.render("og", {})
        assert caught.value.credits is None and caught.value.word == word
        context: BaseException | None = caught.value
        while context is not None:  # httpx's own error would hold the request, with the key
            assert isinstance(context, UncertainError)
            context = context.__cause__ or context.__context__
    assert len(upstream.calls) == 2
    renderer.close()
    assert [event["credits"] for event in events() if event["outcome"] == "error"] == [None, None]


def test_uncertain_calls_are_repeated_on_request(build: Build, upstream: Upstream, moving: Time) -> None:
    """Then each of them may be billed."""
    upstream.script = [raising(httpx.ReadTimeout("slow"))] * 2
    assert build(retry_uncertain=True, clock=moving.clock()).render("og", {}).outcome is Outcome.RENDER
    assert len(upstream.calls) == 3


def test_what_was_never_sent_is_free_and_repeated(build: Build, moving: Time, events: Events) -> None:
    """A refused connection costs nothing, and the event says so."""

    class Refusing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused")

    renderer = build(transport=Refusing(), clock=moving.clock())
    with pytest.raises(NotSentError):
        renderer.render("og", {})
    renderer.close()
    finals = [event for event in events() if event["outcome"] == "error"]
    assert [event["credits"] for event in finals] == [0, 0, 0]


class Silent(httpx.AsyncBaseTransport):
    """A transport that says nothing about how far a request came; *error* None: it never answers."""

    def __init__(self, error: Exception | None) -> None:
        self.error, self.calls = error, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Fail."""
        self.calls += 1
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (None, "timeout"), (httpx.ReadTimeout("x"), "timeout"), (httpx.WriteTimeout("x"), "timeout"),
        (httpx.ReadError("x"), "connection"), (httpx.RemoteProtocolError("x"), "connection"),
        (httpx.DecodingError("x"), "connection"), (ConnectionResetError(), "connection"),
        (httpx.StreamClosed(), "other"), (RuntimeError("x"), "other"),
    ],
)  # fmt: skip
def test_without_proof_that_nothing_left_it_is_uncertain(
    error: Exception | None, word: str, build: Build, moving: Time, events: Events
) -> None:
    """One call, which may have been paid for and counts against the budget."""
    silent = Silent(error)
    renderer = build(transport=silent, timeout=0.05, clock=moving.clock(), budget=Budget(1, per="ever"))
    with pytest.raises(UncertainError) as caught:
        renderer.render("og", {})
    assert (caught.value.credits, caught.value.word, silent.calls) == (None, word, 1)
    with pytest.raises(BudgetExceededError):
        renderer.render("og", {})
    renderer.close()
    assert [(e["error"], e["credits"]) for e in events() if e["outcome"] == "error"] == [(word, None)]


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x"), httpx.ProxyError("x"),
     ConnectionRefusedError(), socket.gaierror(-2, "x")],
)  # fmt: skip
def test_what_can_only_come_before_sending_is_free_anywhere(error: Exception, build: Build, moving: Time) -> None:
    """A transport that says nothing is believed so far."""
    silent = Silent(error)
    with pytest.raises(NotSentError):
        build(transport=silent, clock=moving.clock()).render("og", {})
    assert silent.calls == 3


def test_a_transport_that_traces_proves_that_nothing_left(build: Build, moving: Time) -> None:
    """It told of a step before, and would have told of that one."""

    class Connecting(Silent):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await request.extensions["trace"]("connection.connect_tcp.started", {})
            return await super().handle_async_request(request)

    for transport in (Connecting(None), Connecting(httpx.WriteError("x"))):
        with pytest.raises(NotSentError):
            build(transport=transport, timeout=0.05, clock=moving.clock(), events=None).render("og", {})
        assert transport.calls == 3


@pytest.mark.parametrize("transport", [None, httpx.AsyncHTTPTransport()], ids=["none", "own"])
def test_httpx_s_own_wait_for_a_connection_is_free(
    transport: httpx.AsyncHTTPTransport | None, build: Build, moving: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no step to tell of, and the next one would be told."""

    async def wait(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(httpcore.AsyncConnectionPool, "handle_async_request", wait)
    with pytest.raises(NotSentError):
        build(transport=transport, timeout=0.05, clock=moving.clock(), tries=2).render("og", {})


def test_a_real_refused_connection_is_not_sent() -> None:
    """By httpx's own account of what it did."""
    from tests.services import free_port

    renderer = Renderer(api_key="k", base_url=f"http://127.0.0.1:{free_port()}", tries=1, registry=None)
    with renderer, pytest.raises(NotSentError):
        renderer.render("og", {})


@pytest.mark.parametrize("names", [{"placement": object()}, {"placement": "\ud800"}, {"template_version": 3}])
def test_names_that_cannot_stand_in_an_event(build: Build, upstream: Upstream, names: dict[str, Any]) -> None:
    """Refused before any call: an attempt that cannot be written would not be counted."""
    with pytest.raises(InvalidRequestError):
        build().render("og", {}, **names)
    with pytest.raises(InvalidRequestError):
        build().render("\ud800", {})
    assert not upstream.calls


def test_a_redirect_is_not_followed(build: Build, upstream: Upstream) -> None:
    """It would carry the key to another host."""
    upstream.script = [fails(302, location="https://elsewhere.example/x")]
    with pytest.raises(InvalidRequestError):
        build().render("og", {})
    assert len(upstream.calls) == 1


def test_the_timeout_is_for_the_whole_call(build: Build, upstream: Upstream) -> None:
    """A body that never ends is as bad as none."""

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            yield PICTURE[:8]
            await asyncio.Event().wait()

    upstream.script = [lambda _: httpx.Response(200, headers={"content-type": "image/png"}, stream=Endless())]
    with pytest.raises(UncertainError) as caught:
        build(timeout=0.05).render("og", {}, timeout=10)
    assert caught.value.word == "timeout"


@pytest.mark.slow
def test_a_renderer_that_nobody_closes_takes_its_thread_with_it(upstream: Upstream) -> None:
    """Many of them leave nothing behind."""
    for _ in range(3):
        renderer = Renderer(api_key="k", transport=upstream, registry=None)
        renderer.render("og", {})
        (thread,) = [each for each in threading.enumerate() if each is renderer._core.background._thread]
        del renderer
        gc.collect()
        thread.join(10)
        assert not thread.is_alive()


def test_errors_are_never_cached(build: Build, upstream: Upstream) -> None:
    """The next call is fresh."""
    upstream.script = [fails(400)]
    renderer = build()
    with pytest.raises(InvalidRequestError):
        renderer.render("og", {})
    assert renderer.render("og", {}).outcome is Outcome.RENDER


def test_async_is_the_same(build: Build, upstream: Upstream) -> None:
    """Over two event loops of one renderer."""
    renderer = build()

    async def once() -> Outcome:
        return (await renderer.arender("og", {"a": 1})).outcome

    assert [asyncio.run(once()), asyncio.run(once()), renderer.render("og", {"a": 1}).outcome] == [
        "render",
        "hit",
        "hit",
    ]
    assert len(upstream.calls) == 1


def test_context_managers_close_and_can_be_used_again(upstream: Upstream, tmp_path: Any) -> None:
    """The segment is sealed at the end of each."""

    async def main() -> None:
        async with renderer:
            await renderer.arender("og", {})

    renderer = Renderer(api_key="k", transport=upstream, events=tmp_path, registry=None)
    with renderer:
        renderer.render("og", {})
    asyncio.run(main())
    assert not list(tmp_path.glob("*.open.jsonl")) and len(list(tmp_path.glob("*.jsonl"))) == 2


def test_ttl_by_template_call_and_default(build: Build, upstream: Upstream, moving: Time) -> None:
    """Counted from when the image was stored, not sliding."""
    renderer = build(clock=moving.clock(), ttl=100, template_ttl={"short": 10})
    for template, options in (("long", {}), ("short", {}), ("once", {"ttl": 5})):
        renderer.render(template, {}, **options)
    moving.now += 7
    assert [renderer.render(t, {}).outcome for t in ("long", "short", "once")] == ["hit", "hit", "render"]
    moving.now += 3
    assert [renderer.render(t, {}).outcome for t in ("long", "short")] == ["hit", "render"]


def test_purge_empties_a_template(build: Build, upstream: Upstream) -> None:
    """All versions of it, and nothing else."""
    renderer = build()
    for template in ("a", "b"):
        renderer.render(template, {})
        renderer.render(template, {}, template_version="2")
    assert renderer.purge("a") == 2
    assert [renderer.render(t, {}).outcome for t in ("a", "b")] == ["render", "hit"]


def test_a_purge_during_a_render_keeps_the_old_picture_out(build: Build, upstream: Upstream) -> None:
    """What was asked for before the purge is delivered, and not stored."""
    renderer = build()
    upstream.gate.clear()
    thread = threading.Thread(target=renderer.render, args=("og", {}))
    thread.start()
    assert upstream.arrived.acquire(timeout=10)
    renderer.purge("og")
    upstream.gate.set()
    thread.join()
    assert renderer.render("og", {}).outcome is Outcome.RENDER


def test_the_rate_is_a_guard(build: Build, upstream: Upstream, events: Events) -> None:
    """A call that would wait too long for its turn is refused, which is an event and not a call."""
    renderer = build(per_second=0.01)
    renderer._core._caller.longest_queue = 0.01
    renderer.render("og", {"a": 1})
    with pytest.raises(RateExceededError):
        renderer.render("og", {"a": 2})
    renderer.close()
    assert outcomes(events()) == {"attempt": 1, "render": 1, "refused": 1}


def test_cache_headers_for_a_cdn(build: Build, moving: Time) -> None:
    """Content-Type, Cache-Control and ETag; If-None-Match as RFC 9110 compares it."""
    renderer = build(clock=moving.clock(), ttl=600)
    picture = renderer.render("og", {})
    moving.now += 100
    headers = renderer.render("og", {}).cache_headers(moving.now)
    assert headers == {"Content-Type": "image/png", "Cache-Control": "public, max-age=500", "ETag": picture.etag}
    assert picture.cache_headers(moving.now + 9999, public=False)["Cache-Control"] == "private, max-age=0"
    assert picture.not_modified(f'"x", W/{picture.etag}') and picture.not_modified("*")
    assert not picture.not_modified('"x"') and not picture.not_modified(None)


@pytest.mark.parametrize(
    "wrong",
    [{"provider": "nobody"}, {"api_key": ""}, {"account": ""}, {"base_url": "ftp://x"}, {"base_url": "https://u:p@host"},
     {"base_url": "https://host?key=1"}],
)  # fmt: skip
def test_wrong_settings_are_named(wrong: dict[str, Any]) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigError):
        Renderer(**{"api_key": "k", "registry": None, **wrong})


class OwnError(UncertainError):
    """One of a user's own, made in another way."""

    def __init__(self, code: int, *, extra: str) -> None:
        super().__init__(f"code {code}", word="connection", status=504)
        self.extra = extra


def test_errors_copy_and_pickle_with_their_facts() -> None:
    """Each waiter gets a copy; a process pool pickles."""
    error = UncertainError("no answer", word="connection", status=504)
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(other), str(other), other.word, other.status, other.credits) == (
            UncertainError, str(error), "connection", 504, None,
        )  # fmt: skip
    own = copy.copy(OwnError(3, extra="more"))
    assert (own.extra, own.status, own.what) == ("more", 504, "code 3")


def test_who_steps_a_coroutine_is_no_matter(build: Build) -> None:
    """Some frameworks do that themselves, outside of any task."""

    async def main() -> Any:
        running = build().arender("og", {}).__await__()
        done = asyncio.get_running_loop().create_future()

        def step(_: object = None) -> None:
            try:
                waiting = running.send(None)
            except StopIteration as end:
                done.set_result(end.value)
            except BaseException as error:
                done.set_exception(error)
            else:
                waiting._asyncio_future_blocking = False
                waiting.add_done_callback(step)

        asyncio.get_running_loop().call_soon(step)
        return await done

    assert asyncio.run(main()).outcome == "render"


def test_the_legacy_host_is_understood(build: Build, upstream: Upstream) -> None:
    """Bytes without a type there are an image."""
    upstream.script = [lambda _: httpx.Response(200, content=PICTURE)]
    picture = build(base_url="https://api.imejis.io/api/designs").render("og/1", {})
    assert (picture.format, picture.width) == ("png", 16)
    assert str(upstream.calls[0].url) == "https://api.imejis.io/api/designs/og%2F1"


def test_hcti_is_one_file(build: Build, upstream: Upstream, registry: CollectorRegistry, events: Events) -> None:
    """Credits and what is left are in the headers of each answer."""
    headers = {"x-renders-allowed": "50", "x-renders-consumed": "2", "x-renders-used": "12"}
    upstream.script = [
        lambda _: httpx.Response(200, headers=headers, json={"url": "https://hcti.io/v1/image/1", "id": "1"})
    ]
    renderer = build(provider="hcti", api_key="user:key")
    picture = renderer.render("t", {"title": "x"}, format="jpg", device_scale=2)
    assert (picture.url, picture.credits, picture.format) == ("https://hcti.io/v1/image/1.jpeg", Decimal(2), "jpeg")
    call = upstream.calls[0]
    assert call.headers["authorization"] == "Basic dXNlcjprZXk="
    assert call.content == b'{"template_values":{"title":"x"},"device_scale":2}'
    renderer.close()
    assert events()[-1]["credits"] == 2
    assert value(registry, "credits_remaining", provider="hcti") == 38
    upstream.script = [fails(429, {"message": "plan limit"})]
    with pytest.raises(QuotaExceededError):
        renderer.render("t", {"title": "y"})
