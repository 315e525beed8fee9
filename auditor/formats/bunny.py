r"""Bunny CDN raw logs, as the Logging API and Permanent Log Storage hand them out: twelve values between `|`.

The time is that of the end in milliseconds; how long a request took is not logged, nor is its method: each counts as a
GET. The bytes are all that went to the client. Ids are `unique-request-id`, so a line that was delivered twice counts
once. Extended logging, which support turns on, has other values: such lines are rejected.

Checked on 2026-11-30 against bunny.net, "Log Format" (docs.bunny.net/docs/cdn-log-format) and "Logging"
(docs.bunny.net/cdn/logging).
"""

import re

from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import Format
from auditor.reading.times import epoch
from auditor.reading.variables import decoded, number_of, text_of

_HEAD = re.compile(
    r"[A-Za-z_-]{1,20}\|(?:\d{1,3}|-)\|\d{13}\|(?:\d{1,18}|-)\|\d{1,18}\|[^|]*\|[^|]*\|https?://", re.ASCII
)
_END = re.compile(r"\|([\w-]{8,200}|-)\|(?:[A-Z]{2}|-|)", re.ASCII)
_EDGE = re.compile(r"[A-Z0-9]{2,5}|-", re.ASCII)
_VALUES = 12


class Bunny(Format):
    """Of one pull zone or of several."""

    name = "bunny"
    title = "Bunny CDN"
    ending = True

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        line = decoded(data.rstrip(b"\r"))
        values = line.split("|")
        if len(values) < _VALUES or not _HEAD.match(line) or not _END.fullmatch("|" + "|".join(values[-2:])):
            raise BadRecordError(Reason.NO_MATCH, "not the twelve values of Bunny CDN's log format")
        cache, status, time, size = values[:4]
        # Addresses and user agents may hold the delimiter; the edge's code stands between them.
        rest = values[7:-2]
        edge = next((place for place, value in enumerate(rest) if place and _EDGE.fullmatch(value)), None)
        if edge is None:
            raise BadRecordError(Reason.NO_MATCH, "the code of the edge location is missing")
        return Exchange(
            ts_us=epoch(time),
            method="GET",
            target="|".join(rest[:edge]),
            status=number_of(status, "status-code"),
            bytes=number_of(size, "bytes-sent"),
            cache=text_of(cache),
            id=text_of(values[-2]),
        )
