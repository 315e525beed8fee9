"""`auditor ingest` and `auditor prune`."""

import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType

from auditor import config as configuration
from auditor.errors import ConfigError
from auditor.ledger.database import Ledger
from auditor.ledger.follow import Follow
from auditor.ledger.ingest import Ingest, Ingested
from auditor.ledger.upkeep import prune
from auditor.plans import micros
from auditor.progress import Progress
from auditor.sources import discover, present
from auditor.terminal import plain

OK, INCOMPLETE = 0, 3


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

    print("auditor: following; Ctrl-C ends it", file=sys.stderr)
    following = Follow(ingest, lambda: present(paths))
    following.until(
        stopping, every, lambda done: _said(done) if done.counts["lines"] or any(done.complaints()) else None,
        lambda error: _tell(f"ingest fails ({type(error).__name__}); it is tried again"),
    )  # fmt: skip
    return OK


def _said(done: Ingested) -> int:
    counts = done.counts
    late = f" + {counts['late']:,} before the prune horizon" if counts["late"] else ""
    print(
        f"{counts['lines']:,} lines = {counts['events']:,} events + {counts['superseded']:,} superseded + "
        f"{counts['duplicates']:,} duplicates + {counts['rejected']:,} rejected{late}",
        flush=True,
    )
    complaints = list(done.complaints())
    for complaint in complaints:
        _tell(complaint)
    return INCOMPLETE if complaints else OK


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
