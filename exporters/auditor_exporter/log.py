"""The exporter's log: one line an entry, with its time, as logfmt or JSON, also of what libraries say."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

from auditor.system.terminal import plain

LOG = logging.getLogger("auditor-exporter")
Level = Literal["debug", "info", "warn", "error"]
"""From which level on there are entries."""
EntryFormat = Literal["logfmt", "json"]
"""How an entry is written."""
_NAMES = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warn"}


class LogfmtFormatter(logging.Formatter):
    """Entries as lines: `ts=2026-10-01T12:00:00.123Z level=warn msg="…"`."""

    def __init__(self, form: EntryFormat) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = {"ts": when, "level": _NAMES.get(record.levelno, "error"), "msg": record.getMessage()}
        if record.exc_info:
            entry["err"] = self.formatException(record.exc_info)
        if self._form == "json":
            return json.dumps(entry)
        return " ".join(
            f"{name}={_quoted(value) if name in ('msg', 'err') else value}" for name, value in entry.items()
        )


def _quoted(value: str) -> str:
    lines = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{plain(lines)}"'


def begin(level: Level, form: EntryFormat, stream: TextIO | None = None) -> None:
    """Write entries from *level* on to *stream*, standard error by default."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LogfmtFormatter(form))
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=number, force=True)
    for library in ("httpx", "httpcore", "asyncio"):  # their debugging shows addresses, and headers with keys
        logging.getLogger(library).setLevel(max(logging.WARNING, number))
