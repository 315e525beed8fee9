"""The command `auditor`: options in, report to stdout, everything else to stderr, exit codes.

Nothing heavy is imported before a command needs it: `auditor --help` has to be quick.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from auditor import __version__
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
config_app = typer.Typer(no_args_is_help=True, help="Write and check auditor.toml.", rich_markup_mode=None)
app.add_typer(config_app, name="config")


class OutputFormat(StrEnum):
    """Report formats."""

    text = "text"
    json = "json"


class FailOn(StrEnum):
    """Severities for --fail-on."""

    high = "high"
    medium = "medium"
    low = "low"


Names = list[str]
_REJECTED = "Exit 3 if a larger share of the lines is rejected, in percent."


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


@app.command(
    epilog="Examples:  auditor audit sample_logs | zcat usage.jsonl.gz, then: auditor audit - | "
    "auditor audit usage/ --fail-on high --output report.json --format json"
)
def audit(
    paths: Annotated[Names, typer.Argument(help="Files, folders, globs, or - for standard input.", show_default=False)],
    config: Annotated[
        Path | None, typer.Option(help="auditor.toml; else the one in the audited folder or here.")
    ] = None,
    output_format: Annotated[
        OutputFormat, typer.Option("--format", help="How to write the report.")
    ] = OutputFormat.text,
    output: Annotated[Path | None, typer.Option(help="Write the report to a file.")] = None,
    since: Annotated[str | None, typer.Option(help="Only events from this time on (RFC 3339 or a date).")] = None,
    until: Annotated[str | None, typer.Option(help="Only events before this time.")] = None,
    environment: Annotated[
        Names | None, typer.Option(help="Show only findings of this environment; repeatable.")
    ] = None,
    account: Annotated[Names | None, typer.Option(help="Show only findings of this account; repeatable.")] = None,
    template: Annotated[Names | None, typer.Option(help="Show only findings of this template; repeatable.")] = None,
    rule: Annotated[Names | None, typer.Option(help="Show only findings of this rule; repeatable.")] = None,
    skip: Annotated[Names | None, typer.Option(help="Do not show findings of this rule; repeatable.")] = None,
    ttl: Annotated[str | None, typer.Option(help="How long a stored picture may be served, e.g. 24h or 7d.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of times without an offset, and of cycles.")] = None,
    fail_on: Annotated[FailOn | None, typer.Option(help="Exit 1 on a finding of this severity or above.")] = None,
    max_rejected: Annotated[float, typer.Option(min=0, max=100, help=_REJECTED)] = 1.0,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Neither read nor write Parquet files beside big inputs.")
    ] = False,
) -> None:
    """Audit usage logs: where credits go, which were needless, and what the bill would be."""
    from auditor.command import run_audit

    raise typer.Exit(
        run_audit(
            paths,
            config=config,
            output_format=output_format.value,
            output=output,
            since=since,
            until=until,
            environments=environment or [],
            accounts=account or [],
            templates=template or [],
            rules=rule or [],
            skip=skip or [],
            ttl=ttl,
            timezone=timezone,
            fail_on=fail_on.value if fail_on else None,
            max_rejected=max_rejected,
            cache=not no_cache,
        )
    )


@app.command()
def rules() -> None:
    """List the rules."""
    from auditor.registry import AUDITS

    for name, entry in AUDITS.items():
        print(f"{name:22} {entry.summary}")


@app.command(epilog="Example:  auditor explain duplicate-renders")
def explain(rule: Annotated[str, typer.Argument(help="The id of a rule; `auditor rules` lists them.")]) -> None:
    """Print the manual page of a rule."""
    from auditor.registry import AUDITS

    if rule not in AUDITS:
        raise ConfigError(f"{rule!r} is no rule; rules are {', '.join(AUDITS)}")
    print((sys.modules[type(AUDITS[rule]).__module__].__doc__ or "").strip())


@config_app.command("init")
def config_init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("auditor.toml"),
) -> None:
    """Write an auditor.toml with every setting explained."""
    from auditor.config import TEMPLATE

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        raise ConfigError(f"{path} exists; name another path or move it away") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
    print(f"{path} written; check it with: auditor config check {path}", file=sys.stderr)


@config_app.command("check")
def config_check(
    path: Annotated[Path, typer.Argument(help="The file to check.")] = Path("auditor.toml"),
) -> None:
    """Check an auditor.toml and say what it sets."""
    from auditor.config import load

    settings = load(path)
    print(
        f"{path}: valid; {len(settings.accounts)} accounts, "
        f"{len(settings.template_limits) + len(settings.placement_limits)} limits, cycles in {settings.timezone}"
    )


def main() -> None:
    """Run the command; errors meant for the user are one sentence without a traceback."""
    try:
        app()
    except AuditorError as error:
        print(f"auditor: {plain(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        missing = MissingExtraError("auditor " + " ".join(sys.argv[1:2]), "audit", str(error.name))
        if (error.name or "").startswith("auditor"):
            raise
        print(f"auditor: {missing}", file=sys.stderr)
        sys.exit(missing.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
