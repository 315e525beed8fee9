"""The command `auditor`: options in, report to stdout, everything else to stderr, exit codes.

A command is a file of `auditor.commands`. Nothing heavy is imported before a command runs: `auditor --help` has to be
quick.
"""

import gc
import platform
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Annotated

import typer

from auditor.commands.app import App, CommandGroup
from auditor.config.plugins import allow
from auditor.model.errors import MissingExtraError
from auditor.registry import RULES
from auditor.system import endings
from auditor.version import __version__

COMMANDS = """
    audit report inspect rules simulate mapping plan reconcile estimate compare ledger forward prerender sandbox config
"""
"""Files of `auditor.commands`."""
GROUPS = {
    "Find waste": ("audit", "report", "inspect", "rules", "explain"),
    "Decide": ("plan", "simulate", "estimate", "compare", "reconcile"),
    "Operate": ("ingest", "forward", "ledger", "prune", "prerender"),
    "Set up": ("map", "formats", "config", "sandbox"),
}
"""Every command, as the help lists it."""


class _Root(CommandGroup):
    headings = GROUPS


app = App(
    cls=_Root,
    name="auditor",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Find the render credits that a cache, coalescing or another plan would save.",
    examples=(
        "auditor audit usage/",
        "auditor audit access.log --input-format nginx",
        "auditor audit 'logs/*.jsonl.gz' --since 7d --format json",
        f"auditor explain {next(iter(RULES))}",
    ),
)
for command in COMMANDS.split():
    app.add_typer(import_module(f"auditor.commands.{command}").app)


def _version(value: bool) -> None:
    if value:
        try:
            engine = f"DuckDB {installed('duckdb')}"
        except PackageNotFoundError:
            engine = "DuckDB not installed"
        print(f"auditor {__version__} ({engine}, Python {platform.python_version()})")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_version, is_eager=True, help="Show the versions of auditor, DuckDB and Python."
        ),
    ] = False,
    plugins: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Let this package bring rules and reports, as [plugins] allow does."),
    ] = None,
) -> None:
    del version
    allow(plugins or [], load=True)


def main() -> None:
    """Run the command; whatever goes wrong is one sentence without a traceback."""
    endings.run("auditor", _run)


def _run() -> None:
    # What a command makes lives to its end as a rule: looking through it for garbage took a fifth of the time.
    gc.set_threshold(100_000, 20, 20)
    try:
        app()
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error, "auditor", sys.argv[1:]) from None
