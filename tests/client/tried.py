"""Clients of other people, metered, against a provider on loopback: calls that arrived, and what the events say.

Run as a script with the libraries of one of requirements/clients-*.txt in front of the path; prints one JSON list a line:
[scenario, calls, outcomes, retried, credits, uncertain, what the caller got].
"""

import asyncio
import gc
import importlib.metadata
import importlib.util
import json
import logging
import struct
import sys
import tempfile
import threading
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from prometheus_client import CollectorRegistry

from auditor import MeteredTransport, Metering, meter, metered, path_rule, unmeter
from auditor.client import holders, sessions
from auditor.model.endpoints import Quota
from tests.client import injection

PICTURE = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">IIBBBBB", 9, 7, 8, 2, 0, 0, 0)
PICTURE += struct.pack(">I", zlib.crc32(PICTURE[12:]))
HERE = {name: tuple(int(part) for part in importlib.metadata.version(name).split(".")[:2]) for name in (
    "httpx", "openai", "hishel", "requests",
)}  # fmt: skip


class Provider(BaseHTTPRequestHandler):
    """Renders, and fails as its path says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    seen: ClassVar[Counter[str]] = Counter()

    def do_POST(self) -> None:
        """By the last part of the path."""
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("content-length", 0)))
        last = self.path.partition("?")[0].rpartition("/")[2]
        if last == "cdn.png":
            self._answer(200, PICTURE, "image/png")
            return
        Provider.seen[last] += 1
        if last == "flaky" and Provider.seen[last] % 3:
            self._answer(504, b"gateway timeout", "text/plain")
        elif last == "stale" and Provider.seen[last] > 1:
            self._answer(503, b"no", "text/plain")
        elif last == "tagged" and self.headers.get("if-none-match"):
            self._answer(304, b"", "")
        elif last == "digest" and not self.headers.get("authorization"):
            self._answer(401, b"no", "text/plain", www_authenticate='Digest realm="r", nonce="n", qop="auth"')
        elif last == "moved":
            self._answer(307, b"", "", location="/render/card")
        elif last == "seen":
            self._answer(302, b"", "", location="/render/card")
        elif last == "away":
            self._answer(302, b"", "", location="/cdn.png")
        elif last.isdigit():
            self._answer(int(last), b"", "")
        elif last == "generations":
            document = json.dumps({"created": 1, "data": [{"url": "https://cdn/x.png"}] * 4})
            self._answer(200, document.encode(), "application/json")
        elif last == "chunked":
            self.send_response(200)
            self.send_header("content-type", "image/png")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in (PICTURE[:10], PICTURE[10:], b""):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            cached = {"cache-control": "max-age=0" if last in ("tagged", "stale") else "max-age=3600", "etag": '"a"'}
            self._answer(200, PICTURE, "image/png", **cached)

    do_GET = do_POST  # noqa: N815

    def _answer(self, status: int, body: bytes, media_type: str, **headers: str) -> None:
        self.send_response(status)
        for name, text in {"content-type": media_type, "content-length": str(len(body)), **headers}.items():
            if text:
                self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        """A client may go away."""
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
SERVER.daemon_threads = True
BASE = f"http://127.0.0.1:{SERVER.server_port}"
URL = f"{BASE}/render/"
SCENARIOS: list[tuple[str, Callable[[Metering], Any]]] = []


def scenario(*needs: str) -> Callable[[Callable[[Metering], Any]], Callable[[Metering], Any]]:
    """Run where these modules are there."""

    def keep(function: Callable[[Metering], Any]) -> Callable[[Metering], Any]:
        if all(importlib.util.find_spec(name.partition(".")[0]) and importlib.util.find_spec(name) for name in needs):
            SCENARIOS.append((function.__name__, function))
        return function

    return keep


def run(function: Callable[[Metering], Any], folder: Path) -> list[Any]:
    """One scenario: what arrived, what was written."""
    Provider.seen.clear()
    rules = [
        path_rule("mine", "127.0.0.1", r"/render/(?P<template>[^/]+)"),
        path_rule("mine", "127.0.0.1", r"/render/(?P<template>[^/]+)", method="GET"),
        path_rule("openai", "127.0.0.1", r"/v1/images/(?P<template>generations)", units=lambda body: body.get("n", 1)),
    ]
    registry = CollectorRegistry()
    metering = Metering(account="main", events=folder, secret="s", rules=rules, registry=registry)
    try:
        got = function(metering)
    except Exception as error:
        got = type(error).__name__
        if isinstance(error, AssertionError):  # one of a scenario's own, which says what was wrong
            traceback.print_exc()
    metering.close()
    events = [json.loads(line, parse_float=Decimal) for file in folder.glob("*.jsonl") for line in file.open()]
    finals = {event["id"]: event for event in events if event["outcome"] != "attempt"}
    attempts = {event["id"] for event in events if event["outcome"] == "attempt"}
    faults = registry.get_sample_value("imgrender_client_faults_total")
    assert not faults, f"{function.__name__}: {faults} faults"
    for event in finals.values():
        assert (event.get("bytes") is None) == (event.get("digest") is None), event
        assert event.get("bytes") in (None, len(PICTURE)), event
    credits = sum((event.get("credits") or 0 for event in finals.values()), Decimal(0))
    uncertain = len(attempts - set(finals)) + sum(
        event["outcome"] == "error" and event["credits"] is None for event in finals.values()
    )
    return [
        function.__name__,
        sum(Provider.seen.values()),
        dict(sorted(Counter(event["outcome"] for event in finals.values()).items())),
        sum(event.get("retried", False) for event in finals.values()),
        float(credits),
        uncertain,
        got,
    ]


def told(response: Any) -> list[Any]:
    """Status and size."""
    return [response.status_code, len(response.content)]


def post(client: Any, path: str = "card", **options: Any) -> list[Any]:
    """With a client of either kind."""
    if hasattr(client, "aclose"):

        async def once() -> list[Any]:
            async with client:
                return told(await client.post(URL + path, **options))

        return asyncio.run(once())
    return told(client.post(URL + path, **options))


def httpx_family(name: str) -> None:
    """The same scenarios for httpx and httpx2."""

    def module() -> Any:
        return importlib.import_module(name)

    def plain(metering: Metering) -> Any:
        return post(meter(module().Client(), metering), json={"a": 1})

    def of_async(metering: Metering) -> Any:
        return post(meter(module().AsyncClient(), metering), json={"a": 1})

    def mounted(metering: Metering) -> Any:
        library = module()
        client = library.Client(mounts={"all://127.0.0.1": library.HTTPTransport(), "all://x": None})
        return post(meter(client, metering), json={})

    def built_with_the_transport(metering: Metering) -> Any:
        library = module()
        transport = MeteredTransport(library.HTTPTransport(), metering)
        assert isinstance(transport, library.BaseTransport) and isinstance(transport, MeteredTransport)
        with library.Client(transport=transport) as client:
            return post(client, json={})

    def built_with_the_transport_async(metering: Metering) -> Any:
        library = module()
        return post(library.AsyncClient(transport=MeteredTransport(library.AsyncHTTPTransport(), metering)), json={})

    def chunked(metering: Metering) -> Any:
        return post(meter(module().Client(), metering), "chunked", json={})

    def read_in_part(metering: Metering) -> Any:
        client = meter(module().Client(), metering)
        with client.stream("POST", URL + "chunked", json={}) as response:
            piece = next(response.iter_raw(4))
        return [response.status_code, len(piece), sorted(response.extensions)]

    def unread_and_dropped(metering: Metering) -> Any:
        client = meter(module().Client(), metering)
        status = client.send(client.build_request("POST", URL + "card", json={}), stream=True).status_code
        gc.collect()
        return status

    def unread_and_dropped_async(metering: Metering) -> Any:
        async def once() -> int:
            async with meter(module().AsyncClient(), metering) as client:
                status = (await client.send(client.build_request("POST", URL + "503"), stream=True)).status_code
                gc.collect()
                return int(status)

        return asyncio.run(once())

    def layers_that_are_shared(metering: Metering) -> Any:
        library = module()

        class Extended(library.HTTPTransport):  # type: ignore[name-defined,misc]
            def handle_request(self, request: Any) -> Any:
                return super().handle_request(request)

        shared = Extended()
        plain, mine = library.Client(transport=shared), meter(library.Client(transport=shared), metering)
        return [post(client, json={}) for client in (plain, mine, plain)][-1]

    def sent_again_by_a_redirect(metering: Metering) -> Any:
        post(meter(module().Client(follow_redirects=True), metering), "moved", json={"a": 1})
        metering.close()
        found = [json.loads(line) for file in metering._sink.folder.glob("*.jsonl") for line in file.open()]  # type: ignore[union-attr]
        return sorted({event["key"][:2] for event in found})

    def twice_and_undone(metering: Metering) -> Any:
        client = meter(meter(module().Client(), metering), metering)
        post(client, json={})
        unmeter(client)
        return post(client, json={})

    def not_modified(metering: Metering) -> Any:
        return post(meter(module().Client(), metering), "304", json={})

    def redirected(metering: Metering) -> Any:
        return post(meter(module().Client(follow_redirects=True), metering), "away", json={})

    def payment_required(metering: Metering) -> Any:
        return post(meter(module().Client(), metering), "402", json={})

    def refused(metering: Metering) -> Any:
        return told(meter(module().Client(), metering).post("http://127.0.0.1:1/render/card", json={}))

    def extended_to_try_again(metering: Metering) -> Any:
        library = module()

        class Again(library.HTTPTransport):  # type: ignore[name-defined,misc]
            def handle_request(self, request: Any) -> Any:
                for _ in range(3):
                    response = super().handle_request(request)
                    if response.status_code < 500:
                        break
                    response.close()
                return response

        with meter(library.Client(transport=Again()), metering) as client:
            return post(client, "flaky", json={})

    def cached_by_hand(metering: Metering) -> Any:
        library = module()

        class Kept(library.BaseTransport):  # type: ignore[name-defined,misc]
            def __init__(self) -> None:
                self.below = [library.HTTPTransport()]
                self.kept: dict[str, Any] = {}

            def handle_request(self, request: Any) -> Any:
                key = str(request.url)
                if key not in self.kept:
                    response = self.below[0].handle_request(request)
                    self.kept[key] = response.read()
                return library.Response(200, headers={"content-type": "image/png"}, content=self.kept[key])

        client = meter(library.Client(transport=Kept()), metering)
        return [post(client, json={}) for _ in range(3)][-1]

    for function in (
        plain, of_async, mounted, built_with_the_transport, built_with_the_transport_async, chunked, read_in_part,
        unread_and_dropped, unread_and_dropped_async, layers_that_are_shared, sent_again_by_a_redirect, twice_and_undone,
        not_modified, redirected, payment_required, refused, extended_to_try_again, cached_by_hand,
    ):  # fmt: skip
        function.__name__ = f"{name} {function.__name__.replace('_', ' ')}"
        scenario(name)(function)


httpx_family("httpx")
httpx_family("httpx2")


def openai_client(kind: str, **options: Any) -> Any:
    """Of either kind, with its own retries off."""
    import openai

    return getattr(openai, kind)(api_key="k", base_url=f"{BASE}/v1", max_retries=0, **options)


@scenario("openai")
def openai_default_http_client(metering: Metering) -> Any:
    import openai

    client = openai_client("OpenAI", http_client=meter(openai.DefaultHttpxClient(), metering))
    return len(client.images.generate(prompt="a cat", n=4).data)


@scenario("openai")
def openai_itself(metering: Metering) -> Any:
    return len(meter(openai_client("OpenAI"), metering).images.generate(prompt="a cat", n=4).data)


@scenario("openai")
def openai_async(metering: Metering) -> Any:
    import openai

    async def once() -> int:
        http = meter(openai.DefaultAsyncHttpxClient(), metering)
        async with openai_client("AsyncOpenAI", http_client=http) as client:
            return len((await client.images.generate(prompt="a cat", n=4)).data)

    return asyncio.run(once())


def hishel_client(kind: str = "sync", folder: str = "", **config: Any) -> Any:
    """httpx with hishel in front, of whichever version; GET, which all of them keep."""
    import hishel
    import httpx

    if HERE["hishel"] < (1, 0):
        of = "Async" if kind == "async" else ""
        transport = getattr(hishel, f"{of}CacheTransport")(
            transport=getattr(httpx, f"{of}HTTPTransport")(),
            storage=getattr(hishel, f"{of}InMemoryStorage")(),
            controller=hishel.Controller(allow_stale=True, **config),
        )
    elif HERE["hishel"] < (2, 0):
        from hishel import AsyncSqliteStorage, SyncSqliteStorage
        from hishel.httpx import AsyncCacheTransport, SyncCacheTransport

        path = f"{folder}/cache.db"
        transport = (
            AsyncCacheTransport(httpx.AsyncHTTPTransport(), storage=AsyncSqliteStorage(database_path=path))
            if kind == "async"
            else SyncCacheTransport(httpx.HTTPTransport(), storage=SyncSqliteStorage(database_path=path))
        )
    else:
        from hishel import AsyncSqliteStorage, SqliteStorage
        from hishel.httpx import AsyncCacheTransport, CacheTransport

        path = f"{folder}/cache.db"
        transport = (
            AsyncCacheTransport(httpx.AsyncHTTPTransport(), storage=AsyncSqliteStorage(database_path=path), rfc=True)
            if kind == "async"
            else CacheTransport(httpx.HTTPTransport(), storage=SqliteStorage(database_path=path), rfc=True)
        )
    return httpx.AsyncClient(transport=transport) if kind == "async" else httpx.Client(transport=transport)


def five(client: Any, path: str) -> Any:
    """Five GETs."""
    if hasattr(client, "aclose"):

        async def all_of_them() -> Any:
            async with client:
                return [told(await client.get(URL + path)) for _ in range(5)][-1]

        return asyncio.run(all_of_them())
    return [told(client.get(URL + path)) for _ in range(5)][-1]


@scenario("hishel")
def hishel_five_of_one(metering: Metering) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return five(meter(hishel_client(folder=folder), metering), "card")


@scenario("hishel")
def hishel_async_five_of_one(metering: Metering) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return five(meter(hishel_client("async", folder), metering), "card")


@scenario("hishel")
def hishel_revalidates(metering: Metering) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return five(meter(hishel_client(folder=folder), metering), "tagged")


@scenario("hishel.requests", "requests")
def hishel_under_requests(metering: Metering) -> Any:
    import requests
    from hishel.requests import CacheAdapter

    with tempfile.TemporaryDirectory() as folder:
        if HERE["hishel"] < (2, 0):
            from hishel import SyncSqliteStorage as Storage

            adapter = CacheAdapter(storage=Storage(database_path=f"{folder}/cache.db"))
        else:
            from hishel import SqliteStorage

            adapter = CacheAdapter(storage=SqliteStorage(database_path=f"{folder}/cache.db"), rfc=True)
        session = requests.Session()
        session.mount("http://", adapter)
        return five(meter(session, metering), "card")


def _retries() -> Any:
    from httpx_retries import Retry, RetryTransport

    return RetryTransport(
        retry=Retry(total=5, backoff_factor=0.001, allowed_methods=["POST"], status_forcelist=[504, 503])
    )


@scenario("httpx_retries")
def httpx_retries_flaky(metering: Metering) -> Any:
    import httpx

    return post(meter(httpx.Client(transport=_retries()), metering), "flaky", json={})


@scenario("httpx_retries")
def httpx_retries_async(metering: Metering) -> Any:
    import httpx

    return post(meter(httpx.AsyncClient(transport=_retries()), metering), "flaky", json={})


@scenario("requests_cache")
def requests_cache_five_of_one(metering: Metering) -> Any:
    import requests_cache

    return five(meter(requests_cache.CachedSession(backend="memory"), metering), "card")


def session(**options: Any) -> Any:
    """Of requests, with urllib3's `Retry` if there are options for it."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    made = requests.Session()
    if options:
        made.mount("http://", HTTPAdapter(max_retries=Retry(backoff_factor=0, allowed_methods=["POST"], **options)))
    return made


