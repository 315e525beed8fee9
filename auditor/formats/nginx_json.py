"""nginx with `escape=json`: one object a line, its keys named after nginx's variables or after what they hold."""

from typing import Any, ClassVar

from auditor.events import BadRecordError, Reason
from auditor.exchanges.exchange import Exchange
from auditor.formats.json_lines import JsonObjects
from auditor.formats.variables import exchange_of

_OTHERS = frozenset({"v", "outcome", "RayID", "resourceLogs", "event"})
"""Keys that tell that a line is of another kind."""


class NginxJson(JsonObjects):
    """Keys in any case, a `$` before them is left out."""

    name: ClassVar[str] = "nginx-json"
    title: ClassVar[str] = "nginx, JSON"
    certainty: ClassVar[float] = 0.9
    ending: ClassVar[bool] = True

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """One line."""
        if not _OTHERS.isdisjoint(record) or isinstance(record.get("request"), dict):
            raise BadRecordError(Reason.NO_MATCH, "its keys are not those of nginx")
        return exchange_of({key.lower().lstrip("$"): value for key, value in record.items()}, self.zone, escaped=False)
