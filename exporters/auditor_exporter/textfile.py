"""A file for node_exporter's textfile collector: whole or not at all, readable by its user."""

from pathlib import Path

from auditor.model.errors import ConfigError
from auditor.system.files import replacing
from auditor_exporter.snapshot import Snapshot


def write(snapshot: Snapshot, path: Path) -> None:
    """Write the exposition aside and rename it."""
    if path.suffix != ".prom":
        raise ConfigError(f"{path}: node_exporter reads files that end in .prom; name it so")
    body, _ = snapshot.exposition()
    try:
        with replacing(path, 0o644) as file:
            file.write(body)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
