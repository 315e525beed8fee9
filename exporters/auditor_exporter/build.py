"""Which build this is."""

import json
import os
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from auditor.version import __version__
from auditor_exporter.families import Families


class BuildInfo(Collector):
    """The version as a metric, whatever else can be shown; "" for a commit that nobody said."""

    def __init__(self) -> None:
        try:
            written = distribution("render-auditor").read_text("direct_url.json")
        except PackageNotFoundError:
            written = None
        self._labels = (__version__, revision_of(os.environ, written))

    def collect(self) -> Iterable[Metric]:
        """One sample."""
        families = Families()
        families.add("exporter_build_info", self._labels, 1)
        return families.metrics()


def revision_of(environ: Mapping[str, str], direct_url: str | None) -> str:
    """From `AUDITOR_REVISION`, which an image sets, or what pip writes down of an installation from git (PEP 610)."""
    try:
        found = environ.get("AUDITOR_REVISION") or json.loads(direct_url or "{}")["vcs_info"]["commit_id"]
    except (ValueError, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) and found.isalnum() and len(found) <= 64 else ""
