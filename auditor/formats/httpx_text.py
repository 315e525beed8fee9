r"""What httpx, httpx2 and urllib3 log of their requests, as text with a time before it, whatever the format of the log.

```text
INFO [2026-09-01 06:00:01] httpx - HTTP Request: GET https://render.imejis.io/v1/og-card "HTTP/1.1 200 OK"
2026-09-01 06:00:01,250 DEBUG urllib3.connectionpool https://render.imejis.io:443 "GET /v1/og-card HTTP/1.1" 200 512
```

The first date and time of a line counts. It is that of the answer, and Python writes no zone unless `datefmt` has `%z`:
such times are read in `--timezone`. Lines of other loggers are filtered; where a log's first 200 lines hold no request,
name the format. Calls that got no answer leave no line, a POST does not tell its body, and nothing tells of durations
and caches. httpx logs at INFO, urllib3 at DEBUG.

`logging.basicConfig` without a format writes no time (`INFO:httpx:HTTP Request: …`): such lines need one, from a
`format` with `%(asctime)s` or from what collects them (`docker logs --timestamps`, `journalctl -o short-iso`).

Checked on 2026-11-30 against HTTPX, "Logging" (python-httpx.org/logging), and the sources of httpx 0.28.1, httpx2
2.16.2 and urllib3 1.26.16.
"""

import re

from auditor.exchanges.exchange import Exchange
from auditor.formats.structlog import logged_request
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import NO_REQUEST, Format, Sample
from auditor.reading.times import clf_time
from auditor.reading.variables import decoded, number_of

_BEGINS = re.compile(r'HTTP Request: |(?<![^\s:])https?://[^\s"/]++ "')
"""Where a client's message begins."""
_CUT = re.compile(
    r'HTTP Request: [A-Z]{1,32} (?:h[^\s"]*+(?: (?:"[^"]*+)?)?)?$'
    r'|(?<![^\s:])https?://[^\s"/]++ "[A-Z]{1,32} [^"]*+(?:"[ \d]*+)?$'
)
"""A line that ends before the answer: other loggers write requests with other words."""
_TIME = re.compile(
    r"(?<![\d-])\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?(?![\d:])",
    re.ASCII,
)
_LEAST = 0.6
"""How sure a single request is among other lines: these may be another format's."""
NO_TIME = (
    'no date and time stand before "HTTP Request:"; add `%(asctime)s` to the `format` of logging.basicConfig, or have '
    "the collector write times (docker logs --timestamps, journalctl -o short-iso)"
)


class HttpxText(Format):
    """Lines of Python's logging, or of Loguru."""

    name = "httpx"
    title = "httpx and urllib3, text"
    ending = True

    @classmethod
    def detect(cls, sample: Sample) -> float:
        """By the lines with a request."""
        split = [_split(decoded(line)) for line in sample.lines]
        timed = [_TIME.search(prefix) is not None for prefix, request in filter(None, split) if request]
        if not timed:
            return 0.0
        return sum(timed) / len(timed) * (_LEAST + (1 - _LEAST) * len(timed) / len(split))

    @classmethod
    def question(cls, sample: Sample) -> str | None:
        """For requests without times."""
        asked = any(_split(decoded(line)) for line in sample.lines)
        return f"requests of httpx or urllib3 without times: {NO_TIME}" if asked else None

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        line = decoded(data)
        found = _split(line)
        if found is None:
            if _CUT.search(line):
                raise BadRecordError(Reason.NO_MATCH, "the line of a request is cut off")
            return NO_REQUEST
        prefix, (method, target, status, size) = found
        time = _TIME.search(prefix)
        if time is None:
            raise BadRecordError(Reason.MISSING_FIELD, NO_TIME)
        ts_us, assumed = clf_time(time[0], self.zone)
        return Exchange(
            ts_us=ts_us,
            method=method,
            target=target,
            status=status,
            bytes=number_of(size, "bytes"),
            assumed_timezone=assumed,
        )


def _split(line: str) -> tuple[str, tuple[str, str, int, str | None]] | None:
    """(what stands before a request, the request) of a line; None where it tells of none."""
    begin = _BEGINS.search(line)
    request = None if begin is None else logged_request(line[begin.start() :])
    return None if begin is None or request is None else (line[: begin.start()], request)
