"""The logs that a command was given: files and folders, standard input, or a ledger."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.commands.options import say
from auditor.model.errors import ConfigError
from auditor.system import memory

if TYPE_CHECKING:
    from auditor.intake.sources import Source
    from auditor.system.progress import Progress


@contextmanager
def logs(
    paths: list[str] | None, ledger: str | None, max_memory: int = memory.DEFAULT
) -> "Iterator[tuple[list[Source], Progress]]":
    """What is to be read, and a display of how far it is; what had to be written out for it is there as long.

    `ConfigError` where nothing is named.
    """
    if not paths and ledger is None:
        raise ConfigError("nothing to read: name files, folders or globs, - for standard input, or --ledger")
    from auditor.intake.sources import discover
    from auditor.system.progress import Progress

    with tempfile.TemporaryDirectory(prefix="auditor-") as scratch, Progress() as progress:
        sources = discover(paths or [], Path(scratch), note=say, max_memory=max_memory)
        if ledger is not None:
            sources.append(_exported(ledger, Path(scratch)))
        yield sources, progress


def _exported(ledger: str, scratch: Path) -> "Source":
    """The events of a ledger as an input."""
    from auditor.intake.sources import Source
    from auditor.ledger.database import Ledger

    with Ledger(ledger, reader=True) as opened:
        path = scratch / "ledger.jsonl"
        opened.export(path)
        return Source(opened.name, path, cacheable=False)
