"""One input -> one Parquet file of records, with everything that must not get lost beside them.

The Parquet file of a big input is kept, see `auditor.intake.cache`: it need not be parsed again.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.cost import cost_header
from auditor.exchanges.exchange import Exchange, Exported
from auditor.exchanges.mapper import Mapper
from auditor.exchanges.units import Took, Units
from auditor.intake import cache as intake_cache
from auditor.intake.cache import IntakeCache
from auditor.intake.columns import SCHEMA, batches
from auditor.intake.detect import NATIVE, Detected, detect, named, sample_of, wrapped_in
from auditor.intake.sources import Note, Source
from auditor.model.events import BadRecordError
from auditor.model.settings import Settings
from auditor.reading.format import Format
from auditor.reading.ids import Ids
from auditor.reading.lines import Line, LineReader, read_exactly
from auditor.reading.named import names_environment
from auditor.reading.packed import decompressed
from auditor.reading.reader import Reading, Tally
from auditor.reading.table import Table
from auditor.reading.unread import sentence
from auditor.system.files import FileStamp

# Arrow's other pools take a gigabyte of address space at once, which a cap on memory would count.
pa.set_memory_pool(pa.system_memory_pool())

ROW_GROUP = 200_000
BLOCK = 16 << 20
"""Bytes that are read at once."""
# Ids, keys and digests hardly repeat: dictionaries and statistics of them only cost time.
_WORDS = [field.name for field in SCHEMA if pa.types.is_dictionary(field.type)]
_PARQUET = {"compression": "zstd", "compression_level": 1, "use_dictionary": _WORDS, "write_statistics": False}

BULK_FROM = 16 << 20
"""Bytes from which starting the compiled reader pays off; its start costs as much as 40,000 events."""
ReadBlock = Callable[[bytes, int], tuple[pa.RecordBatch | None, list[Line], int]]


@dataclass(slots=True)
class Intake:
    """What reading one input gave, apart from its records."""

    format: str = "jsonl"
    detected: str = ""
    """What was detected and how sure that is; empty for the client's own events and where the user named it."""
    truncated: bool = False
    damage: str = ""
    tally: Tally = field(default_factory=Tally)
    scopes: Sequence[str] = ()
    """What the ids that its records have of their own end with, as far as they count."""
    stages: bool = False
    """Whether several of its records may mean one request."""

    @classmethod
    def of(
        cls,
        source: Source,
        target: Path,
        settings: Settings,
        input_format: str | None,
        cache: bool,
        progress: Callable[[int], None],
        note: Note = lambda _: None,
    ) -> "Intake":
        """Read *source* into *target*, from its cache where there is a valid one; *note* hears of a new one."""
        detected = detected_in(source, settings, input_format)
        kept = None
        if cache and source.cacheable and source.size >= intake_cache.FROM:
            kept = IntakeCache(source, {
                "timezone": str(settings.timezone), "path": source.label,
                "format": detected.kind.name, "mapping": _mapping(settings) if detected.foreign else "",
                "ids": settings.ids or "", "named": input_format or "",
            })  # fmt: skip
        if kept is not None and (known := kept.load()) is not None:
            try:  # another process may replace what is kept meanwhile: a second name stays, where there can be one
                target.hardlink_to(known[0])
            except OSError:
                target.symlink_to(known[0])
            return msgspec.convert(known[1], cls, dec_hook=_counter)
        intake = cls._read(source, target, settings, detected, kept, progress)
        if kept is not None and (written := kept.keep(target)) is not None:
            note(
                f"{source.label}: what was read is kept in {written.parent} ({written.stat().st_size >> 20:,} MiB), "
                "so that the next audit is quicker; --no-cache does without"
            )
        return intake

    @classmethod
    def _read(
        cls,
        source: Source,
        target: Path,
        settings: Settings,
        detected: Detected,
        kept: IntakeCache | None,
        progress: Callable[[int], None],
    ) -> "Intake":
        intake = cls(detected.kind.name, str(detected) if detected.foreign and detected.lines else "")
        kind = detected.kind(settings.timezone)
        units = units_of(source, detected, settings)
        mapper = Mapper(settings, source.label, units)
        reading = Reading(source.label, kind, mapper, intake.tally, Ids(kind.name, settings.ids))
        with source.reading() as raw, pq.ParquetWriter(target, SCHEMA, **_PARQUET) as writer:
            reader = detected.reader(decompressed(raw))

            def told() -> None:
                progress(raw.tell())

            template = kind.template
            if kind.name == NATIVE or (template is not None and not any(map(_of_each_line, template.names))):
                records = intake._blocks(source.size, reader, reading, writer, told)
            else:
                records = _told(kind.records(source.path, reader), told)
            for batch in batches(reading.events(records)):
                writer.write_batch(batch)
            intake.truncated, intake.damage = reader.truncated, reader.damage
            said = {
                Assumption.DURATION_UNIT: units.assumed(),
                Assumption.DURATION_UNKNOWN: units.unknown(),
                Assumption.NUMBERS_UNREAD: sentence(kind.unread),
                Assumption.UNREAD_DURATION: units.not_read(),
            }
            intake.tally.explained |= {name.value: text for name, text in said.items() if text}
            intake.scopes, intake.stages = reading.ids.suffixes, reading.ids.stages
            if kept is not None:
                writer.add_key_value_metadata(kept.metadata(intake))
        return intake

    @staticmethod
    def _compiled(reading: Reading) -> ReadBlock:
        """What reads many lines at once, as far as they are plain."""
        # numba is heavy: imported only for inputs that are worth it.
        if reading.kind.template is not None:
            from auditor.intake.columnar.template_columns import TemplateBlocks

            return TemplateBlocks(reading).read
        from auditor.intake.columnar.bulk_columns import read_block

        return read_block

    def _blocks(
        self, size: int, reader: LineReader, reading: Reading, writer: pq.ParquetWriter, progress: Callable[[], None]
    ) -> Iterator[Line]:
        """The lines that are left to the exact reader; the plain ones are written on the way.

        That is each line until so much was read, or is there by the *size*, that the compiled reader pays off: packed
        logs do not tell before.
        """
        read: ReadBlock = read_exactly
        seen = before = 0
        held: list[pa.RecordBatch] = []
        for block in reader.blocks(BLOCK):
            seen += len(block)
            if read is read_exactly and max(seen, size) >= BULK_FROM:
                read = self._compiled(reading)
            batch, rest, lines = read(block, before)
            before += lines
            if batch is not None and self.format == NATIVE:
                self.tally.lines += len(batch)  # (of other formats, those that are no events count, too)
            progress()
            if batch is not None:
                held.append(batch)
                if sum(map(len, held)) >= ROW_GROUP:
                    writer.write_table(pa.Table.from_batches(held))
                    held = []
            yield from rest
        if held:
            writer.write_table(pa.Table.from_batches(held))


