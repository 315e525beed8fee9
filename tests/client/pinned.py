"""The client libraries of a range of versions, on a path of their own."""

import os

from tests.services import ROOT, libraries


def path_with(versions: str) -> str:
    """A `PYTHONPATH` with what `requirements/clients-VERSIONS.txt` pins, before this project."""
    return os.pathsep.join(
        [str(libraries(ROOT / "requirements" / f"clients-{versions}.txt", ROOT / ".clients")), str(ROOT)]
    )
