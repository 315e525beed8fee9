"""An answer of any size is bounded in memory, and what it cost stays known or unknown as it is."""

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from auditor.client.renderer import Renderer
from auditor.model.errors import ConfigError, InvalidRequestError, ThrottledError
from tests.client.conftest import PICTURE, Upstream, png

Build = Callable[..., Renderer]
Events = Callable[[], list[dict[str, Any]]]
MIB = 1 << 20


class Endless(httpx.AsyncByteStream):
    """Gives pieces as long as somebody takes them."""

    def __init__(self, pieces: int, piece: bytes = bytes(1 << 16)) -> None:
        self.left, self.piece, self.closed = pieces, piece, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.left:
            self.left -= 1
            yield self.piece

    async def aclose(self) -> None:
        self.closed = True


def answers(stream: Any, status: int = 200, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    named = {"content-type": "image/png"} | {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda _: httpx.Response(status, headers=named, stream=stream)


LARGE = png(filling=bytes(1000))
BOMB = gzip.compress(bytes(50 * MIB), 9)


@pytest.mark.parametrize(
    ("stream", "headers"),
    [
        (lambda: Endless(10_000), {}),
        (lambda: Endless(10_000), {"content_length": str(10_000 << 16)}),
        (lambda: Endless(1, BOMB), {"content_encoding": "gzip"}),
        (lambda: Endless(1, gzip.compress(BOMB)), {"content_encoding": "gzip, gzip"}),
        (lambda: Endless(1, zlib.compress(bytes(50 * MIB))), {"content_encoding": "deflate"}),
        (lambda: Endless(10_000), {"content_encoding": "identity", "content_type": "application/json"}),
    ],
)  # fmt: skip
def test_a_larger_answer_is_an_error_and_takes_no_memory(
    stream: Callable[[], Endless], headers: dict[str, str], build: Build, upstream: Upstream, events: Events
) -> None:
    """It was not read to its end, it may have been billed, and it is not asked for again."""
    given = stream()
    renderer = build(max_answer_bytes=MIB, retry_uncertain=True)
    renderer.render("warm", {})
    upstream.script = [answers(given, **headers)]
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequestError, match="larger than 1,048,576 bytes; raise max_answer_bytes") as raised:
            renderer.render("og", {})
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert raised.value.credits is None and raised.value.status == 200
    assert given.closed and given.left in (0, 10_000, 10_000 - 17)
    last = [event for event in events() if event["template"] == "og"]
    assert [(e["outcome"], e.get("error"), e.get("status"), e.get("credits")) for e in last] == [
        ("attempt", None, None, None), ("error", "invalid", 200, None),
    ]  # fmt: skip


def test_of_a_failure_the_status_says_enough(build: Build, upstream: Upstream, events: Events) -> None:
    """What it cost is known."""
    upstream.script = [answers(Endless(10_000), status=429)]
    with pytest.raises(ThrottledError):
        build(max_answer_bytes=MIB, tries=1).render("og", {})
    assert events()[-1]["credits"] == 0


@pytest.mark.parametrize(
    ("content", "coding"),
    [(PICTURE, "br"), (PICTURE, "zstd, gzip"), (b"no gzip", "gzip"), (gzip.compress(PICTURE)[:5], "gzip, br")],
    ids=["no brotli", "no zstd", "no gzip", "cut"],
)
def test_an_answer_that_cannot_be_unpacked_may_have_been_billed(
    content: bytes, coding: str, build: Build, upstream: Upstream
) -> None:
    """Only codings that can be bounded were asked for."""
    upstream.script = [answers(Endless(1, content), content_encoding=coding)]
    with pytest.raises(InvalidRequestError, match="packed") as raised:
        build().render("og", {})
    assert raised.value.credits is None
    assert upstream.calls[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: httpx.Response(200, headers={"content-type": "image/png"}, content=LARGE),
        answers(Endless(1, gzip.compress(LARGE)), content_encoding="gzip"),
        answers(Endless(1, zlib.compress(LARGE)), content_encoding="deflate"),
        answers(Endless(1, gzip.compress(zlib.compress(LARGE))), content_encoding="deflate, X-GZIP"),
        answers(Endless(1, LARGE), content_encoding="identity"),
        answers(Endless(1, LARGE), content_encoding="utf-8"),
        answers(Endless(1, LARGE), content_encoding="aws-chunked, binary"),
        answers(Endless(1, gzip.compress(LARGE)), content_encoding="gzip, none"),
    ],
)
def test_an_answer_of_the_size_is_an_image(answer: Any, build: Build, upstream: Upstream) -> None:
    """To the byte, packed or not, and read by a transport of the user's own."""
    upstream.script = [answer]
    assert build(max_answer_bytes=len(LARGE)).render("og", {}).content == LARGE


def test_one_that_was_read_already_counts_too(build: Build, upstream: Upstream) -> None:
    upstream.script = [lambda _: httpx.Response(200, headers={"content-type": "image/png"}, content=PICTURE)]
    with pytest.raises(InvalidRequestError, match="larger"):
        build(max_answer_bytes=len(PICTURE) - 1).render("og", {})


@pytest.mark.parametrize("most", [0, -1, 1.5, True, "1"])
def test_the_size_is_checked(most: Any, build: Build) -> None:
    with pytest.raises(ConfigError, match="max_answer_bytes"):
        build(max_answer_bytes=most)
