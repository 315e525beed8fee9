"""`auditor map` and `auditor formats`: what a log of another kind is, and which of its requests are for pictures."""

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.options import Config, InputFormat, Timezone, say, settings_of
from auditor.errors import InputError
from auditor.formats.decimals import POINT
from auditor.registry import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.exchanges.exchange import Exchange
    from auditor.exchanges.proposal import Table
    from auditor.formats.detect import Detected
    from auditor.settings import Settings
    from auditor.sources import Source

app = typer.Typer(rich_markup_mode=None)
RECORDS = 200_000
"""Of the sample: enough for every kind of address, and read in seconds."""
SHOWN = 10
_WIDTH = 60


@app.command(
    "map",
    epilog="Examples:  auditor map access.log >> auditor.toml | auditor map access.log.gz --input-format combined",
)
def map_log(
    log: Annotated[Path, typer.Argument(help="A log of another kind than usage events.", show_default=False)],
    input_format: InputFormat = None,
    config: Config = None,
    timezone: Timezone = None,
) -> None:
    """Propose the [sources] tables that map a log's requests to pictures, and show ten lines mapped by them."""
    from auditor.intake import detected_in
    from auditor.sources import discover

    settings = settings_of([str(log)], config, timezone)
    (source, *others) = discover([str(log)], log.parent, note=say)
    if others:
        raise InputError(f"{log}: name one log; the tables fit all logs of the same server")
    # Addresses do not depend on how the numbers beside them are written.
    detected = detected_in(source, replace(settings, decimal=settings.decimal or POINT), input_format)
    if detected.lines:
        say(f"{source.label}: {detected}")
    exchanges = _exchanges(source, detected, settings)
    if not exchanges:
        raise InputError(f"{source.label}: holds no request; only logs of requests need a mapping")
    from auditor.exchanges.proposal import propose

    for line in _text(source, exchanges, propose(exchanges), settings):
        print(line)


@app.command("formats")
def formats() -> None:
    """List the formats of logs."""
    for name, kind in FORMATS.items():
        print(f"{name:14} {kind.title}")


def _exchanges(source: "Source", detected: "Detected", settings: "Settings") -> "list[Exchange]":
    from auditor.events import BadRecordError
    from auditor.exchanges.exchange import Exchange
    from auditor.formats.packed import decompressed

    reader = detected.kind(settings.timezone)
    found = []
    with source.reading() as raw:
        for record in itertools.islice(reader.records(source.path, detected.reader(decompressed(raw))), RECORDS):
            try:
                item = reader.parse(record.data)
            except BadRecordError:
                continue
            if isinstance(item, Exchange):
                found.append(item)
    return found


def _text(
    source: "Source", exchanges: "Sequence[Exchange]", tables: "Sequence[Table]", settings: "Settings"
) -> "list[str]":
    """The proposal as TOML, what it does as comments."""
    import tomllib

    from auditor.config import settings_of as parsed
    from auditor.exchanges.mapper import Mapper
    from auditor.terminal import plain

    lines = [line for table in tables for line in ("", *_notes(table), *table.lines)]
    proposed = parsed(tomllib.loads("\n".join(lines)), "the proposal").sources
    mapper = Mapper(replace(settings, sources=proposed), source.label)
    events = [
        (exchange, found[0])
        for exchange in exchanges
        if (found := mapper.event(exchange, f"{exchange.ts_us}")) is not None
    ]
    by_template = Counter(event.template for _, event in events)
    keys = len({event.key for _, event in events})
    head = [
        f"# Proposed from {len(exchanges):,} requests of {plain(source.label)}: {len(events):,} are for pictures, "
        f"{keys:,} different ones.",
        "# Nothing is left out of the key: put a parameter into `ignore` only if you know that it changes no picture.",
    ]
    if not tables:
        head.append("# No request looks like one for a picture; docs/formats.md shows how to write a table.")
    largest = ", ".join(f"{plain(name)} {count:,}" for name, count in by_template.most_common(8))
    shown = events[:: max(1, len(events) // SHOWN)][:SHOWN]
    tail = ["", f"# Templates: {largest}", "#", "# Ten lines mapped:"] if events else []
    for exchange, event in shown:
        size = f"{event.width or '?'}x{event.height or '?'}"
        tail.append(
            f"#   {_short(exchange.target)} -> {event.outcome} {plain(event.template)} {size} {event.format or '?'} "
            f"{event.environment} {event.key[:11]}"
        )
    return [*head, *lines, *tail]


def _notes(table: "Table") -> "list[str]":
    from auditor.terminal import plain

    group = table.group
    notes = [f"# {group.requests:,} requests for /{plain(group.prefix)}"]
    for name, values in sorted(group.values.items())[:12]:
        notes.append(f"#   ?{plain(name)}= on {values.total():,} of them, {len(values):,} values")
    return notes


def _short(target: str) -> str:
    """An address for print: without secrets, and not longer than a line."""
    from auditor.formats.secrets import redact
    from auditor.terminal import plain

    text = plain(redact(target.encode(errors="replace")).decode(errors="replace"))
    return f"{text[: _WIDTH - 1]}…" if len(text) > _WIDTH else text.ljust(_WIDTH)
