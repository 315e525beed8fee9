"""HAProxy with `option httplog` or `httpslog`, as it comes from syslog, a container or a file.

The time is that of the request's first byte, in the proxy's own zone, which the log does not name: set `timezone`.
Lines that tell of no request (a failed handshake, a TCP connection, a proxy that starts) are filtered; a request in a
`log-format` of one's own is rejected. The bytes are all that went to the client, headers included. Quotes, `#` and what
is not ASCII are logged as `#22`, and read back.
"""

import re

from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import NO_REQUEST, Format
from auditor.reading.times import clf_time, micros
from auditor.reading.variables import decoded, number_of, split_request
from auditor.reading.wrapped import PREFIX

_BEGIN = r"(?P<client_ip>\S{1,64}):(?P<client_port>\d{1,5}) \[(?P<accept_date>[^\]]{1,40})\] "
_CALL = _BEGIN + r"(?P<frontend_name>\S+) (?P<backend_name>[^/\s]+)/(?P<server_name>\S+) "
_REQUEST = re.compile(
    _CALL
    + r"(?P<time_request>-?\d+)/(?P<time_queue>-?\d+)/(?P<time_backend_connect>-?\d+)/(?P<time_backend_response>-?\d+)/"
    r"\+?(?P<time_duration>-?\d+) (?P<http_status_code>-?\d+) \+?(?P<bytes_read>\d+) "
    r"(?P<captured_request_cookie>\S+) (?P<captured_response_cookie>\S+) (?P<termination_state>\S{4}) "
    r"(?P<actconn>\d+)/(?P<feconn>\d+)/(?P<beconn>\d+)/(?P<srvconn>\d+)/\+?(?P<retries>\d+) "
    r"(?P<srv_queue>\d+)/(?P<backend_queue>\d+) "
    r"(?:\{(?P<captured_request_headers>[^}]*)\} )?(?:\{(?P<captured_response_headers>[^}]*)\} )?"
    r'"(?P<http_request_line>[^"]*)(?:"|$)',
    re.ASCII,
)
_OTHER = re.compile(_BEGIN + r"(?P<frontend_name>[^/\s]+)/(?P<server_name>[^:\s]+): (?P<message>.+)")
_TCP = re.compile(_CALL + r"-?\d+/-?\d+/\+?\d+ \+?(?P<bytes_read>\d+) \S\S \d+/\d+/\d+/\d+/\+?\d+ \d+/\d+.*", re.ASCII)
_PROCESS = re.compile(r"\[(?:NOTICE|WARNING|ALERT)\]\s+(?:\d+/\d+ )?\(\d+\) : (?P<message>.+)")
_ASKS = re.compile(r'"[A-Z]+ \S+ HTTP/\d')
_ENCODED = re.compile(r"(?:#[0-9A-F]{2})+")
_SYSLOG = re.compile(rb" haproxy(?:(?:\[\d+\])?: | \S+ \S+ [-\[])")


class HAProxy(Format):
    """HTTP log lines."""

    name = "haproxy"
    title = "HAProxy, HTTP log"
    prefixed = True

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        fields = self.fields(data)
        if "http_request_line" not in fields:
            return NO_REQUEST
        ts_us, assumed = clf_time(fields["accept_date"], self.zone)
        method, target = split_request(fields["http_request_line"], escaped=False)
        return Exchange(
            ts_us=ts_us,
            method=method,
            target=_ENCODED.sub(lambda encoded: decoded(bytes.fromhex(encoded[0].replace("#", ""))), target),
            status=number_of(fields["http_status_code"], "status"),
            bytes=number_of(fields["bytes_read"], "bytes"),
            duration_us=micros(fields["time_duration"], 1000),
            assumed_timezone=assumed,
        )

    def fields(self, data: bytes) -> dict[str, str]:
        """The fields of one line, by the names of HAProxy's manual."""
        prefix = PREFIX.match(data)
        text = decoded(data[prefix.end() :] if prefix else data).rstrip("\r")
        match = _REQUEST.match(text) or _OTHER.fullmatch(text) or _TCP.fullmatch(text) or _PROCESS.fullmatch(text)
        if match is not None:
            return {name: value for name, value in match.groupdict().items() if value is not None}
        if prefix is not None and _SYSLOG.search(prefix[0]) and not _ASKS.search(text):
            return {"message": text}
        raise BadRecordError(Reason.NO_MATCH, "not a line of HAProxy's HTTP log")
