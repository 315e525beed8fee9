"""One call of the render API: what it asks for, and how it is refused."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

KEY = "dma-api-key"
"""Of the header, and of the query of a GET."""


class RefusalError(Exception):
    """A call that the API does not accept; nothing is billed."""

    def __init__(self, status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.response = web.json_response(document, status=status, headers=headers)


def options_of(query: Mapping[str, str]) -> dict[str, Any]:
    """The output options among the parameters; numbers as numbers."""
    found: dict[str, Any] = {}
    for name in ("format", "quality", "delivery", "expiresIn"):
        if name in query:
            text = query[name]
            found[name] = int(text) if name in ("quality", "expiresIn") and text.isascii() and text.isdigit() else text
    return found


async def overrides_of(request: web.Request) -> Mapping[str, Any]:
    """The overrides of a POST or a GET; `ValueError` if the body is no JSON object."""
    if request.method == "GET":
        known = {KEY, "format", "quality", "delivery", "expiresIn"}
        return {name: value for name, value in request.query.items() if name not in known}
    if not request.can_read_body:
        return {}
    found = await request.json()
    if not isinstance(found, dict):
        raise ValueError("the body has to be a JSON object of overrides")
    return found
