"""How much memory reading one input may take. What a file may become is bounded where it is read; this bounds the rest.

A few hundred bytes can ask a library for gigabytes at once (a Parquet page, say). Under the cap that fails at once, as
`MemoryError`, and the machine stays usable. Only Linux can be told so; elsewhere the readers' own bounds hold.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DEFAULT = 1 << 30
LEAST = 256 << 20
"""Bytes; below this not even ordinary logs can be read."""


@contextmanager
def capped(most: int) -> Iterator[None]:
    """Let this process have *most* bytes of memory in all, its libraries with it, and no more."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    pages = Path("/proc/self/statm").read_bytes().split()
    resident, mapped = (int(pages[place]) * os.sysconf("SC_PAGE_SIZE") for place in (1, 5))
    limit = mapped + max(most - resident, LEAST // 2)  # the limit counts also what was asked for and never touched
    with suppress(ValueError, OSError):  # a tighter limit of the user's own holds
        resource.setrlimit(resource.RLIMIT_DATA, (limit if before < 0 else min(limit, before), hard))
    try:
        yield
    finally:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (before, hard))