@scenario("requests")
def requests_plain(metering: Metering) -> Any:
    return post(meter(session(), metering), json={"a": 1})


@scenario("requests")
def requests_chunked(metering: Metering) -> Any:
    return post(meter(session(), metering), "chunked", json={"a": 1})


@scenario("requests")
def requests_in_pieces(metering: Metering) -> Any:
    with meter(session(), metering).post(URL + "chunked", json={}, stream=True) as response:
        return [response.status_code, sum(len(piece) for piece in response.iter_content(7))]


@scenario("requests")
def requests_raw(metering: Metering) -> Any:
    with meter(session(), metering).post(URL + "card", json={}, stream=True) as response:
        return [response.status_code, len(response.raw.read(10) + response.raw.read())]


@scenario("requests")
def requests_read_in_part(metering: Metering) -> Any:
    with meter(session(), metering).post(URL + "card", json={}, stream=True) as response:
        return [response.status_code, len(next(response.iter_content(4)))]


@scenario("requests")
def requests_redirected(metering: Metering) -> Any:
    return post(meter(session(), metering), "away", json={})


@scenario("requests")
def requests_not_modified(metering: Metering) -> Any:
    return post(meter(session(), metering), "304", json={})


@scenario("requests")
def requests_refused(metering: Metering) -> Any:
    return told(meter(session(), metering).post("http://127.0.0.1:1/render/card", json={}))


