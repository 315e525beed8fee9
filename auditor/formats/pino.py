r"""Node's pino-http, and pino with its standard serializers of `req` and `res`: JSON lines.

A line with `req.url` and `res.statusCode` is a request; what else the program logs, also with a request's `req`
beside it, is filtered. `time` is the end and `responseTime` are milliseconds; the host is in `req.headers.host`, size
and type in the headers of the answer, and what a cache did, too (`x-cache`, `cf-cache-status`, …). A status that is
null is a request that broke off. `req.id` counts from 1 in every process, so it is not an id. Fastify's own lines have
the address and the status apart and are not read.

Checked against pino-http's source and README (github.com/pinojs/pino-http, `logger.js`), seen 2026-11-30.
"""

from auditor.model.json_shape import JsonShape
from auditor.reading.shaped import ShapedJson


class Pino(ShapedJson):
    """Keys as pino-http writes them."""

    name = "pino"
    title = "Node, pino-http"
    shape = JsonShape(
        time=("time",),
        method=("req.method",),
        url=("req.url",),
        host=("req.headers.host",),
        status=("res.statusCode",),
        bytes=("res.headers.content-length",),
        duration=("responseTime",),
        duration_unit="ms",
        cache=("res.headers",),
        media_type=("res.headers.content-type",),
    )
