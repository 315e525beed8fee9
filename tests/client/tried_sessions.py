"""Sessions of requests that share, copy, drop, follow and send again, metered against a provider on loopback.

Run as `tried` is, with the libraries of one of requirements/clients-*.txt in front of the path; prints one JSON list a
line: [scenario, paid or refused calls that arrived, events in words].
"""

import copy
import gc
import io
import json
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import AuthBase, HTTPDigestAuth

from auditor import Metering, meter, path_rule, unmeter
from tests.client.tried import PICTURE, SERVER, URL, Provider
from tests.client.tried import session as with_retries

try:
    import requests_cache
except ImportError:
    requests_cache = None

RULES = [path_rule("mine", "127.0.0.1", r"/render/(?P<template>[^/]+)", method=name) for name in ("POST", "GET")]
SCENARIOS: list[Callable[["Seen"], Any]] = []


class Seen:
    """What is metered, and its events."""

    def __init__(self, rules: Any = RULES) -> None:
        self.events: list[Any] = []
        self.more = threading.Condition()
        self.metering = Metering(events=self.write, secret="s", rules=rules)

    def write(self, event: Any) -> None:
        """Take one, from whichever thread."""
        with self.more:
            self.events.append(dict(event))
            self.more.notify_all()

    def ended(self, count: int | None = None) -> bool:
        """Whether all calls that were made, and so many, end within a while."""
        with self.more:
            return self.more.wait_for(lambda: "attempt" not in self.words() and count in (None, len(self.words())), 10)

    def session(self, made: Any = None) -> Any:
        """A metered session."""
        return meter(requests.Session() if made is None else made, self.metering)

    def words(self) -> list[str]:
        """Final events in the order of their words; an attempt without an end is one too."""
        finals = {event["id"]: event for event in self.events if event["outcome"] != "attempt"}
        lost = ["attempt" for event in self.events if event["outcome"] == "attempt" and event["id"] not in finals]
        ends = sum(event["outcome"] != "attempt" for event in self.events)
        assert ends == len(finals), "ended twice"
        return sorted([*lost, *map(_word, finals.values())])


def _word(event: Any) -> str:
    parts = [event["outcome"], event.get("status"), "retried" if event.get("retried") else None]
    if event["outcome"] == "render":
        parts += [event["key"][:2], "whole" if event.get("bytes") == len(PICTURE) else "in part"]
    return " ".join(str(part) for part in parts if part is not None)


def scenario(function: Callable[[Seen], Any]) -> Callable[[Seen], Any]:
    """One row."""
    SCENARIOS.append(function)
    return function


@scenario
def unread_and_dropped(seen: Seen) -> Any:
    """Each way to drop an answer: at once, without a collection."""
    session = seen.session()
    gc.disable()
    try:
        for count, act in enumerate((
            lambda response: None, lambda response: next(response.iter_content(4)), lambda response: response.raw.read(4),
            lambda response: next(response.raw.stream(4)), lambda response: response.raw.readinto(bytearray(3)),
        ), 1):  # fmt: skip
            response = session.post(URL + "card", json={}, stream=True)
            act(response)
            del response
            assert seen.ended(count)
        session.post(URL + "503", stream=True)
        session.post(URL + "chunked", stream=True)
    finally:
        gc.enable()
    assert seen.ended(7)


@scenario
def dropped_in_a_cycle(seen: Seen) -> Any:
    """Found by the collector alone, also while another thread is writing."""
    session = seen.session()
    response = session.post(URL + "card", stream=True)
    response.me = response
    del response
    gc.collect()
    assert seen.ended(1)


@scenario
def dropped_by_a_thread_that_holds_a_lock_of_the_sink(seen: Seen) -> Any:
    """No caller hangs; the end is written when the lock is free."""
    lock, written = threading.Lock(), threading.Event()

    def write(event: Any) -> None:
        with lock:
            seen.events.append(dict(event))
        if event["outcome"] != "attempt":
            written.set()

    session = meter(requests.Session(), Metering(events=write, secret="s", rules=RULES))
    response = session.post(URL + "card", stream=True)
    with lock:
        del response
    assert written.wait(10)