@scenario("requests")
def requests_retry_flaky(metering: Metering) -> Any:
    return post(meter(session(total=5, status_forcelist=[504]), metering), "flaky", json={})


@scenario("requests")
def requests_retry_exhausted(metering: Metering) -> Any:
    return post(meter(session(total=1, status_forcelist=[504]), metering), "flaky", json={})


@scenario("requests")
def requests_retries_used_up(metering: Metering) -> Any:
    """Of the last answer only urllib3's message is left; a try that got a 200 was paid for, so there are two renders."""
    import requests

    events: list[dict[str, Any]] = []
    path, quota = r"/render/(?P<template>[^/]+)", Quota(statuses=frozenset({430}))
    rules = [path_rule("mine", "127.0.0.1", path, quota=quota)]
    made = Metering(account="main", events=lambda event: events.append(dict(event)), secret="s", rules=rules)
    used_up = [402, 404, 408, 429, 430, 503, 504, 302, 200]
    whole = meter(session(total=1, status_forcelist=used_up), made)
    marked = metered("card", provider="mine", metering=made)(session(total=1, status_forcelist=used_up).post)
    for call in (whole.post, marked):
        for status in used_up:
            with suppress(requests.exceptions.RetryError):
                call(URL + str(status), json={})
    made.close()
    ends = [event for event in events if event["outcome"] != "attempt" and not event.get("retried")]
    return [
        [event["status"], event.get("error"), None if event["credits"] is None else int(event["credits"])]
        for event in ends
    ]


