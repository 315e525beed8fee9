"""logfmt, as Go programs, Grafana, lograge and structlog's `LogfmtRenderer` write it: one line of `key=value` pairs.

A line tells of a request if it has a status, and a path under a name that [JSON lines](nginx-json.md) have for it, a
whole address as `url`, or httpx's own message; every other line of pairs is filtered. The names may be spelled in any
way (`statusCode`, `status_code`). The time is that of the answer; where no pair tells it, it is the timestamp before
the pairs. The start is reckoned back by `duration=250ms`, `duration_ms=250` and the like, or by a number whose unit
[the file decides](../formats.md#durations).

There is no one specification. Checked against structlog, "structlog.processors" (`LogfmtRenderer`), python-logfmter's
and lograge's README, and pkg.go.dev, "logfmt" (2026-11-30); Grafana's names of fields: unchecked.
"""

import re
from typing import Any

from auditor.exchanges.exchange import Exchange
from auditor.formats.structlog import Structlog
from auditor.reading.format import NO_REQUEST
from auditor.reading.logfmt import pairs
from auditor.reading.names import column_name, first
from auditor.reading.variables import ALIASES, decoded, exchange_of

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.,]{8,18}(?:Z|[+-]\d\d:?\d\d)) +(?=\S)")
_TIME = (*ALIASES["time"], "t", "asctime")


class Logfmt(Structlog):
    """Pairs in place of JSON."""

    name = "logfmt"
    title = "logfmt, key=value lines"

    def fields(self, data: bytes) -> dict[str, Any]:
        """The pairs of one line."""
        text = decoded(data).strip()
        stamp = _STAMP.match(text)
        found = pairs(text[stamp.end() :] if stamp else text)
        return {"timestamp": stamp[1], **found} if stamp and first(found, _TIME) is None else found

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """One line."""
        named = {column_name(key): value for key, value in record.items()}
        target, status = (first(named, ALIASES[role]) for role in ("target", "status"))
        if target is None or not target.startswith("/"):
            told = not {"event", "message", "msg", "text", "url"}.isdisjoint(record)
            return super().exchange(record) if told else NO_REQUEST
        if status is None:
            # Of a request that begins.
            return NO_REQUEST
        return exchange_of({"time": first(named, _TIME), **named}, self.zone, escaped=False, documented=False)