@scenario
def unread_at_exit(seen: Seen) -> Any:
    """The interpreter goes down with answers at hand, in a global, in a closure, in the session."""
    script = f"""
import requests, sys
from auditor import Metering, meter, path_rule
rules = [path_rule("mine", "127.0.0.1", r"/render/(?P<template>[^/]+)")]
session = meter(requests.Session(), Metering(events="-", secret="s", rules=rules))
response = session.post({URL + "card"!r}, stream=True)
session.kept = [session.post({URL + "503"!r}, stream=True)]
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert not told.stderr, told.stderr
    seen.events += map(json.loads, told.stdout.splitlines())


@scenario
def unread_and_forked(seen: Seen) -> Any:
    """The parent's answer is the parent's to end."""
    import os

    response = seen.session().post(URL + "card", stream=True)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        before = len(seen.events)
        del response
        gc.collect()
        os.write(writer, b"%d" % (len(seen.events) - before))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 9) == b"0"
    assert seen.words() == ["attempt"]
    del response
    assert seen.ended(1)


@scenario
def what_is_read_is_as_it_was(seen: Seen) -> Any:
    """The classes, methods and errors of a body; and it goes at once when nobody holds it."""
    import weakref

    response = seen.session().post(URL + "card", stream=True)
    raw = response.raw
    assert isinstance(raw, type(requests.post(URL + "card", stream=True).raw))
    assert (type(raw).__name__, type(raw).__module__) == ("HTTPResponse", "urllib3.response")
    gone = weakref.ref(raw)
    buffer = bytearray(5)
    assert raw.readinto(buffer) == 5 and bytes(buffer) + raw.read() == PICTURE and raw.read() == b""
    gc.disable()
    try:
        del raw, response
        assert gone() is None
    finally:
        gc.enable()


@scenario
def read_in_other_ways(seen: Seen) -> Any:
    """Piece by piece without a size, after no bytes at all, and all of it by a number below 0: each is the whole."""
    session = seen.session()

    def by_pieces(raw: Any) -> bytes:
        if not hasattr(raw, "read1"):  # before urllib3 2
            return bytes(raw.read())
        return b"".join(iter(raw.read1, b""))

    def after_nothing(raw: Any) -> bytes:
        return bytes(raw.read(0) + raw.read(amt=0) + raw.read())

    def below_nothing(raw: Any) -> bytes:
        return bytes(
            raw.read(-1) if hasattr(raw, "read1") else raw.read()
        )  # (before, it waits for the connection's end)

    for name in ("card", "chunked"):
        for read in (by_pieces, after_nothing, below_nothing):
            assert read(session.post(URL + name, stream=True).raw) == PICTURE


@scenario
def an_adapter_that_is_shared(seen: Seen) -> Any:
    """Only the calls of the session that is metered; the adapter, its pools and its answers serve both."""
    plain, adapter = requests.Session(), HTTPAdapter()
    plain.mount("http://", adapter)
    mine = requests.Session()
    mine.mount("http://", adapter)
    seen.session(mine)
    for each in (plain, mine, plain):
        assert each.post(URL + "card", json={}).content == PICTURE
    adapter.send(plain.prepare_request(requests.Request("POST", URL + "card")))
    threads = [threading.Thread(target=plain.post, args=(URL + "card",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@scenario
def two_metered_sessions_on_one_adapter(seen: Seen) -> Any:
    """Each its own events; undone for one, the other goes on."""
    other, adapter = Seen(), HTTPAdapter()
    sessions = [requests.Session(), requests.Session()]
    for each in sessions:
        each.mount("http://", adapter)
    one, two = seen.session(sessions[0]), other.session(sessions[1])
    one.post(URL + "card")
    two.post(URL + "503")
    unmeter(one)
    one.post(URL + "card")
    two.post(URL + "card")
    unmeter(two)
    two.post(URL + "card")
    assert other.words() == ["error 503", "render 200 k1 whole"], other.words()
    assert "send" not in vars(adapter)


@scenario
def copied_and_pickled(seen: Seen) -> Any:
    """Copies are not metered, and adapters can still be copied."""

    class Own(BaseAdapter):
        def send(self, request: Any, **options: Any) -> Any:
            return requests.adapters.HTTPAdapter().send(request, **options)

        def close(self) -> None:
            """Nothing."""

    session = seen.session()
    for each in (copy.copy(session), copy.deepcopy(session), pickle.loads(pickle.dumps(session))):
        assert each.post(URL + "card").content == PICTURE
    own = Own()
    session.mount(URL, own)
    assert session.post(URL + "card").content == PICTURE
    other = copy.copy(own)
    assert "send" not in vars(other) and "__getstate__" not in vars(other)
    plain = requests.Session()
    plain.mount(URL, other)
    assert plain.post(URL + "card").content == PICTURE


@scenario
def copied_with_all_that_they_have(seen: Seen) -> Any:
    """Where a class says itself what a copy takes over."""

    class Whole(requests.Session):
        def __getstate__(self) -> Any:
            return dict(vars(self))

    class Adapter(HTTPAdapter):
        def __getstate__(self) -> Any:
            return {name: value for name, value in vars(self).items() if not name.endswith("manager")}

        def __setstate__(self, state: Any) -> None:
            vars(self).update(state)
            self.proxy_manager = {}
            self.init_poolmanager(1, 1)

    session = Whole()
    session.mount("http://", Adapter())
    seen.session(session).post(URL + "card")
    for act in (copy.copy, copy.deepcopy):
        other, adapter = act(session), act(session.adapters["http://"])
        assert other.post(URL + "card").content == PICTURE
        ours = {
            "send",
            "get_adapter",
            "get_connection",
            "get_connection_with_tls_context",
            "__getstate__",
            "_auditor_before",
        }
        assert not ours & {*vars(other), *vars(adapter)}
    assert vars(session)["send"] is not None


@scenario
def replaced_by_another_tool(seen: Seen) -> Any:
    """Which calls ours: metered once, undone without undoing the tool, and metered again."""
    session = seen.session()
    ours, calls = session.send, []

    def tool(request: Any, **options: Any) -> Any:
        calls.append(request)
        return ours(request, **options)

    session.send = tool
    session.post(URL + "card")
    unmeter(session)
    assert session.send is tool and session.post(URL + "card").content == PICTURE
    seen.session(session).post(URL + "503")
    assert len(calls) == 3


@scenario
def let_go(seen: Seen) -> Any:
    """Nothing of ours keeps a session, an adapter, or what they had of their own."""
    import weakref

    session = requests.Session()
    session.get_adapter = session.get_adapter  # type: ignore[method-assign]
    seen.session(session).post(URL + "card")
    gone = [weakref.ref(each) for each in (session, *session.adapters.values())]
    del session
    gc.collect()
    assert [each() for each in gone] == [None] * 3


@scenario
def mounted_closed_and_used_again(seen: Seen) -> Any:
    """As a context manager, twice; adapters that are mounted later."""
    session = seen.session()
    with session:
        session.post(URL + "card")
    with session:
        session.mount("http://", HTTPAdapter(pool_maxsize=3))
        session.post(URL + "card")
    session.adapters["http://"] = HTTPAdapter()
    session.send(session.prepare_request(requests.Request("POST", URL + "card", json={})))
    session.send(requests.Request("POST", URL + "card", data=b"x").prepare())


@scenario
def digest(seen: Seen) -> Any:
    """401 and 200: two calls of one request; the second is read by the caller."""
    session = seen.session()
    session.auth = HTTPDigestAuth("me", "x")
    assert session.post(URL + "digest", json={"a": 1}).content == PICTURE


@scenario
def digest_that_streams(seen: Seen) -> Any:
    """Also in pieces."""
    session = seen.session()
    with session.post(URL + "digest", auth=HTTPDigestAuth("me", "x"), stream=True) as response:
        assert b"".join(response.iter_content(7)) == PICTURE


@scenario
def an_auth_class_that_sends(seen: Seen) -> Any:
    """Its own requests count as those of their session."""

    class Token(AuthBase):
        def __init__(self, session: Any) -> None:
            self.session = session

        def __call__(self, request: Any) -> Any:
            request.headers["x-token"] = str(self.session.get(URL + "304", auth=lambda each: each).status_code)
            return request

    session = seen.session()
    assert session.post(URL + "card", auth=Token(requests.Session())).content == PICTURE
    assert session.post(URL + "card", auth=Token(session)).content == PICTURE


@scenario
def redirected_to_another_render(seen: Seen) -> Any:
    """Each step once, with its own status; a body that is sent again is known."""
    session = seen.session()
    assert session.post(URL + "moved", json={"a": 1}).content == PICTURE
    assert session.post(URL + "seen", json={"a": 1}).content == PICTURE
    session.post(URL + "seen", allow_redirects=False)


@scenario
def a_hook_that_posts_again(seen: Seen) -> Any:
    """By the session, by the connection, by a session that nobody meters; what it gives is no answer from a cache."""

    def by_session(response: Any, **options: Any) -> Any:
        return session.post(URL + "card") if response.status_code == 503 else response

    def by_connection(response: Any, **options: Any) -> Any:
        if response.status_code != 503 or "x-again" in response.request.headers:
            return response
        request = response.request.copy()
        request.headers["x-again"] = "1"
        request.url = URL + "card"
        return response.connection.send(request, **options)

    def by_another(response: Any, **options: Any) -> Any:
        return requests.post(URL + "card") if response.status_code == 503 else response

    session = seen.session()
    for hook in (by_session, by_connection, by_another):
        assert session.post(URL + "503", hooks={"response": hook}).content == PICTURE


@scenario
def a_subclass_of_ones_own(seen: Seen) -> Any:
    """Which sends again by itself, by the class below, and by way of `request`."""

    class Again(requests.Session):
        def send(self, request: Any, **options: Any) -> Any:
            response = super().send(request, **options)
            if response.status_code == 503:
                request.url = URL + "card"
                response = super().send(request, **options)
            return response

    class Fresh(requests.Session):
        def send(self, request: Any, **options: Any) -> Any:
            response = super().send(request, **options)
            if response.status_code == 503:
                request.url = URL + "card"
                return self.send(request, **options)
            return response

    class Wrapped(requests.Session):
        def request(self, *args: Any, **options: Any) -> Any:
            return super().request("POST", URL + "card", json={"b": 1})

    class PassedOn(requests.Session):
        def send(self, request: Any, **options: Any) -> Any:
            if "x-on" not in request.headers:
                request = request.copy()
                request.headers["x-on"] = "1"
                return self.send(request, **options)
            return super().send(request, **options)

    for kind in (Again, Fresh):
        assert seen.session(kind()).post(URL + "503").content == PICTURE
    for kind in (Wrapped, PassedOn):
        assert seen.session(kind()).post(URL + "card").content == PICTURE


class Hedged(HTTPAdapter):
    """Sends twice, in threads, and gives the first answer."""

    def send(self, request: Any, **options: Any) -> Any:
        """The other one is closed."""
        both = super().send
        with ThreadPoolExecutor(2) as pool:
            first, second = [each.result() for each in [pool.submit(both, request, **options) for _ in range(2)]]
        second.close()
        return first


@scenario
def hedged(seen: Seen) -> Any:
    """Two calls for one request, both paid; and no hit."""
    session = requests.Session()
    session.mount("http://", Hedged())
    assert seen.session(session).post(URL + "card", json={}).content == PICTURE
    plain = requests.Session()
    plain.mount("http://", session.adapters["http://"])
    plain.post(URL + "card", json={})


@scenario
def retried_by_urllib3(seen: Seen) -> Any:
    """As ever."""
    assert seen.session(with_retries(total=5, status_forcelist=[504])).post(URL + "flaky").content == PICTURE


@scenario
def bodies_that_are_known(seen: Seen) -> Any:
    """Bytes of whatever kind have a key, what streams has none."""
    session = seen.session()
    for body in (b"{}", "{}", bytearray(b"{}"), memoryview(b"{}"), io.BytesIO(b"{}"), iter([b"{}"])):
        session.post(URL + "card", data=body)


@scenario
def an_answer_of_another_kind(seen: Seen) -> Any:
    """A raw body that cannot be watched; a `send` that gives something else."""

    class Own(BaseAdapter):
        def send(self, request: Any, **options: Any) -> Any:
            Provider.seen["own"] += 1
            response = requests.Response()
            response.status_code, response.raw, response.request = 200, io.BytesIO(PICTURE), request
            return response

        def close(self) -> None:
            """Nothing."""

    class Odd(requests.Session):
        def send(self, request: Any, **options: Any) -> Any:
            return super().send(request, **options).status_code

    session = seen.session()
    session.mount(URL, Own())
    assert session.post(URL + "card").content == PICTURE
    assert seen.session(Odd()).send(requests.Request("POST", URL + "503").prepare()) == 503


def cached(function: Callable[[Seen], Any]) -> Callable[[Seen], Any]:
    """A row where requests-cache is there."""
    return scenario(function) if requests_cache is not None else function


@cached
def cached_after_a_redirect(seen: Seen) -> Any:
    """A chain from the cache is one hit; a chain of calls is as many events."""
    session = seen.session(requests_cache.CachedSession(backend="memory"))
    for _ in range(3):
        assert session.get(URL + "seen").content == PICTURE


@cached
def cached_with_digest(seen: Seen) -> Any:
    """401, 200, then hits."""
    session = seen.session(requests_cache.CachedSession(backend="memory"))
    session.auth = HTTPDigestAuth("me", "x")
    for _ in range(3):
        assert session.get(URL + "digest").content == PICTURE


@cached
def cached_with_a_hook(seen: Seen) -> Any:
    """A hook that changes nothing."""
    session = seen.session(requests_cache.CachedSession(backend="memory"))
    for _ in range(2):
        session.get(URL + "card", hooks={"response": lambda response, **options: response})


@cached
def cached_and_refreshed_in_the_background(seen: Seen) -> Any:
    """By a thread of requests-cache, which does not pass the session's own `send`."""
    soon = timedelta(microseconds=1)
    session = seen.session(
        requests_cache.CachedSession(backend="memory", expire_after=soon, stale_while_revalidate=True)
    )
    for _ in range(2):
        assert session.get(URL + "tagged").content == PICTURE
    for thread in threading.enumerate():
        if "_send_and_cache" in thread.name:
            thread.join(10)


def main() -> None:
    """All rows."""
    threading.Thread(target=SERVER.serve_forever, daemon=True).start()
    for function in SCENARIOS:
        if sys.argv[1:] and sys.argv[1] not in function.__name__:
            continue
        Provider.seen.clear()
        seen = Seen()
        try:
            function(seen)
            said = seen.words()
        except Exception as error:
            said = [f"{type(error).__name__}: {error}"]
            if sys.argv[1:]:
                raise
        print(json.dumps([function.__name__, sum(Provider.seen.values()), said]), flush=True)
    SERVER.shutdown()


if __name__ == "__main__":
    logging.getLogger("auditor.client").setLevel(logging.ERROR)
    main()