def _counter(kind: Any, value: dict[Any, int]) -> Counter[Any]:
    """What a cache has of a counter of such a *kind*."""
    return Counter(msgspec.convert(value, dict[kind.__args__[0], int]))


def detected_in(source: Source, settings: Settings, input_format: str | None) -> Detected:
    """The format of an input, detected or named."""
    chosen = None if input_format is None else named(input_format, settings.log_formats)
    with source.reading() as raw:
        sample = sample_of(source.path, decompressed(raw), settings.log_formats)
    found = detect(sample, settings.log_formats, source.label) if chosen is None else wrapped_in(chosen, sample)
    if found.foreign:
        found = _refined(found, source, settings)
    if not issubclass(found.kind, Table):
        return found
    written = FileStamp.of(source.path.stat())
    return replace(found, kind=_surveyed(found, source, written, settings.timezone, settings.decimal))


def _refined(found: Detected, source: Source, settings: Settings) -> Detected:
    """The format as the lines that a source or provider fits show it."""
    mapper = Mapper(settings, source.label)
    with source.reading() as raw:
        kind = found.kind(settings.timezone)
        items = _items(kind, kind.records(source.path, found.reader(decompressed(raw))))
        requests = ((data, item) for data, item in items if isinstance(item, Exchange))
        refined = found.kind.refined(requests, lambda *request: mapper.request(*request) is not None)
    return found if refined is found.kind else replace(found, kind=refined)


@lru_cache(maxsize=64)
def _surveyed(found: Detected, source: Source, written: FileStamp, zone: ZoneInfo, decimal: str | None) -> type[Format]:
    """The format of one table, which is looked at as a whole, and once as long as it is not *written* to."""
    del written
    assert issubclass(found.kind, Table)
    with source.reading() as raw:
        return found.kind.surveyed(source.label, source.path, found.reader(decompressed(raw)), zone, decimal)


def _mapping(settings: Settings) -> str:
    """A digest of all that the mapping of foreign logs depends on."""
    accounts = sorted((name, account.provider) for name, account in settings.accounts.items())
    told = settings.decimal, settings.duration_unit, os.environ.get("AUDITOR_SECRET")
    said = repr((settings.sources, sorted(settings.log_formats.items()), accounts, told))
    return hashlib.sha256(said.encode()).hexdigest()


def _of_each_line(name: str) -> bool:
    """Whether a variable of such a name has to be read with its own line."""
    return names_environment(name) or cost_header(name) is not None


def units_of(source: Source, detected: Detected, settings: Settings) -> Units:
    """The units of an input's durations, for which it is read once more where no record names them."""

    def took() -> Iterator[Took]:
        kind = detected.kind(settings.timezone)
        with source.reading() as raw:
            for _, item in _items(kind, kind.records(source.path, detected.reader(decompressed(raw)))):
                if isinstance(item, Exchange | Exported) and item.took:
                    yield item.took

    return Units(took, settings.duration_unit)


def _items(kind: Format, records: Iterable[Line]) -> Iterator[tuple[bytes, object]]:
    """(record, what it tells) of those records that can be read."""
    for record in records:
        with suppress(BadRecordError):
            yield record.data, kind.parse(record.data)


def _told(records: Iterable[Line], progress: Callable[[], None]) -> Iterator[Line]:
    """*records*, with word of the progress every few thousand."""
    for count, record in enumerate(records):
        if count % 10_000 == 0:
            progress()
        yield record
