"""What a shared cache holds is served only if this account wrote it, in time, as an image."""

import asyncio
import hashlib
import os
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from auditor import caches as base
from auditor.caches import Entry, Slot, decode, encode, opened
from auditor.caches.files import Files
from auditor.caches.memory import Memory
from auditor.client.containers import whole
from auditor.client.levels import Tiered
from auditor.client.renderer import Renderer
from auditor.client.request import Rendered
from auditor.model.errors import ConfigError
from auditor.model.events import Outcome
from auditor.model.provider import Picture
from tests.client.conftest import PICTURE, Time, Upstream, png
from tests.client.test_caches import NOW, SLOT, entry
from tests.client.test_renderer import Build

DAY = 86_400.0
SECRET = Slot("group", SLOT.key, b"s" * 32)


def test_an_entry_is_sealed_by_the_account_s_key() -> None:
    """Whoever has no key, or another one, cannot make it."""
    whole_entry = encode(SECRET, entry())
    assert decode(SECRET, whole_entry) == entry()
    assert decode(SECRET._replace(secret=b"t" * 32), whole_entry) is None
    assert decode(SECRET._replace(secret=b""), whole_entry) is None
    assert b"ssss" not in repr(SECRET).encode()


def forged(data: bytes, **changes: Any) -> bytes:
    """As somebody without the key would write it, with every digest right."""
    end = 40 + int.from_bytes(data[4:8])
    facts, body = orjson.loads(data[40:end]), data[end:]
    if "body" in changes:
        body = changes.pop("body")
        facts |= {"length": len(body), "digest": "sha256:" + hashlib.sha256(body).hexdigest()}
    head = orjson.dumps(facts | changes)
    return data[:4] + len(head).to_bytes(4) + hashlib.sha256(head).digest() + head + body


@pytest.mark.parametrize(
    "changes",
    [{"media_type": "text/html", "body": b"<script>alert(1)</script>"}, {"expires_at": 1e308}, {"expires_at": "never"},
     {"media_type": "image/png\r\nSet-Cookie: a=b"}, {"url": "javascript:alert(1)"}, {"body": b"other"}, {}],
    ids=str,
)  # fmt: skip
def test_a_planted_file_is_a_miss(tmp_path: Path, upstream: Upstream, changes: dict[str, Any]) -> None:
    """And no failure of the cache either: it is rendered and stored again."""
    with Renderer(api_key="k", cache=Files(tmp_path / "in"), transport=upstream, registry=None) as renderer:
        renderer.render("og", {})
        (file,) = [path for path in (tmp_path / "in").rglob("*") if path.is_file()]
        file.write_bytes(forged(file.read_bytes(), **changes))
        assert renderer.render("og", {}).content == PICTURE
        assert renderer.render("og", {}).outcome is Outcome.HIT
    assert len(upstream.calls) == 2


class Store(Memory):
    """Somebody's own, which gives whatever it holds."""

    name = "own"
    held: Entry | None = None

    async def get(self, slot: Slot) -> Entry | None:
        return self.held

    async def put(self, slot: Slot, entry: Entry) -> None:
        self.held = entry


@pytest.mark.parametrize(
    ("change", "served"),
    [
        ({}, True),
        ({"stored_at": NOW + 59, "expires_at": NOW + 59 + DAY}, True),
        ({"stored_at": NOW + 61, "expires_at": NOW + 61 + DAY}, False),
        ({"stored_at": NOW + 4 * 365 * DAY, "expires_at": NOW + 4 * 365 * DAY + DAY}, False),
        ({"expires_at": NOW + 7 * DAY}, True),
        ({"expires_at": NOW + 7 * DAY + 5}, False),
        ({"expires_at": float("inf")}, False),
        ({"expires_at": float("nan")}, False),
        ({"stored_at": float("-inf")}, False),
        ({"media_type": "text/html"}, False),
        ({"media_type": "image/png\r\nX: y"}, False),
        ({"media_type": "application/javascript"}, False),
        ({"media_type": "image/svg+xml"}, True),
        ({"url": "https://cdn.example/x.png"}, True),
        ({"url": "https://cdn.example/x.png\r\nX: y"}, False),
        ({"url": "javascript:alert(1)"}, False),
        ({"url": "//cdn.example/x.png"}, False),
    ],
    ids=str,
)
def test_what_no_reader_would_have_stored_is_a_miss(
    build: Build, moving: Time, change: dict[str, Any], served: bool
) -> None:
    """Of a clock that is ahead, of a TTL beyond the largest, of a type that is not an image's; sync and async."""
    moving.now = NOW
    picture = {name: change.pop(name) for name in ("media_type", "url") if name in change}
    stored = replace(entry(life=DAY), **change)
    for kind in ("sync", "async"):
        store = Store(clock=lambda: moving.now)
        store.held = replace(stored, picture=replace(stored.picture, **picture))
        renderer = build(cache=Tiered(Memory(clock=lambda: moving.now), store), clock=moving.clock())
        found = renderer.render("og", {}) if kind == "sync" else asyncio.run(renderer.arender("og", {}))
        assert found.outcome is (Outcome.HIT if served else Outcome.RENDER)


