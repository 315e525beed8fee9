"""Count: the credits of each cycle, kept in the spool folder, whatever becomes of the segments.

One file a cycle, appended to in one write a change, so that no process takes back what another one added, however long
it was stopped in between. A line is a number of credits to add, or `@` and a time: a clock before this cycle was seen
then. Files that are not this user's own are not read, and nothing is written through a link.
"""

import hashlib
import json
import logging
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from auditor.model.event_reader import parse_event
from auditor.model.events import Outcome
from auditor.model.fingerprint import Scope

log = logging.getLogger("auditor.client")
CONFIRMED_US = 48 * 3600 * 1_000_000
"""How much later the clock has to be, after it went back to an earlier cycle, before that one counts alone."""
_LOOSE = stat.S_IWGRP | stat.S_IWOTH
_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_RECORD = re.compile(rb"(-?[0-9]+(?:\.[0-9]+)?|@[0-9]*);")
_UTC = ZoneInfo("UTC")


@dataclass(slots=True)
class _Cycle:
    """What is known of one cycle's file."""

    used: Decimal = Decimal(0)
    behind_us: int | None = None
    """Since when the clock has been before this cycle; None while it is not."""
    read: int = 0
    inode: int = 0
    missing: Decimal = Decimal(0)
    """What could not be written, and is counted in this process alone."""
    before: Decimal = Decimal(0)
    """The sum of a file that is gone."""

    def gone(self, inode: int) -> None:
        """Its file is not there any more, or another one is (0 for none)."""
        self.before, self.used, self.read, self.inode = max(self.before, self.used), Decimal(0), 0, inode


@dataclass(slots=True)
class Count:
    """The counts of one scope and one kind of cycle in *folder*."""

    folder: Path
    scope: Scope
    series: str
    """What makes two budgets count the same cycles."""
    _cycles: dict[int, _Cycle] = field(default_factory=dict)
    _prefix: str = ""
    _warned: bool = False

    def __post_init__(self) -> None:
        parts = (self.scope.provider, self.scope.account, self.scope.environment, self.series)
        self._prefix = f".budget-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}-"

    def current(self, start_us: int, now_us: int) -> tuple[int, ...]:
        """Starts of the cycles that a call of now counts in: that of the clock, and a later one that was seen before.

        The later one stays until the clock has been before it for 48 hours; so a clock that steps refills nothing.
        """
        known = self._listed()
        if not known and not self._cycles:  # the first count here takes over what the segments of before tell
            self.add(start_us, sum(_spent(self.folder, self.scope, start_us), Decimal(0)))
        for start in {*known, start_us}:
            self._read(start)
        later = [start for start in self._cycles if start > start_us and self._holds(start, now_us)]
        own = self._cycles[start_us]
        if own.behind_us is not None:
            own.behind_us = None
            self._append(start_us, b"@")
        return (start_us, max(later)) if later else (start_us,)

    def used(self, start_us: int) -> Decimal:
        """Credits of a cycle, as far as it was read."""
        cycle = self._cycles[start_us]
        return max(cycle.used, cycle.before) + cycle.missing

    def add(self, start_us: int, credits: Decimal) -> None:
        """Count credits, fewer than 0 to take some back."""
        cycle = self._cycles.setdefault(start_us, _Cycle())
        owed = credits + cycle.missing + max(cycle.before - cycle.used, Decimal(0))
        cycle.before = Decimal(0)
        cycle.missing = Decimal(0) if self._append(start_us, f"{owed:f}".encode()) else owed
        self._read(start_us)

    def _holds(self, start: int, now_us: int) -> bool:
        """Whether a later cycle is still the current one."""
        cycle = self._cycles[start]
        if cycle.behind_us is None or now_us < cycle.behind_us:
            cycle.behind_us = now_us
            self._append(start, b"@%d" % now_us)
        return now_us < cycle.behind_us + CONFIRMED_US

    def _path(self, start: int) -> Path:
        return self.folder / f"{self._prefix}{start}"

    def _listed(self) -> set[int]:
        """Cycles with a file of our own."""
        try:
            names = [entry.name for entry in os.scandir(self.folder) if entry.name.startswith(self._prefix)]
        except OSError:
            return set()
        starts = (name.removeprefix(self._prefix) for name in names)
        return {int(each) for each in starts if re.fullmatch("[0-9]+", each) and _owned(self._path(int(each)))}

    def _read(self, start: int) -> None:
        cycle = self._cycles.setdefault(start, _Cycle())
        opened = _owned(self._path(start))
        if opened is None:
            if cycle.inode:
                cycle.gone(0)
            return
        try:
            descriptor = os.open(self._path(start), os.O_RDONLY | _OPEN)
        except OSError:  # (it changed since: counted as it was)
            return
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if found.st_ino != cycle.inode or found.st_size < cycle.read:
                cycle.gone(found.st_ino)
            file.seek(cycle.read)
            data = file.read()
        whole = data.rfind(b";") + 1
        cycle.read += whole
        for line in data[:whole].split(b"\n"):
            match = _RECORD.fullmatch(line)
            if match is None:
                continue
            if match[1].startswith(b"@"):
                cycle.behind_us = int(match[1][1:]) if match[1][1:] else None
            else:
                cycle.used += Decimal(match[1].decode())

    def _append(self, start: int, record: bytes) -> bool:
        """Whether it is in the file now, on a line of its own."""
        try:
            path = self._path(start)
            if os.path.lexists(path) and _owned(path) is None:
                raise OSError("it is not a file of our own")
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _OPEN, 0o600)
            try:
                return os.write(descriptor, b"\n%b;" % record) == len(record) + 2
            finally:
                os.close(descriptor)
        except OSError as error:
            if not self._warned:
                self._warned = True
                what = "the budget's count cannot be written (%s); this process counts alone until it can"
                log.warning(what, type(error).__name__)
            return False


