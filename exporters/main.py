"""`auditor-exporter`: the ledger's sums for Prometheus, as a server or as a file."""

import asyncio
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from auditor import __version__
from auditor import config as configuration
from auditor.errors import AuditorError, InputError
from auditor.ledger.database import Ledger
from auditor.ledger.follow import Follow
from auditor.ledger.ingest import Ingest, Ingested
from auditor.settings import Settings
from auditor.sources import present
from auditor.terminal import plain
from exporters.findings import FindingsCollector
from exporters.http import PORT, address_of, serve
from exporters.ledger import LedgerCollector
from exporters.snapshot import Collects, Snapshot
from exporters.textfile import write

app = typer.Typer(
    name="auditor-exporter",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Show the credits of the billing cycle, and what they went for, to Prometheus.",
    epilog="Examples:  auditor-exporter serve --follow usage/ | auditor-exporter textfile usage.prom",
)
LEDGER = "auditor.db"
Where = Annotated[
    str,
    typer.Option("--ledger", envvar="AUDITOR_LEDGER", help="A path, sqlite:///PATH, or postgresql://user@host/name."),
]
MaybeWhere = Annotated[
    str | None,
    typer.Option("--ledger", envvar="AUDITOR_LEDGER", help="As with `serve`.", show_default=LEDGER),
]
Report = Annotated[Path | None, typer.Option(help="A JSON v1 report, whose findings are shown too.")]
Config = Annotated[Path | None, typer.Option(help="auditor.toml; else the one here.")]


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False) -> None:
    if version:
        print(f"auditor-exporter {__version__}")
        raise typer.Exit


@app.command("serve")
def serve_metrics(
    ledger: Where = LEDGER,
    follow: Annotated[
        list[str] | None, typer.Option(help="Take usage from here into the ledger as it grows; repeatable.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.05, help="Seconds between two looks at what is followed.")] = 1.0,
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = f"127.0.0.1:{PORT}",
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen on other addresses than loopback.")] = False,
    findings: Report = None,
    config: Config = None,
) -> None:
    """Serve /metrics until interrupted; the address goes to stdout."""
    host, port = address_of(listen, insecure=insecure)
    settings = configuration.load(config or configuration.find([]))
    with Ledger(ledger) as opened:
        stopping = threading.Event()
        follower = threading.Thread(target=_follow, args=(opened, settings, follow or [], every, stopping), daemon=True)
        if follow:
            follower.start()
        try:
            collectors: list[Collects] = [LedgerCollector(opened, settings), *_findings(findings, settings)]
            asyncio.run(_serve(Snapshot(collectors, say=_say), host, port))
        finally:
            stopping.set()
            if follow:
                follower.join(30)


async def _serve(snapshot: Snapshot, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(snapshot, host, port, lambda address: print(f"{address}/metrics", flush=True), stop)


def _say(text: str) -> None:
    print(f"auditor-exporter: {plain(text)}", file=sys.stderr, flush=True)


def _findings(report: Path | None, settings: Settings) -> list[Collects]:
    return [] if report is None else [FindingsCollector(report, settings)]


def _follow(ledger: Ledger, settings: Settings, paths: list[str], every: float, stopping: threading.Event) -> None:
    def tell(done: Ingested) -> None:
        for complaint in done.complaints():
            _say(complaint)

    Follow(Ingest(ledger, settings), lambda: present(paths)).until(
        stopping, every, tell, lambda error: _say(f"ingest fails ({type(error).__name__}); it is tried again")
    )


@app.command(
    "textfile",
    epilog="Examples:  auditor-exporter textfile /var/lib/prometheus/node-exporter/usage.prom | "
    "auditor-exporter textfile /var/lib/prometheus/node-exporter/audit.prom --findings report.json",
)
def textfile(
    path: Annotated[Path, typer.Argument(help="A file that ends in .prom, in node_exporter's folder.")],
    ledger: MaybeWhere = None,
    findings: Report = None,
    config: Config = None,
) -> None:
    """Write the metrics to a file once, for node_exporter's textfile collector.

    With --findings and without --ledger, those of the report alone.
    """
    with _once(ledger, findings, config) as snapshot:
        write(snapshot, path)


@contextmanager
def _once(ledger: str | None, findings: Path | None, config: Path | None) -> Iterator[Snapshot]:
    """A snapshot for a cron job; what fails is in it, is said, and ends in exit code 3."""
    settings = configuration.load(config or configuration.find([]))
    said: list[str] = []
    with ExitStack() as stack:
        collectors = _findings(findings, settings)
        if ledger is not None or findings is None:
            opened = stack.enter_context(Ledger(ledger or LEDGER))
            collectors.insert(0, LedgerCollector(opened, settings))
        yield Snapshot(collectors, say=said.append)
    if said:
        raise InputError("; ".join(said))


@app.command(
    "alerts", epilog="Example:  auditor-exporter alerts --out /etc/prometheus/rules --set burn=10 --set long=2h"
)
def alerts(
    out: Annotated[Path, typer.Option(help="The folder for rules, alerts and runbooks.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE of a threshold or window; repeatable.")
    ] = None,
) -> None:
    """Write recording rules, alerts and their runbooks, with your thresholds and windows."""
    from exporters.alertfiles import parameters_of, write_all

    for path in write_all(out, parameters_of(set_ or [])):
        print(path)


def main() -> None:
    """Run the command; errors meant for the user are one sentence without a traceback."""
    try:
        app()
    except AuditorError as error:
        print(f"auditor-exporter: {plain(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
