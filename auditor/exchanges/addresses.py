"""Addresses of requests, taken apart."""

from collections.abc import Iterable
from urllib.parse import unquote_plus

from auditor.model.hosts import host_of


def split(host: str | None, target: str) -> tuple[str | None, str, str]:
    """(host as `host_of` has it, path, query) of a request; a whole address brings its own host."""
    path, _, query = target.partition("?")
    scheme, separator, rest = path.partition("://")
    if separator and not path.startswith("/") and scheme.isalnum():
        host, slash, path = rest.partition("/")
        path = slash + path
    query = query.partition("#")[0]
    return host_of(host or "") or None, path or "/", query


def parameters(query: str) -> list[tuple[str, str]]:
    """(name, value) of each parameter, unquoted, in order."""
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_unquoted(name), _unquoted(value)))
    return pairs


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The values of each name, in order."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _unquoted(text: str) -> str:
    return unquote_plus(text, errors="backslashreplace") if "%" in text or "+" in text else text
