r"""W3C extended log files, as IIS and many proxies and networks write them: columns are named by `#Fields`.

`date` and `time` are UTC and stamp the end of a request, as do `date-local` and `time-local` in the zone of
`--timezone`; the start is reckoned back by `time-taken`, which is in milliseconds where it is a whole number (IIS) and
in seconds where it has a fraction (the standard, Tomcat, WebLogic). What a cache did is read from `cached`,
`s-action`, `x-cache` and the like, from a status like `TCP_HIT/200`, and from what Application Request Routing adds to
the query; its `X-ARR-…` parameters, which no client sent, are taken out. A log without `Host` needs a table without
`host`. A row with more or fewer values than columns is rejected.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from auditor.exchanges.cache_field import cache_of
from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import Format, RowReader
from auditor.reading.names import first
from auditor.reading.rows import texts
from auditor.reading.times import micros, rfc3339, start_of
from auditor.reading.variables import decoded, number_of, text_of

_DIRECTIVE = re.compile(
    r"#\s*(version|fields|software|start-date|end-date|date|remark|gmt-offset)\s*:\s*(.*)", re.IGNORECASE
)
_VALUE = re.compile(r'"((?:[^"]++|"")*+)"(?!\S)|(\S++)')
_TIMES = (("date", "time"), ("date-utc", "time-utc"), ("date-local", "time-local"))
_HOST = ("cs-host", "cs(host)", "x-host-header", "cs-uri-host", "s-host")
_TARGET = ("cs-uri", "cs-uri-stem", "cs-uri-path")
_BYTES = ("sc-bytes", "bytes", "filesize")
_TYPE = ("sc(content-type)", "rs(content-type)", "sc-content-type")
_ADDED = frozenset({"x-arr-cache-hit", "x-arr-log-id", "server-status", "server-routed"})
"""Parameters that Application Request Routing writes behind the query in the log."""


class W3C(Format):
    """Columns may change within a file, where the server was restarted."""

    name = "w3c"
    title = "W3C extended (IIS and others)"
    _names: tuple[str, ...] = ()
    _date = ""

    @classmethod
    def row_reader(cls, columns: Mapping[str, str], zone: ZoneInfo) -> RowReader | None:
        """For tables whose names are those of its columns as a database takes them."""
        if not columns.keys() >= {"cs_uri_stem", "sc_status", "cs_method"}:
            return None
        dashed = {name.replace("_", "-"): column for name, column in columns.items()}
        reader = cls(zone)
        return lambda row: reader.exchange(texts(row, dashed))

    def parse(self, data: bytes) -> Exchange | None:
        """One line; None for a directive."""
        data = data.removeprefix(BOM_UTF8)
        if data.startswith(b"#"):
            self._directive(decoded(data).rstrip())
            return None
        return self.exchange({name.lower(): value for name, value in self.fields(data).items()})

    def remember(self, data: bytes) -> None:
        """A directive, which names the columns."""
        if data.removeprefix(BOM_UTF8).startswith(b"#"):
            self.parse(data)

    def fields(self, data: bytes) -> dict[str, str]:
        """The values of one row by the names of `#Fields`."""
        if not self._names:
            raise BadRecordError(Reason.NO_MATCH, "no #Fields line stands before it")
        values = [bare or quoted.replace('""', '"') for quoted, bare in _VALUE.findall(decoded(data))]
        if len(values) != len(self._names):
            raise BadRecordError(Reason.NO_MATCH, f"{len(values)} values for the {len(self._names)} names of #Fields")
        return dict(zip(self._names, values, strict=True))

    def exchange(self, fields: Mapping[str, str]) -> Exchange:
        """What a row tells; names are in lower case."""
        taken, unit = first(fields, ("timetakenms", "time-taken-ms")), 1000
        if taken is None:
            taken = fields.get("time-taken")
            unit = 1000 if taken is not None and taken.isdigit() else 10**6
        duration = micros(taken, unit)
        ts_us, assumed = self._time(fields, duration)
        target = first(fields, _TARGET)
        method = text_of(fields.get("cs-method"))
        if target is None or method is None:
            raise BadRecordError(Reason.MISSING_FIELD, "cs-method or cs-uri-stem is missing")
        # Blue Coat's proxies log the question mark, too.
        query, routed = _without_added((text_of(fields.get("cs-uri-query")) or "").removeprefix("?"))
        result, _, status = fields["sc-status"].rpartition("/")
        return Exchange(
            ts_us=ts_us,
            method=method,
            target=f"{target}?{query}" if query and "?" not in target else target,
            host=first(fields, _HOST),
            status=number_of(status, "sc-status"),
            bytes=number_of(first(fields, _BYTES), "sc-bytes"),
            duration_us=duration,
            cache=result or routed or cache_of(fields) or text_of(fields.get("s-action")),
            media_type=first(fields, _TYPE),
            assumed_timezone=assumed,
            ended=duration is None and "beginrequest-utc" not in fields,
        )

    def _directive(self, line: str) -> None:
        match = _DIRECTIVE.fullmatch(line)
        if match is None:
            raise BadRecordError(Reason.NO_MATCH, "not a directive of W3C extended log files")
        name, value = match[1].lower(), match[2]
        if name == "date":
            self._date = value.partition(" ")[0]
        if name != "fields":
            return
        self._names = ()
        names = tuple(value.split())
        known = {each.lower() for each in names}
        if any(each.startswith("x-edge-") for each in known) or not (
            "sc-status" in known and "cs-method" in known and known.intersection(_TARGET)
        ):
            raise BadRecordError(Reason.NO_MATCH, "#Fields names no cs-method, cs-uri-stem and sc-status")
        self._names = names

    def _time(self, fields: Mapping[str, str], duration: int | None) -> tuple[int, bool]:
        """(start, whether the zone was assumed)."""
        if (began := text_of(fields.get("beginrequest-utc"))) is not None:
            return rfc3339(began if began.endswith("Z") else began + "Z", self.zone)
        if (stamp := text_of(fields.get("timestamp"))) is not None:
            end, assumed = rfc3339(stamp, self.zone)
            return start_of(end, duration), assumed
        for date_name, time_name in _TIMES:
            time = text_of(fields.get(time_name))
            date = text_of(fields.get(date_name)) or self._date
            if time is not None and date:
                seconds = "" if time.count(":") > 1 else ":00"
                zone = "" if time_name == "time-local" else "Z"
                end, assumed = rfc3339(f"{date}T{time}{seconds}{zone}", self.zone)
                return start_of(end, duration), assumed
        raise BadRecordError(Reason.MISSING_FIELD, "date or time is missing")


def _without_added(query: str) -> tuple[str, str | None]:
    """(the query as the client sent it, what the cache of Application Request Routing did)."""
    if "X-ARR-" not in query:
        return query, None
    hit = "hit" if "X-ARR-CACHE-HIT=1" in query else "miss" if "X-ARR-CACHE-HIT=0" in query else None
    kept = [part for part in query.split("&") if part.partition("=")[0].lower() not in _ADDED]
    return "&".join(kept), hit
