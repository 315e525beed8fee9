"""Write the dashboards: `python -m grafana.source [--runbooks URL] [--out FOLDER]`."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from auditor_exporter.alerts import RUNBOOKS

from grafana.source import DASHBOARDS

FOLDER = Path(__file__).parents[1] / "dashboards"


def contents(runbooks: str = RUNBOOKS) -> Iterator[tuple[str, str]]:
    """(file name, JSON) of each dashboard."""
    for name, dashboard in DASHBOARDS.items():
        yield f"{name}.json", json.dumps(dashboard(runbooks), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write them all."""
    parser = argparse.ArgumentParser(prog="python -m grafana.source", description="Write the dashboards.")
    parser.add_argument("--runbooks", default=RUNBOOKS, metavar="URL", help="where grafana/runbooks is published")
    parser.add_argument("--out", default=FOLDER, type=Path, metavar="FOLDER", help="where to write (%(default)s)")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name, text in contents(chosen.runbooks):
        (chosen.out / name).write_text(text, encoding="utf-8")
        print(chosen.out / name)


if __name__ == "__main__":
    main()
