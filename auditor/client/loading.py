"""What a first call needs, loaded and built when a renderer is made.

A first call that loads modules makes others wait, long enough for a shared cache to seem dead, so that what it holds is
paid for again; and a fork in the middle of it leaves the child with half a module.
"""

import os
import ssl
from contextlib import suppress
from functools import cache
from importlib import import_module

import httpx

from auditor.model.errors import ConfigError
from auditor.model.fingerprint import canonical
from auditor.model.provider import size_of

_MODULES = (
    "encodings.idna", "httpcore", "h11", "sniffio", "anyio", "anyio.streams.tls", "anyio._backends._asyncio",
    "httpcore._backends.auto", "httpcore._backends.anyio", "httpcore._async.http11", "concurrent.futures.thread",
)  # fmt: skip
"""Of httpx and what it stands on, which load them at the first connection; another version may have others."""


@cache
def _trust(*_: object) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError:  # (ssl.SSLError is one too)
        raise ConfigError("SSL_CERT_FILE or SSL_CERT_DIR names no certificates; correct it, or unset it") from None


def trust() -> ssl.SSLContext:
    """The TLS context of httpx, which takes long to make and is the same for all renderers of a process."""
    # One a process: OpenSSL's locks of the parent may never be released. The variables, httpx reads itself.
    return _trust(os.getpid(), os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


def load() -> None:
    """Load all of it; quick from the second time on."""
    for name in _MODULES:
        with suppress(ImportError):
            import_module(name)
    canonical({"\ue000": 1.0, "\U0001f600": None})  # by way of rfc8785 and its codec
    size_of(b"")
