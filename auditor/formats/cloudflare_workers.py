"""Cloudflare Workers: trace events by Logpush, and what `wrangler tail --format json` prints.

Both have when the event came, the request's address and method, and the answer's status; neither tells a duration of
the request, a size, or what a cache did. A run that gave no answer (an exception, say) has no status and is filtered.
`RayID` is the id. wrangler prints each object over several lines: pass them through `jq -c .` first.

Checked against Cloudflare, "Workers Trace Events" (developers.cloudflare.com/logs) and wrangler's source of the
event, seen 2026-11-30; the keys inside `Event` are unchecked.
"""

from auditor.model.json_shape import JsonShape
from auditor.reading.shaped import ShapedJson


class CloudflareWorkers(ShapedJson):
    """Keys in Logpush's case or in wrangler's."""

    name = "cloudflare-workers"
    title = "Cloudflare Workers, trace events and wrangler tail"
    documented = frozenset({"CPUTimeMs", "WallTimeMs", "cpuTime", "wallTime"})
    shape = JsonShape(
        time=("EventTimestampMs", "eventTimestamp"),
        time_unit="ms",
        time_of="start",
        method=("Event.Request.Method", "event.request.method"),
        url=("Event.Request.URL", "event.request.url"),
        status=("Event.Response.Status", "event.response.status"),
        id=("Event.RayID",),
    )
