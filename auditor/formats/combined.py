"""Access logs of nginx and Apache in the common and the combined format, with or without a virtual host before them.

`%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`, and whatever a server was told to write behind that. The lines
of docker compose and of syslog are read without what those put before them.
"""

import itertools
import re
from collections.abc import Iterable
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.behind import AGENT, Behind, Tail, is_cache, is_host, tail_of, values_of
from auditor.reading.format import Fits, Format
from auditor.reading.log_template import LogTemplate
from auditor.reading.times import clf_time, start_of
from auditor.reading.variables import decoded, number_of, split_request, text_of
from auditor.reading.wrapped import PREFIX

SCANNED, SAMPLED = 10_000, 200
"""Lines that are looked at for so many that ask for images."""
TEMPLATE = LogTemplate.of('$head [$time_local] "$request" $status $body_bytes_sent', open=True)
_ADDRESS = re.compile(r"\d+\.[\d.]+(?::\d+)?|[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*(?:%\w+)?", re.ASCII)


class Combined(Format):
    """Common and combined."""

    name = "combined"
    title = "access log, common or combined (nginx, Apache)"
    ending = True
    template: ClassVar[LogTemplate | None] = TEMPLATE
    blanks = 2

    verdict = None
    """The field before the time whose last word is a cache's verdict, as a sample of the log shows."""

    @classmethod
    def refined(cls, exchanges: Iterable[tuple[bytes, Exchange]], fits: Fits) -> type[Any]:
        """With what stands in and behind the lines that ask for images, or all where none does."""
        if cls.tail is not None:
            return cls
        reader = cls(ZoneInfo("UTC"))
        fitting, others = (list[tuple[dict[str, str], int | None]]() for _ in range(2))
        for line, exchange in itertools.islice(exchanges, SCANNED):
            fields = reader.fields(line)
            hosts = (exchange.host, *filter(is_host, values_of(fields["behind"]).values()))
            if any(fits(exchange.method, host, exchange.target) for host in hosts):
                fitting.append((fields, exchange.bytes))
                if len(fitting) == SAMPLED:
                    break
            elif exchange.method and len(others) < SAMPLED:
                others.append((fields, exchange.bytes))
        sample = fitting or others
        tail = tail_of(
            [(fields["behind"], size) for fields, size in sample],
            hosts=not any("host" in fields for fields, _ in sample),
        )
        # A log may write more behind its lines later on, which is then named as unread.
        found = type(cls.__name__, (cls,), {"tail": tail or Tail()})
        for name in ("ident", "remote_user"):
            if is_cache([fields[name].rpartition(" ")[2] for fields, _ in sample]):
                # The head of such a line is more than a client.
                return type(cls.__name__, (found,), {"verdict": name, "template": None})
        return found

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        fields = self.fields(data)
        behind = Behind() if self.tail is None else self.tail.read(fields["behind"])
        ts_us, assumed = clf_time(fields["time_local"], self.zone)
        method, target = split_request(fields["request"])
        before = None if self.verdict is None else text_of(fields[self.verdict].rpartition(" ")[2])
        taken = behind.assumed
        if "second" in fields:
            taken += (Assumption.HOST_SECOND,)
        if before is not None:
            taken += (Assumption.CACHE_BEFORE,)
        return Exchange(
            ts_us=start_of(ts_us, behind.duration_us) if self.ending else ts_us,
            method=method,
            target=target,
            host=text_of(fields.get("host")) or behind.host,
            status=number_of(fields["status"], "status"),
            bytes=number_of(fields["body_bytes_sent"], "bytes"),
            duration_us=behind.duration_us,
            cache=before or behind.cache,
            assumed_timezone=assumed,
            tries=behind.tries,
            assumed=taken,
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
        agent = AGENT.match(behind)
        if agent is not None:
            referer, user_agent = (value[1:-1] if value != "-" else value for value in agent.groups())
            fields |= {"http_referer": referer, "http_user_agent": user_agent}
        fields["behind"] = behind if agent is None else behind[agent.end() :]
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
    elif len(words) > 3 and words[2] == "-" and is_host(words[0]) and is_host(words[1]):
        # The client's name was looked up.
        host["host"] = words.pop(0)
    # A list of those that forwarded the request, bare or in quotes, ends at the first word without a comma.
    last = next((place for place, word in enumerate(words[:-1]) if not word.endswith(",")), len(words) - 1)
    rest = words[last + 1 :]
    if not host and rest and (is_host(rest[0]) or _ADDRESS.fullmatch(rest[0])):
        # lighttpd writes the virtual host where others write an identity, which is a name without a dot.
        host = {"host": rest[0], "second": rest[0]}
        rest[0] = "-"
    return {
        **host, "remote_addr": " ".join(words[: last + 1]).strip('"'), "ident": rest[0] if rest else "-",
        "remote_user": " ".join(rest[1:]) or "-",
    }  # fmt: skip


def _is_client(word: str) -> bool:
    """Whether a word is where a request came from: an address, one of a list of them, or this very machine."""
    word = word.strip('",')
    return word in ("localhost", "unix:") or _ADDRESS.fullmatch(word) is not None
