"""One call of the render API: what it asks for, and how it is refused."""

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

KEY = "dma-api-key"
"""Of the header, and of the query of a GET."""
_OPTIONS = ("format", "quality", "delivery", "expiresIn")


class RefusalError(Exception):
    """A call that the API does not accept; nothing is billed."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None, **document: Any) -> None:
        super().__init__(status)
        self.response = web.json_response({"success": False, **document}, status=status, headers=headers)


def options_of(query: Mapping[str, str]) -> dict[str, Any]:
    """The output options among the parameters; numbers as numbers."""
    found: dict[str, Any] = {name: query[name] for name in _OPTIONS if name in query}
    numbers = (name for name in ("quality", "expiresIn") if re.fullmatch("[0-9]+", found.get(name, "")))
    return found | {name: int(found[name]) for name in numbers}


async def overrides_of(request: web.Request) -> Mapping[str, Any]:
    """The overrides of a POST or a GET; `ValueError` if the body is no JSON object."""
    if request.method == "GET":
        return {name: value for name, value in request.query.items() if name not in (KEY, *_OPTIONS)}
    if not request.can_read_body:
        return {}
    found = await request.json()
    if not isinstance(found, dict):
        raise ValueError("the body has to be a JSON object of overrides")
    return found
