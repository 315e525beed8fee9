"""Whatever an image is, the parent lives, says what was wrong in a word, and measures the next one."""

import io
import os
import re
import resource
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from auditor.inspect.pictures import Wanted
from auditor.inspect.run import Inspection, kind_of
from auditor.inspect.worker import Worker
from tests.inspect.pictures import animation, bomb, chunk, drawing, jpeg_that_says, photo, png, saved

GOOD = saved(drawing(64, 48), "PNG")


def archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    return out.getvalue()


def bombs() -> dict[str, tuple[bytes, str]]:
    """Name -> (an image, the reason for which it is refused)."""
    texts = b"".join(chunk(b"zTXt", b"k\0\0" + zlib.compress(b"\0" * (4 << 20), 9)) for _ in range(30))
    return {
        "png 13,000 squared": (bomb(13_000), "too_many_pixels"),
        "png that says 2^31 squared": (png(2**31 - 1, 2**31 - 1), "too_many_pixels"),
        "png of one very long row": (png(2_000_000_000, 1, zlib.compress(b"\0" * 100)), "too_many_pixels"),
        "gif of 300 frames": (animation(300, 400), "too_many_pixels"),
        "png with texts of 120 MB": (png(8, 8, zlib.compress(b"\0" * 72), texts), "damaged"),
        "webp that says 16,383 squared": (
            b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\xff\xff\xff\x0f" + b"\0" * 9, "too_many_pixels"),
        "jpeg that says 65,500 squared": (jpeg_that_says(65_500, 65_500), "too_many_pixels"),
        "png cut off": (saved(photo(), "PNG")[:900], "damaged"),
        "jpeg cut off": (saved(photo(), "JPEG")[:900], "damaged"),
        "png without a body": (png(64, 64), "damaged"),
        "png head alone": (b"\x89PNG\r\n\x1a\n", "damaged"),
        "avif head alone": (b"\0\0\0\x1cftypavif" + b"\0" * 40, "damaged"),
        "gif head alone": (b"GIF89a", "damaged"),
        "webp head alone": (b"RIFF\x04\0\0\0WEBP", "damaged"),
        "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "format"),
        "pdf": (b"%PDF-1.7\n", "format"),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "format"),
        "tiff": (saved(photo(), "TIFF"), "format"),
        "bmp": (saved(photo(), "BMP"), "format"),
        "fits": (b"SIMPLE  =                    T", "format"),
        "ico": (saved(drawing(64, 64), "ICO"), "format"),
        "archive": (archive(), "format"),
        "html": (b"<!doctype html><title>404</title>", "format"),
        "nothing": (b"", "empty"),
        "33 MB": (b"\x89PNG\r\n\x1a\n" + b"\0" * (33 << 20), "too_large"),
    }  # fmt: skip


def test_bombs_are_refused_with_a_word_and_the_next_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them in one run, with good images in between; no file is left behind."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    tasks, expected = [], {}
    for place, (name, (data, reason)) in enumerate(bombs().items()):
        tasks.append(Wanted(name, lambda data=data: data))
        good = saved(drawing(64 + place, 48), "PNG")
        tasks.append(Wanted(f"good {place}", lambda good=good: good))
        expected[name] = reason
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = Inspection(lambda *_: None).run(tasks, jobs=2)
    assert {one.source: one.reason for one in result.refused} == expected
    assert len(result.pictures) == len(expected)
    assert list(tmp_path.iterdir()) == []
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 << 10, f"the parent grew by {grown >> 10} MiB"


def test_a_huge_profile_is_cut_or_refused() -> None:
    """200 MB of ICC profile in 200 kB: whatever the decoder says, it ends, and in bounds."""
    profile = chunk(b"iCCP", b"p\0\0" + zlib.compress(b"\0" * (200 << 20), 9))
    with closing(Worker()) as worker:
        found = worker.measure(png(8, 8, zlib.compress(b"\0" * 72), profile), None)
        assert found.get("refused") in (None, "damaged", "out_of_memory")
        assert worker.measure(GOOD, None)["width"] == 64


STUBS = {
    "crashed": "os.kill(os.getpid(), signal.SIGSEGV)",
    "out_of_memory": "limit(); bytearray(3 << 30)",
    "out_of_time": "allow_time(1)\nwhile True: pass",
}


