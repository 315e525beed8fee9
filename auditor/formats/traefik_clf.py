"""Traefik's access log in its default format: combined, then the number of the request, router, server and duration.

Traefik stamps the start of a request, where nginx and Apache stamp the end.
"""

import re

from auditor.formats.combined import Combined
from auditor.model.events import BadRecordError, Reason
from auditor.reading.behind import Behind
from auditor.reading.times import micros

_BEHIND = re.compile(r' (?P<request_count>\d+) "(?P<router>[^"]*)" "(?P<server_url>[^"]*)" (?P<duration>\d+)ms')


class _Tail:
    def read(self, text: str) -> Behind:
        return Behind(duration_us=micros(_match(text)["duration"], 1000))


class TraefikClf(Combined):
    """Common Log Format with more behind it."""

    name = "traefik-clf"
    title = "Traefik, common log format"
    ending = False
    template = None
    tail = _Tail()

    def fields(self, data: bytes) -> dict[str, str]:
        """The variables of one line, as it has them."""
        fields = super().fields(data)
        return fields | _match(fields["behind"]).groupdict()


def _match(text: str) -> re.Match[str]:
    match = _BEHIND.fullmatch(text)
    if match is None:
        raise BadRecordError(Reason.NO_MATCH, "no router, server and duration behind the agent, as Traefik writes")
    return match
