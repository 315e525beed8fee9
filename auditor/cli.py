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
    paths: Annotated[
        Names | None, typer.Argument(help="Files, folders, globs, or - for standard input.", show_default=False)
    ] = None,
    ledger: Annotated[
        str | None, typer.Option(help="Audit the events of a ledger: its path, or postgresql://….")
    ] = None,
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
    from auditor.commands.audit import run_audit

    raise typer.Exit(
        run_audit(
            paths or [],
            ledger=ledger,
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


Where = Annotated[
    str,
    typer.Option("--ledger", envvar="AUDITOR_LEDGER", help="A path, sqlite:///PATH, or postgresql://user@host/name."),
]


@app.command(
    epilog="Examples:  auditor ingest usage/ | auditor ingest usage/ --follow --ledger postgresql://auditor@db/usage"
)
def ingest(
    paths: Annotated[Names, typer.Argument(help="Files, folders or globs of usage events.", show_default=False)],
    ledger: Where = "auditor.db",
    follow: Annotated[bool, typer.Option("--follow", help="Go on as the files grow, until interrupted.")] = False,
    every: Annotated[float, typer.Option(min=0.05, help="With --follow: seconds between two looks.")] = 1.0,
    config: Annotated[Path | None, typer.Option(help="auditor.toml; else the one beside the files or here.")] = None,
) -> None:
    """Take usage events into a ledger, each exactly once, however often a file is fed and whatever is killed."""
    from auditor.commands.ledger import run_ingest

    raise typer.Exit(run_ingest(paths, ledger, config, follow=follow, every=every))


@app.command(epilog="Example:  auditor prune --older-than 400d")
def prune(
    older_than: Annotated[str, typer.Option(help="What is older goes, e.g. 400d; its sums stay.")],
    ledger: Where = "auditor.db",
) -> None:
    """Drop old events from a ledger and keep their sums."""
    from auditor.commands.ledger import run_prune

    run_prune(older_than, ledger)


@app.command(
    epilog="Examples:  auditor prerender items.jsonl --environment production | "
    "auditor prerender items.jsonl --base-url http://127.0.0.1:19780/v1 --cache file:///var/cache/renders"
)
def prerender(
    items: Annotated[
        str,
        typer.Argument(help='JSON Lines: {"template": "og", "overrides": {…}, "options": {"format": "png"}}; or -.'),
    ],
    environment: Annotated[str, typer.Option(help="Which [client.…] of auditor.toml to use.")] = "production",
    config: Annotated[Path | None, typer.Option(help="auditor.toml; else the one here.")] = None,
    provider: Annotated[str | None, typer.Option(help="The provider, without auditor.toml.")] = None,
    account: Annotated[str | None, typer.Option(help="The alias of the account in the events.")] = None,
    api_key_env: Annotated[str | None, typer.Option(help="The environment variable that holds the API key.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Another address of the API, as the sandbox's.")] = None,
    cache: Annotated[
        str | None, typer.Option(help="Where pictures are kept: a folder, file://, s3://, redis://.")
    ] = None,
    events: Annotated[str | None, typer.Option(help="The folder of usage events.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Renders at the same time.")] = 8,
    per_second: Annotated[
        float | None, typer.Option(min=0.01, help="Renders a second; else what the plans bear.")
    ] = None,
    budget: Annotated[int | None, typer.Option(min=0, help="Stop at so many credits in the billing cycle.")] = None,
) -> None:
    """Render pictures ahead of time: only those that are not in the cache yet. Interrupted, it goes on where it was."""
    from auditor.commands.prerender import run_prerender

    raise typer.Exit(
        run_prerender(
            items,
            environment=environment,
            config=config,
            chosen={
                "provider": provider, "account": account, "api_key_env": api_key_env, "base_url": base_url,
                "cache": cache, "events": events, "budget": budget,
            },
            concurrency=concurrency,
            per_second=per_second,
        )
    )  # fmt: skip


@app.command(
    epilog="Examples:  auditor sandbox | auditor sandbox --plan Free --latency 1.2 --fault 500=0.02 --fault hang=0.01"
)
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on 127.0.0.1; 0 takes a free one.")] = 19780,
    plan: Annotated[str, typer.Option(help="The plan of the key `sandbox`: Free, Basic or Pro.")] = "Pro",
    latency: Annotated[float, typer.Option(min=0, help="Median seconds that a render takes.")] = 0.3,
    per_second: Annotated[float | None, typer.Option(min=0.01, help="Throttle beyond so many calls a second.")] = None,
    fault: Annotated[
        Names | None, typer.Option(help="NAME=SHARE: 500, 502, 503, 429, hang, close, billed-hang, billed-close, drip.")
    ] = None,
    design: Annotated[
        Names | None, typer.Option(help="NAME=WIDTHxHEIGHT; with one, other designs do not exist.")
    ] = None,
) -> None:
    """Serve a stand-in for the Imejis API on 127.0.0.1: real pictures, plans that run out, faults, an invoice."""
    from auditor.commands.sandbox import run_sandbox

    run_sandbox(port, plan, latency, per_second, fault or [], design or [])


@config_app.command("init")
def config_init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("auditor.toml"),
) -> None:
    """Write an auditor.toml with every setting explained."""
    from auditor.config import example

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(example())
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
        if (error.name or "").startswith("auditor"):
            raise
        command = " ".join(sys.argv[1:2])
        extra = {"sandbox": "sandbox", "prerender": "sandbox"}.get(command, "audit")
        missing = MissingExtraError(f"auditor {command}", extra, str(error.name))
        print(f"auditor: {missing}", file=sys.stderr)
        sys.exit(missing.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
