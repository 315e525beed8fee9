"""Forward: what is new in files to a receiver, piece by piece; the receiver knows how far it has each file.

So nothing is kept here that a kill could lose: the next run asks for the marks, and goes on from there. A part whose
answer was lost is sent again, and counts once.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from auditor.feed.sender import OtherMarksError, RefusedByReceiverError, Sender
from auditor.feed.sources import Sources, source_name, textual
from auditor.feed.tail import START, Around, Mark, TailedFile, digest
from auditor.feed.taken import NO_MEMORY, Ingested, stamp
from auditor.feed.wire import Part, Taken
from auditor.system.files import FileStamp

_COUNTED = ("lines", "events", "superseded", "duplicates", "set_aside", "late")
_TRIES = 20
"""Times that others may move a file's mark while it is sent."""
_REMEMBERED = 10_000
"""Files whose marks need not be asked for again."""


class Forward:
    """Takes the lines of files, as `auditor.ledger.ingest.Ingest` does, and sends them.

    *around* says what stands around the lines of a file.
    """

    def __init__(
        self, sender: Sender, clock: Callable[[], float] = time.time,
        around: Callable[[Path], Around | None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._sender, self._clock, self._around = sender, clock, around
        self._sources = Sources(sender.see, clock)
        self._seen: dict[Path, FileStamp] = {}
        self._marks: dict[str, Mapping[int, Mark]] = {}
        """What the receiver last said, by first line."""

    def run(self, paths: Iterable[Path], progress: Callable[[Path], None] = lambda _: None) -> Ingested:
        """Everything that is new in *paths*."""
        done = Ingested()
        for path in paths:
            progress(path)
            self.run_one(path, done)
        return done

    def follows(self, names: Iterable[str]) -> Sources:
        """The sources of this process from now on; the receiver hears of them also while a long file is sent."""
        self._sources = Sources(self._sender.see, self._clock, names)
        return self._sources

    def beat(self, *, working: bool = True) -> None:
        """The receiver keeps its own heartbeat."""

    def run_one(self, path: Path, done: Ingested) -> None:
        """Everything that is new in one file, added to *done*; one that cannot be read keeps no others away."""
        self._sources.mark()
        try:
            now = stamp(path)
            settled = now.is_settled(self._clock())
            if self._seen.get(path) != now and not self._send(path, done, settled=settled).waits:
                self._seen[path] = now
                _bound(self._seen)
        except FileNotFoundError:
            done.gone.append(str(path))
        except (OSError, MemoryError) as error:
            reason = NO_MEMORY if isinstance(error, MemoryError) else error.strerror or type(error).__name__
            done.unread.append((str(path), reason))
        except RefusedByReceiverError as error:
            done.unread.append((str(path), str(error)))

    def has_sent(self, path: Path) -> bool:
        """Whether the receiver has told this process that it has every whole line of a file, which is not packed."""
        file = TailedFile(path, self._around(path))
        mark = file.furthest(self._marks.get(file.first_line, {}).values())
        with path.open("rb") as raw:
            raw.seek(mark.position)
            return not any(b"\n" in block for block in iter(lambda: raw.read(1 << 20), b""))

    def _send(self, path: Path, done: Ingested, *, settled: bool) -> TailedFile:
        file = TailedFile(path, self._around(path), settled=settled)
        if file.begun:
            marks = self._marks.get(file.first_line)
            if marks is None or file.furthest(marks.values()) == START:
                marks = self._sender.marks(file.first_line)
            for _ in range(_TRIES):
                try:
                    marks = self._pieces(path, file, marks, done)
                    break
                except OtherMarksError as other:
                    marks = other.marks
            else:
                raise RefusedByReceiverError(f"{path}: other forwarders move on in this file all the time; stop them")
            self._marks[file.first_line] = marks
            _bound(self._marks)
        if file.damage:
            done.damaged.append((str(path), file.damage))
        return file

    def _pieces(self, path: Path, file: TailedFile, marks: Mapping[int, Mark], done: Ingested) -> Mapping[int, Mark]:
        """Send what is behind the furthest mark; the marks after that."""
        seen, mark = max(marks, default=0), file.furthest(marks.values())
        for piece in file.pieces(mark):
            part = Part(file.first_line, _name(path), seen, piece.start, piece.end, digest(piece.data))
            self._take(path, piece.start, self._sender.send(piece.data, part), done)
            mark = piece.end
            self._sources.mark()
        return {seen: mark}

    def _take(self, path: Path, start: Mark, answer: Taken, done: Ingested) -> None:
        if not answer.again:
            done.counts.update({name: getattr(answer, name) for name in _COUNTED})
            done.counts["rejected"] += answer.rejected_total - answer.set_aside
        done.rejected += [(str(path), start.lines + each.line, each.detail) for each in answer.rejected]
        unnamed = answer.rejected_total - len(answer.rejected)
        done.rejected += [(str(path), start.lines, "and others of this part")] * unnamed


def _name(path: Path) -> str:
    """What the receiver calls a file: one that lost its name while it was followed has a number."""
    return textual(source_name(str(path)))


def _bound(kept: dict[Any, Any]) -> None:
    if len(kept) > _REMEMBERED:
        del kept[next(iter(kept))]
