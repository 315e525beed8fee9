"""Demo traffic: visitors of the shop, its staging and its campaigns, each by our client against the sandbox."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Any, Literal

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from auditor import Renderer
from auditor.model.errors import RenderError
from auditor.sandbox.billing import DEFAULT_KEY
from scripts.live.shop import CAMPAIGNS, ENVIRONMENTS, SHOP, TEMPLATES

_FORMATS: tuple[Literal["png", "webp"], ...] = ("png", "webp")
_GONE = "redis://127.0.0.1:1/0"
"""Nothing listens there: the cache of staging is down, and dashboards show that."""
_CROWD = 6
"""Visitors who want the same image at the same time."""


class Traffic:
    """A process that renders, with metrics at *address*; *api* is the sandbox's base URL, *usage* the spool."""

    def __init__(self, api: str, usage: Path) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        common: dict[str, Any] = {"api_key": DEFAULT_KEY, "base_url": api, "events": usage, "registry": registry}
        production, staging = ENVIRONMENTS
        self._stack = ExitStack()
        self._shop, self._staging, self._campaigns = (
            self._stack.enter_context(Renderer(account=account, environment=environment, cache=cache, **common))
            for account, environment, cache in (
                (SHOP, production, "memory://"), (SHOP, staging, _GONE), (CAMPAIGNS, production, None),
            )
        )  # fmt: skip
        server, thread = start_http_server(0, "127.0.0.1", registry)
        self.address = f"127.0.0.1:{server.server_port}"
        self._stack.callback(thread.join)
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)
        self._chance, self._numbers = random.Random(9), count()  # noqa: S311 (no secret)
        self._crowd = self._stack.enter_context(ThreadPoolExecutor(_CROWD))

    def __enter__(self) -> "Traffic":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def visit(self) -> None:
        """One request, most often for an image that was asked for before; now and then a crowd wants the same one."""
        renderer = self._chance.choices((self._shop, self._staging, self._campaigns), (12, 2, 1))[0]
        templates = TEMPLATES[CAMPAIGNS if renderer is self._campaigns else SHOP]
        template, variant = self._chance.choice(templates), min(int(self._chance.paretovariate(0.9)), 400)
        self._render(renderer, template, {"title.text": f"variant {variant}"})
        if self._chance.random() < 0.05:
            self.crowd()

    def crowd(self) -> None:
        """Several visitors want the same new image at once: one credit."""
        wanted = {"title.text": f"new {next(self._numbers)}"}
        for done in [self._crowd.submit(self._render, self._shop, "og-card", wanted) for _ in range(_CROWD)]:
            done.result()

    def spend(self, credits: int) -> None:
        """So many *credits* of the shop, for images that were not asked for before."""
        for _ in range(credits):
            self._render(self._shop, "product-card", {"title.text": f"new {next(self._numbers)}"})

    def until(self, stopping: threading.Event, a_second: float) -> None:
        """Visits at that rate."""
        while not stopping.wait(self._chance.expovariate(a_second)):
            self.visit()

    def _render(self, renderer: Renderer[Literal["imejis"]], template: str, inputs: dict[str, Any]) -> None:
        """Staging asks for two formats."""
        picture_format = self._chance.choice(_FORMATS) if renderer is self._staging else _FORMATS[0]
        with suppress(RenderError):  # the client counts it, and it is shown as every other outcome is
            renderer.render(template, inputs, format=picture_format)
