"""`auditor-exporter`: the ledger's sums for Prometheus, as a server, as a file or to a Pushgateway."""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

from auditor import config as configuration
from auditor.model.errors import ConfigError
from auditor.model.settings import Settings
from auditor.system import endings
from auditor.version import __version__
from auditor_exporter import log
from auditor_exporter.collectors import LEDGER, findings_of, once, running
from auditor_exporter.http import PORT, address_of, check_receiving, serve
from auditor_exporter.push import grouping_of, push, write
from auditor_exporter.receiving import Receiving
from auditor_exporter.reload import Reloading
from auditor_exporter.snapshot import Snapshot
from auditor_exporter.tokens import Tokens
from auditor_exporter.webconfig import Live

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
MaybeWhere = Annotated[
    str | None,
    typer.Option("--ledger", envvar="AUDITOR_LEDGER", help="As with `serve`.", show_default=LEDGER),
]
Report = Annotated[Path | None, typer.Option(help="A JSON report, whose findings are shown too.")]
Config = Annotated[Path | None, typer.Option(help="auditor.toml; else the one here.")]


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False) -> None:
    if version:
        print(f"auditor-exporter {__version__}")
        raise typer.Exit


class Supervisor:
    """What a supervisor such as systemd is told (`sd_notify`): that the server is ready, reloads, lives and stops.

    It hears from the socket that the environment names; without one, no supervisor does.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        where = environ.get("NOTIFY_SOCKET", "")
        self._where = "\0" + where[1:] if where.startswith("@") else where
        of_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        micros = environ.get("WATCHDOG_USEC", "") if of_us else ""
        self.every = int(micros) / 2_000_000 if micros.isascii() and micros.isdigit() and int(micros) else None
        """Seconds between two signs of life; None if no supervisor waits for them."""

    def tell(self, text: str) -> None:
        """`READY=1` when it serves or serves again, `RELOADING=1`, `WATCHDOG=1` as a sign of life, `STOPPING=1`."""
        if not self._where:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.sendto(text.encode(), self._where)


@app.command("serve")
def serve_metrics(
    ledger: Where = LEDGER,
    follow: Annotated[
        list[str] | None, typer.Option(help="Take usage from here into the ledger as it grows; repeatable.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.05, help="Seconds between two looks at what is followed.")] = 1.0,
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = f"127.0.0.1:{PORT}",
    web_config: Annotated[
        Path | None,
        typer.Option("--web.config.file", help="TLS and users, in the format that Prometheus' exporters share."),
    ] = None,
    ingest: Annotated[
        bool, typer.Option("--web.ingest", help="Take usage that is sent to /v1/events into the ledger.")
    ] = False,
    ingest_tokens: Annotated[
        Path | None,
        typer.Option("--web.ingest-tokens", help="Bearer tokens of those who may send usage, one a line."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Be open to other machines without TLS and users.")
    ] = False,
    findings: Report = None,
    config: Annotated[
        Path | None,
        typer.Option(help="auditor.toml, which becomes the ledger's; else the one here, only read."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --config: also where it contradicts what the ledger has.")
    ] = False,
    log_level: Annotated[log.Level, typer.Option("--log.level", help="From which level on.")] = "info",
    log_format: Annotated[log.EntryFormat, typer.Option("--log.format", help="logfmt or json.")] = "logfmt",
) -> None:
    """Serve /metrics until interrupted; the address goes to stdout."""
    if replace and config is None:
        raise ConfigError("--replace changes the ledger to what a file says; name that with --config")
    if ingest_tokens is not None and not ingest:
        raise ConfigError("--web.ingest-tokens says who may send usage, which --web.ingest allows; give both")
    log.begin(log_level, log_format)
    say = log.LOG.warning
    live = Live(web_config, say)
    tokens = Tokens(ingest_tokens, say)
    host, port = address_of(listen, live, insecure=insecure)
    if ingest:
        check_receiving(listen, host, live, tokens, insecure=insecure)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the configuration is about to be read
    where, supervisor = config or configuration.own() or Path(configuration.FILE_NAME), Supervisor()

    def begin(settings: Settings) -> AbstractContextManager[Snapshot]:
        return running(
            settings, where if where.is_file() else None, ledger, findings, follow or [], every, say,
            owner=config is not None, replacing=replace, receives=ingest,
        )  # fmt: skip

    receiving = Receiving(lambda: shown.snapshot.receiver, tokens, say) if ingest else None
    with Reloading(
        where, begin, say, named=config is not None, done=log.LOG.info, tell=supervisor.tell,
        more=() if receiving is None else (receiving,),
        others=lambda settings: findings_of(settings, findings),
    ) as shown:  # fmt: skip
        asyncio.run(_serve(shown, host, port, live, supervisor, receiving))


async def _serve(
    shown: Reloading, host: str, port: int, live: Live, supervisor: Supervisor, receiving: Receiving | None
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, shown.reload)

    def ready(address: str) -> None:
        print(f"{address}/metrics", flush=True)
        supervisor.tell("READY=1")

    async def live_signs() -> None:
        while supervisor.every:
            supervisor.tell("WATCHDOG=1")
            await asyncio.sleep(supervisor.every)

    signs = asyncio.create_task(live_signs())
    await serve(lambda: shown.snapshot, host, port, live, ready, stop, say=log.LOG.warning, receiving=receiving)
    supervisor.tell("STOPPING=1")
    signs.cancel()


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
    with once(config or configuration.own(), ledger, findings) as snapshot:
        write(snapshot, path)


@app.command(
    "push",
    epilog="Example:  auditor-exporter push http://127.0.0.1:9091 --group instance=nightly",
)
def push_metrics(
    url: Annotated[str, typer.Argument(envvar="AUDITOR_PUSHGATEWAY", help="http://HOST:PORT, or with USER:PASSWORD@.")],
    ledger: MaybeWhere = None,
    findings: Report = None,
    job: Annotated[str, typer.Option(help="The group's job.")] = "imgrender",
    group: Annotated[list[str] | None, typer.Option(help="NAME=VALUE that the group has besides; repeatable.")] = None,
    config: Config = None,
) -> None:
    """Push the metrics to a Pushgateway once, for cron jobs that are not scraped.

    With --findings and without --ledger, those of the report alone.
    """
    grouping = grouping_of(group or [])
    with once(config or configuration.own(), ledger, findings) as snapshot:
        push(snapshot, url, job, grouping)


@app.command(
    "alerts", epilog="Example:  auditor-exporter alerts --out /etc/prometheus/rules --set burn=10 --set long=2h"
)
def alerts(
    out: Annotated[Path, typer.Option(help="The folder for rules, alerts and runbooks.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE of a threshold or window, or of `job`, the scrapes' name; repeatable."),
    ] = None,
    form: Annotated[
        Literal["prometheus", "prometheusrule"],
        typer.Option("--format", help="Rule files, or a PrometheusRule for the Prometheus Operator."),
    ] = "prometheus",
) -> None:
    """Write recording rules, alerts and their runbooks, with your thresholds and windows."""
    from auditor_exporter.alertfiles import parameters_of, write_all

    for path in write_all(out, parameters_of(set_ or []), form):
        print(path)


def main() -> None:
    """Run the command; whatever goes wrong is one sentence without a traceback."""
    endings.run("auditor-exporter", app)


if __name__ == "__main__":
    main()
