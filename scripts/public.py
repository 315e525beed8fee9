"""The parts of docs/ about what users install and import: the install commands, and tables of the public names."""

import auditor
from auditor import version
from auditor.version import install

KINDS = {
    "client": "client.",
    "caches": "caches.",
    "audits": "notebook",
    "errors": "model.errors",
    "sandbox": "sandbox.",
}
"""Section of docs/api.md -> the modules whose public names it has."""


def module_of(name: str) -> str:
    """Return the module of a public name, in `auditor`."""
    return auditor._PUBLIC.get(name, "model.errors")


def names(kind: str) -> list[str]:
    """Return the public names of a section."""
    public = [name for name in auditor.__all__ if not name.startswith("__")]
    return [name for name in public if module_of(name).startswith(KINDS[kind])]


def table(kind: str) -> str:
    """A row a public name, with the first sentence of its docstring."""
    rows = [f"| `{name}` | {_summary(name)} |" for name in names(kind)]
    return "\n".join(["| name | what it is |", "| --- | --- |", *rows])


def _summary(name: str) -> str:
    words = (getattr(auditor, name).__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(words.split()).replace("|", "\\|")


def install_commands() -> str:
    """The commands that install the project from where it is."""
    where = "" if version.PUBLISHED else "In a clone:\n\n"
    lines = (
        (install("audit"), "audits and reports for the terminal"),
        (install("all"), "everything"),
        (install(), "the client alone"),
    )
    width = max(len(command) for command, _ in lines)
    return where + "\n".join(f"    {command:{width}}    # {words}" for command, words in lines)
