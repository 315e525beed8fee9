"""The history: a folder for each report, its comparison and what was delivered, and an index page over all of them.

Files appear whole or not at all, and one run works on a history at a time.
"""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from auditor.model.errors import ConfigError, InputError
from auditor.results.report import Report, parse
from auditor.system.files import replacing
from auditor.system.indented import indented

REPORT, COMPARISON, FACTS = "report.json", "comparison.json", "entry.json"


@dataclass(frozen=True, slots=True)
class KeptReport:
    """One report of the history."""

    path: Path
    facts: Mapping[str, Any]
    """start, end, anchor_day, timezone, files."""

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.path.name

    def report(self) -> Report:
        """The JSON v1 report."""
        return read_report(self.path / REPORT)

    def comparison(self) -> dict[str, Any] | None:
        """The comparison with the report before, if there was one."""
        path = self.path / COMPARISON
        try:
            found = json.loads(path.read_bytes()) if path.is_file() else None
        except (OSError, ValueError):
            found = {}
        if found is not None and not (isinstance(found, dict) and isinstance(found.get("findings"), dict)):
            raise InputError(f"{path}: is damaged; remove its folder and make that report again")
        return found


@dataclass(frozen=True, slots=True)
class History:
    """A folder of entries."""

    root: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with it; `ConfigError` if another run is at work."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = (self.root / ".lock").open("w")
        except OSError as error:
            raise ConfigError(f"--history {self.root}: cannot be written ({error.strerror})") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(f"{self.root}: another `auditor report` is at work there; wait for it") from None
            yield

    def entries(self) -> list[KeptReport]:
        """All of them, oldest first."""
        found = []
        for path in self.root.glob(f"*/{FACTS}") if self.root.is_dir() else ():
            try:
                facts = json.loads(path.read_bytes())
                facts["start"], facts["end"], facts["anchor_day"], facts["timezone"], facts["files"]
            except (OSError, ValueError, KeyError, TypeError):
                raise InputError(f"{path}: is damaged; remove its folder and make that report again") from None
            found.append(KeptReport(path.parent, facts))
        return sorted(found, key=lambda entry: (entry.facts["start"], entry.name))

    def before(self, facts: Mapping[str, Any]) -> KeptReport | None:
        """The newest entry of the same rhythm that started earlier."""
        rhythm = itemgetter("anchor_day", "timezone")
        same = [entry for entry in self.entries() if rhythm(entry.facts) == rhythm(facts)]
        return next((entry for entry in reversed(same) if entry.facts["start"] < facts["start"]), None)

    def keep(self, name: str, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> KeptReport:
        """Write an entry, over the one of the same cycle if there is one; deliveries stay known."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            write(path / file, content)
        if COMPARISON not in files:
            (path / COMPARISON).unlink(missing_ok=True)
        whole = {**facts, "files": sorted(files)}
        write(path / FACTS, encoded(whole))
        return KeptReport(path, whole)


def read_report(path: Path) -> Report:
    """A JSON v1 report; `InputError` names the file and the cure."""
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name another report with --against") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def encoded(document: Any) -> bytes:
    """JSON as it is kept."""
    return indented(document).encode() + b"\n"


def write(path: Path, content: bytes) -> None:
    """Written aside and renamed."""
    with replacing(path, 0o644, durable=True) as file:
        file.write(content)
