"""`auditor ingest` and `auditor prune`."""

import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType

from auditor import config as configuration
from auditor.errors import ConfigError, InputError
from auditor.ledger.database import Ledger
from auditor.ledger.follow import Follow
from auditor.ledger.ingest import Ingest, Ingested
from auditor.ledger.upkeep import prune
from auditor.plans import micros
from auditor.progress import Progress
from auditor.sources import discover
from auditor.terminal import plain

OK, INCOMPLETE = 0, 3
SHOWN = 5


def run_ingest(paths: Sequence[str], where: str, config: Path | None, *, follow: bool, every: float) -> int:
    """0, or 3 if lines were rejected or a file is damaged; they are kept in the ledger with their reasons."""
    settings = configuration.load(config or configuration.find([Path(path) for path in paths]))
    with Ledger(where) as ledger:
        ingest = Ingest(ledger, settings)
        if follow:
            return _follow(ingest, paths, every)
        files = list(_files(paths))
        with Progress(unit="items") as progress:
            done = ingest.run(files, lambda path: progress(path.name, files.index(path), len(files)))
    return _said(done)


def _files(paths: Sequence[str]) -> Iterable[Path]:
    if "-" in paths:
        raise ConfigError("standard input cannot be taken up again where it was; name files, folders or globs")
    return (source.path for source in discover(paths, Path()))


def _follow(ingest: Ingest, paths: Sequence[str], every: float) -> int:
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)

    def found() -> Iterable[Path]:
        try:
            return list(_files(paths))
        except InputError:  # nothing is there yet
            return ()

    following = Follow(ingest, found)
    print("auditor: following; Ctrl-C ends it", file=sys.stderr)
    while True:
        last = stopping.is_set()  # one more look after the signal, so that nothing that was written before is left
        done = following.look()
        if done.counts["lines"] or done.damaged or done.truncated:
            _said(done)
        if last:
            following.close()
            return OK
        stopping.wait(every)


def _said(done: Ingested) -> int:
    counts = done.counts
    late = f" + {counts['late']:,} before the prune horizon" if counts["late"] else ""
    print(
        f"{counts['lines']:,} lines = {counts['events']:,} events + {counts['superseded']:,} superseded + "
        f"{counts['duplicates']:,} duplicates + {counts['rejected']:,} rejected{late}",
        flush=True,
    )
    for path, line, reason in done.rejected[:SHOWN]:
        _tell(f"{path} line {line}: {reason}")
    if len(done.rejected) > SHOWN:
        _tell(f"and {len(done.rejected) - SHOWN:,} more; the ledger keeps all of them in its table `rejections`")
    for path, damage in done.damaged:
        _tell(f"{path} is cut off or damaged ({damage}); the lines before the cut were taken")
    for path in done.truncated:
        _tell(f"{path} was emptied in place: lines written since the last look may be missing; feed its copy too")
    for path in done.gone:
        _tell(f"{path} vanished before it was read")
    return INCOMPLETE if done.rejected or done.damaged or done.truncated or done.gone else OK


def run_prune(older_than: str, where: str) -> None:
    """Say what went."""
    from datetime import UTC, datetime

    try:
        age = configuration.parse_duration(older_than)
    except ValueError as error:
        raise ConfigError(f"--older-than {error}") from None
    with Ledger(where) as ledger, ledger.write() as connection:
        gone = prune(connection, micros(datetime.now(UTC) - age))
    print(f"{gone:,} events dropped; their sums stay")


def _tell(message: str) -> None:
    print(f"auditor: {plain(message)}", file=sys.stderr)
