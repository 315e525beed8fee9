r"""AWS Classic Load Balancer access logs.

The time is that of the request's arrival. The duration is the sum of what the balancer and the instance took; where
one of them is -1, no whole answer was made. The bytes are all that went to the client, the headers too. TCP listeners
log connections, which are filtered. The balancer has no cache.
"""

import re
from typing import ClassVar

from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import NO_REQUEST, Format
from auditor.reading.times import micros, rfc3339, start_of
from auditor.reading.variables import decoded, number_of, split_request
from auditor.reading.wrapped import PREFIX

_VALUE = re.compile(r'"((?:[^"\\]|\\.)*+)"(?= |$)|(\S++)')
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{8,20}Z?")
_PARTS = ("request_processing_time", "target_processing_time", "response_processing_time")


class Elb(Format):
    """Values between blanks, in a fixed order; new ones are added at the end."""

    name = "elb"
    title = "AWS Classic Load Balancer"
    names: ClassVar[tuple[str, ...]] = (
        "time", "elb", "client", "target", *_PARTS, "elb_status_code", "target_status_code", "received_bytes",
        "sent_bytes", "request", "user_agent", "ssl_cipher", "ssl_protocol",
    )  # fmt: skip
    answered: ClassVar[bool] = False
    """Whether `time` is that of the answer."""

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        fields = self.fields(data)
        method, target = split_request(fields["request"])
        if fields["request"].startswith("- - ") or not target.strip("- "):
            return NO_REQUEST
        times = [micros(fields[name], 10**6) for name in _PARTS]
        known = [time for time in times if time is not None]
        arrived = fields.get("request_creation_time", "-")
        ts_us, _ = rfc3339(fields["time"] if arrived == "-" else arrived, self.zone)
        return Exchange(
            ts_us=start_of(ts_us, sum(known)) if self.answered and arrived == "-" else ts_us,
            method=method,
            target=target,
            status=number_of(fields["elb_status_code"], "elb_status_code"),
            bytes=number_of(fields["sent_bytes"], "sent_bytes"),
            duration_us=sum(known) if len(known) == len(times) else None,
        )

    def fields(self, data: bytes) -> dict[str, str]:
        """The values of one line by their documented names; values that came later may be absent."""
        data = data.rstrip(b"\r")
        prefix = PREFIX.match(data)
        line = decoded(data[prefix.end() :] if prefix else data)
        values = _VALUE.findall(line)
        fields = {name: bare or quoted for name, (quoted, bare) in zip(self.names, values, strict=False)}
        if "request" not in fields or not _TIME.fullmatch(fields["time"]):
            raise BadRecordError(Reason.NO_MATCH, f"not a line of {self.title}")
        if any(bare.startswith('"') for _, bare in values):
            raise BadRecordError(Reason.NO_MATCH, "a quote is not closed: the line is cut")
        if not fields["time"].endswith("Z"):
            fields["time"] += "Z"
        return fields
