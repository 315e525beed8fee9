"""`auditor-exporter`: the ledger's sums for Prometheus, as a server or as a file."""

import asyncio
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from auditor import __version__
from auditor import config as configuration
from auditor.errors import AuditorError
from auditor.ledger.database import Ledger
from auditor.ledger.follow import Follow
from auditor.ledger.ingest import Ingest, Ingested
from auditor.settings import Settings
from auditor.sources import present
from auditor.terminal import plain
from exporters.http import PORT, address_of, serve
from exporters.ledger import LedgerCollector
from exporters.snapshot import Snapshot
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
Where = Annotated[
    str,
    typer.Option("--ledger", envvar="AUDITOR_LEDGER", help="A path, sqlite:///PATH, or postgresql://user@host/name."),
]
Config = Annotated[Path | None, typer.Option(help="auditor.toml; else the one here.")]


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False) -> None:
    if version:
        print(f"auditor-exporter {__version__}")
        raise typer.Exit


@app.command("serve")
def serve_metrics(
    ledger: Where = "auditor.db",
    follow: Annotated[
        list[str] | None, typer.Option(help="Take usage from here into the ledger as it grows; repeatable.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.05, help="Seconds between two looks at what is followed.")] = 1.0,
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = f"127.0.0.1:{PORT}",
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen on other addresses than loopback.")] = False,
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
            asyncio.run(_serve(Snapshot([LedgerCollector(opened, settings)]), host, port))
        finally:
            stopping.set()
            if follow:
                follower.join(30)


async def _serve(snapshot: Snapshot, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(snapshot, host, port, lambda address: print(f"{address}/metrics", flush=True), stop)


def _follow(ledger: Ledger, settings: Settings, paths: list[str], every: float, stopping: threading.Event) -> None:
    def say(text: str) -> None:
        print(f"auditor-exporter: {plain(text)}", file=sys.stderr)

    def tell(done: Ingested) -> None:
        for complaint in done.complaints():
            say(complaint)

    Follow(Ingest(ledger, settings), lambda: present(paths)).until(
        stopping, every, tell, lambda error: say(f"ingest fails ({type(error).__name__}); it is tried again")
    )


@app.command("textfile", epilog="Example:  auditor-exporter textfile /var/lib/prometheus/node-exporter/usage.prom")
def textfile(
    path: Annotated[Path, typer.Argument(help="A file that ends in .prom, in node_exporter's folder.")],
    ledger: Where = "auditor.db",
    config: Config = None,
) -> None:
    """Write the metrics to a file once, for node_exporter's textfile collector."""
    settings = configuration.load(config or configuration.find([]))
    with Ledger(ledger) as opened:
        write(Snapshot([LedgerCollector(opened, settings)]), path)


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
