"""`auditor ingest`, `auditor prune` and `auditor ledger`."""

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from auditor import config as configuration
from auditor.commands.app import App
from auditor.commands.options import INCOMPLETE, OK, Config, Where, converted, say
from auditor.config.values import parse_duration
from auditor.intake.objects import Objects, is_address
from auditor.intake.sources import SHIPPED, absent, discover, present
from auditor.model.errors import AuditorError, ConfigError
from auditor.model.plans import micros
from auditor.model.words import plural
from auditor.system.terminal import plain

if TYPE_CHECKING:
    from auditor.feed.follow import Taker
    from auditor.feed.taken import Ingested

app = App()
_PATHS = "Files, folders, globs, s3://bucket/prefix (gs://, az://) or - of usage events, wrapped by a shipper or not."


@app.command(
    examples=(
        "auditor ingest usage/",
        "docker logs app | auditor ingest -",
        "auditor ingest s3://bucket/usage",
        "auditor ingest usage/ --follow --ledger postgresql://auditor@db/usage",
    )
)
def ingest(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help=_PATHS, show_default=False)],
    ledger: Where = "auditor.db",
    follow: Annotated[bool, typer.Option("--follow", help="Go on as the files grow, until interrupted.")] = False,
    every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.05, help="With --follow: the time between two looks.")
    ] = 1.0,
    config: Config = None,
) -> None:
    """Take usage events into a ledger, each exactly once.

    However often a file is read, and whatever is killed in between.
    """
    from auditor.intake.piped import STDIN
    from auditor.ledger.database import Ledger
    from auditor.ledger.ingest import Ingest
    from auditor.ledger.stored import Stored
    from auditor.system.progress import Progress

    if follow and STDIN in paths:
        raise ConfigError("standard input is read to its end: leave out --follow, or name files, folders or globs")
    local = [each for each in paths if not (each == STDIN or is_address(each))]
    where = config or configuration.find([Path(path) for path in local])
    if where is not None:
        say(f"settings from {where}")
    settings = configuration.load(where)
    stores = [Objects(each) for each in paths if is_address(each)]
    # Nothing to read makes no ledger.
    files = [] if follow else [source.path for source in discover(local, Path(), SHIPPED, say)]
    with Ledger(ledger) as opened:
        taking = Ingest(opened, settings, where=where, tell=say)
        if follow:
            stopping = threading.Event()
            also = [Stored(taking, opened, each, stopping.is_set).due for each in stores]
            raise typer.Exit(go_on(taking, paths, every, stopping, "ingest", also))
        with Progress(unit="items") as progress:
            done = taking.run(files, lambda path: progress(path.name, files.index(path), len(files)))
        for store in stores:
            stored = Stored(taking, opened, store)
            stored.look(done)
            if not stored.count and not done.unread:
                done.unread.append((store.address, "there is no object below it; a prefix ends where a / stands"))
        if STDIN in paths:
            taking.run_stream(sys.stdin.buffer, done)
    if not done.counts["lines"]:
        say("0 events were added: there is no new line")
    raise typer.Exit(said(done))


@app.command(examples=["auditor prune --older-than 400d"])
def prune(
    older_than: Annotated[
        str, typer.Option(metavar="DURATION", help="Drop what is older, such as 400d; its sums stay.")
    ],
    ledger: Where = "auditor.db",
) -> None:
    """Drop old events from a ledger and keep their sums."""
    from auditor.ledger.database import Ledger
    from auditor.ledger.upkeep import prune as drop

    age = converted("--older-than", parse_duration, older_than)
    with Ledger(ledger, new=False) as opened, opened.write() as connection:
        gone = drop(connection, micros(datetime.now(UTC) - age))
    print(f"{plural(gone, 'event')} dropped; the sums stay")


state = App(
    name="ledger", no_args_is_help=True,
    help="Show and set the billing day, time zone and plans of a ledger's accounts.",
)  # fmt: skip
app.add_typer(state)


@state.command(examples=["auditor ledger configure --config auditor.toml"])
def configure(
    config: Annotated[
        Path,
        typer.Option(
            "--config", "-c", metavar="FILE", help="The auditor.toml whose accounts and time zone become the ledger's."
        ),
    ],
    ledger: Where = "auditor.db",
    replace: Annotated[bool, typer.Option("--replace", help="Also where it contradicts what the ledger has.")] = False,
) -> None:
    """Store the accounts of an auditor.toml in the ledger.

    Billing cycles are cut again, exactly. Every process that works on the ledger then uses these, whatever its own
    auditor.toml says.
    """
    from auditor.ledger.database import Ledger
    from auditor.ledger.upkeep import configure as write

    settings = configuration.load(config)
    with Ledger(ledger) as opened, opened.write() as connection:
        changed = write(connection, settings, str(config), replacing=replace)
    print(f"{config} is the ledger's" if changed else "nothing changed: the ledger has the same")


@state.command(examples=["auditor ledger show --ledger auditor.db"])
def show(ledger: Where = "auditor.db") -> None:
    """Print the accounts of a ledger, its sources and the files set aside."""
    from auditor.ledger.database import Ledger
    from auditor.ledger.upkeep import listing

    with Ledger(ledger, reader=True) as opened, opened.read() as connection:
        for line in listing(connection, micros(datetime.now(UTC))):
            print(plain(line))


def go_on(
    taker: "Taker", paths: Sequence[str], every: float, stopping: threading.Event, what: str,
    also: Sequence[Callable[["Ingested"], object]] = (),
) -> int:  # fmt: skip
    """Follow files, and what is *also* to be looked at, until a signal comes, which sets *stopping*.

    *what* is said to fail and to work again.
    """
    from auditor.feed.follow import Follow

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    failing = ""

    def tell(done: "Ingested") -> None:
        nonlocal failing
        if failing:
            failing = ""
            say(f"{what} works again")
        if done.counts["lines"] or any(done.complaints()):
            said(done)

    def failed(error: Exception) -> None:
        nonlocal failing
        if (words := _words(error)) != failing:
            failing = words
            say(f"{what} fails ({words}); it is tried again")

    print("auditor: following; Ctrl-C ends it", file=sys.stderr)
    following = Follow(taker, lambda: present(paths), lambda: absent(paths), paths, also)
    following.until(stopping, every, tell, failed)
    return OK


def _words(error: Exception) -> str:
    """Our own; others may hold the ledger's password."""
    return str(error) if isinstance(error, AuditorError) else type(error).__name__


def said(done: "Ingested") -> int:
    """Print what became of the lines, and what the user should look at; the exit code for it."""
    counts = done.counts
    late = f" + {counts['late']:,} before the prune horizon" if counts["late"] else ""
    aside = f" + {counts['set_aside']:,} set aside" if counts["set_aside"] else ""
    print(
        f"{counts['lines']:,} lines = {counts['events']:,} events + {counts['superseded']:,} superseded + "
        f"{counts['duplicates']:,} duplicates + {counts['rejected']:,} rejected{aside}{late}",
        flush=True,
    )
    complaints = list(done.complaints())
    for complaint in complaints:
        say(complaint)
    return INCOMPLETE if complaints else OK
