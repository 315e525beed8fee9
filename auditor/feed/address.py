"""Where usage is sent: the exporter's base address and who sends, which no message shows."""

import os
from dataclasses import dataclass, field
from urllib.parse import unquote

import httpx

from auditor.model.errors import ConfigError
from auditor.system.network import is_loopback

TOKEN = "AUDITOR_FORWARD_TOKEN"  # noqa: S105
"""The environment variable that holds a bearer token."""


@dataclass(frozen=True, slots=True)
class Address:
    """An exporter. *shown* is what messages call it."""

    base: httpx.URL
    shown: str
    auth: tuple[str, str] | None = field(default=None, repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, text: str, name: str, token: str | None = None) -> "Address":
        """From an address that may have USER:PASSWORD@, and the token of the environment if it has none.

        `ConfigError` names the option *name*, and nothing of the address. Plain http is for this machine alone.
        """
        try:
            url = httpx.URL(text)
            auth = (unquote(url.username), unquote(url.password)) if url.userinfo else None
        except (httpx.InvalidURL, ValueError):
            raise ConfigError(f"{name}: the address cannot be parsed; write https://HOST:PORT") from None
        if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
            raise ConfigError(f"{name}: write the exporter's address, https://HOST:PORT, with a path at most")
        token = os.environ.get(TOKEN, "") if token is None else token
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError(f"{TOKEN} holds no bearer token; set one of the exporter's --web.ingest-tokens")
        base = url.copy_with(userinfo=b"", path=url.path.rstrip("/"))
        if url.scheme == "http" and (auth or token) and not is_loopback(url.host):
            raise ConfigError(f"{name}: a password or token would cross the network in the clear; write https://")
        return cls(base, str(base), auth, "" if auth else token)
