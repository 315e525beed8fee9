"""What a first call needs, loaded and built when a renderer is made.

A first call that loads modules makes others wait, long enough for a shared cache to seem dead, so that what it holds is
paid for again; and a fork in the middle of it leaves the child with half a module.
"""

import os
import ssl
import threading
from importlib import import_module

import httpx

from auditor.client.forks import renew_in_children
from auditor.model.errors import ConfigError
from auditor.model.fingerprint import canonical
from auditor.model.provider import size_of

_MODULES = (
    "encodings.idna", "httpcore", "h11", "sniffio", "anyio", "anyio.streams.tls", "anyio._backends._asyncio",
    "httpcore._backends.auto", "httpcore._backends.anyio", "httpcore._async.http11", "concurrent.futures.thread",
)  # fmt: skip
"""Of httpx and what it stands on, which load them at the first connection; another version may have others."""


class _Trust:
    """The TLS context, which takes long to make and is the same for all renderers of a process."""

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """OpenSSL's locks of the parent may never be released."""
        self._lock = threading.Lock()
        self._contexts: dict[tuple[str | None, ...], ssl.SSLContext] = {}

    def context(self) -> ssl.SSLContext:
        """That of httpx, by the environment."""
        files = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        with self._lock:
            if files not in self._contexts:
                try:
                    self._contexts[files] = httpx.create_ssl_context()
                except OSError:  # (ssl.SSLError is one too)
                    raise ConfigError(
                        "SSL_CERT_FILE or SSL_CERT_DIR names no certificates; correct it, or unset it"
                    ) from None
            return self._contexts[files]


TRUST = _Trust()
renew_in_children(TRUST)


def load() -> None:
    """Load all of it; quick from the second time on."""
    for name in _MODULES:
        try:
            import_module(name)
        except ImportError:
            continue
    canonical({"\ue000": 1.0, "\U0001f600": None})  # by way of rfc8785 and its codec
    size_of(b"")
