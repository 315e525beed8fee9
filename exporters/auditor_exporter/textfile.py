"""A file for node_exporter's textfile collector: whole or not at all, readable by its user."""

import os
import tempfile
from pathlib import Path

from auditor.model.errors import ConfigError
from auditor_exporter.snapshot import Snapshot


def write(snapshot: Snapshot, path: Path) -> None:
    """Write the exposition aside and rename it."""
    if path.suffix != ".prom":
        raise ConfigError(f"{path}: node_exporter reads files that end in .prom; name it so")
    body, _ = snapshot.exposition()
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".auditor-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                os.fchmod(file.fileno(), 0o644)
            Path(name).replace(path)
        except OSError:  # a full disk, say: a timer would leave one more each time
            Path(name).unlink()
            raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
