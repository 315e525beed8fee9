"""Batch: render ahead of time what is not in the cache yet, and say of every item what became of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from auditor.model.errors import (
    AuthenticationError,
    ConfigError,
    NoPlanError,
    QuotaExceededError,
    RefusedError,
    RenderError,
)
from auditor.model.events import Outcome

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

STOPPING = (RefusedError, NoPlanError, QuotaExceededError, AuthenticationError, ConfigError)
"""Failures that the next item would meet as well."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image to have ready."""

    template: str
    overrides: Mapping[str, Any] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    template_version: str | None = None
    placement: str | None = None
    ttl: float | None = None


@dataclass(slots=True)
class BatchReport:
    """Counts, and the failures by their place in the batch, from 0."""

    rendered: int = 0
    present: int = 0
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    """(place, template, reason)."""
    stopped: str | None = None
    """Why the rest was not tried."""

    @property
    def done(self) -> int:
        """Items of which it is known what became of them."""
        return self.rendered + self.present + len(self.failed)


async def prerender(
    items: Iterable[Item],
    have: "Callable[[Item, AsyncLimiter], Awaitable[Outcome]]",
    per_second: float,
    concurrency: int,
    progress: Callable[[BatchReport], None] | None,
) -> BatchReport:
    """Have each of *items*, so many at a time; *items* may be a generator and is read as it goes."""
    from aiolimiter import AsyncLimiter  # here: those who list items need it not

    pace = AsyncLimiter(1, 1 / per_second)
    report, remaining = BatchReport(), enumerate(items)

    async def worker() -> None:
        for place, item in remaining:
            if report.stopped is not None:
                return
            try:
                outcome = await have(item, pace)
            except RenderError as error:
                report.failed.append((place, item.template, str(error)))
                if isinstance(error, STOPPING) and report.stopped is None:
                    report.stopped = str(error)
            else:
                if outcome is Outcome.RENDER:
                    report.rendered += 1
                else:
                    report.present += 1
            if progress is not None:
                progress(report)

    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, concurrency)):
            group.create_task(worker())
    report.failed.sort()
    return report
