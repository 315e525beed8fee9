"""The command `auditor`: options in, report to stdout, everything else to stderr, exit codes.

A command is a file of `auditor.commands`. Nothing heavy is imported before a command runs: `auditor --help` has to be
quick.
"""

import gc
import sys
from importlib import import_module
from typing import Annotated

import typer

from auditor.config.plugins import allow
from auditor.model.errors import MissingExtraError
from auditor.registry import RULES
from auditor.system import endings
from auditor.version import __version__

COMMANDS = """
    audit report inspect rules simulate mapping plan reconcile estimate compare ledger forward prerender sandbox config
"""
"""Files of `auditor.commands`, in the order of the help."""
app = typer.Typer(
    name="auditor",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Find the render credits that a cache, coalescing or another plan would save.",
    epilog="Examples:  auditor audit usage/ | auditor audit 'logs/*.jsonl.gz' --since 2026-09-01 --format json | "
    f"auditor explain {next(iter(RULES))}",
)
for command in COMMANDS.split():
    app.add_typer(import_module(f"auditor.commands.{command}").app)


def _version(value: bool) -> None:
    if value:
        print(f"auditor {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
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