@pytest.mark.parametrize("reason", STUBS)
def test_a_child_that_dies_is_replaced(reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a signal, at the limit of memory, at the limit of processor time: refused, and the next gets a new child."""
    body = textwrap.indent(STUBS[reason], "        ")
    (tmp_path / "stub.py").write_text(
        "import os, signal, io\nfrom auditor.inspect import child\nfrom auditor.inspect.child import limit, allow_time\n"
        "whole = child.measure\n"
        f"def measure(data, limit_):\n    if len(data) == {len(GOOD)}:\n{body}\n    return whole(data, limit_)\n"
        "child.measure = measure\nchild.main()\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    with closing(Worker(module="stub")) as worker:
        assert worker.measure(GOOD, None)["refused"] == reason
        assert worker.measure(saved(drawing(65, 48), "PNG"), None)["width"] == 65


def test_a_child_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asleep it uses no processor time; the clock counts too."""
    (tmp_path / "asleep.py").write_text("import sys, time\nprint('{}', flush=True)\ntime.sleep(1000)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started = time.monotonic()
    with closing(Worker(module="asleep", seconds=0.2)) as worker:
        assert worker.measure(GOOD, None) == {"refused": "out_of_time", "detail": "took more than 0.2 seconds"}
    assert time.monotonic() - started < 20


def test_a_measuring_process_that_does_not_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the missing package that it most likely is."""
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with closing(Worker(module="broken")) as worker, pytest.raises(ModuleNotFoundError):
        worker.measure(GOOD, None)


def test_the_child_has_neither_sockets_nor_files_nor_the_environment() -> None:
    """After `limit` nothing can be opened, and no secret of the parent is there to be found."""
    script = textwrap.dedent("""
        import socket, os
        from auditor.inspect import child
        child.warm_up(); child.limit()
        for attempt in (socket.socket, lambda: open('/etc/passwd'), lambda: open('/tmp/x', 'w'), os.pipe,
                        lambda: bytearray(2 << 30)):
            try: attempt(); print('OPEN')
            except (OSError, MemoryError) as error: print(type(error).__name__)
        print(child.answer({}, __import__('sys').stdin.buffer.read())['width'])
    """)
    done = subprocess.run([sys.executable, "-c", script], input=GOOD, capture_output=True, check=True)
    assert done.stdout.split() == [b"OSError", b"OSError", b"OSError", b"OSError", b"MemoryError", b"64"]


def test_the_child_is_limited_and_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment only what Python needs."""
    monkeypatch.setenv("SMTP_PASSWORD", "hunter2")
    with closing(Worker()) as worker:
        worker.measure(GOOD, None)
        child = worker._child
        assert child is not None
        environment = Path(f"/proc/{child.pid}/environ").read_bytes()
        descriptors = [path.name for path in Path(f"/proc/{child.pid}/fd").iterdir()]
        limits = Path(f"/proc/{child.pid}/limits").read_text()
    for name, most in (("open files", 0), ("address space", 1 << 30), ("file size", 0), ("core file size", 0)):
        assert re.search(rf"Max {name} +{most} +{most} ", limits), limits
    assert b"hunter2" not in environment and b"PATH=" in environment
    assert set(descriptors) == {"0", "1", "2"}


def test_the_same_bytes_are_measured_once_and_earlier_ones_taken_over() -> None:
    """By digest; another shown size is another measurement."""
    from decimal import Decimal

    from auditor.model.settings import Limit

    tasks = [Wanted(name, lambda: GOOD) for name in ("a", "b", "c")]
    first = Inspection(lambda *_: None).run(tasks, jobs=2)
    assert (len(first.pictures), first.copies, first.known) == (1, 2, 0)
    again = Inspection(lambda *_: None, first.pictures, workers=_no_worker).run(tasks)
    assert (again.known, again.pictures) == (1, first.pictures)
    smaller = Inspection(lambda *_: Limit(width=Decimal(32)), first.pictures).run(tasks)
    (picture,) = smaller.pictures.values()
    assert (smaller.known, picture.shown) == (0, (32, 24))


def _no_worker() -> Worker:
    raise AssertionError("nothing is left to measure")


def test_children_are_gone_after_a_run() -> None:
    """None outlives it, also when the run is interrupted."""

    def interrupt() -> bytes:
        raise KeyboardInterrupt

    started: list[Worker] = []

    def worker() -> Worker:
        started.append(Worker())
        return started[-1]

    with pytest.raises(KeyboardInterrupt):
        Inspection(lambda *_: None, workers=worker).run([Wanted("good", lambda: GOOD), Wanted("stop", interrupt)])
    assert started and all(one._child is None for one in started)
    assert threading.active_count() < 20


def test_kinds_by_their_first_bytes() -> None:
    """Names and media types are not asked."""
    for name in ("PNG", "JPEG", "GIF", "WEBP", "AVIF"):
        assert kind_of(saved(drawing(64, 48), name)) == name.lower()
    assert kind_of(b"RIFF\0\0\0\0WAVE") is None
