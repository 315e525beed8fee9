"""Logs for what-if tests, examined in process."""

import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from auditor.cli import main
from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.pipeline import Examined, Options, examine
from tests.conftest import ROOT, event, lines

SAMPLES = str(ROOT / "sample_logs")


@contextmanager
def examined(
    events: Iterable[Mapping[str, Any]] | Mapping[str, bytes],
    folder: Path,
    config: Mapping[str, Any] | None = None,
    **options: Any,
) -> Iterator[Examined]:
    """A log of events, or of named files, while its engine is open."""
    folder.mkdir(parents=True, exist_ok=True)
    files = events if isinstance(events, Mapping) else {"usage.jsonl": lines(events)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sources = discover([str(folder / name) for name in files], folder)
    settings = settings_of(config or {}, "test")
    with examine(sources, settings, Options(cache=False, **options), lambda *_: None) as log:
        yield log


def daily(first: str, counts: Iterable[int], hour: int = 12, **fields: Any) -> list[dict[str, Any]]:
    """So many renders of keys of their own on each day from *first* on; 0 leaves the day silent."""
    start = datetime.fromisoformat(first).replace(tzinfo=UTC) + timedelta(hours=hour)
    return [
        event(f"{day:%m%d}-{n}", day.isoformat(), key=f"{day:%m%d}-{n}", **fields)
        for number, count in enumerate(counts)
        for day in [start + timedelta(days=number)]
        for n in range(count)
    ]


def on(plan: str, **account: Any) -> dict[str, Any]:
    """A configuration with the account on a plan."""
    return {"accounts": {"main": {"provider": "imejis", "plan": plan, **account}}}


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


def ran(*arguments: str) -> Ran:
    """`auditor …` in this process: a process of its own takes longer to start than most of these commands to run."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.object(sys, "argv", ["auditor", *arguments]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())
