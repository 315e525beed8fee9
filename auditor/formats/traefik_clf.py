"""Traefik's access log in its default format: combined, then the number of the request, router, server and duration.

Traefik stamps the start of a request, where nginx and Apache stamp the end.
"""

import re

from auditor.formats.combined import Combined
from auditor.reading.behind import Behind, Fixed
from auditor.reading.times import micros

_BEHIND = re.compile(r' (?P<request_count>\d+) "(?P<router>[^"]*)" "(?P<server_url>[^"]*)" (?P<duration>\d+)ms')


class TraefikClf(Combined):
    """Common Log Format with more behind it."""

    name = "traefik-clf"
    title = "Traefik, common log format"
    ending = False
    template = None
    tail = Fixed(
        _BEHIND,
        "no router, server and duration behind the agent, as Traefik writes",
        lambda found: Behind(duration_us=micros(found["duration"], 1000)),
    )