def test_the_largest_ttl_is_what_this_reader_gives(build: Build, moving: Time) -> None:
    """By default, by template, and by call."""
    for options, call in (
        ({"template_ttl": {"og": 30 * DAY}}, {}),
        ({"batch_ttl": 30 * DAY}, {}),
        ({}, {"ttl": 30 * DAY}),
    ):
        moving.now = NOW
        store = Store()
        store.held = entry(life=30 * DAY)

        def reader(**options: Any) -> Renderer:
            return build(cache=Tiered(Memory(), store), clock=moving.clock(), **options)  # noqa: B023 (used here)

        assert reader(**options).render("og", {}, **call).outcome is Outcome.HIT
        assert reader().render("og", {}).outcome is Outcome.RENDER


def test_memory_does_not_believe_a_clock_that_was_ahead(build: Build, moving: Time) -> None:
    """Nor does it serve such an image for years."""
    moving.now = NOW + 4 * 365 * DAY
    renderer = build(clock=moving.clock(), cache=Memory(clock=lambda: moving.now))
    renderer.render("og", {})
    moving.now = NOW
    assert renderer.render("og", {}).outcome is Outcome.RENDER
    assert renderer.render("og", {}).outcome is Outcome.HIT


def test_headers_hold_no_line_break() -> None:
    """Whatever a store gave."""
    for digest in ("sha256:abc\r\nX: y", "sha256:" + "a" * 64):
        bad = Entry(Picture(b"x", None, "text/html\r\nSet-Cookie: a=b"), digest, 1, NOW, NOW + 10)
        headers = Rendered(bad, Outcome.HIT, "k1:x", base_free()).cache_headers(NOW)
        assert all("\n" not in value and "\r" not in value for value in headers.values())
        assert headers["Content-Type"] == "application/octet-stream"


def base_free() -> Any:
    """No credits."""
    from auditor.client.request import FREE

    return FREE


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, upstream: Upstream, mode: int) -> None:
    """When the renderer is made, with the fix; one that becomes so later is not used."""
    folder = tmp_path / "in"
    folder.mkdir()
    folder.chmod(mode)
    for cache in (str(folder), f"file://{folder}", Files):
        with pytest.raises(ConfigError, match="chmod 700"):
            Renderer(api_key="k", cache=cache(folder) if cache is Files else cache, registry=None)  # type: ignore[operator, arg-type]
    folder.chmod(0o700)
    with Renderer(api_key="k", cache=Files(folder), transport=upstream, registry=None) as renderer:
        renderer.render("og", {})
        folder.chmod(mode)
        assert renderer.render("og", {}).outcome is Outcome.RENDER


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its mode; and a file in its place is none."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="not a folder"):
        Files(tmp_path / "file")
    (tmp_path / "in").mkdir(mode=0o700)
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigError, match="another user"):
        Files(tmp_path / "in")


def test_files_are_of_this_user_alone_and_never_links(tmp_path: Path, upstream: Upstream) -> None:
    """A link or a FIFO in an entry's place is not an entry, and nothing waits for it."""
    with Renderer(api_key="k", cache=Files(tmp_path / "in"), transport=upstream, registry=None) as renderer:
        for make in (lambda path: path.symlink_to("/etc/hostname"), os.mkfifo):
            renderer.render("og", {})
            (file,) = [path for path in (tmp_path / "in").rglob("*") if path.is_file()]
            assert file.stat().st_mode & 0o777 == 0o600
            file.unlink()
            make(file)
            assert renderer.render("og", {}, timeout=10).outcome is Outcome.RENDER
            assert not list((tmp_path / "in").rglob(".*")), "nothing is left aside"
            if not file.is_fifo():
                file.unlink(missing_ok=True)
            renderer._core.levels.up = True


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + kind + data


