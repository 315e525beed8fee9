"""Access logs of nginx and Apache in the common and the combined format, with or without a virtual host before them.

`%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`, and whatever a server was told to write behind that. The lines
of docker compose and of syslog are read without what those put before them.
"""

import re
from typing import ClassVar

from auditor.events import BadRecordError, Reason
from auditor.exchanges.exchange import Exchange
from auditor.formats.base import Lines
from auditor.formats.log_template import LogTemplate
from auditor.formats.times import clf_time
from auditor.formats.variables import decoded, number_of, split_request, text_of
from auditor.formats.wrapped import PREFIX

TEMPLATE = LogTemplate.of('$head [$time_local] "$request" $status $body_bytes_sent', open=True)
_ADDRESS = re.compile(r"\d+\.[\d.]+(?::\d+)?|[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*(?:%\w+)?", re.ASCII)
_AGENT = re.compile(r' ("(?:[^"\\]++|\\.)*+"|-(?= )) ("(?:[^"\\]++|\\.)*+"|-(?= |$))')


class Combined(Lines):
    """Common and combined."""

    name: ClassVar[str] = "combined"
    title: ClassVar[str] = "access log, common or combined (nginx, Apache)"
    ending: ClassVar[bool] = True
    template: ClassVar[LogTemplate | None] = TEMPLATE
    blanks: ClassVar[int] = 2

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        fields = self.fields(data)
        ts_us, assumed = clf_time(fields["time_local"], self.zone)
        method, target = split_request(fields["request"])
        return Exchange(
            ts_us=ts_us,
            method=method,
            target=target,
            host=text_of(fields.get("host")),
            status=number_of(fields["status"], "status"),
            bytes=number_of(fields["body_bytes_sent"], "bytes"),
            assumed_timezone=assumed,
        )

    def fields(self, data: bytes) -> dict[str, str]:
        """The variables of one line, as it has them."""
        data = data.rstrip(b"\r")
        values = TEMPLATE.split(data)
        if (values is None or values[0].count(b" ") != 2) and (prefix := PREFIX.match(data)):
            values = TEMPLATE.split(data[prefix.end() :])
        if (
            values is None
            or not (values[3].removeprefix(b"-").isdigit() or values[3] == b"-")
            or not (values[4].isdigit() or values[4] == b"-")
        ):
            raise BadRecordError(Reason.NO_MATCH, "not a line of the common or combined log format")
        *known, behind = map(decoded, values)
        fields = dict(zip(TEMPLATE.names, known, strict=True)) | _head(known[0])
        agent = _AGENT.match(behind)
        if agent is not None:
            referer, user_agent = (value[1:-1] if value != "-" else value for value in agent.groups())
            fields |= {"http_referer": referer, "http_user_agent": user_agent, "behind": behind[agent.end() :]}
        return fields


def _head(text: str) -> dict[str, str]:
    """Virtual host, if there is one, addresses, identity and user, who may hold blanks or be left out."""
    if " " not in text:
        raise BadRecordError(Reason.NO_MATCH, "no client and user before the time")
    # The compiled splitter takes any head of two blanks, so whatever stands around them is no reason to reject.
    words = [word for word in text.split(" ") if word] or ["-"]
    host = {}
    if len(words) > 3 and _is_client(words[1]) and not (_is_client(words[0]) or words[0][0] == '"'):
        host["host"] = words.pop(0)
    # A list of those that forwarded the request, bare or in quotes, ends at the first word without a comma.
    last = next((place for place, word in enumerate(words[:-1]) if not word.endswith(",")), len(words) - 1)
    rest = words[last + 1 :]
    return {
        **host, "remote_addr": " ".join(words[: last + 1]).strip('"'), "ident": rest[0] if rest else "-",
        "remote_user": " ".join(rest[1:]) or "-",
    }  # fmt: skip


def _is_client(word: str) -> bool:
    """Whether a word is where a request came from: an address, one of a list of them, or this very machine."""
    word = word.strip('",')
    return word in ("localhost", "unix:") or _ADDRESS.fullmatch(word) is not None
