"""The history: a folder for each report, its comparison and what was delivered, and an index page over all of them.

Files appear whole or not at all, and one run works on a history at a time. The page is one self-contained file, newest
report first. It loads nothing and runs nothing.
"""

import fcntl
import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from importlib import resources
from operator import itemgetter
from pathlib import Path
from string import Template
from typing import Any

from auditor.model.errors import ConfigError, InputError
from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.reports.shared.words import billed
from auditor.results.report import Report, parse
from auditor.schedule.summary import is_blind
from auditor.system.files import replacing
from auditor.system.indented import indented

_HEAD = ("Cycle", "Requests", "Credits", "Wasted", "Bill", "Findings", "New", "Fixed", "Grown", "Shrunk", "Accepted")
_ANEW = "remove its folder and make that report again"
REPORT, COMPARISON, FACTS = "report.json", "comparison.json", "entry.json"


@dataclass(frozen=True, slots=True)
class KeptReport:
    """One report of the history."""

    path: Path
    facts: Mapping[str, Any]
    """start, end, anchor_day, timezone, files."""

    def report(self) -> Report:
        """The JSON report."""
        return read_report(self.path / REPORT)

    def comparison(self) -> dict[str, Any] | None:
        """The comparison with the report before, if there was one."""
        path = self.path / COMPARISON
        return read_json(path, lambda found: isinstance(found["findings"], dict)) if path.is_file() else None


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
        known = itemgetter("start", "end", "anchor_day", "timezone", "files")
        paths = self.root.glob(f"*/{FACTS}") if self.root.is_dir() else ()
        found = [KeptReport(path.parent, read_json(path, known)) for path in paths]
        return sorted(found, key=lambda entry: (entry.facts["start"], entry.path.name))

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


def read_json(path: Path, sound: Callable[[Any], object], fix: str = _ANEW) -> Any:
    """What a file of the history holds, if that is *sound*; `InputError` with the *fix* if it is damaged."""
    try:
        found = json.loads(path.read_bytes())
        if sound(found):
            return found
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass
    raise InputError(f"{path}: is damaged; {fix}")


def read_report(path: Path) -> Report:
    """A JSON report; `InputError` names the file and the fix."""
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


def page(entries: Iterable[KeptReport]) -> str:
    """The page over some entries."""
    style, made = (
        resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
        for name in ("history.css", "history.html")
    )
    return Template(made).substitute(
        style=style,
        digest=b64encode(hashlib.sha256(f"\n{style}".encode()).digest()).decode(),
        head="".join(f'<th scope="col">{name}</th>' for name in (*_HEAD, "Files")),
        rows="\n".join(_row(entry) for entry in reversed(list(entries))),
    )


def _row(entry: KeptReport) -> str:
    report, comparison = entry.report(), entry.comparison()
    changes = (comparison or {}).get("findings")
    cycles = [(cycle.bill, account.currency) for account in report.accounts for cycle in account.cycles]
    bills = [escape(f"{cents(bill)} {currency}") for bill, currency in cycles if bill is not None]
    cells = [
        f"{report.totals.requests:,}",
        billed(report.totals)[0],
        "unknown" if is_blind(report) else f"{number(report.waste.total):,}",
        "<br>".join(bills) or "-",
        f"{len(report.findings):,}",
        *(f"{len(changes[kind]):,}" if changes else "-" for kind in ("new", "fixed", "grown", "shrunk")),
        f"{len(report.accepted):,}",
    ]
    names = [escape(str(file)) for file in entry.facts["files"]]
    files = " ".join(f'<a href="{escape(entry.path.name)}/{name}">{name}</a>' for name in names)
    accounts = "<br>".join(escape(f"{one.provider}/{one.account}") for one in report.accounts)
    start, end = (escape(str(entry.facts[name])[:10]) for name in ("start", "end"))
    figures = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{start} to {end}<br>{accounts}</th>{figures}<td class="text">{files}</td></tr>'
