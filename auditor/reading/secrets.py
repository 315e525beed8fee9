"""Secrets in raw lines: found by name or by shape, masked before anything else sees them."""

import re
from collections.abc import Iterator

from auditor.exchanges.masks import is_masked

_WORDS = rb"api[_-]?key|apikey|access[_-]?key|secret|token|password|passwd|authorization|signature"
_NAME = rb"(?:[a-z0-9_.-]{0,40}[_.-])?(?:" + _WORDS + rb")"
_FIELD = re.compile(rb'(?i)"(' + _NAME + rb')"\s*:\s*"([^"\\]{4,})"')
_PARAMETER = re.compile(rb"(?i)(?:[?&;\s]|%26|%3f|^)(" + _NAME + rb")(?:=|%3d)([^&\s\"'<>\\;]{4,})")
# Words like "basic" stand in ordinary names: `bearer` counts with a digit behind it, `basic` after `authorization`.
_BEARER = re.compile(rb"(?i)\b(bearer)\s+((?=[^\s\"]*\d)[a-z0-9._~+/=-]{8,})")
_BASIC = re.compile(rb"(?i)authorization\W{1,6}(basic)\s+([a-z0-9+/=]{8,})")
_USERINFO = re.compile(rb"(?i)://([^\s/@:\"]{1,64}):([^\s/@\"]{3,})@")
HINT = r"key|secret|token|passw|authorization|signature|bearer|basic|://[^\s/\"]*@"
"""What every line with a secret holds, in any case: a pattern for the first look."""
_HINTS = (b"key", b"secret", b"token", b"passw", b"authorization", b"signature", b"bearer", b"basic")
_PLAIN_KEY = b'"key":'
# What the client writes for an input called `token`: a keyed digest, which tells nothing.
_DIGEST = re.compile(rb"[0-9a-f]{16}")
_NO_SECRET = frozenset({b"null", b"none", b"true", b"false", b"undefined"})
_SCHEME = re.compile(rb"(?i)(?:basic|bearer|token)\s+")


def find(line: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, value) of each secret in a line."""
    # Every event has the field "key", a fingerprint; without it most lines hold no hint and are done at once.
    # Plain searches of the folded line: an alternation that ignores case costs twenty times as much.
    folded = line.lower().replace(_PLAIN_KEY, b"", 1)
    if not any(hint in folded for hint in _HINTS) and not (b"://" in folded and b"@" in folded):
        return
    found = [match.groups() for match in _FIELD.finditer(line) if not _DIGEST.fullmatch(match[2])]
    found += (match.groups() for pattern in (_PARAMETER, _BEARER, _BASIC) for match in pattern.finditer(line))
    for name, value in found:
        if _is_there(value):
            yield name.decode(errors="replace").lower(), value
    for match in _USERINFO.finditer(line):
        if _is_there(match[2]):
            yield "password in a URL", match[2]


def _is_there(value: bytes) -> bool:
    """Whether a value was logged, and not a mask in its place."""
    if scheme := _SCHEME.match(value):
        value = value[scheme.end() :]
    return value.lower() not in _NO_SECRET and not is_masked(value.decode(errors="replace"))


def mask(value: bytes) -> str:
    """Two characters at most, and the length: enough to recognize one's own key, too little to use it."""
    shown = value[:2].decode("ascii", errors="replace") if len(value) >= 12 else ""
    return f"{shown}**** ({len(value)} characters)"


def redact(data: bytes) -> bytes:
    """A line with every secret masked and every input value gone, for excerpts."""
    for _, value in list(find(data)):
        data = data.replace(value, b"****")
    return _INPUTS.sub(rb"\1{...}", data)


_INPUTS = re.compile(rb'(?i)("(?:inputs|overrides|body)"\s*:\s*)\{[^{}]*\}?')
