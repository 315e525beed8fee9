"""`python -m scripts.live`: what `make live` runs."""

import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.live import Live

from auditor.model.errors import ConfigError
from auditor.system import endings
from auditor.system.terminal import is_terminal, say
from scripts.live.check import USED_UP, Check, show
from scripts.live.house import House, Scale, running
from scripts.live.processes import LiveError
from scripts.live.summary import Summary

DEMO = Scale(
    left=150, step=1800, every=5, latency=0.3, waits={"group_wait": "5s", "group_interval": "10s"},
    faults=("500=0.01", "429=0.005"),
)  # fmt: skip
CHECK = Scale(
    left=120, step=3600, every=1, latency=0.0, waits={"group_wait": "0s", "group_interval": "1s"},
    # Whatever waits before it fires, to leave out what passes by itself, fires within the check.
    settings=("patience=5s", "projection_for=5s", "burn_for=1s", "down_for=10s"),
)  # fmt: skip
A_SECOND = 3.0
"""Visits of the demo."""
SUMMARY_EVERY = 5.0
AUDIT_EVERY = 60.0
"""Seconds."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def live(
    check: Annotated[bool, typer.Option("--check", help="Check what the demo has to show, and end.")] = False,
    keep: Annotated[Path | None, typer.Option(help="A new folder, which stays: logs, ledger, data.")] = None,
) -> None:
    """Run sandbox, demo traffic, exporter, audit, Prometheus and Alertmanager until Ctrl-C; nothing is left behind."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        with _folder(keep) as folder, running(folder, CHECK if check else DEMO, int(time.time()), say) as house:
            checked(house) if check else demonstrate(house)
    except LiveError as error:
        for line in str(error).splitlines():
            say(line)
        raise typer.Exit(error.exit_code) from None


def checked(house: House) -> None:
    """The table, and exit code 1 if a row is wrong."""
    check = Check(house)
    try:
        check.run()
    finally:
        show(check.rows)
    if not all(row.good for row in check.rows):
        say("to read logs and data, keep them: make live CHECK=1 KEEP=folder")
        raise typer.Exit(1)


def demonstrate(house: House) -> None:
    """Traffic, audits and a summary, until Ctrl-C or SIGTERM."""
    introduce(house)
    stopping, audited = threading.Event(), -AUDIT_EVERY
    visitors = threading.Thread(target=house.traffic.until, args=(stopping, A_SECOND), daemon=True)
    visitors.start()
    screen = Live(auto_refresh=False) if is_terminal(sys.stdout) else None
    try:
        with screen or nullcontext():
            while True:
                if time.monotonic() - audited > AUDIT_EVERY:
                    house.audit()
                    audited = time.monotonic()
                summary = Summary.of(house)
                if screen:
                    screen.update(summary.shown(), refresh=True)
                else:
                    print(summary.line(), flush=True)
                house.processes.rest(SUMMARY_EVERY)
    except KeyboardInterrupt:
        say("stopping")
    finally:
        stopping.set()
        visitors.join()


def introduce(house: House) -> None:
    """Where everything is."""
    place = house.place
    for what, where in (
        ("Prometheus", house.prometheus.url), ("Alertmanager", house.alertmanager), ("exporter", house.metrics),
        ("clients", f"http://{house.traffic.address}/metrics"), ("sandbox", f"{house.sandbox}/sandbox/invoice"),
        ("logs", place.logs), ("alerts that came", house.receiver.log), ("plans", place.config),
    ):  # fmt: skip
        print(f"{what:<16} {where}")
    print("Staging has lost its Redis, so its misses cost credits, and dashboards show cache errors.")
    print(f'The shop\'s plan ends in some minutes: {USED_UP} fires. Set plan = "Large" there, and it resolves.')
    print("Ctrl-C ends it.", flush=True)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="auditor-live-") as name:
            yield Path(name)
        return
    if keep.exists():
        raise ConfigError(f"--keep {keep}: is there already; name a new folder")
    keep.mkdir(parents=True)
    yield keep.resolve()
    say(f"logs, ledger and data are in {keep}")


def _end(number: int, frame: FrameType | None) -> None:
    """Ends it once; what comes while it stops changes nothing."""
    del number, frame
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    endings.run("live", app)
