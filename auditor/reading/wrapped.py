"""What collectors put around a line: a prefix before it, or an object of JSON. What counts is the line inside.

Docker's json-file driver, Filebeat, Fluent Bit, Vector, journald, Loki and Google's logging write an object for each
line; docker compose, kubectl, Kubernetes and syslog write a prefix. No format knows of wraps: what is wrapped is taken
out before a format sees it, line by line, so that numbers stay those of the file.
"""

import re
from typing import Any

from auditor.reading.names import json_in

_STAMP = rb"\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:?\d\d)"
_NAME = rb"(?:(?:\x1b\[[\d;]*m)*[\w.-]{1,100}\s*\|(?:\x1b\[[\d;]*m)*\s+|\[pod/[^\]\s]{1,300}\] )"
"""Of docker compose and kubectl."""
_OTHERS = (
    rb"(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|" + _STAMP + rb")"  # syslog, journald
    rb" \S{1,255} [^\s:\[]{1,64}(?:\[\d+\])?: "
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
"""Bytes after which Docker and Kubernetes split a line."""
_CRI_PART = re.compile(rb"\S{20,40} (?:stdout|stderr) P ")


def unwrapped(line: bytes, depth: int = 1) -> bytes:
    """The line inside a line, or the line itself where nothing is around it; *depth* wraps are taken off at most.

    A text of several lines, or a part of a line, is no line: it stays as it is, and the format says what it makes of
    it.
    """
    for _ in range(depth):
        inner = _inner(line)
        if inner is None:
            break
        line = inner
    return line


def is_part(line: bytes) -> bool:
    """Whether a line holds a part of one that was too long for the container runtime."""
    if _CRI_PART.match(line):
        return True
    return len(line) >= _DOCKER_SPLITS and _is_docker_part(_object(line).get("log"))


def _inner(line: bytes) -> bytes | None:
    if line[:1] != b"{":
        prefix = None if is_part(line) else _ONE.match(line)
        return line[prefix.end() :] if prefix else None
    record = _object(line)
    text = next((record[key] for key in _KEYS if record.get(key)), None)
    if _is_docker_part(record.get("log")):
        return None
    inner = text.encode() if isinstance(text, str) else _bytes(text)
    return None if b"\n" in inner[:-1] else inner.removesuffix(b"\n") or None


def _object(line: bytes) -> dict[str, Any]:
    value = json_in(line)
    return value if isinstance(value, dict) else {}


def _is_docker_part(text: object) -> bool:
    return isinstance(text, str) and not text.endswith("\n") and len(text.encode()) >= _DOCKER_SPLITS - 3


def _bytes(values: object) -> bytes:
    """Of journald's spelling of text that is no UTF-8."""
    try:
        return bytes(values) if isinstance(values, list) else b""
    except (ValueError, TypeError):
        return b""
