"""The levels of a cache that a `cache=` argument stands for."""

from auditor.caches.base import Cache
from auditor.caches.memory import Memory
from auditor.caches.tiered import Tiered
from auditor.client.clock import Clock
from auditor.registry import CACHES

_SCHEMES = {"memory": "memory", "redis": "redis", "rediss": "redis", "unix": "redis"}
"""Everything else, and a plain path, is for the object store."""


def levels(cache: Cache | Tiered | str | None, clock: Clock) -> tuple[Memory | None, Cache | None]:
    """(what this process has at hand, what it shares with others); a shared store by URL has memory in front."""
    if isinstance(cache, str):
        scheme, found, _ = cache.partition("://")
        store = CACHES[_SCHEMES.get(scheme, "files") if found else "files"].from_url(cache, clock.now)
        cache = store if isinstance(store, Memory) else Tiered(Memory(clock=clock.now), store)
    if isinstance(cache, Tiered):
        return cache.near, cache.far
    return (cache, None) if isinstance(cache, Memory) or cache is None else (None, cache)
