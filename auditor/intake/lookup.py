"""Rows of `records` -> the records of the inputs that they came from."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from auditor.engines import LINE_BITS
from auditor.exchanges.addresses import parameters, split
from auditor.exchanges.exchange import Exchange
from auditor.intake.read import detected_in
from auditor.intake.sources import Source
from auditor.model.events import BadRecordError
from auditor.model.settings import Settings
from auditor.reading.format import Format
from auditor.reading.lines import NUMBER_BITS, Line
from auditor.reading.packed import decompressed

SHOWN = 100
"""Characters of a request."""


def read_records(
    sources: Sequence[Source], settings: Settings, input_format: str | None, rows: Iterable[int]
) -> dict[int, Line]:
    """The raw records of some rows of `records`."""
    return {row: line for row, line, _ in _found(sources, settings, input_format, rows)}


def requests_of(
    sources: Sequence[Source], settings: Settings, input_format: str | None, rows: Iterable[int]
) -> dict[int, str]:
    """What some rows of `records` asked for, for people."""
    found = {}
    for row, line, kind in _found(sources, settings, input_format, rows):
        # A file that was rotated or rewritten since is no reason to lose the report.
        with suppress(BadRecordError):
            item = kind.parse(line.data)
            if isinstance(item, Exchange):
                found[row] = _shown(item)
    return found


def _shown(exchange: Exchange) -> str:
    """A request for people: its path and the names of its parameters, whose values stay private."""
    _, path, query = split(exchange.host, exchange.target)
    names = "&".join(f"{name}=…" for name in dict.fromkeys(name for name, _ in parameters(query)))
    text = f"{path}?{names}" if names else path
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _found(
    sources: Sequence[Source], settings: Settings, input_format: str | None, rows: Iterable[int]
) -> Iterator[tuple[int, Line, Format]]:
    """(row, its record, the format of its file) of some rows, read no further than needed."""
    wanted = sorted(set(rows))
    for index, group in itertools.groupby(wanted, key=lambda row: row >> LINE_BITS):
        source = sources[index]
        left: dict[int, list[int]] = {}
        for row in group:
            left.setdefault(row & (1 << NUMBER_BITS) - 1, []).append(row)
        detected = detected_in(source, settings, input_format)
        kind = detected.kind(settings.timezone)
        with source.reading() as raw:
            for line in kind.records(source.path, detected.reader(decompressed(raw))):
                if line.number not in left:
                    with suppress(BadRecordError):
                        kind.remember(line.data)
                    continue
                for row in left.pop(line.number):
                    yield row, line, kind
                if not left:
                    break
