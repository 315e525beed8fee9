"""The whole of an inspection: pictures are read, judged by their first bytes, and measured, some at the same time."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from auditor.inspect.pictures import MOST, Wanted
from auditor.inspect.worker import Worker
from auditor.measured import Measured, Refused, Trial
from auditor.network import FetchError
from auditor.settings import Limit

LimitOf = Callable[[str | None, str | None], Limit | None]
"""(template, placement) -> how large it is shown."""


@dataclass(slots=True)
class Inspected:
    """What came of it."""

    pictures: dict[str, Measured] = field(default_factory=dict)
    """By digest: the same bytes are measured once, whatever they are called."""
    refused: list[Refused] = field(default_factory=list)
    method: Mapping[str, Any] = field(default_factory=dict)
    copies: int = 0
    """Pictures whose bytes had been seen already."""
    known: int = 0
    """Of those, the ones that an earlier file had measured."""


def kind_of(data: bytes) -> str | None:
    """The format that the first bytes stand for, of those that are opened at all."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return "avif" if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis", b"mif1") else None


def inspect(
    wanted: Iterable[Wanted],
    limit_of: LimitOf,
    *,
    known: Mapping[str, Measured],
    workers: Callable[[], Worker] = Worker,
    jobs: int = 1,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Inspected:
    """Measure them all; *known* are measurements of an earlier run, which are taken over."""
    result = Inspected()
    tasks = list(wanted)
    lock = threading.Lock()
    local = threading.local()
    started: list[Worker] = []
    claimed: set[str] = set()
    done = 0

    def one(task: Wanted) -> None:
        nonlocal done
        outcome = _measure(task)
        with lock:
            done += 1
            if isinstance(outcome, Measured):
                result.pictures[outcome.digest] = outcome
            elif outcome is not None:
                result.refused.append(outcome)
            progress("measuring", done, len(tasks))

    def _measure(task: Wanted) -> Measured | Refused | None:
        try:
            data = task.read()
            digest, limit = _admitted(data), limit_of(task.template, task.placement)
        except FetchError as error:
            return Refused(task.source, error.reason, error.detail)
        with lock:
            first = digest not in claimed
            claimed.add(digest)
            result.copies += not first
        if not first:
            return None
        box = _box(limit)
        if digest in known and _fits(known[digest], box):
            with lock:
                result.known += 1
            return known[digest]
        worker: Worker | None = getattr(local, "worker", None)
        if worker is None:
            worker = local.worker = workers()
            with lock:
                started.append(worker)
        found = worker.measure(data, box)
        with lock:
            result.method = worker.method
        if "refused" in found:
            return Refused(task.source, found["refused"], found["detail"])
        return _measured(task.source, digest, len(data), found)

    try:
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            for _ in pool.map(one, tasks):
                pass
    finally:
        for worker in started:
            worker.close()
    return result


def _admitted(data: bytes) -> str:
    """Its digest, if it is a picture of a format that is opened."""
    if not data:
        raise FetchError("empty", "there are no bytes")
    if len(data) > MOST:
        raise FetchError("too_large", f"more than {MOST:,} bytes")
    if kind_of(data) is None:
        raise FetchError("format", "is no PNG, JPEG, WebP, AVIF or GIF")
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _box(limit: Limit | None) -> dict[str, float | None] | None:
    """The limit in device px."""
    if limit is None:
        return None
    width, height = (
        None if side is None else float(side * limit.dpr) for side in (limit.width, limit.height)
    )
    return {"width": width, "height": height}


def _fits(picture: Measured, box: Mapping[str, float | None] | None) -> bool:
    """Whether an earlier measurement was made for the same shown size."""
    sides = ((picture.width, (box or {}).get("width")), (picture.height, (box or {}).get("height")))
    scale = min([1.0, *(most / side for side, most in sides if most)])
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return (picture.shown or (picture.width, picture.height)) == size or bool(picture.note)


def _measured(source: str, digest: str, size: int, found: Mapping[str, Any]) -> Measured:
    shown = found["shown"]
    return Measured(
        source=source, digest=digest, bytes=size, format=found["format"], width=found["width"],
        height=found["height"], frames=found["frames"], alpha=found["alpha"], flat=found["flat"],
        trials=tuple(Trial(**trial) for trial in found["trials"]), shown=tuple(shown) if shown else None,
        right_sized=tuple(Trial(**trial) for trial in found["right_sized"]), note=found["note"],
    )  # fmt: skip
