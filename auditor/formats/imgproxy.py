"""imgproxy's text logs: `pretty`, its default, with or without colors, and `structured`.

One line ends each request: `Completed in 54.2ms /signature/…`. The time is that of the answer, to the second; releases
since the end of 2025 write it without a zone: set `timezone`. The log has no host, no bytes and no word of a cache:
what a CDN before imgproxy serves is not in it. Sizes stand in the address, where `auditor map` finds them. Every other
message is filtered; the lines of a stack trace are rejected.

Checked against imgproxy, "Configuration options" (Log), and, for the shape of the lines, which no page shows, its
`logger/formatter_pretty.go`, `formatter_structured.go` and the `formatter.go` before them (2026-11-30).
"""

import re

from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.durations import with_unit
from auditor.reading.format import NO_REQUEST, Format
from auditor.reading.json_lines import needing
from auditor.reading.logfmt import pairs
from auditor.reading.times import moment, start_of
from auditor.reading.variables import decoded, number_of

_COLOR = re.compile(r"\x1b\[[\d;]{0,8}m")
_PRETTY = re.compile(
    r"(?:[A-Z]{4,8} {1,4}\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d))\]"
    r"|(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \[(?:DBG|INF|WRN|ERR|CRT)\]) ",
    re.ASCII,
)
_COMPLETED = re.compile(r"Completed in (\S{1,64}) (/\S*+) *+")


class Imgproxy(Format):
    """Text lines."""

    name = "imgproxy"
    title = "imgproxy, text"
    mixed = True

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        text = _COLOR.sub("", decoded(data)).strip()
        head = _PRETTY.match(text)
        fields = {"time": head[1] or head[2], "message": text[head.end() :]} if head else _structured(text)
        completed = _COMPLETED.match(fields["message"])
        if completed is None:
            if fields["message"].startswith("Completed in "):
                raise BadRecordError(Reason.NO_MATCH, "the line of a request is cut off")
            return NO_REQUEST
        if head and (rest := fields["message"][completed.end() :]):
            fields = {**pairs(rest), **fields}
        needing(fields, ("method", "status"))
        stamp, assumed = moment(fields["time"], self.zone)
        duration_us = with_unit(completed[1])
        return Exchange(
            ts_us=start_of(stamp, duration_us),
            method=fields["method"],
            target=completed[2],
            status=number_of(fields["status"], "status"),
            duration_us=duration_us,
            assumed_timezone=assumed,
            ended=duration_us is None,
        )


def _structured(text: str) -> dict[str, str]:
    found = pairs(text)
    message = found.get("message", found.get("msg"))
    if message is None or not {"time", "level"} <= found.keys():
        raise BadRecordError(Reason.NO_MATCH, "not a line of imgproxy's text log")
    return {**found, "message": message}
