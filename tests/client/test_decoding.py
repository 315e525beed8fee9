"""A compressed answer is read as far as it is needed, whatever it would become."""

import functools
import gzip
import io
import itertools
import json
import random
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest
import zstandard

from auditor import Metering, meter
from auditor.client import answers
from auditor.client.watch import HEAD
from tests.client.conftest import png
from tests.client.test_attach import Body

URL = "https://render.imejis.io/v1/og"
JSON = "application/json"
BIG = 40 << 20
"""Bytes that a bomb becomes, at least: 160 times what is read."""


def raw_deflate(data: bytes) -> bytes:
    """As some servers send `deflate`: without zlib's envelope."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zstd(data: bytes) -> bytes:
    """In one frame."""
    return zstandard.ZstdCompressor().compress(data)


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "GZIP ": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "br": lambda data: brotli.compress(data, quality=5),
    "zstd": zstd,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data), quality=5),
    "zstd,gzip": lambda data: gzip.compress(zstd(data)),
    "identity, deflate ,, zstd": lambda data: zstd(zlib.compress(data)),
    "gzip, gzip, gzip": lambda data: gzip.compress(gzip.compress(gzip.compress(data))),
}
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """What the event says of an answer that passed by as it was sent, in small pieces."""
    numbers = itertools.count()

    def event(coding: str, sent: bytes, kind: str, status: int = 200) -> dict[str, Any]:
        def answer(_: httpx.Request) -> httpx.Response:
            pieces = [sent[at : at + 5000] for at in range(0, len(sent), 5000)]
            return httpx.Response(
                status, headers={"content-type": kind, "content-encoding": coding}, stream=Body(pieces)
            )

        folder = tmp_path / str(next(numbers))
        metering = Metering(events=folder, registry=None, secret="s")
        client = meter(httpx.Client(transport=httpx.MockTransport(answer)), metering)
        with client.stream("POST", URL, json={}) as response:
            assert b"".join(response.iter_raw()) == sent
        metering.close()
        (log,) = folder.glob("usage-*.jsonl")
        (found,) = [e for e in map(json.loads, log.read_text().splitlines()) if e["outcome"] != "attempt"]
        return dict(found)

    return event


def hosted(padding: int = 0) -> bytes:
    """An answer with an address; the padding comes last."""
    return json.dumps({"url": "https://cdn/x.webp", "format": "webp", "padding": "0" * padding}).encode()


def noise() -> bytes:
    """Bytes that no coding makes smaller, twice as many as are kept."""
    return random.Random(7).randbytes(2 * HEAD)


@pytest.mark.parametrize("coding", CODINGS)
def test_what_a_small_answer_says_is_understood(coding: str, say: Say) -> None:
    """An address and its format."""
    found = say(coding, CODINGS[coding](hosted()), JSON)
    assert (found["outcome"], found["format"], found["credits"]) == ("render", "webp", 1)
    assert "bytes" not in found and "digest" not in found


@pytest.mark.parametrize("coding", CODINGS)
def test_quota_is_told_from_throttles_in_every_coding(coding: str, say: Say) -> None:
    """Only the body tells."""
    found = say(coding, CODINGS[coding](b'{"message": "Monthly quota exceeded"}'), JSON, 429)
    assert (found["outcome"], found["error"]) == ("error", "quota")


@pytest.mark.parametrize("coding", CODINGS)
def test_an_image_longer_than_what_is_kept_has_dimensions(coding: str, say: Say) -> None:
    """Its beginning tells them; its coded bytes are not its size."""
    found = say(coding, CODINGS[coding](png(123, 45, noise())), "image/png")
    assert (found["outcome"], found["width"], found["height"], found["format"]) == ("render", 123, 45, "png")
    assert "bytes" not in found and "digest" not in found


@pytest.mark.parametrize("coding", ["identity", *CODINGS])
def test_a_document_longer_than_what_is_kept_is_a_render(coding: str, say: Say) -> None:
    """Nothing can be said of it but that it was paid for, whether it was cut as sent or as decoded."""
    whole = {"identity": bytes}.get(coding) or CODINGS[coding]
    for body in (hosted(2 * HEAD), b'{"noise": "%b"}' % noise().hex().encode()):
        found = say(coding, whole(body), JSON)
        assert (found["outcome"], found["status"], found["credits"], found.get("error")) == ("render", 200, 1, None)


@functools.cache
def bomb(coding: str) -> bytes:
    """A few bytes that become many."""
    return CODINGS[coding](b'{"url": "' + bytes(BIG))


@pytest.mark.parametrize(("status", "kind"), [(200, JSON), (200, "image/png"), (429, JSON)])
@pytest.mark.parametrize("coding", CODINGS)
def test_a_bomb_is_not_expanded(coding: str, status: int, kind: str, say: Say) -> None:
    """Neither in memory nor in time, in the thread of the caller, who did not ask for the decoded bytes."""
    sent = bomb(coding)
    assert len(sent) < HEAD
    tracemalloc.start()
    began = time.thread_time()
    try:
        found = say(coding, sent, kind, status)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 * HEAD < BIG / 6
    assert time.thread_time() - began < 2
    assert found["outcome"] == ("render" if status == 200 else "error")


def test_a_frame_that_asks_for_a_huge_window_is_not_read(say: Say) -> None:
    """Its few bytes would take gigabytes before the first one came out."""
    options = zstandard.ZstdCompressionParameters.from_level(1, window_log=30)
    out = io.BytesIO()
    with zstandard.ZstdCompressor(compression_params=options).stream_writer(out, closefd=False) as writer:
        writer.write(hosted(2000))
    tracemalloc.start()
    try:
        found = say("zstd", out.getvalue(), JSON)
        assert tracemalloc.get_traced_memory()[1] < 24 * HEAD
    finally:
        tracemalloc.stop()
    assert found["outcome"] == "render" and "format" not in found


@pytest.mark.parametrize(
    ("coding", "sent"),
    [
        ("compress", hosted()),
        ("gzip, compress", gzip.compress(hosted())),
        ("dcb", hosted()),
        ("gzip", hosted()),
        ("br", b"\xff" * 50),
        ("zstd", b"\0" * 50),
        ("deflate", b"\xff" * 50),
        (", ".join(["gzip"] * 6), hosted()),
        ("gzip" + ", gzip" * 2000, hosted()),
    ],
    ids=["compress", "compress inside", "dcb", "no gzip", "no br", "no zstd", "no deflate", "six", "many"],
)
def test_what_cannot_be_decoded_is_unknown(coding: str, sent: bytes, say: Say) -> None:
    """Though its bytes as they are would pass for an answer."""
    found = say(coding, sent, JSON)
    assert (found["outcome"], found["credits"]) == ("render", 1)
    assert "format" not in found and "bytes" not in found
    refused = answers.decoded(sent, coding, HEAD)
    assert refused is None


class Older:
    """The decompressor of brotli before 1.2, which knows no limit."""

    newer = brotli.Decompressor

    def __init__(self) -> None:
        self._inner = self.newer()

    def process(self, data: bytes) -> bytes:
        return bytes(self._inner.process(data))


def test_an_older_brotli_reads_what_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps, so that a bomb goes no further than one of them."""
    monkeypatch.setattr(answers.brotli, "Decompressor", Older)
    assert answers.decoded(brotli.compress(hosted()), "br", HEAD) == hosted()
    begun = answers.decoded(bomb("br"), "br", HEAD)
    assert begun and len(begun) <= HEAD and begun == (b'{"url": "' + bytes(HEAD))[: len(begun)]
    long = noise()
    begun = answers.decoded(brotli.compress(long), "br", HEAD)
    assert begun and long.startswith(begun)


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_without_its_package_a_coding_is_unknown(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that offers what we cannot read is still served."""
    monkeypatch.setattr(answers, {"br": "brotli", "zstd": "zstandard"}[coding], None)
    assert answers.decoded(CODINGS[coding](hosted()), coding, HEAD) is None
