"""Requests in the Elastic Common Schema, as Elastic's agents and ECS loggers write them.

Keys are nested or hold dots. `url.full` or `url.original`, or `url.path` with `url.query`, is the address,
`url.domain` the host; `event.duration` are nanoseconds, `event.end` or `@timestamp` is the end,
`http.response.body.bytes` or `http.response.bytes` the size, `service.environment` the environment, `event.id` the
id. Entries of other kinds are filtered. A log in which each request has a whole address is read by
[structlog](structlog.md), as before.

Unchecked: the page of Elastic, "ECS Field Reference", was not found on 2026-11-30; its field names are used by many.
"""

from auditor.model.json_shape import JsonShape
from auditor.reading.shaped import ShapedJson


class Ecs(ShapedJson):
    """Field names of the schema."""

    name = "ecs"
    title = "Elastic Common Schema, requests"
    shape = JsonShape(
        time=("event.end", "@timestamp"),
        method=("http.request.method",),
        url=("url.full", "url.original"),
        host=("url.domain",),
        path=("url.path",),
        query=("url.query",),
        status=("http.response.status_code",),
        bytes=("http.response.body.bytes", "http.response.bytes"),
        duration=("event.duration",),
        duration_unit="ns",
        media_type=("http.response.mime_type",),
        environment=("service.environment",),
        id=("event.id",),
    )
