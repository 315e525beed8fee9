r"""Amazon S3 server access logs: values between blanks, in a fixed order; new ones are added at the end.

The time is that of the request's arrival, the duration is the total time. The bytes are those of the body. Only
`GET.OBJECT` of REST and of websites delivers an object: uploads, copies, listings and lifecycle actions are filtered.
Ids are request ids. S3 renders nothing and has no cache: say `uncached = "hit"` in the table of images that are only
stored there. Lines without a host header, as before 2019, have the bucket's name for a host.

Checked on 2026-11-30 against AWS, "Amazon S3 server access log format"
(docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html).
"""

import re
from itertools import islice

from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import NO_REQUEST, Format
from auditor.reading.times import clf_time, micros
from auditor.reading.variables import decoded, number_of, split_request, text_of

_VALUE = re.compile(r'\[([^\[\]]*+)\]|"((?:[^"\\]|\\.)*+)"(?= |$)|(\S++)')
_NAMES = (
    "owner", "bucket", "time", "remote_ip", "requester", "request_id", "operation", "key", "request", "status",
    "error_code", "bytes_sent", "object_size", "total_time", "turn_around_time", "referer", "user_agent",
)  # fmt: skip
_BEHIND = ("version_id", "host_id", "signature_version", "cipher_suite", "authentication_type", "host_header")
_SIGNED = {"signature_version": re.compile(r"SigV\w{1,4}|-"), "authentication_type": re.compile(r"[A-Z]\w{1,19}|-")}
"""What shows that the values behind the agent are in their places."""
_OPERATION = re.compile(r"(?:REST|WEBSITE|SOAP|BATCH|S3)\.[\w.]{1,100}", re.ASCII)
_DELIVERING = frozenset({"REST.GET.OBJECT", "WEBSITE.GET.OBJECT"})


class S3(Format):
    """Of one bucket or of several."""

    name = "s3"
    title = "Amazon S3, server access log"

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        fields = self.fields(data)
        ts_us, assumed = clf_time(fields["time"], self.zone)
        if fields["operation"] not in _DELIVERING:
            return NO_REQUEST
        method, target = split_request(fields["request"])
        return Exchange(
            ts_us=ts_us,
            method=method,
            target=target,
            host=text_of(fields.get("host_header")) or text_of(fields["bucket"]),
            status=number_of(fields["status"], "HTTP status"),
            bytes=number_of(fields["bytes_sent"], "bytes sent"),
            duration_us=micros(fields["total_time"], 1000),
            id=text_of(fields["request_id"]),
            assumed_timezone=assumed,
        )

    def fields(self, data: bytes) -> dict[str, str]:
        """The values of one line by the names of AWS; those that came later may be absent."""
        line = decoded(data.rstrip(b"\r"))
        found = list(islice(_VALUE.finditer(line), len(_NAMES)))
        fields = {name: "".join(match.groups("")) for name, match in zip(_NAMES, found, strict=False)}
        if "turn_around_time" not in fields or not _OPERATION.fullmatch(fields["operation"]):
            raise BadRecordError(Reason.NO_MATCH, "not a line of an S3 server access log")
        # Clients choose the agent, quotes and all; behind it there are none.
        quote = line.rfind('"')
        behind = dict(zip(_BEHIND, line[max(found[-1].end(), quote + 1) :].split(), strict=False))
        signed = quote != found[-1].start() and all(
            shape.fullmatch(behind.get(name, "")) for name, shape in _SIGNED.items()
        )
        return {**fields, **behind} if signed else fields
