"""Akamai DataStream 2, delivery logs in JSON.

`reqTimeSec` is when the edge accepted the request. `reqHost`, `reqPath` and `queryStr` make the address, `bytes` are
those of the body, and the duration is `turnAroundTimeMSec`, until the first byte of the answer. A `cacheStatus` of 1
is a hit and 0 a miss. `reqId` repeats in the course of time, so it is not an id.

Checked against Akamai TechDocs, "Data set parameters" (techdocs.akamai.com/datastream2), seen 2026-11-30.
"""

from auditor.model.json_shape import JsonShape
from auditor.reading.shaped import ShapedJson


class Akamai(ShapedJson):
    """Field names of the delivery log."""

    name = "akamai"
    title = "Akamai DataStream 2, JSON"
    documented = frozenset({"cacheable", "version", "cp", "streamId", "asn", "errorCode", "edgeAttempts", "throughput"})
    shape = JsonShape(
        time=("reqTimeSec",),
        time_unit="s",
        time_of="start",
        method=("reqMethod",),
        host=("reqHost",),
        path=("reqPath",),
        query=("queryStr",),
        status=("statusCode",),
        bytes=("bytes",),
        duration=("turnAroundTimeMSec",),
        duration_unit="ms",
        cache=("cacheStatus",),
        media_type=("rspContentType",),
    )
