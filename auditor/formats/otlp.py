"""Spans of HTTP requests in OTLP's JSON, as the OpenTelemetry Collector's file exporter writes them: `resourceSpans`.

Each span is a record, numbered in the order of the file. Address, host, method, status and size are read from its
attributes, by the names of today's semantic conventions (`url.full`, `http.response.status_code`) and of those before
(`http.url`, `http.status_code`), the environment from the resource's. A span that failed and has no status is a
request without an answer; spans without an address are filtered. The client and the server of one request are two
spans and count twice: export one kind of them, or describe one of them in [sources]. A batch over 16 MiB is rejected:
set the `send_batch_max_size` of the collector's batch processor to 8192, say.

Checked against OpenTelemetry, "Semantic conventions for HTTP spans" (opentelemetry.io/docs/specs/semconv/http), seen
2026-11-30; the encoding in JSON is unchecked.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from auditor.model.json_shape import JsonShape
from auditor.reading.format import Sample
from auditor.reading.names import at
from auditor.reading.shaped import ShapedJson

_ERROR = (2, "STATUS_CODE_ERROR")
_STATUS = ("http.response.status_code", "http.status_code")
_ENVIRONMENT = ("deployment.environment.name", "deployment.environment")
_NAME = 200
"""Characters of an environment."""


class Otlp(ShapedJson):
    """Spans, each taken out of its batch."""

    name = "otlp"
    title = "OpenTelemetry, spans in OTLP JSON"
    documented = frozenset({"kind", "flags", "droppedAttributesCount", "droppedEventsCount", "droppedLinksCount"})
    shape = JsonShape(
        time=("startTimeUnixNano",),
        time_unit="ns",
        time_of="start",
        method=("attributes.http.request.method", "attributes.http.method"),
        url=("attributes.url.full", "attributes.http.url", "attributes.http.target"),
        host=("attributes.server.address", "attributes.http.host"),
        path=("attributes.url.path",),
        query=("attributes.url.query",),
        status=tuple(f"attributes.{name}" for name in _STATUS),
        bytes=("attributes.http.response.body.size", "attributes.http.response_content_length"),
        duration=("took",),
        duration_unit="ns",
        cache=("attributes",),
        environment=tuple(f"resource.{name}" for name in _ENVIRONMENT),
        records=("resourceSpans",),
        id=("spanId",),
    )

    @classmethod
    def question(cls, sample: Sample) -> str | None:
        """For a batch of which the sample holds no end."""
        if sample.lines or not sample.data.lstrip().startswith(b'{"resourceSpans"'):
            return None
        return "its first batch of spans is too long to look at; name the format with --input-format otlp"

    @classmethod
    def batch(cls, document: Any) -> Iterator[dict[str, Any]]:
        """Each span, with its environment."""
        return _flat(at(document, *cls.shape.records))


def _flat(batches: Any) -> Iterator[dict[str, Any]]:
    for batch in _objects(batches):
        about = _attributes(at(batch, "resource", "attributes"))
        # Each span gets a copy, so it is what is read of it.
        resource = {name: text[:_NAME] for name in _ENVIRONMENT if isinstance(text := about.get(name), str)}
        for scope in _objects(batch.get("scopeSpans")):
            for span in _objects(scope.get("spans")):
                attributes = _attributes(span.get("attributes"))
                if at(span, "status", "code") in _ERROR and attributes.keys().isdisjoint(_STATUS):
                    attributes[_STATUS[0]] = None
                start, end = (_nanoseconds(span.get(f"{which}TimeUnixNano")) for which in ("start", "end"))
                took = None if start is None or end is None else end - start
                yield {**span, "attributes": attributes, "resource": resource, "took": took}


def _nanoseconds(value: Any) -> int | None:
    """64 bits, which JSON holds as text."""
    return int(value) if str(value).isascii() and str(value).isdigit() and len(str(value)) < 20 else None


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else ()


def _attributes(pairs: Any) -> dict[str, Any]:
    """What a list of keys and typed values says."""
    return {str(pair.get("key")): _value(pair.get("value")) for pair in _objects(pairs)}


def _value(typed: Any) -> Any:
    values = at(typed, "arrayValue", "values")
    if isinstance(values, list):
        return [_value(each) for each in values]
    return next(iter(typed.values()), None) if isinstance(typed, dict) else None
