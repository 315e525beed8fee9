"""ingress-nginx in its default format: combined, then request length and time, upstream name, address, times, id.

The start is reckoned back by `$request_time`. Of several upstreams the last gave the answer; at a provider's endpoint
the calls before it are retried errors with unknown credits. Older releases have no alternative upstream or no id, and
are read, too. The format has no host: where services of several hosts have equal paths, add `$host` and give the
log_format.
"""

import re

from auditor.formats.combined import Combined
from auditor.model.events import BadRecordError, Reason
from auditor.reading.behind import Behind
from auditor.reading.variables import seconds_of, tries_of

_LIST = r"(?:, | : )"
_BEHIND = re.compile(
    r" (?P<request_length>\d+|-) (?P<request_time>\d+\.\d+|-) \[(?P<proxy_upstream_name>[^\]]*)\]"
    r"(?: \[(?P<proxy_alternative_upstream_name>[^\]]*)\])?"
    rf" (?P<upstream_addr>[^\s,]+(?:{_LIST}[^\s,]+)*) (?P<upstream_response_length>(?:\d+|-)(?:{_LIST}(?:\d+|-))*)"
    rf" (?P<upstream_response_time>(?:\d+\.\d+|-)(?:{_LIST}(?:\d+\.\d+|-))*)"
    rf" (?P<upstream_status>(?:\d{{3}}|-)(?:{_LIST}(?:\d{{3}}|-))*)(?: (?P<req_id>\S+))?",
    re.ASCII,
)


class _Tail:
    def read(self, text: str) -> Behind:
        fields = _match(text).groupdict()
        return Behind(duration_us=seconds_of(fields["request_time"]), tries=tries_of(fields))


class IngressNginx(Combined):
    """Kubernetes' NGINX ingress controller."""

    name = "ingress-nginx"
    title = "ingress-nginx"
    tail = _Tail()

    def fields(self, data: bytes) -> dict[str, str]:
        """The variables of one line by nginx's names; some are absent."""
        fields = super().fields(data)
        found = _match(fields["behind"]).groupdict()
        return fields | {name: value for name, value in found.items() if value is not None}


def _match(text: str) -> re.Match[str]:
    match = _BEHIND.fullmatch(text)
    if match is None:
        raise BadRecordError(Reason.NO_MATCH, "not what ingress-nginx writes behind the user agent")
    return match
