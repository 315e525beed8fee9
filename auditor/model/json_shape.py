"""JsonShape: where the objects of a JSON log hold what; formats of ours declare it, and `[formats.NAME]` does."""

from dataclasses import dataclass

Paths = tuple[str, ...]
"""Paths of keys, with dots between them (`res.statusCode`): the first at which something stands counts."""


@dataclass(frozen=True, slots=True)
class JsonShape:
    """A request is what has an address and a status; it needs a time, too."""

    time: Paths
    status: Paths
    url: Paths = ()
    """A whole address, or path and query; where nothing stands there, `path` and `query` count."""
    host: Paths = ()
    path: Paths = ()
    query: Paths = ()
    method: Paths = ()
    bytes: Paths = ()
    duration: Paths = ()
    cache: Paths = ()
    media_type: Paths = ()
    environment: Paths = ()
    records: Paths = ()
    """Of the array whose objects are the records, in documents of which a line may be one."""
    id: Paths = ()
    """Only where the writer of the log makes it unique."""
    time_unit: str | None = None
    """Of times that are numbers: `s`, `ms`, `us`, `ns`; without it their size tells."""
    time_of: str = "end"
    """Whether `time` is the `start` or the `end` of a request."""
    duration_unit: str | None = None
