r"""CloudFront standard logs: tab-separated with `#Version` and `#Fields`, or one JSON object a line (version 2).

CloudFront stamps the end of a request; the start is reckoned back by `time-taken`. The outcome is that of
`x-edge-result-type`, or of `x-edge-response-result-type` where the former only says `Error`; status 000 is a viewer
that went away. Bytes are `sc-content-len`, or `sc-bytes` with the headers where that is unknown. Ids are
`x-edge-request-id`, so a line that was delivered twice counts once. Percent signs, which CloudFront writes as `%25`,
are read back. Rows that end early are read as far as all is there that an event needs; without `#Fields`, the
documented order is taken.
"""

from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from auditor.exchanges.exchange import Exchange
from auditor.model.events import MAX_ID_LENGTH, BadRecordError, Reason
from auditor.reading.format import Format, RowReader
from auditor.reading.json_lines import json_object
from auditor.reading.names import column_name, first
from auditor.reading.rows import texts
from auditor.reading.times import epoch, micros, rfc3339, start_of
from auditor.reading.variables import decoded, number_of, text_of

COLUMNS = (
    "date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status",
    "cs(Referer)", "cs(User-Agent)", "cs-uri-query", "cs(Cookie)", "x-edge-result-type", "x-edge-request-id",
    "x-host-header", "cs-protocol", "cs-bytes", "time-taken", "x-forwarded-for", "ssl-protocol", "ssl-cipher",
    "x-edge-response-result-type", "cs-protocol-version", "fle-status", "fle-encrypted-fields", "c-port",
    "time-to-first-byte", "x-edge-detailed-result-type", "sc-content-type", "sc-content-len", "sc-range-start",
    "sc-range-end",
)  # fmt: skip
_STAMP = "timestamp(ms)"
_HOST = ("x-host-header", "cs(Host)", "cs(host)")
_NEEDED = ("cs-method", "cs-uri-stem", "cs-uri-query", "sc-status")


class CloudFront(Format):
    """Of a distribution for the web, in either version."""

    name = "cloudfront"
    title = "CloudFront, standard log"
    objects = True
    _names: tuple[str, ...] = COLUMNS

    @classmethod
    def row_reader(cls, columns: Mapping[str, str], zone: ZoneInfo) -> RowReader | None:
        """For tables whose names are those of its columns as a database takes them."""
        if not columns.keys() >= {"x_edge_result_type", "cs_uri_stem", "sc_status", "cs_method"}:
            return None
        names = {**{column_name(name): name for name in COLUMNS}, "timestamp_ms": _STAMP}
        originals = {names.get(name, name): column for name, column in columns.items()}
        reader = cls(zone)
        return lambda row: reader.exchange({"cs-uri-query": "-", **texts(row, originals)})

    def parse(self, data: bytes) -> Exchange | None:
        """One line; None for a header."""
        if data.startswith(b"#"):
            self._directive(decoded(data).rstrip())
            return None
        return self.exchange(self.fields(data))

    def remember(self, data: bytes) -> None:
        """A directive, which names the columns."""
        if data.removeprefix(BOM_UTF8).startswith(b"#"):
            self.parse(data)

    def fields(self, data: bytes) -> dict[str, str]:
        """The values of one line by their names, as they are."""
        if data[:1] == b"{":
            return {name: str(value) for name, value in json_object(data).items() if value is not None}
        text = decoded(data).rstrip("\r")
        values = text.split("\t") if "\t" in text else text.split()
        # The last value of a row that ends early may itself be cut.
        return dict(zip(self._names, values if len(values) >= len(self._names) else values[:-1], strict=False))

    def exchange(self, fields: Mapping[str, Any]) -> Exchange:
        """What a row tells."""
        missing = [name for name in _NEEDED if name not in fields]
        if missing or not (_STAMP in fields or ("date" in fields and "time" in fields)):
            raise BadRecordError(Reason.MISSING_FIELD, f"{missing[0] if missing else 'date and time'} is missing")
        duration = micros(fields.get("time-taken"), 10**6)
        if _STAMP in fields:
            end = epoch(fields[_STAMP])
        else:
            end, _ = rfc3339(f"{fields['date']}T{fields['time']}Z", self.zone)
        query = text_of(fields["cs-uri-query"])
        result = text_of(fields.get("x-edge-result-type"))
        if result in (None, "Error"):
            result = text_of(fields.get("x-edge-response-result-type")) or result
        identity = text_of(fields.get("x-edge-request-id"))
        method, stem = fields["cs-method"], fields["cs-uri-stem"]
        if not method.isalpha() or not stem.startswith(("/", "*")):
            raise BadRecordError(Reason.BAD_VALUE, "cs-method or cs-uri-stem is no such thing")
        return Exchange(
            ts_us=start_of(end, duration),
            method=method,
            # Of CloudFront's own encoding only that of the percent sign changes what an address means.
            target=(f"{stem}?{query}" if query else stem).replace("%25", "%"),
            host=first(fields, _HOST),
            status=number_of(fields["sc-status"], "sc-status") or None,
            bytes=number_of(first(fields, ("sc-content-len", "sc-bytes")), "sc-bytes"),
            duration_us=duration,
            cache=result,
            media_type=text_of(fields.get("sc-content-type")),
            id=identity if identity and len(identity) <= MAX_ID_LENGTH else None,
            ended=duration is None,
        )

    def _directive(self, line: str) -> None:
        name, _, value = line[1:].partition(":")
        if name.strip() == "Version":
            return
        names = tuple(value.split())
        if name.strip() != "Fields" or not any(each.startswith("x-edge-") for each in names):
            raise BadRecordError(Reason.NO_MATCH, "not a header of CloudFront")
        self._names = names
