"""ingress-nginx in its default format: combined, then request length and time, upstream name, address, times, id.

The start is reckoned back by `$request_time`. Of several upstreams the last gave the answer; at a provider's endpoint
the calls before it are retried errors with unknown credits. Older releases have no alternative upstream or no id, or
name the client a second time, and are read, too. What the controller and nginx's error log say between the requests,
as `kubectl logs` has it, is filtered. The format has no host: where services of several hosts have equal paths, add
`$host` and give the log_format.

Checked against ingress-nginx, "Log format" (2026-11-30), also as of release 0.9; the messages between: unchecked.
"""

import re
from collections.abc import Mapping

from auditor.exchanges.exchange import Exchange
from auditor.formats.combined import Combined
from auditor.reading.behind import Behind, Fixed
from auditor.reading.format import NO_REQUEST
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
_AGAIN = re.compile(rb"(\S{1,64} - )\[[^\]]{1,1000}\] - ")
"""The client a second time, until release 0.24."""
_MESSAGE = re.compile(
    rb"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d{1,10} [\w.-]{1,64}:\d{1,6}\] "  # klog
    rb"|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]{1,8}\] \d{1,10}#\d{1,10}: "  # nginx's error log
    rb"|-{60,100}$|NGINX Ingress controller$| {0,2}(?:Release|Build|Repository|nginx version): "
)


def _told(found: Mapping[str, str]) -> Behind:
    return Behind(duration_us=seconds_of(found["request_time"]), tries=tries_of(found))


class IngressNginx(Combined):
    """Kubernetes' NGINX ingress controller."""

    name = "ingress-nginx"
    title = "ingress-nginx"
    mixed = True
    tail = Fixed(_BEHIND, "not what ingress-nginx writes behind the user agent", _told)

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        return NO_REQUEST if _MESSAGE.match(data) else super().parse(data)

    def fields(self, data: bytes) -> dict[str, str]:
        """The variables of one line, as it has them."""
        again = _AGAIN.match(data)
        return super().fields(again[1] + data[again.end() :] if again else data)
