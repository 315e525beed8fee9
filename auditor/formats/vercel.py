"""Vercel's log drains: JSON arrays or lines, of which those with `proxy` tell of a request.

Time, method, host, address, status, size and `vercelCache` are read from `proxy`, the environment beside it
(`production`, `preview`). `proxy.timestamp` is when the request was made; how long it took is not logged. A request
that logs several messages stands in several lines, which have its `requestId` and `proxy.timestamp` in common: they
count once. A `proxy.statusCode` of -1 is a page that was revalidated in the background: no visitor asked, so it is
filtered, and what it rendered is not counted.

Checked against Vercel, "Log Drains Reference" (vercel.com/docs/drains/reference/logs), seen 2026-11-30.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from auditor.exchanges.exchange import Exchange
from auditor.model.json_shape import JsonShape
from auditor.reading.format import NO_REQUEST
from auditor.reading.names import at
from auditor.reading.shaped import ShapedJson

_REVALIDATED = -1


class Vercel(ShapedJson):
    """Keys as drains send them."""

    name = "vercel"
    title = "Vercel, log drain"
    shape = JsonShape(
        time=("proxy.timestamp",),
        time_unit="ms",
        time_of="start",
        method=("proxy.method",),
        url=("proxy.path",),
        host=("proxy.host",),
        status=("proxy.statusCode",),
        bytes=("proxy.responseByteSize",),
        cache=("proxy.vercelCache",),
        environment=("environment",),
        id=("requestId", "proxy.vercelId"),
    )

    def shape_of(self, record: Mapping[str, Any]) -> JsonShape | None:
        """None for what no visitor asked for."""
        return None if at(record, "proxy", "statusCode") == _REVALIDATED else self.shape

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """One message; another request may have the id in another try of a client."""
        found = super().exchange(record)
        if found is NO_REQUEST or found.id is None:
            return found
        return replace(found, id=f"{found.id}@{found.ts_us}")
