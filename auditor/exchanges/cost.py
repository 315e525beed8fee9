"""What a call cost: by the headers of its answer, where a log has them, else by what it asked for."""

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.cache_field import bare
from auditor.exchanges.exchange import Exchange
from auditor.exchanges.mapped import Mapped
from auditor.exchanges.outcome import Fate
from auditor.model.events import Outcome
from auditor.registry import PROVIDERS


@lru_cache(4096)
def cost_header(name: str) -> str | None:
    """The header that a field holds: `x-renders-consumed` of `$sent_http_x_renders_consumed`; None for another's."""
    headers = (provider.consumed for provider in PROVIDERS.values() if provider.consumed)
    return next((header for header in headers if bare(name).endswith(bare(header))), None)


def cost_headers(fields: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """The headers, of those in some fields, that say what a call cost."""
    return {header: value_of(held) for name, held in fields if (header := cost_header(name)) is not None}


def value_of(held: Any) -> str:
    """What a field of a header holds: text, a number, or a list of one."""
    return str(held[0] if isinstance(held, list) and held else held).strip()


def cost(mapped: Mapped, became: Fate, exchange: Exchange) -> tuple[Decimal | None, tuple[Assumption, ...]]:
    """Credits of a call, None where they are unknown, and what was assumed for them.

    What a cache answers costs nothing, whatever the headers say that it kept.
    """
    rendered, provider = became.outcome is Outcome.RENDER, PROVIDERS.get(mapped.provider)
    expected = mapped.credits if rendered else became.credits
    if provider is None or became.outcome not in (Outcome.RENDER, Outcome.ERROR):
        return expected, ()
    said = provider.cost(None, exchange.headers)
    if said is not None:
        return said, ()
    return expected, (Assumption.FREE_REPEATS,) if rendered and mapped.deduplicated else ()


@lru_cache(maxsize=1024)
def used_up(provider: str) -> frozenset[int]:
    """The statuses by which a provider says that the plan's credits are used up."""
    return PROVIDERS[provider].quota.statuses if provider in PROVIDERS else frozenset()
