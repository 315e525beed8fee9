"""What a follower can look at: the files, folders and patterns that it was given, each with a heartbeat of its own."""

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Set
from fnmatch import fnmatch
from pathlib import Path

from auditor.model.fingerprint import short

MARK_EVERY = 10.0
"""Seconds: a source that is looked at is never older than 15."""


class Sources:
    """Those of one follower. *tell* hears, by name, whether each could be looked at."""

    def __init__(
        self, tell: Callable[[Mapping[str, bool]], object], clock: Callable[[], float], names: Iterable[str] = ()
    ) -> None:
        self._tell, self._clock = tell, clock
        self._names = {name: source_name(name) for name in names}
        self._there: Set[str] = frozenset()
        self._marked: float | None = None

    def see(self, unread: Set[str]) -> None:
        """From now on those can be looked at in which all that is there can be read."""
        there = {name for name in self._names if not any(_within(path, name) for path in unread)}
        if there != self._there:
            self._there, self._marked = there, None
        self.mark()

    def mark(self) -> None:
        """Tell of them, every few seconds at most, and at once when the clock was set back."""
        now = self._clock()
        if not self._names or (self._marked is not None and 0 <= now - self._marked < MARK_EVERY):
            return
        hidden = {self._names[name] for name in self._names.keys() - self._there}
        self._tell({name: name not in hidden for name in self._names.values()})
        self._marked = now


def _within(path: str, name: str) -> bool:
    """Whether a file belongs to a file, folder or pattern that is followed."""
    return path == name or Path(name) in Path(path).parents or fnmatch(path, name)


def source_name(name: str) -> str:
    """What a file, folder or pattern is called for other machines: its host, and the path as every label takes it."""
    text = textual(f"{platform.node()}:{name if '://' in name else Path(name).absolute()}")
    return short("".join(each if each.isprintable() else "?" for each in text))


def textual(path: Path | str) -> str:
    """A path as every database takes it: names need not be UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")
