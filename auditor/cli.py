"""The command `auditor`: options in, report to stdout, everything else to stderr, exit codes.

A command is a file of `auditor.commands`. Nothing heavy is imported before a command runs: `auditor --help` has to be
quick.
"""

import errno
import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from auditor import __version__
from auditor.commands import (
    audit,
    compare,
    config,
    estimate,
    inspect,
    ledger,
    mapping,
    plan,
    prerender,
    reconcile,
    report,
    rules,
    sandbox,
    simulate,
)
from auditor.errors import AuditorError, ConfigError, MissingExtraError
from auditor.terminal import plain

app = typer.Typer(
    name="auditor",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Find the render credits that a cache, coalescing or another plan would save.",
    epilog="Examples:  auditor audit usage/ | auditor audit 'logs/*.jsonl.gz' --since 2026-09-01 --format json | "
    "auditor explain duplicate-renders",
)
for command in (
    audit,
    report,
    inspect,
    rules,
    simulate,
    mapping,
    plan,
    reconcile,
    estimate,
    compare,
    ledger,
    prerender,
    sandbox,
    config,
):
    app.add_typer(command.app)


def _version(value: bool) -> None:
    if value:
        print(f"auditor {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command; errors meant for the user are one sentence without a traceback."""
    try:
        try:
            app()
        finally:
            _flush()
    except SystemExit as end:
        # click ends with 1 when whoever reads has enough, which here is a finding: 128 + SIGPIPE, as shells say it.
        if isinstance(end.__context__, BrokenPipeError):
            sys.exit(141)
        raise
    except AuditorError as error:
        print(f"auditor: {plain(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        missing = MissingExtraError.of(error, "auditor", sys.argv[1:])
        print(f"auditor: {missing}", file=sys.stderr)
        sys.exit(missing.exit_code)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _give_up_output()
        print(f"auditor: the output cannot be written whole ({error.strerror})", file=sys.stderr)
        sys.exit(ConfigError.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _flush() -> None:
    """What is still in the buffer: at the end of the process nobody could say that it was lost."""
    if sys.stdout is None:  # closed before we began
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough
        _give_up_output()


def _give_up_output() -> None:
    """Python flushes once more when it ends, and would complain anew."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
