"""Clients of other people against the sandbox, and what it billed each of them.

Run as `tried` is: `python -m tests.client.tried_invoice ORIGIN`, with the libraries of one of requirements/clients-*.txt in
front of the path; prints one JSON object a line. Each client asks for the same 24 images, 12 different ones, while one call
in four fails without being billed.
"""

import asyncio
import importlib.metadata
import importlib.util
import json
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from importlib import import_module
from typing import Any

from auditor import Metering, meter, path_rule
from tests.client.tried_sessions import Seen

HEADERS = {"dma-api-key": "sandbox"}
TEXTS = [f"image {number % 12}" for number in range(24)]
RULES = [path_rule("imejis", "127.0.0.1", r"/v1/(?P<template>[^/]+)", method=name) for name in ("POST", "GET")]
Calls = Callable[[str, Metering, str], Any]
LIBRARIES: list[tuple[str, str, Calls]] = []


def library(name: str, *needs: str) -> Callable[[Calls], Calls]:
    """A row, where these modules are there; its version is that of the first."""

    def keep(calls: Calls) -> Calls:
        if all(importlib.util.find_spec(each.partition(".")[0]) and importlib.util.find_spec(each) for each in needs):
            LIBRARIES.append((name, importlib.metadata.version(needs[0].partition(".")[0]), calls))
        return calls

    return keep


def httpx_family(name: str) -> None:
    """httpx and httpx2, sync and async; every other image is posted, and one in three answers is not read."""

    @library(name, name)
    def calls(url: str, metering: Metering, _: str) -> None:
        with meter(import_module(name).Client(headers=HEADERS), metering) as client:
            for number, text in enumerate(TEXTS):
                if number % 3:
                    client.post(url, json={"title": text})
                else:
                    with client.stream("POST", url, json={"title": text}):
                        pass

    @library(f"{name} async", name)
    def async_calls(url: str, metering: Metering, _: str) -> None:
        async def main() -> None:
            async with meter(import_module(name).AsyncClient(headers=HEADERS), metering) as client:
                await asyncio.gather(*(client.post(url, json={"title": text}) for text in TEXTS))

        asyncio.run(main())


httpx_family("httpx")
httpx_family("httpx2")


@library("openai", "openai")
def openai_calls(url: str, metering: Metering, _: str) -> None:
    """With the retries of the SDK itself."""
    import openai

    base, _, design = url.rpartition("/")
    client = openai.OpenAI(api_key="k", base_url=base, default_headers=HEADERS, max_retries=1)
    client._calculate_retry_timeout = lambda *_: 0  # type: ignore[method-assign]
    with meter(client, metering):
        for text in TEXTS:
            with suppress(openai.APIStatusError):
                client.post(f"/{design}", cast_to=str, body={"title": text})


@library("openai async", "openai")
def openai_async_calls(url: str, metering: Metering, _: str) -> None:
    """Without retries."""
    import openai

    base, _, design = url.rpartition("/")

    async def main() -> None:
        client = openai.AsyncOpenAI(api_key="k", base_url=base, default_headers=HEADERS, max_retries=0)
        async with meter(client, metering):
            for text in TEXTS:
                with suppress(openai.APIStatusError):
                    await client.post(f"/{design}", cast_to=str, body={"title": text})

    asyncio.run(main())


@library("requests", "requests")
def requests_calls(url: str, metering: Metering, _: str) -> None:
    """One in three answers is dropped unread."""
    import requests

    with meter(requests.Session(), metering) as session:
        for number, text in enumerate(TEXTS):
            session.post(url, json={"title": text}, headers=HEADERS, stream=number % 3 == 0)


@library("requests, urllib3 Retry", "requests")
def retrying_calls(url: str, metering: Metering, _: str) -> None:
    """Tries again by itself."""
    from tests.client.tried import session

    with meter(session(total=5, status_forcelist=[500, 503]), metering) as client:
        for text in TEXTS:
            client.post(url, json={"title": text}, headers=HEADERS)


@library("requests-cache", "requests_cache", "requests")
def requests_cache_calls(url: str, metering: Metering, _: str) -> None:
    """Keeps images by their address."""
    import requests_cache

    session = meter(requests_cache.CachedSession(backend="memory"), metering)
    for text in TEXTS:
        session.get(url, params={"title": text}, headers=HEADERS)


@library("hishel", "hishel", "httpx")
def hishel_calls(url: str, metering: Metering, folder: str) -> None:
    """Keeps what may be kept; what the sandbox does not say of it, a layer below does."""
    import httpx

    from tests.client.tried import hishel_client

    class Kept(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            if response.status_code == 200:
                response.headers["cache-control"] = "max-age=3600"
            return response

    whole = httpx.HTTPTransport
    httpx.HTTPTransport = Kept  # type: ignore[misc]
    try:
        client = hishel_client(folder=folder)
    finally:
        httpx.HTTPTransport = whole  # type: ignore[misc]
    with meter(client, metering):
        for text in TEXTS:
            client.get(url, params={"title": text}, headers=HEADERS)


@library("httpx-retries", "httpx_retries", "httpx")
def httpx_retries_calls(url: str, metering: Metering, _: str) -> None:
    """Tries again by itself."""
    import httpx
    from httpx_retries import Retry, RetryTransport

    retry = Retry(total=5, backoff_factor=0, allowed_methods=["POST"], status_forcelist=[500, 503])
    with meter(httpx.Client(transport=RetryTransport(retry=retry), headers=HEADERS), metering) as client:
        for text in TEXTS:
            client.post(url, json={"title": text})


def invoice(origin: str) -> dict[str, Any]:
    """What was billed up to now."""
    with urllib.request.urlopen(f"{origin}/sandbox/invoice") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def row(origin: str, name: str, version: str, calls: Calls) -> dict[str, Any]:
    """What arrived and was billed, and what the events say of it."""
    before, seen = invoice(origin), Seen(RULES)
    with tempfile.TemporaryDirectory() as folder:
        calls(f"{origin}/v1/dot", seen.metering, folder)
    seen.ended()
    after, events = invoice(origin), seen.events
    finals = {event["id"]: event for event in events if event["outcome"] != "attempt"}
    attempts = {event["id"] for event in events if event["outcome"] == "attempt"}
    unknown = len(attempts - set(finals)) + sum(event.get("credits", 0) is None for event in finals.values())
    return {
        "client": f"{name} {version}",
        "calls": after["calls"] - before["calls"],
        "paid": after["credits"] - before["credits"],
        "attempts": len(attempts),
        "results": dict(sorted(Counter(event["outcome"] for event in finals.values()).items())),
        "retried": sum(event.get("retried", False) for event in finals.values()),
        "credits": str(sum((Decimal(str(event.get("credits") or 0)) for event in finals.values()), Decimal(0))),
        "uncertain": unknown,
    }


if __name__ == "__main__":
    for each in LIBRARIES:
        print(json.dumps(row(sys.argv[1], *each)), flush=True)
