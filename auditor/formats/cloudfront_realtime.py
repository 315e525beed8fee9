r"""CloudFront real-time logs: values between tabs, without a header. The fields are those of the log's configuration.

CloudFront writes them in the order of its manual, whichever were chosen, and no line names them. Lines with all fields
up to `x-edge-result-type` are read by that order. Other lines are a question, which the configuration answers:

```text
FIELDS=$(aws cloudfront get-realtime-log-config --name NAME --query RealtimeLogConfig.Fields --output text)
auditor audit FILE --input-format "$FIELDS"
```

It needs `timestamp`, `sc-status` and `cs-uri-stem`; without `cs-method` each request counts as a GET. In `auditor.toml`
a `log_format` with tabs (`\t`) between nginx's names of the fields does the same. The start is reckoned back by
`time-taken`; outcome, bytes and ids are those of [standard logs](cloudfront.md). The host is `cs-host`, which is what
the viewer asked for; `x-host-header` is the distribution's. With a sampling rate below 100 most repeats are not in
the log.

Checked on 2026-11-30 against AWS, "Use real-time access logs", fields
(docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/real-time-logs.html). Unchecked are the place of `s-ip`,
with and without which lines are read, and the fields behind `cs-headers-count`, of which none is read.
"""

import re
from typing import ClassVar
from zoneinfo import ZoneInfo

from auditor.exchanges.exchange import Exchange
from auditor.formats.cloudfront import CloudFront
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import Format, Sample
from auditor.reading.variables import decoded, text_of

FIELDS = (
    "timestamp", "c-ip", "s-ip", "time-to-first-byte", "sc-status", "sc-bytes", "cs-method", "cs-protocol", "cs-host",
    "cs-uri-stem", "cs-bytes", "x-edge-location", "x-edge-request-id", "x-host-header", "time-taken",
    "cs-protocol-version", "c-ip-version", "cs-user-agent", "cs-referer", "cs-cookie", "cs-uri-query",
    "x-edge-response-result-type", "x-forwarded-for", "ssl-protocol", "ssl-cipher", "x-edge-result-type",
    "fle-encrypted-fields", "fle-status", "sc-content-type", "sc-content-len", "sc-range-start", "sc-range-end",
    "c-port", "x-edge-detailed-result-type", "c-country", "cs-accept-encoding", "cs-accept",
    "cache-behavior-path-pattern", "cs-headers", "cs-header-names", "cs-headers-count", "primary-distribution-id",
    "primary-distribution-dns-name", "origin-fbl", "origin-lbl", "asn", "cmcd-encoded-bitrate", "cmcd-buffer-length",
    "cmcd-buffer-starvation", "cmcd-content-id", "cmcd-object-duration", "cmcd-deadline", "cmcd-measured-throughput",
    "cmcd-next-object-request", "cmcd-next-range-request", "cmcd-object-type", "cmcd-playback-rate",
    "cmcd-requested-maximum-throughput", "cmcd-streaming-format", "cmcd-session-id", "cmcd-stream-type", "cmcd-startup",
    "cmcd-top-bitrate", "cmcd-version", "r-host", "sr-reason", "x-edge-mqcs", "distribution-tenant-id", "connection-id",
)  # fmt: skip
"""All of them, in the order in which they are written."""
_ADDED_LATER = "s-ip"
_NEEDED = ("timestamp", "sc-status", "cs-uri-stem")
_SECONDS = r"\d{1,9}(?:\.\d{1,9})?|-"
_SHAPES = {
    "timestamp": r"\d{9,10}(?:\.\d{1,9})?|\d{13}", "c-ip": r"[0-9a-fA-F.:]+|-", "s-ip": r"[0-9a-fA-F.:]+|-",
    "time-to-first-byte": _SECONDS, "sc-status": r"\d{3}", "sc-bytes": r"\d{1,18}|-", "cs-method": "[A-Z]{3,20}",
    "cs-protocol": "https?|wss?", "cs-uri-stem": r"[/*].*", "cs-bytes": r"\d{1,18}|-", "time-taken": _SECONDS,
    "cs-protocol-version": r"HTTP/[\d.]+|-", "c-ip-version": "IPv[46]",
    "x-edge-response-result-type": "[A-Z][A-Za-z]+", "x-edge-result-type": "[A-Z][A-Za-z]+",
}  # fmt: skip
"""What values look like; another one shows that a line has other fields."""
_OTHER = "its values are not those of the fields; name the fields of the log's configuration with --input-format"
_COMPILED = {name: re.compile(shape, re.ASCII) for name, shape in _SHAPES.items()}
_OURS = re.compile(rb"\d{9,10}(?:\.\d{1,9})?\t.*\t[/*][^\t]*(?:\t|$)", re.DOTALL)


class CloudFrontRealtime(Format):
    """With the fields of the manual, or of a configuration by `of`."""

    name = "cloudfront-realtime"
    title = "CloudFront, real-time log"
    orders: ClassVar[tuple[tuple[str, ...], ...]] = (FIELDS, tuple(name for name in FIELDS if name != _ADDED_LATER))
    whole: ClassVar[bool] = False
    """Whether a line has all the fields, and not the first ones only."""

    @classmethod
    def of(cls, text: str) -> "type[CloudFrontRealtime] | None":
        """The format of a configuration by its fields, whatever their order; None for a text that lists none.

        Raises `ValueError` for a list that lacks what an event needs.
        """
        names = text.replace(",", " ").split()
        if not names or not set(FIELDS).issuperset(names):
            return None
        if missing := [name for name in _NEEDED if name not in names]:
            raise ValueError(f"lacks {' and '.join(missing)}, without which a line tells no event")
        chosen = tuple(name for name in FIELDS if name in names)
        return type(cls.__name__, (cls,), {"orders": (chosen,), "whole": True})

    @classmethod
    def question(cls, sample: Sample) -> str | None:
        """For lines that begin with a time and hold a path, between tabs."""
        if not sample.lines or not all(map(_OURS.match, sample.lines)):
            return None
        return (
            "tabs without a header, as in CloudFront's real-time logs, but not with all fields of its manual; name the "
            'fields of the configuration: --input-format "timestamp c-ip sc-status cs-uri-stem …"; '
            "`aws cloudfront get-realtime-log-config --name NAME` lists them"
        )

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__(zone)
        self._standard = CloudFront(zone)

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        fields = self.fields(data)
        host = text_of(fields.get("cs-host")) or fields.get("x-host-header", "-")
        # In these logs the stem has the query.
        standard = {"cs-uri-query": "-", "x-host-header": host, "timestamp(ms)": fields["timestamp"]}
        return self._standard.exchange({"cs-method": "GET", **fields, **standard})

    def fields(self, data: bytes) -> dict[str, str]:
        """The values of one line by their names."""
        values = decoded(data.rstrip(b"\r")).split("\t")
        for names in self.orders:
            fields = dict(zip(names, values, strict=False))
            needed = [name for name in _COMPILED if name in names]
            if (len(values) == len(names) or not self.whole) and all(
                name in fields and _COMPILED[name].fullmatch(fields[name]) for name in needed
            ):
                return fields
        raise BadRecordError(Reason.NO_MATCH, _OTHER)
