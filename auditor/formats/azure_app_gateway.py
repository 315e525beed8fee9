"""Azure Application Gateway's access log, v2 and v1: JSON lines, as diagnostic settings export them.

Lines, or the whole file, may also be what an event hub gets: documents of several entries (`{"records": [ … ]}`).

v2 stamps `timeStamp`, has the client's address in `originalRequestUriWithArgs`, and `timeTaken` in seconds. v1 stamps
`time`, has `requestUri`, and `timeTaken` in milliseconds; its `requestQuery` is the gateway's own, not the client's.
Which moment is stamped the page does not say: it is taken for the end. `sentBytes` are those of the whole answer.
There is no cache. `transactionId` is the id.

Checked against Microsoft Learn, "Back-end health and diagnostic logs" (application-gateway-diagnostics) and "Azure
resource logs" (azure-monitor/essentials/resource-logs: event hubs get `records`), seen 2026-11-30.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from auditor.model.json_shape import JsonShape
from auditor.reading.shaped import ShapedJson


class AzureAppGateway(ShapedJson):
    """What counts stands in `properties`."""

    name = "azure-app-gateway"
    title = "Azure Application Gateway, access log"
    documented = frozenset({"serverStatus"})
    shape = JsonShape(
        time=("timeStamp",),
        method=("properties.httpMethod",),
        url=("properties.originalRequestUriWithArgs",),
        path=("properties.requestUri",),
        query=("properties.requestQuery",),
        host=("properties.originalHost", "properties.host"),
        status=("properties.httpStatus",),
        bytes=("properties.sentBytes",),
        duration=("properties.timeTaken",),
        duration_unit="s",
        records=("records", "Records"),
        id=("properties.transactionId",),
    )
    first = replace(shape, time=("time",), query=(), duration_unit="ms")

    def shape_of(self, record: Mapping[str, Any]) -> JsonShape:
        """By the key of the time."""
        return self.shape if "timeStamp" in record else self.first
