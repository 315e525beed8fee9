"""Heroku's router: its lines in what `heroku logs` and log drains write, and alone.

The time is that of the answer. `connect` and `service` are milliseconds, and their sum is the duration; where one of
them is not told, as in a timeout before a dyno was reached, neither is the duration. Bytes are those that the dyno
sent. A request id may come from the caller, so it identifies nothing. Lines of dynos and of Heroku's other parts are
filtered, also where an app logs its requests a second time.

Checked against Heroku, "HTTP Routing", as quoted elsewhere, "Log Drains" and "Heroku Labs: HTTPS Drains" (2026-11-30);
the lines of errors against copies of its "Error Codes".
"""

import re

from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import NO_REQUEST, Format
from auditor.reading.json_lines import needing
from auditor.reading.logfmt import pairs
from auditor.reading.times import micros, rfc3339, start_of
from auditor.reading.variables import decoded, number_of, text_of

_HEAD = re.compile(
    r"(?:\d{1,6} )?(?:<\d{1,3}>1 )?(?P<time>\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:?\d\d)) "
    r"(?:(?P<source>\w{1,64}\[[^\]\s]{1,64}\]): |(?P<drained>\S{1,255} \S{1,64} \S{1,64}) - (?:- )?)?",
    re.ASCII,
)
_ROUTER = re.compile(r"heroku\[router\]|(?:\S+ )?heroku router(?: \S+)?")
_NEEDS = ("method", "path", "host", "dyno", "connect", "service", "status", "bytes")


class Heroku(Format):
    """The router's lines."""

    name = "heroku"
    title = "Heroku, router"
    mixed = True

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        text = decoded(data).strip()
        head = _HEAD.match(text)
        if head is None:
            raise BadRecordError(Reason.NO_MATCH, "no time at its beginning, as Heroku writes")
        source = head["source"] or head["drained"]
        if source is not None and _ROUTER.fullmatch(source) is None:
            return NO_REQUEST
        fields = needing(pairs(text[head.end() :]), _NEEDS)
        ts_us, assumed = rfc3339(head["time"], self.zone)
        connect, service = (_milliseconds(fields[name]) for name in ("connect", "service"))
        duration_us = None if connect is None or service is None else connect + service
        return Exchange(
            ts_us=start_of(ts_us, duration_us),
            method=fields["method"],
            target=fields["path"],
            host=text_of(fields["host"]),
            status=number_of(fields["status"], "status"),
            bytes=number_of(fields["bytes"], "bytes"),
            duration_us=duration_us,
            assumed_timezone=assumed,
            ended=duration_us is None,
        )


def _milliseconds(text: str) -> int | None:
    """Microseconds of `18ms`; routers of 2014 left the unit out."""
    return micros(text.removesuffix("ms"), 1000)
