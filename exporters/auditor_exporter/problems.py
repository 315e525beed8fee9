"""Errors that programs read (RFC 9457); they repeat nothing of a request."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from auditor.feed.wire import PROBLEM


class ProblemError(Exception):
    """A request that is refused. *more* is what the answer has besides, *after* the seconds to wait before another."""

    def __init__(self, status: int, detail: str, *, after: int | None = None, more: Mapping[str, Any] | None = None):
        super().__init__(detail)
        self.status, self.detail, self.after, self.more = status, detail, after, more or {}

    def answer(self, headers: Mapping[str, str] | None = None) -> web.Response:
        """As `application/problem+json`."""
        title = HTTPStatus(self.status).phrase
        said = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.more}
        retry = {} if self.after is None else {"Retry-After": str(self.after)}
        return web.Response(
            status=self.status, body=json.dumps(said).encode() + b"\n",
            headers={"Content-Type": PROBLEM, **retry, **(headers or {})},
        )  # fmt: skip