NOISE = random.Random(7).randbytes(3000).replace(b"\xff", b"\xfe")
PREVIEW = b"\xff\xd8\xff\xda\0\x02x\xff\xd9"
JPEG = (
    b"\xff\xd8\xff\xe1" + struct.pack(">H", len(PREVIEW) + 2) + PREVIEW + b"\xff\xdb\0\x04ab"
    + b"\xff\xda\0\x04cd" + NOISE + b"\xff\xd9"
)  # fmt: skip
GIF = (
    b"GIF89a\x08\0\x08\0\x80\0\0" + b"abcdef" + b"\x21\xf9\x04\0\0\0\0\0"
    + b"\x2c\0\0\0\0\x08\0\x08\0\x00\x02" + b"\x04;;;;" + b"\xff" + b"y" * 255 + b"\0" + b";"
)  # fmt: skip
CONTAINERS = {
    "png": png(filling=NOISE),
    "jpeg": JPEG,
    "gif": GIF,
    "webp": b"RIFF" + struct.pack("<I", len(NOISE) + 4) + b"WEBP" + NOISE,
    "avif": box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", NOISE[:400]) + box(b"mdat", NOISE),
    "avif, large boxes": box(b"ftyp", b"avis\0\0\0\0") + box(b"moov", NOISE[:40])
    + b"\0\0\0\x01mdat" + struct.pack(">Q", len(NOISE) + 16) + NOISE,
    "pdf": b"%PDF-1.7\n" + NOISE + b"\nstartxref\n9\n%%EOF\n",
    "pdf, updated": b"\n%PDF-1.7\n" + NOISE + b"\n%%EOF\n" + b"9 0 obj\n" + b"x" * 300 + b"\n%%EOF\n",
    "svg, nested": b"\xef\xbb\xbf\n<svg xmlns='x'>" + b"<svg y='2'><path/></svg> <svg/>" * 9 + b"<g/></svg>",
    "svg": b"<?xml version='1.0'?>\n<svg xmlns='x'>" + b"<path d='M0'/>" * 200 + b"</svg>\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_cut_container_is_seen(kind: str) -> None:
    """At any place; padding after the end is no cut."""
    content = CONTAINERS[kind]
    assert whole(content)
    if kind not in ("avif", "avif, large boxes"):
        assert whole(content + b"\0" * 4)
    ends = {"pdf": 3, "svg": 2, "pdf, updated": 3}.get(kind, 1)
    places = {
        *range(6, 60),
        *range(len(content) - 60, len(content) - ends + 1),
        *range(60, len(content) - 60, 37),
    }
    assert [place for place in sorted(places) if whole(content[:place])] == []


@pytest.mark.parametrize("content", [b"x", b"x" * 9000, b"\0" * 20, b"<p>no picture</p>", b"BM" + NOISE])
def test_what_is_not_known_counts_as_whole(content: bytes) -> None:
    """Not to store it would be to pay for it each time."""
    assert whole(content)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "pdf"])
def test_a_cut_picture_is_delivered_and_not_stored(build: Build, upstream: Upstream, tmp_path: Path, kind: str) -> None:
    """Neither in memory nor in the store; the next call is fresh."""
    content = CONTAINERS[kind]
    media_type = "application/pdf" if kind == "pdf" else f"image/{kind}"

    def answers(body: bytes) -> Callable[[httpx.Request], httpx.Response]:
        return lambda _: httpx.Response(200, headers={"content-type": media_type}, content=body)

    upstream.script = [answers(content[:-20]), answers(content)]
    renderer = build(cache=str(tmp_path / "renders"))
    assert renderer.render("og", {}).content == content[:-20]
    assert not [path for path in (tmp_path / "renders").rglob("*") if path.is_file()]
    assert [renderer.render("og", {}).outcome for _ in range(2)] == [Outcome.RENDER, Outcome.HIT]


@pytest.mark.parametrize(
    "address",
    ["reddis://127.0.0.1:6379/0", "memcached://127.0.0.1", "REDIS", "redis", "Memory", "", " ", "redis:localhost:6379",
     "redis:/localhost", "file:/var/cache/x", "file://var/cache", "s3:bucket", "ftp://host/x", "rediss:host",
     "redis://127.0.0.1:port/0", "redis://127.0.0.1/0?socket_timeout=soon", "memory://?bytes=many",
     "memory://?entrys=5", "memory://?bytes=0", "s3://", 5, True, object()],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)  # fmt: skip
def test_a_mistyped_address_is_an_error(
    address: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upstream: Upstream
) -> None:
    """When the renderer is made; no folder of that name appears."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        Renderer(api_key="k", cache=address, transport=upstream, registry=None)
    assert not list(tmp_path.iterdir())


def test_addresses_that_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upstream: Upstream) -> None:
    """Schemes in any case, folders by text and by path."""
    monkeypatch.chdir(tmp_path)
    for address in ("REDIS://127.0.0.1:1/0", "Memory://", Path("renders"), "./redis", "a/b", f"FILE://{tmp_path}/f"):
        with Renderer(api_key="k", cache=address, transport=upstream, registry=None) as renderer:
            assert renderer.render("og", {}).outcome is Outcome.RENDER
            assert renderer.render("og", {}).outcome is Outcome.HIT


def test_secrets_of_an_address_are_not_in_its_error() -> None:
    """A password stands in it."""
    with pytest.raises(ConfigError) as caught:
        Renderer(api_key="k", cache="redis://user:s3cret@127.0.0.1:s3cret/0", registry=None)
    assert "s3cret" not in str(caught.value) and caught.value.__cause__ is None


def test_entries_can_be_inspected_without_the_key() -> None:
    """`auditor inspect` reads a folder of entries; it takes any seal, and never damage."""
    data = encode(SECRET, entry())
    assert opened(data) == entry()
    for damaged in (
        data[:-1],
        data[:60],
        b"",
        b"RA2\n",
        data[:40] + b"[]" + data[42:],
        b"RA2\n\0\0\0\x02" + b"0" * 32 + b"[]",
    ):
        assert opened(damaged) is None
    assert data[:4] == base.MAGIC