def _owned(path: Path) -> os.stat_result | None:
    """What a path is, if it is a plain file of this user that no other may write to and no other name leads to."""
    try:
        found = path.lstat()
    except OSError:
        return None
    plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    return found if plain and found.st_uid == os.geteuid() and not found.st_mode & _LOOSE else None


def _spent(folder: Path, scope: Scope, since_us: int) -> Iterator[Decimal]:
    """Credits of the calls in a folder's segments from *since_us* on, those without an answer as 1 each."""
    calls: dict[str, tuple[Decimal, bool]] = {}
    for path in folder.glob("usage-*.jsonl"):
        found = _owned(path)
        if found is None or found.st_mtime_ns // 1000 < since_us:
            continue
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | _OPEN), "rb") as file:
                for line in file:
                    # Most lines are hits; as the client writes them, they need not be parsed.
                    if b'"outcome":"hit"' not in line and b'"outcome":"coalesced"' not in line:
                        _count(line, scope, since_us, calls)
        except OSError as error:
            log.warning("a segment cannot be counted for the budget (%s)", type(error).__name__)
    return (credits for credits, _ in calls.values())


def _count(line: bytes, scope: Scope, since_us: int, calls: dict[str, tuple[Decimal, bool]]) -> None:
    try:
        event = parse_event(json.loads(line, parse_float=Decimal), _UTC)
    except (ValueError, TypeError, AttributeError, RecursionError, InvalidOperation):  # a torn line
        return
    if (event.provider, event.account, event.environment) != (scope.provider, scope.account, scope.environment):
        return
    if event.ts_us < since_us or event.outcome not in (Outcome.ATTEMPT, Outcome.RENDER, Outcome.ERROR):
        return
    credits = Decimal(1) if event.credits is None else event.credits
    final = event.outcome is not Outcome.ATTEMPT
    known = calls.get(event.id)
    if known is None or final:  # a final replaces the attempt; of two finals the dearer one counts
        calls[event.id] = (max(known[0], credits) if known is not None and known[1] else credits, final)
