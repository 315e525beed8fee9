"""The whole of an inspection: images are read, judged by their first bytes, and measured, some at the same time."""

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from auditor.caches import digest_of
from auditor.inspect.pictures import MOST, Wanted
from auditor.inspect.worker import Worker
from auditor.model.measurements import Measured, Refused, measured, shrunk
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
    """Images whose bytes had been seen already."""
    known: int = 0
    """Of those, the ones that an earlier file had measured."""


_KINDS = re.compile(
    rb"(?P<png>\x89PNG\r\n\x1a\n)|(?P<jpeg>\xff\xd8\xff)|(?P<gif>GIF8[79]a)|(?P<webp>RIFF.{4}WEBP)"
    rb"|(?P<avif>.{4}ftyp(?:avif|avis|mif1))",
    re.DOTALL,
)


def kind_of(data: bytes) -> str | None:
    """The format that the first bytes stand for, of those that are opened at all."""
    found = _KINDS.match(data)
    return None if found is None else found.lastgroup


class Inspection:
    """One run over some images, several at the same time, each with a child of its own."""

    def __init__(
        self, limit_of: LimitOf, known: Mapping[str, Measured] | None = None, workers: Callable[[], Worker] = Worker
    ) -> None:
        """*known* are measurements of an earlier run, by digest, which are taken over."""
        self._limit_of = limit_of
        self._known = known or {}
        self._workers = workers
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
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
            for worker in self._idle:
                worker.close()
        for digest, picture in self.result.pictures.items():
            self.result.pictures[digest] = replace(picture, source=self._claimed[digest])
        return self.result

    def _take(self, task: Wanted) -> None:
        try:
            outcome = self._outcome(task)
        except FetchError as error:
            with self._lock:
                self.result.refused.append(Refused(task.source, error.reason, error.detail))
            return
        if outcome is not None:
            with self._lock:
                self.result.pictures[outcome.digest] = outcome

    def _outcome(self, task: Wanted) -> Measured | None:
        """What was measured; None for a copy, `FetchError` for what is not an image to be measured."""
        data = task.read()
        digest = _admitted(data)
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
            worker = self._idle.pop() if self._idle else self._workers()
        try:
            found = worker.measure(data, box)
            self.result.method = worker.method
        finally:
            self._idle.append(worker)
        if "refused" in found:
            raise FetchError(found["refused"], found["detail"])
        return measured({"source": task.source, "digest": digest, "bytes": len(data), **found})


def _admitted(data: bytes) -> str:
    """Its digest, if it is an image of a format that is opened."""
    if not data:
        raise FetchError("empty", "there are no bytes")
    if len(data) > MOST:
        raise FetchError("too_large", f"more than {MOST:,} bytes")
    if kind_of(data) is None:
        raise FetchError("format", "is not PNG, JPEG, WebP, AVIF or GIF")
    return digest_of(data)


def _box(limit: Limit | None) -> dict[str, float | None] | None:
    """The limit in device px."""
    if limit is None:
        return None
    width, height = (None if side is None else float(side * limit.dpr) for side in (limit.width, limit.height))
    return {"width": width, "height": height}


def _fits(picture: Measured, box: Mapping[str, float | None] | None) -> bool:
    """Whether an earlier measurement was made for the same shown size."""
    size = (picture.width, picture.height)
    return (picture.shown or size) == shrunk(size, box or {}) or bool(picture.note)
