"""The whole of an inspection: pictures are read, judged by their first bytes, and measured, some at the same time."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from auditor.inspect.pictures import MOST, Wanted
from auditor.inspect.worker import Worker
from auditor.model.measurements import Measured, Refused, Trial
from auditor.model.settings import Limit
from auditor.system.network import FetchError

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


class Inspection:
    """One run over some pictures, several at the same time, each thread with a child of its own."""

    def __init__(
        self, limit_of: LimitOf, known: Mapping[str, Measured] | None = None, workers: Callable[[], Worker] = Worker
    ) -> None:
        """*known* are measurements of an earlier run, by digest, which are taken over."""
        self._limit_of = limit_of
        self._known = known or {}
        self._workers = workers
        self._lock = threading.Lock()
        self._local = threading.local()
        self._started: list[Worker] = []
        self._claimed: dict[str, str] = {}
        """Digest -> the first by name of the sources that have these bytes."""
        self.result = Inspected()

    def run(
        self, wanted: Iterable[Wanted], jobs: int = 1, progress: Callable[[str, int, int], None] = lambda *_: None
    ) -> Inspected:
        """Measure them all."""
        tasks = list(wanted)
        try:
            with ThreadPoolExecutor(max_workers=jobs) as pool:
                try:
                    for done, _ in enumerate(pool.map(self._take, tasks), 1):
                        progress("measuring", done, len(tasks))
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        finally:
            for worker in self._started:
                worker.close()
        for digest, picture in self.result.pictures.items():
            self.result.pictures[digest] = replace(picture, source=self._claimed[digest])
        return self.result

    def _take(self, task: Wanted) -> None:
        outcome = self._outcome(task)
        with self._lock:
            if isinstance(outcome, Measured):
                self.result.pictures[outcome.digest] = outcome
            elif outcome is not None:
                self.result.refused.append(outcome)

    def _outcome(self, task: Wanted) -> Measured | Refused | None:
        try:
            data = task.read()
            digest = _admitted(data)
        except FetchError as error:
            return Refused(task.source, error.reason, error.detail)
        box = _box(self._limit_of(task.template, task.placement))
        known = self._known.get(digest)
        with self._lock:
            if digest in self._claimed:
                self._claimed[digest] = min(task.source, self._claimed[digest])
                self.result.copies += 1
                return None
            self._claimed[digest] = task.source
            if known is not None and _fits(known, box):
                self.result.known += 1
                return known
        worker = self._worker()
        found = worker.measure(data, box)
        self.result.method = worker.method
        if "refused" in found:
            return Refused(task.source, found["refused"], found["detail"])
        return _measured(task.source, digest, len(data), found)

    def _worker(self) -> Worker:
        worker: Worker | None = getattr(self._local, "worker", None)
        if worker is None:
            worker = self._local.worker = self._workers()
            with self._lock:
                self._started.append(worker)
        return worker


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
    width, height = (None if side is None else float(side * limit.dpr) for side in (limit.width, limit.height))
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
