"""Progress of long work, on a terminal only and on stderr only."""

import time
from collections.abc import Callable
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from auditor.system.terminal import is_terminal

PATIENCE = 0.5
"""Seconds before a bar is worth a person's attention."""


class Progress:
    """A bar that appears only on a terminal, and only where the work takes a moment."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, unit: Literal["bytes", "items"] = "bytes"
    ) -> None:
        self._unit, self._clock, self._started = unit, clock, clock()
        self._bar: Bar | None = None
        self._visible = is_terminal()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.done()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that *done* of *total* bytes or items are through with *what*."""
        if not self._visible or self._clock() - self._started < PATIENCE:
            return
        if self._bar is None:
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn() if self._unit == "bytes" else MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.add_task(what)
            self._bar.start()
        task = self._bar.task_ids[0]
        self._bar.update(task, description=what, completed=done, total=total or None)

    def done(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
