"""An answer that is sent drop by drop, so that its client goes on waiting whatever its timeout for a read is."""

import asyncio
from http import HTTPStatus

from aiohttp import web


class Dripping:
    """One answer with *status* on a *transport*, and the end of that connection."""

    def __init__(self, transport: asyncio.Transport, status: int) -> None:
        self._transport = transport
        self._next = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nX-Wait: ".encode()

    def drop(self) -> None:
        """Send a little."""
        if not self._transport.is_closing():
            self._transport.write(self._next + b".")
            self._next = b""

    def end(self, answer: web.StreamResponse, *, head: bool) -> None:
        """Send what *answer* has besides the status, of a *head* no body, and hang up."""
        body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
        headers = {**answer.headers, "Content-Length": str(len(body)), "Connection": "close"}
        lines = "".join(f"\r\n{name}: {value}" for name, value in headers.items())
        if not self._transport.is_closing():
            self._transport.write(lines.encode() + b"\r\n\r\n" + (b"" if head else body))
            self._transport.close()
