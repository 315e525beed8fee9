"""AWS API Gateway's access log in JSON, REST and HTTP APIs, its keys named after the `$context` variables.

`path`, `status` and `requestTimeEpoch` or `requestTime` (in the common log format) are needed; `httpMethod`,
`domainName`, `responseLatency` (milliseconds), `responseLength`, `stage` (but `$default`) and `extendedRequestId`,
the only id that callers cannot choose, are of use. The formats of AWS's examples have no `path`: add it, since
`resourcePath` and `routeKey` name a route, which all its images share. No variable holds the query: requests that
differ in it alone look the same, and the report says so. The path of a REST API begins with its stage. There is no
verdict of a cache.

Checked against AWS, "Variables for access logging for API Gateway" (api-gateway-variables-for-access-logging), seen
2026-11-30.
"""

from collections.abc import Mapping
from typing import Any

from auditor.model.json_shape import JsonShape
from auditor.reading.format import Sample
from auditor.reading.names import json_in
from auditor.reading.shaped import ShapedJson

_ROUTES = {"resourcePath", "routeKey"}


class ApiGateway(ShapedJson):
    """Keys as the variables are called."""

    name = "api-gateway"
    title = "AWS API Gateway, access log in JSON"
    shape = JsonShape(
        time=("requestTimeEpoch", "requestTime"),
        time_of="start",
        method=("httpMethod",),
        path=("path",),
        host=("domainName",),
        status=("status",),
        bytes=("responseLength",),
        duration=("responseLatency",),
        duration_unit="ms",
        id=("extendedRequestId",),
    )

    @classmethod
    def question(cls, sample: Sample) -> str | None:
        """For the format of AWS's examples, whose `resourcePath` or `routeKey` is one for all images of a route."""
        records = (found for each in cls.each(sample.lines) if isinstance(found := json_in(each), dict))
        routes = sorted(
            {
                key
                for record in records
                if _is_stamped(record) and "path" not in record
                for key in _ROUTES & record.keys()
            }
        )
        if not routes:
            return None
        return (
            f"API Gateway's access log without the path of a request: {' and '.join(routes)} is the same for every "
            'image of a route; add "path":"$context.path" to the log format of the stage'
        )

    def fields(self, data: bytes) -> dict[str, Any]:
        """The object of one line, without the name of the stage that has none."""
        found = super().fields(data)
        return {name: value for name, value in found.items() if (name, value) != ("stage", "$default")}

    def shape_of(self, record: Mapping[str, Any]) -> JsonShape | None:
        """None where the time is not a date: others call a duration `requestTime`."""
        return self.shape if _is_stamped(record) else None


def _is_stamped(record: Mapping[str, Any]) -> bool:
    return "requestTimeEpoch" in record or "/" in str(record.get("requestTime"))
