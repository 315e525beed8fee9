"""The version, in one place: what is built, what documents and metrics say of themselves, and how it is installed."""

__version__ = "0.2.0"

PUBLISHED = False
"""Whether the package index has this project. Until a release sets it, messages and pages install from a clone."""


def install(*extras: str) -> str:
    """Return the command that installs the project with *extras*."""
    wanted = f"[{','.join(extras)}]" if extras else ""
    return f"pip install 'render-auditor{wanted}'" if PUBLISHED else f"pip install '.{wanted}'"


def install_hint(*extras: str) -> str:
    """Return that command, and where to run it if that matters."""
    return install(*extras) if PUBLISHED else f"{install(*extras)} in a clone of the project"
