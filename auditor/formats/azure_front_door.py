"""Azure Front Door's access log, Standard, Premium and classic: JSON lines, as diagnostic settings export them.

Lines, or the whole file, may also be what an event hub gets: documents of several entries (`{"records": [ … ]}`).

`time` is when the answer had been delivered. `timeTaken` are seconds in the classic tier; for the others Microsoft's
page says milliseconds and its examples hold seconds, so [the file decides](../formats.md#durations). `responseBytes`
are those of the whole answer. `trackingReference` is the id. What the origin shield answered to the edge
(`isReceivedFromClient: false`) is filtered, since the client's own request has an entry, too: where the edge missed
and the shield had the image, the log has no single line that says so, and the request counts as a render.

Checked against Microsoft Learn, "Monitor metrics and logs in Azure Front Door" (front-door-diagnostics) and "Azure
resource logs" (azure-monitor/essentials/resource-logs: event hubs get `records`), seen 2026-11-30.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from auditor.model.json_shape import JsonShape
from auditor.reading.names import at
from auditor.reading.shaped import ShapedJson

_FALSE = (False, "false", "False")


class AzureFrontDoor(ShapedJson):
    """What counts stands in `properties`."""

    name = "azure-front-door"
    title = "Azure Front Door, access log"
    documented = frozenset({"httpStatusDetails"})
    shape = JsonShape(
        time=("time",),
        method=("properties.httpMethod",),
        url=("properties.requestUri",),
        host=("properties.hostName",),
        status=("properties.httpStatusCode",),
        bytes=("properties.responseBytes",),
        duration=("properties.timeTaken",),
        cache=("properties.cacheStatus",),
        records=("records", "Records"),
        id=("properties.trackingReference",),
    )
    classic = replace(shape, duration_unit="s")

    def shape_of(self, record: Mapping[str, Any]) -> JsonShape | None:
        """By the log's category, whose case tells the classic tier; None for what the edge asked of its shield."""
        if at(record, "properties", "isReceivedFromClient") in _FALSE:
            return None
        return self.classic if record.get("category") == "FrontdoorAccessLog" else self.shape
