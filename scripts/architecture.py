"""docs/architecture.md, from the import contracts in pyproject.toml and the first line of each package's docstring."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOW = (
    ("logs and usage events", "exchanges · reading · formats · intake", "records"),
    ("records", "ledger", "events, kept"),
    ("records", "analysis", "facts: units, days, bills"),
    ("events, kept", "analysis", "facts: units, days, bills"),
    ("facts: units, days, bills", "rules", "findings"),
    ("facts: units, days, bills", "simulation · planning", "results"),
    ("findings", "results", "results"),
    ("results", "reports", "text, JSON, HTML, CSV, FOCUS"),
    ("text, JSON, HTML, CSV, FOCUS", "schedule", "one report a cycle, delivered"),
    ("events, kept", "auditor_exporter", "Prometheus"),
)
"""(what goes in, the packages that work on it, what comes out)."""
HEAD = """# Architecture

How data flows through the packages of `auditor/`, and which package may import which. `make docs` generates this page
from `pyproject.toml` and the packages' docstrings; `make check` fails when an import breaks a contract below.
"""


def page() -> str:
    """The whole page."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = {room.strip() for layer in layers for room in layer.split("|")}
    for _, rooms, _ in FLOW:
        for room in rooms.split(" · "):
            if room not in named | {"auditor_exporter"}:
                raise SystemExit(f"scripts/architecture.py: FLOW names {room!r}, which is no layer in pyproject.toml")
    parts = [
        HEAD,
        f"## Flow\n\n{_flow()}\n",
        "## Layers\n\nA package may import those in rows below its own, never those beside or above it.\n",
        f"{_layers(layers)}\n",
        "## Import contracts\n\n" + "\n".join(f"- {_contract(each)}" for each in contracts) + "\n",
    ]
    return "\n".join(parts)


def _flow() -> str:
    names = list(dict.fromkeys(name for start, _, end in FLOW for name in (start, end)))
    nodes = [f'    n{number}["{name}"]' for number, name in enumerate(names)]
    arrows = [f'    n{names.index(start)} -- "{rooms}" --> n{names.index(end)}' for start, rooms, end in FLOW]
    return "\n".join(["```mermaid", "flowchart TD", *nodes, *arrows, "```"])


def _layers(layers: list[str]) -> str:
    rows = [
        f"| {number} | `{room}` | {_first_line(room)} |"
        for number, layer in enumerate(layers, 1)
        for room in (each.strip() for each in layer.split("|"))
    ]
    return "\n".join(["| row | package | what it does |", "| --- | --- | --- |", *rows])


def _first_line(room: str) -> str:
    folder = ROOT / "auditor" / room
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    words = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    return words.replace("|", "\\|")


def _contract(contract: dict[str, object]) -> str:
    """One line: the contract's name, and the modules that it is about."""
    about = contract.get("source_modules") or contract.get("modules") or contract.get("containers") or []
    assert isinstance(about, list)
    return f"{contract['name']} (`{contract['type']}`: {', '.join(f'`{module}`' for module in about)})"
