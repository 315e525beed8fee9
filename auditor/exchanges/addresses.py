"""Addresses of requests: taken apart, and shown to people."""

from urllib.parse import unquote_plus

from auditor.exchanges.exchange import Exchange

SHOWN = 100


def shown(exchange: Exchange) -> str:
    """A request for people: its path and the names of its parameters, whose values are nobody's business."""
    _, path, query = split(exchange.host, exchange.target)
    names = "&".join(f"{name}=…" for name in dict.fromkeys(name for name, _ in parameters(query)))
    text = f"{path}?{names}" if names else path
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def split(host: str | None, target: str) -> tuple[str | None, str, str]:
    """(host in lower case without its port, path, query) of a request; a whole address brings its own host."""
    path, _, query = target.partition("?")
    scheme, separator, rest = path.partition("://")
    if separator and not path.startswith("/") and scheme.isalnum():
        authority, slash, path = rest.partition("/")
        host, path = authority.rpartition("@")[2], slash + path
    query = query.partition("#")[0]
    if host is not None:
        bare, colon, port = host.lower().rpartition(":")
        host = bare if colon and port.isdigit() else host.lower()
        host = host.rstrip(".") or None
    return host, path or "/", query


def parameters(query: str) -> list[tuple[str, str]]:
    """(name, value) of each parameter, unquoted, in order."""
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_unquoted(name), _unquoted(value)))
    return pairs


def _unquoted(text: str) -> str:
    return unquote_plus(text, errors="backslashreplace") if "%" in text or "+" in text else text
