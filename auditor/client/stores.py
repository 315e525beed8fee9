"""The levels of a cache that a `cache=` argument stands for."""

import os
import re
from dataclasses import dataclass
from typing import Any

from auditor.caches import Cache
from auditor.caches.files import BUCKETS
from auditor.caches.memory import Memory
from auditor.client.clock import Clock
from auditor.model.errors import ConfigError
from auditor.registry import CACHES

_SCHEMES = {"memory": "memory", "redis": "redis", "rediss": "redis", "unix": "redis", "file": "files"} | dict.fromkeys(
    BUCKETS, "files"
)
_KNOWN = "memory://, redis://host:6379/0, rediss://, unix://, file:///folder, s3://bucket, gs://, az://, or a folder"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://(?P<rest>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Tiered:
    """Memory in front of a shared store; a picture found in the store is kept in memory too."""

    near: Memory
    far: Cache


def stores_of(
    cache: Cache | Tiered | str | os.PathLike[str] | None, clock: Clock
) -> tuple[Memory | None, Cache | None]:
    """(what this process has at hand, what it shares with others); a shared store by URL has memory in front.

    `ConfigError` for an address that no store has.
    """
    if isinstance(cache, str | os.PathLike):
        kind, address = _store_of(os.fspath(cache))
        store: Any = CACHES[kind].from_url(address, clock.now)
        cache = store if isinstance(store, Memory) else Tiered(Memory(clock=clock.now), store)
    near, far = (cache.near, cache.far) if isinstance(cache, Tiered) else (None, cache)
    if isinstance(far, Memory) and near is None:
        near, far = far, None
    for store, needs in ((near, Memory), (far, None)):
        if store is not None and not (isinstance(store, needs) if needs else hasattr(store, "get")):
            raise ConfigError(f"cache= is no store but {type(store).__name__}; give one of {_KNOWN}, or a store object")
    return near, far


def _store_of(address: str) -> tuple[str, str]:
    """(the store's name, the address with its scheme in lower case)."""
    found = _SCHEME.match(address)
    if found is None:
        if not address.strip() or address.lower() in {*_SCHEMES, *CACHES, "none", "null"}:
            raise ConfigError(f"cache={address!r} names no place: write {_KNOWN}; None is for no cache")
        return "files", address
    scheme, rest = found[1], found["rest"]
    kind = _SCHEMES.get(scheme.lower())
    if kind is None:
        raise ConfigError(f"cache= has the unknown scheme {scheme!r}; write {_KNOWN}")
    if rest is None or (scheme.lower() == "file" and not rest.startswith("/")):
        raise ConfigError(f"cache= has to go on with {'/' if rest is not None else '//'} after the scheme {scheme!r}; "
                          f"write {_KNOWN}")  # fmt: skip
    return kind, scheme.lower() + address[len(scheme) :]
