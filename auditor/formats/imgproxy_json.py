"""imgproxy's log with `IMGPROXY_LOG_FORMAT=json` (or `gcp`): one object a line.

A line with a status whose message is `Completed in DURATION ADDRESS` is a request; `Started …` and all others are
filtered. The time is that of the end, in whole seconds. There is no size and no cache: imgproxy itself renders each
image. `request_id` may come from the caller, so it is not an id.

Checked against imgproxy's source (github.com/imgproxy/imgproxy, `LogResponse` and `formatter_json.go`), seen
2026-11-30.
"""

import re
from typing import Any

from auditor.model.json_shape import JsonShape
from auditor.reading.shaped import ShapedJson

_COMPLETED = re.compile(r"Completed in (\S{1,40}) (\S+)")


class ImgproxyJson(ShapedJson):
    """The message holds what no key does."""

    name = "imgproxy-json"
    title = "imgproxy, JSON"
    shape = JsonShape(
        time=("time",), method=("method",), url=("completed.url",), status=("status",), duration=("completed.took",)
    )

    def fields(self, data: bytes) -> dict[str, Any]:
        """The object of one line, with the message's parts beside the others."""
        found = super().fields(data)
        match = _COMPLETED.fullmatch(str(found.get("msg") or found.get("message") or ""))
        return {**found, "completed": {"took": match[1], "url": match[2]}} if match else found
