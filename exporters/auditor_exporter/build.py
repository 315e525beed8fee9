"""Which build this is."""

import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from auditor.version import __version__
from auditor_exporter.families import Families


class BuildInfo(Collector):
    """The version as a metric, whatever else can be shown."""

    def collect(self) -> Iterable[Metric]:
        """One sample."""
        families = Families()
        families.add("exporter_build_info", (__version__, revision()), 1)
        return families.metrics()


@cache
def revision() -> str:
    """The commit that was built or installed; "" where nobody said it."""
    try:
        written = distribution("render-auditor").read_text("direct_url.json")
    except PackageNotFoundError:
        written = None
    return revision_of(os.environ, written)


def revision_of(environ: Mapping[str, str], direct_url: str | None) -> str:
    """From `AUDITOR_REVISION`, which an image sets, or what pip writes down of an installation from git (PEP 610)."""
    try:
        found = environ.get("AUDITOR_REVISION") or json.loads(direct_url or "{}")["vcs_info"]["commit_id"]
    except (ValueError, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) and found.isalnum() and len(found) <= 64 else ""
