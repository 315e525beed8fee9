"""ingress-nginx in its default format: combined, then request length and time, upstream name, address, times, id.

The start is reckoned back by `$request_time`. Of several upstreams the last gave the answer; at a provider's endpoint
the calls before it are retried errors with unknown credits. Older releases have no alternative upstream or no id, and
are read, too. The format has no host: where services of several hosts have equal paths, add `$host` and give the
log_format.
"""

import re
from collections.abc import Mapping

from auditor.formats.combined import Combined
from auditor.reading.behind import Behind, Fixed
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


def _told(found: Mapping[str, str]) -> Behind:
    return Behind(duration_us=seconds_of(found["request_time"]), tries=tries_of(found))


class IngressNginx(Combined):
    """Kubernetes' NGINX ingress controller."""

    name = "ingress-nginx"
    title = "ingress-nginx"
    tail = Fixed(_BEHIND, "not what ingress-nginx writes behind the user agent", _told)