@scenario("requests")
def requests_retry_refused(metering: Metering) -> Any:
    return told(meter(session(connect=2), metering).post("http://127.0.0.1:1/render/card", json={}))


@scenario("requests")
def requests_twice_and_undone(metering: Metering) -> Any:
    client = meter(meter(session(), metering), metering)
    post(client, json={})
    unmeter(client)
    return [*post(client, json={}), sorted(set(vars(client)) & {"send", "get_adapter"})]


@scenario("requests")
def requests_adapter_of_ones_own(metering: Metering) -> Any:
    import requests
    from requests.adapters import BaseAdapter

    class Own(BaseAdapter):
        def send(self, request: Any, **options: Any) -> Any:
            Provider.seen["own"] += 1
            response = requests.Response()
            response.status_code, response._content, response.request = 200, PICTURE, request
            response.headers["content-type"] = "image/png"
            return response

        def close(self) -> None:
            pass

    client = requests.Session()
    client.mount("http://", Own())
    return post(meter(client, metering), json={})


@scenario("requests")
def requests_patched_afterwards(metering: Metering) -> Any:
    """As mocks and other instrumentation do it, in the class; and what an object had of its own is its own again."""
    import requests
    from requests.adapters import HTTPAdapter

    class Fake(HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            response = super().send(request, *args, **options)
            response.headers["x-fake"] = "yes"
            return response

    client = requests.Session()
    client.get_adapter = own = client.get_adapter  # type: ignore[method-assign]
    meter(client, metering)
    plain = requests.Session.send
    requests.Session.send = lambda self, request, **options: [plain(self, request, **options)][0]  # type: ignore[method-assign,assignment]
    try:
        client.mount("http://", Fake())
        fake = client.post(URL + "card").headers["x-fake"]
    finally:
        requests.Session.send = plain  # type: ignore[method-assign]
    unmeter(client)
    return [fake, client.get_adapter is own]


@scenario("requests")
def requests_pickled(metering: Metering) -> Any:
    import pickle

    client = meter(session(), metering)
    post(client, json={})
    return post(pickle.loads(pickle.dumps(client)), json={})


@scenario("requests")
def requests_streamed_by_a_function(metering: Metering) -> Any:
    """What it returns, or raises, has its stream untouched."""
    mark = metered("card", provider="mine", metering=metering)
    response = mark(lambda: session().post(URL + "chunked", json={}, stream=True))()
    got = [response.status_code, sum(len(piece) for piece in response.iter_content(7))]

    @mark
    def failing() -> None:
        session().post(URL + "402", stream=True).raise_for_status()

    try:
        failing()
    except Exception as error:
        got.append(error.response.raw.closed)  # type: ignore[attr-defined]
    return got


@scenario("requests")
def requests_many_hosts_and_adapters(metering: Metering) -> Any:
    """What is kept of pools and adapters goes with them; what lives is as it was in the end."""
    from requests.adapters import HTTPAdapter

    client = meter(session(), metering)
    for _ in range(3):
        post(client, json={})

    def held() -> int:
        attached = sessions.attached_to(client)
        return sum(attached in each.users for each in holders.HOLDERS.values())

    few = held()
    for number in range(40):
        client.mount("http://", HTTPAdapter(pool_connections=2))
        for port in (1, 2, 3):
            with suppress(OSError):
                client.post(f"http://127.0.0.1:{port}/render/card")
        if number % 2:
            post(client, json={})
    gc.collect()
    many = held()
    adapters = list(client.adapters.values())
    unmeter(client)
    ours = [
        name for each in (client, *adapters) for name in ("send", "get_adapter", "get_connection") if name in vars(each)
    ]
    return [few, many <= few + 4, ours]


@scenario("requests")
def requests_with_faults_of_ours(metering: Metering) -> Any:
    """Wherever metering breaks, the answer and its failure are those of the plain session, and it is counted."""
    rules = [path_rule("mine", "127.0.0.1", r"/render/(?P<template>[^/]+)")]

    def pieces(client: Any) -> list[bytes]:
        with client.post(URL + "card", json={}, stream=True) as response:
            return list(response.iter_content(7))

    def raw(client: Any) -> bytes:
        with client.post(URL + "card", json={}, stream=True) as response:
            return bytes(response.raw.read(10) + response.raw.read())

    def in_part(client: Any) -> bytes:
        with client.post(URL + "card", json={}, stream=True) as response:
            return bytes(next(response.iter_content(4)))

    acts: list[Callable[[Any], Any]] = [
        lambda client: post(client, json={}),
        lambda client: post(client, "402", json={}),
        lambda client: post(client, "away", json={}),
        lambda client: post(client, "flaky", json={}),
        lambda client: type(client.post("http://127.0.0.1:1/render/card")),
        pieces,
        raw,
        in_part,
    ]
    for act in acts:
        plain = injection.outcome(lambda act=act: act(session(total=2, connect=0, status_forcelist=[504])))

        def made(act: Any = act, registry: CollectorRegistry | None = None) -> Callable[[], Any]:
            client = meter(
                session(total=2, connect=0, status_forcelist=[504]), Metering(registry=registry, rules=rules)
            )
            return lambda: act(client)

        for place, number in injection.faults(injection.places(made), most=1):
            registry = CollectorRegistry()
            got = injection.injected(made(registry=registry), place, number)
            # (urllib3 puts the address of an object into its texts)
            same = got[1][0] is plain[1][0] if plain[0] == "raised" == got[0] else got == plain
            assert same, (place, number, got)
            counted = sum(
                registry.get_sample_value(f"imgrender_client_{name}", labels) or 0
                for name, labels in (("faults_total", {}), ("events_dropped_total", {"reason": "error"}))
            )
            assert counted == 1 or place[1].partition(".")[0] in injection.READERS, (place, number, counted)
    Provider.seen.clear()
    return len(acts)


@scenario("httpx2", "h2")
def httpx2_over_http2(metering: Metering) -> Any:
    import httpx2

    from tests.client.h2_server import serve

    with serve(PICTURE) as url:
        client = meter(httpx2.Client(http1=False, http2=True), metering)
        response = client.post(f"{url}/render/card", json={"a": 1})
        Provider.seen["h2"] += 1
        return [response.http_version, *told(response)]


def main() -> Iterator[list[Any]]:
    """All rows."""
    threading.Thread(target=SERVER.serve_forever, daemon=True).start()
    for name, function in SCENARIOS:
        if sys.argv[1:] and sys.argv[1] not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            yield run(function, Path(folder))
    SERVER.shutdown()


if __name__ == "__main__":
    logging.getLogger("auditor.client").setLevel(logging.WARNING)
    for row in main():
        print(json.dumps(row), flush=True)
