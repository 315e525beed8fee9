"""nginx: a cache in front of an endpoint of the user's own, whose key leaves out what never changes the image.

Names from logs become patterns of letters, digits and escaped bytes, so none of them can end a directive.
"""

import hashlib
import re
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from auditor.analysis.accounts import Unit
from auditor.model.findings import Snippet, SnippetKind
from auditor.model.settings import SourceTable

_PLAIN = re.compile(r"[A-Za-z0-9_-]")
_TEMPLATE = "(?P<template>"
_GROUP = re.compile(r"\(\?P?<[A-Za-z_]+>")
_MAP = """\
map {args} ${variable} {{
    "~^(.*&)?{name}=[^&]*&?(.*)$" "$1$2";
    default {args};
}}
"""
_CACHE = """\
# in http {{ … }}
proxy_cache_path /var/cache/nginx-{zone} keys_zone={zone}:10m inactive={seconds}s max_size=1g;
{maps}
# in server {{ … }}
location ~ {path} {{
    proxy_pass http://127.0.0.1:3000;  # what renders
    proxy_cache {zone};
    proxy_cache_key "$host {args} $uri";
    proxy_cache_valid 200 {seconds}s;
    proxy_cache_lock on;  # simultaneous requests wait for the first
    proxy_cache_lock_timeout 30s;
    proxy_ignore_headers Cache-Control Expires;
}}
"""


def cached(unit: Unit, source: SourceTable, seconds: int, left_out: Collection[str]) -> Snippet | None:
    """A cache for the images of a template of *source*, by address without some parameters.

    None where that cannot serve them: for requests with a body, and where only a parameter tells which template it is.
    """
    if source.path is None or "GET" not in source.methods or any(_TEMPLATE in each for each in source.query.values()):
        return None
    zone = _zone(unit.template)
    maps, args = [], "$args"
    for number, name in enumerate(sorted({*left_out, *source.ignore}), 1):
        variable = f"{zone}_args_{number}"
        maps.append(_MAP.format(args=args, variable=variable, name=_parameter(name)))
        args = f"${variable}"
    path = f"^(?:{_unnamed(_narrowed(source.path, unit.template))})$"
    text = _CACHE.format(zone=zone, maps="".join(maps), path=_quoted(path), args=args, seconds=seconds)
    return Snippet(SnippetKind.NGINX, text)


def _zone(template: str) -> str:
    """A name of letters, digits and underscores, another one for each template.

    It is short: nginx refuses variables whose names are longer than some 50 characters.
    """
    plain = re.sub(r"[^A-Za-z0-9]", "_", template)
    if re.fullmatch(r"[A-Za-z0-9-]{1,24}", template):
        return f"images_{plain}"
    return f"images_{plain[:16]}_{hashlib.sha256(template.encode(errors='replace')).hexdigest()[:8]}"


def _literal(data: bytes) -> str:
    """A pattern for some bytes."""
    return "".join(chr(byte) if _PLAIN.fullmatch(chr(byte)) else rf"\x{byte:02x}" for byte in data)


def _parameter(name: str) -> str:
    """A pattern for the name of a parameter as addresses spell it: as it is, or percent-encoded."""

    def spelled(byte: int) -> str:
        if _PLAIN.fullmatch(chr(byte)):
            return chr(byte)
        plus = r"|\+" if byte == ord(" ") else ""
        return rf"(?:\x{byte:02x}|(?i:%{byte:02x}){plus})"

    return "".join(map(spelled, name.encode(errors="backslashreplace")))


def _narrowed(path: str, template: str) -> str:
    """*path* for one template alone, where a group says which it is; nginx compares paths that it decoded."""
    start = path.find(_TEMPLATE)
    if start < 0:
        return path
    return f"{path[:start]}(?:{_literal(unquote_to_bytes(template))}){path[_end(path, start) :]}"


def _end(pattern: str, start: int) -> int:
    """The place behind the group that begins at *start*."""
    depth, at, in_class = 0, start, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            at += pattern[at + 1 : at + 3].startswith("]") + 2 * pattern[at + 1 : at + 3].startswith("^]")
        else:
            depth += (char == "(") - (char == ")")
            if depth == 0:
                return at + 1
        at += 1
    return len(pattern)


def _unnamed(pattern: str) -> str:
    """Without names of groups, which nginx would make variables of."""
    return _GROUP.sub("(?:", pattern)


def _quoted(text: str) -> str:
    """A word of nginx's configuration."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'
