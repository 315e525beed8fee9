"""`auditor forward`: usage events of this host to the ledger behind an exporter elsewhere."""

import threading
from pathlib import Path
from typing import Annotated

import typer

from auditor.commands.app import App
from auditor.commands.ledger import go_on, said
from auditor.commands.options import converted, say
from auditor.config.values import parse_duration
from auditor.intake.objects import is_address
from auditor.intake.sources import SHIPPED, discover
from auditor.model.errors import ConfigError

app = App()


@app.command(
    examples=(
        "auditor forward usage/ --to https://ledger.example:19710",
        "AUDITOR_FORWARD_TOKEN=… auditor forward usage/ --follow --to https://ledger.example:19710 --ca ca.pem",
    ),
)
def forward(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", show_default=False, help="Files, folders or globs of usage events.")
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="URL",
            envvar="AUDITOR_FORWARD_TO",
            show_default=False,
            help="The exporter's address, https://HOST:PORT, or with USER:PASSWORD@.",
        ),
    ],
    follow: Annotated[bool, typer.Option("--follow", help="Go on as the files grow, until interrupted.")] = False,
    every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.05, help="With --follow: the time between two looks.")
    ] = 1.0,
    patience: Annotated[
        str,
        typer.Option(
            metavar="DURATION", help="How long to try again while the exporter is away; with --follow, without end."
        ),
    ] = "15m",
    ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificates to trust instead of the system's.")
    ] = None,
) -> None:
    """Send usage events to the ledger behind an exporter, each line exactly once.

    The exporter runs with --web.ingest. Where each file was left is kept in the ledger beside its events, so that any
    run goes on there. A bearer token comes from AUDITOR_FORWARD_TOKEN.
    """
    from auditor.feed.address import Address
    from auditor.feed.forward import Forward
    from auditor.feed.sender import Sender
    from auditor.intake.detect import around_in
    from auditor.system.progress import Progress

    if "-" in paths:
        raise ConfigError("standard input cannot be sent again from where it was; name files, folders or globs")
    if any(map(is_address, paths)):
        raise ConfigError("objects of a store are read where the ledger is: auditor ingest s3://bucket/prefix")
    longest = converted("--patience", parse_duration, patience).total_seconds()
    stopping = threading.Event()
    files = [] if follow else [source.path for source in discover(paths, Path(), SHIPPED, say)]
    sender = Sender(
        Address.of(to, "--to"), ca=ca, patience=None if follow else longest, wait=stopping.wait, say=say
    )  # fmt: skip
    try:
        forwarding = Forward(sender, around=around_in)
        if follow:
            raise typer.Exit(go_on(forwarding, paths, every, stopping, "forwarding"))
        with Progress(unit="items") as progress:
            done = forwarding.run(files, lambda path: progress(path.name, files.index(path), len(files)))
    finally:
        sender.close()
    if not done.counts["lines"]:
        say("0 lines were sent: the files hold no new one")
    raise typer.Exit(said(done))
