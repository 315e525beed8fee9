"""The dashboards as code: `python -m grafana.source` writes grafana/dashboards/ and their table in grafana/README.md.

queries  what is asked of Prometheus, from the metrics' own definitions
panels   how things look: one color for each outcome, cause and severity
frame    what all dashboards have in common: variables, links, annotations
overview, traffic, audit   one dashboard each
lint     the rules of grafana/dashboard-linter
"""

from collections.abc import Callable, Mapping
from typing import Any

from grafana.source import audit, overview, traffic

DASHBOARDS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "overview": overview.dashboard,
    "traffic": traffic.dashboard,
    "findings": audit.dashboard,
}
"""File name -> the dashboard, given where the runbooks are published."""
