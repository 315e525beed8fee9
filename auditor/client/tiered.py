"""Two levels: what this process has at hand, and what it shares with others."""

from dataclasses import dataclass

from auditor.caches import Cache
from auditor.caches.memory import Memory


@dataclass(frozen=True, slots=True)
class Tiered:
    """Memory in front of a shared store; a picture found in the store is kept in memory too."""

    near: Memory
    far: Cache
