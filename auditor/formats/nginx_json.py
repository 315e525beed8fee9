"""nginx with `escape=json`: one object a line, its keys named after nginx's variables or after what they hold."""

import re
from typing import Any

from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.json_lines import JsonObjects
from auditor.reading.variables import exchange_of

_OWN = re.compile(
    r"remote_(?:addr|user|port)|time_(?:local|iso8601)|msec|body_bytes_sent|request_(?:uri|length)|upstream_\w+"
    r"|sent_http_\w+|http_(?:host|referer|user_agent|x_forwarded_for)|server_(?:protocol|addr)",
    re.ASCII,
)
"""Names that nginx gives: an object with none of them may be any server's, whose `request_time` has any unit."""
_OTHERS = frozenset({"v", "outcome", "RayID", "resourceLogs", "event"})
"""Keys that tell that a line is of another kind."""


class NginxJson(JsonObjects):
    """Keys in any case, a `$` before them is left out."""

    name = "nginx-json"
    title = "nginx, JSON"
    certainty = 0.9
    ending = True

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """One line."""
        if not _OTHERS.isdisjoint(record) or isinstance(record.get("request"), dict):
            raise BadRecordError(Reason.NO_MATCH, "its keys are not those of nginx")
        variables = {key.lower().lstrip("$"): value for key, value in record.items()}
        return exchange_of(variables, self.zone, escaped=False, documented=any(map(_OWN.fullmatch, variables)))
