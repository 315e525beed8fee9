"""What collectors put around a line: a prefix before it, or an object of JSON. What counts is the line inside.

Docker's json-file driver, Filebeat, Fluent Bit, Vector, journald, Loki and Google's logging write an object for each
line; docker compose, kubectl, Kubernetes and syslog write a prefix. No format knows of wraps: what is wrapped is taken
out before a format sees it, line by line, so that numbers stay those of the file.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any, NamedTuple

from auditor.model.events import is_like_event
from auditor.reading.names import json_in

_STAMP = rb"\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:?\d\d)"
_NAME = rb"(?:(?:\x1b\[[\d;]*m)*[\w.-]{1,100}\s*\|(?:\x1b\[[\d;]*m)*\s+|\[pod/[^\]\s]{1,300}\] )"
"""Of docker compose and kubectl."""
_OTHERS = (
    rb"(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|" + _STAMP + rb")"  # syslog, journald
    rb" \S{1,255} (?:[^\s:\[{]{1,64}(?:\[\d+\])?: |(?:[^\s:\[{]{1,64}(?:\[\d+\])?)?:? ?(?=\{))"  # the tag may be none
    rb"|<\d{1,3}>1 \S{1,40} \S{1,255} \S{1,48} \S{1,128} \S{1,32}"  # RFC 5424
    rb" (?:-|(?:\[[^\]]{1,1000}\]){1,8}) (?:\xef\xbb\xbf)?"
    rb"|" + _STAMP + rb" (?:stdout|stderr) [FP] "  # Kubernetes
)
# Timestamps alone are those of docker and kubectl; a classic balancer's line begins with one of its own.
PREFIX = re.compile(rb"%b(?:%b )?|%b|%b (?=[{\[]|(?:\S++ ){1,8}\[\d)" % (_NAME, _STAMP, _OTHERS, _STAMP))
"""What collectors put before a line."""
_ONE = re.compile(rb"%b|%b|%b " % (_NAME, _OTHERS, _STAMP))
"""The same, piece by piece: whether a time is the line's own shows in what can be read without it."""
_KEYS = ("log", "message", "MESSAGE", "textPayload", "line")
DEEP = 3
"""Wraps around each other that are looked for: an agent may read what a container runtime wrote of a syslog line."""
_DOCKER_SPLITS = 16 << 10
"""Bytes after which Docker splits a line."""
_CRI_PART = re.compile(rb"%b (stdout|stderr) ([FP]) " % _STAMP)
_FLAGS = (
    ("CONTAINER_PARTIAL_MESSAGE", "CONTAINER_PARTIAL_LAST"), ("partial_message", "partial_last"), ("logtag", "logtag"),
)  # fmt: skip
"""Fields by which Docker's drivers, and collectors of Kubernetes' logs, mark a part, and the last one."""
_WRITERS = ("stream", "source", "container_id", "CONTAINER_ID", "partial_id", "CONTAINER_PARTIAL_ID")


class Inside(NamedTuple):
    """What stands inside a line."""

    text: bytes | None
    """None where nothing is around the line, or what is inside has several lines: the line stays as it is."""
    goes_on: bool = False
    """Whether it is a part of a line that a container runtime split, and not the last one."""
    writer: str = ""
    """What the parts of one line have in common."""


def bare(line: bytes) -> bytes:
    """A line of JSON without a byte order mark and what a collector put before it."""
    line = line.removeprefix(BOM_UTF8)
    prefix = None if line[:1] == b"{" else PREFIX.match(line)
    return line[prefix.end() :] if prefix else line


def inside(line: bytes) -> Inside:
    """What stands inside a line."""
    if line[:1] != b"{":
        if (part := _CRI_PART.match(line)) is not None:
            return Inside(line[part.end() :], part[2] == b"P", part[1].decode())
        prefix = _ONE.match(line)
        return Inside(line[prefix.end() :] if prefix else None)
    value = json_in(line)
    record: dict[str, Any] = value if isinstance(value, dict) else {}
    texts = [record[key] for key in _KEYS if record.get(key) is not None]
    text = next(filter(None, texts), texts[0] if texts else None)
    inner = text.encode() if isinstance(text, str) else _bytes(text)
    # A usage event wraps nothing, even with a field of its caller's that is called so.
    if b"\n" in inner[:-1] or (is_like_event(record) and inner[:1] != b"{"):
        return Inside(None)
    # The last part of a line that was split at its very end is empty.
    bare = inner.removesuffix(b"\n") if inner or text == "" else None
    return Inside(bare, _goes_on(record, inner), str([*map(record.get, _WRITERS)]))


def _goes_on(record: Mapping[str, Any], text: bytes) -> bool:
    """Docker's drivers for journald and Fluentd say so; json-file leaves out the end of the line."""
    for flag, last in _FLAGS:
        if str(record.get(flag)).lower() in ("true", "p"):
            return str(record.get(last)).lower() != "true"
    of_docker = isinstance(record.get("log"), str) and "stream" in record  # (Fluent Bit writes no end of a line either)
    return of_docker and text[-1:] != b"\n" and len(text) >= _DOCKER_SPLITS - 3


def _bytes(values: object) -> bytes:
    """Of journald's spelling of text that is not UTF-8."""
    try:
        return bytes(values) if isinstance(values, list) else b""
    except (ValueError, TypeError):
        return b""
