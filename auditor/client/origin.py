"""Whose call it is that leaves through connections which several clients may share."""

import sys
from typing import Any

_SENDS = {
    "httpx._client": "_send_single_request", "httpx2._client": "_send_single_request", "requests.sessions": "send",
}  # fmt: skip
"""By module: the function of a client in which its transport, or adapter, is called."""


def sender() -> Any:
    """The client that is sending in this thread; None in a thread that a layer below it started."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == _SENDS.get(frame.f_globals.get("__name__", "")):
            return frame.f_locals.get("self")
        frame = frame.f_back  # type: ignore[assignment]
    return None
