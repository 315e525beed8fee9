"""thumbor's text log: the lines of Tornado, which serves it, in thumbor's default `THUMBOR_LOG_FORMAT` or in Tornado's.

`200 GET /unsafe/300x200/… (203.0.113.7) 123.45ms` ends each request; thumbor writes it from `--log-level info` on. The
time is that of the answer, to the second and without a zone: set `timezone`. The log has no host and no bytes, and does
not say whether the image came from the result storage: every good answer counts as a render. Sizes stand in the
address, where `auditor map` finds them. Every other message is filtered; the lines of a stack trace and cut
ones are rejected.

Checked against thumbor, "Logging", and Tornado, "tornado.web" (`Application.log_request`) and "tornado.log"
(`LogFormatter`) (2026-11-30).
"""

import re

from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import NO_REQUEST, Format
from auditor.reading.times import clf_time, micros, start_of
from auditor.reading.variables import decoded

_LEVELS = "DEBUG|INFO|WARNING|ERROR|CRITICAL"
_LINE = re.compile(
    rf"(?:(?P<time>\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d(?:,\d{{3}})?) [\w.]{{1,100}}:(?:{_LEVELS})"
    r"|\[[DIWEC] (?P<day>\d{6}) (?P<hour>\d\d:\d\d:\d\d) [\w.]{1,100}:\d{1,6}\]) ",
    re.ASCII,
)
_ANSWER = re.compile(
    r"(?P<status>\d{3}) (?P<method>[A-Z]{1,32}) (?P<target>\S++) \([^\s()]*+\) (?P<ms>\d{1,12}\.\d\d)ms"
)
_BEGINS = re.compile(r"\d{3} [A-Z]{1,32} (?!\S++ \([^\s()]*+\): )")
"""A request, but not Tornado's own warning of one, which ends in words."""


class Thumbor(Format):
    """Tornado's access lines among thumbor's own."""

    name = "thumbor"
    title = "thumbor, text"
    mixed = True

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        text = decoded(data).strip()
        head = _LINE.match(text)
        if head is None:
            raise BadRecordError(Reason.NO_MATCH, "not a line of thumbor's log")
        answer = _ANSWER.fullmatch(text, head.end())
        if answer is None:
            if _BEGINS.match(text, head.end()):
                raise BadRecordError(Reason.NO_MATCH, "the line of a request is cut off")
            return NO_REQUEST
        day = head["day"]
        stamp = head["time"] or f"20{day[:2]}-{day[2:4]}-{day[4:]} {head['hour']}"
        ts_us, assumed = clf_time(stamp, self.zone)
        duration_us = micros(answer["ms"], 1000)
        return Exchange(
            ts_us=start_of(ts_us, duration_us),
            method=answer["method"],
            target=answer["target"],
            status=int(answer["status"]),
            duration_us=duration_us,
            assumed_timezone=assumed,
        )
