"""Traefik's access log in its default format: combined, then the number of the request, router, server and duration.

Traefik stamps the start of a request, where nginx and Apache stamp the end.
"""

import re
from dataclasses import replace
from typing import ClassVar

from auditor.events import BadRecordError, Reason
from auditor.exchanges.exchange import Exchange
from auditor.formats.combined import Combined
from auditor.formats.log_template import LogTemplate
from auditor.formats.times import micros

_BEHIND = re.compile(r' (?P<request_count>\d+) "(?P<router>[^"]*)" "(?P<server_url>[^"]*)" (?P<duration>\d+)ms')


class TraefikClf(Combined):
    """Common Log Format with more behind it."""

    name: ClassVar[str] = "traefik-clf"
    title: ClassVar[str] = "Traefik, common log format"
    ending: ClassVar[bool] = False
    template: ClassVar[LogTemplate | None] = None

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        return replace(super().parse(data), duration_us=micros(self.fields(data)["duration"], 1000))

    def fields(self, data: bytes) -> dict[str, str]:
        """The variables of one line, as it has them."""
        fields = super().fields(data)
        match = _BEHIND.fullmatch(fields.get("behind", ""))
        if match is None:
            raise BadRecordError(Reason.NO_MATCH, "no router, server and duration behind the agent, as Traefik writes")
        return fields | match.groupdict()
