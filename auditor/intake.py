"""One input -> one Parquet file of records, with everything that must not get lost beside them.

A big input leaves its Parquet file beside it as a cache. The cache belongs to the bytes: it is taken only if their
digest, the reader's version and the time zone are the same; a file that nobody touched is told by its inode. It is
written elsewhere and renamed, so that two processes may do so at once.
"""

import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from auditor import __version__
from auditor.events import Reason, Rejection, UsageEvent
from auditor.formats.columns import SCHEMA, batches
from auditor.formats.jsonl import JsonLines
from auditor.formats.lines import Line, LineReader, decompressed, read_exactly
from auditor.formats.secrets import find, mask
from auditor.sources import Source

MAX_REJECTIONS = 100
CACHE_FROM = 64 << 20
"""Bytes from which an input is worth a cache."""
BULK_FROM = 16 << 20
"""Bytes from which starting the compiled reader pays off; its start costs as much as 40,000 events."""
ROW_GROUP = 200_000
ReadBlock = Callable[[bytes, int], tuple[pa.RecordBatch | None, list[Line], int]]
CACHE_SUFFIX = ".auditor.parquet"
_KEY = b"render_auditor"
LINE_BITS = 40
# Ids, keys and digests hardly repeat: dictionaries and statistics of them only cost time.
_WORDS = [field.name for field in SCHEMA if pa.types.is_dictionary(field.type)]
_PARQUET = {"compression": "zstd", "compression_level": 1, "use_dictionary": _WORDS, "write_statistics": False}


@dataclass(slots=True)
class Intake:
    """What reading one input gave, apart from its records."""

    format: str = "jsonl"
    lines: int = 0
    truncated: bool = False
    damage: str = ""
    reasons: Counter[Reason] = field(default_factory=Counter)
    rejections: list[Rejection] = field(default_factory=list)
    secrets: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By field or parameter: lines, one masked value."""

    @classmethod
    def of(cls, source: Source, target: Path, zone: ZoneInfo, cache: bool, progress: Callable[[int], None]) -> "Intake":
        """Read *source* into *target*, from its cache where there is a valid one."""
        if not (cache and source.cacheable and source.size >= CACHE_FROM):
            return cls._read(source, target, zone, {}, progress)
        beside = source.path.with_name(source.path.name + CACHE_SUFFIX)
        identity = {"version": __version__, "timezone": str(zone), "path": source.label}
        stamp = _stamp(source)
        known = _load(beside, identity, source, stamp)
        if known is not None:
            target.symlink_to(beside.resolve())
            return known
        identity |= {"stamp": stamp, "digest": _digest(source)}
        intake = cls._read(source, target, zone, identity, progress)
        _publish(target, beside)
        return intake

    @classmethod
    def _read(
        cls, source: Source, target: Path, zone: ZoneInfo, identity: dict[str, str], progress: Callable[[int], None]
    ) -> "Intake":
        intake = cls()
        with source.open() as raw, pq.ParquetWriter(target, SCHEMA, **_PARQUET) as writer:
            reader = LineReader(decompressed(raw))
            read = _bulk_reader() if source.size >= BULK_FROM else read_exactly
            rest = intake._blocks(reader, read, writer, lambda: progress(raw.tell()))
            for batch in batches(intake._events(source, rest, zone)):
                writer.write_batch(batch)
            intake.truncated, intake.damage = reader.truncated, reader.damage
            writer.add_key_value_metadata({_KEY: json.dumps({"identity": identity, "intake": intake.dump()}).encode()})
        return intake

    def _blocks(
        self, reader: LineReader, read: ReadBlock, writer: pq.ParquetWriter, progress: Callable[[], None]
    ) -> Iterator[Line]:
        """The lines that are left to the exact reader; the plain ones are written on the way."""
        before = 0
        held: list[pa.RecordBatch] = []
        for block in reader.blocks():
            batch, rest, lines = read(block, before)
            before += lines
            progress()
            if batch is not None:
                self.lines += len(batch)
                held.append(batch)
                if sum(map(len, held)) >= ROW_GROUP:
                    writer.write_table(pa.Table.from_batches(held))
                    held = []
            yield from rest
        if held:
            writer.write_table(pa.Table.from_batches(held))

    def _events(self, source: Source, lines: Iterable[Line], zone: ZoneInfo) -> Iterator[tuple[int, UsageEvent]]:
        for number, item in JsonLines().read(source.label, self._watched(lines), zone):
            if isinstance(item, Rejection):
                self.reasons[item.reason] += 1
                if len(self.rejections) < MAX_REJECTIONS:
                    self.rejections.append(item)
            else:
                yield number, item

    def _watched(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Each line once, counted and looked through for secrets."""
        for line in lines:
            self.lines += 1
            for name, value in find(line.data):
                count, masked = self.secrets.get(name, (0, mask(value)))
                self.secrets[name] = (count + 1, masked)
            yield line

    def dump(self) -> dict[str, Any]:
        """As JSON, for the cache."""
        return {
            "format": self.format,
            "lines": self.lines,
            "truncated": self.truncated,
            "damage": self.damage,
            "reasons": dict(self.reasons),
            "secrets": self.secrets,
            "rejections": [[bad.path, bad.line, bad.reason, bad.detail, bad.excerpt] for bad in self.rejections],
        }

    @classmethod
    def undump(cls, data: dict[str, Any]) -> "Intake":
        """What `dump` gave."""
        return cls(
            format=data["format"],
            lines=data["lines"],
            truncated=data["truncated"],
            damage=data["damage"],
            reasons=Counter({Reason(name): count for name, count in data["reasons"].items()}),
            rejections=[
                Rejection(path, line, Reason(reason), detail, excerpt)
                for path, line, reason, detail, excerpt in data["rejections"]
            ],
            secrets={name: (lines, masked) for name, (lines, masked) in data["secrets"].items()},
        )


def read_lines(sources: Sequence[Source], rows: Iterable[int]) -> dict[int, bytes]:
    """The raw lines of some rows of `records`."""
    wanted = set(rows)
    found: dict[int, bytes] = {}
    for index in sorted({row >> LINE_BITS for row in wanted}):
        with sources[index].open() as raw:
            for line in LineReader(decompressed(raw)):
                row = (index << LINE_BITS) + line.number
                if row in wanted:
                    found[row] = line.data
    return found


def _load(path: Path, identity: dict[str, str], source: Source, stamp: str) -> Intake | None:
    """The intake that a cache holds, None if it is absent, damaged or of other bytes."""
    try:
        stored = json.loads((pq.read_metadata(path).metadata or {})[_KEY])
        known = stored["identity"]
        if any(known[name] != value for name, value in identity.items()):
            return None
        same = bool(stamp) and known["stamp"] == stamp
        return Intake.undump(stored["intake"]) if same or known["digest"] == _digest(source) else None
    except (OSError, KeyError, ValueError, TypeError, pa.ArrowException):
        return None


def _stamp(source: Source) -> str:
    """What changes with every write, so that unchanged bytes need not be hashed; empty where it may not yet have.

    The time of the last change of the inode cannot be set back; it is too coarse only for what just happened.
    """
    stat = source.path.stat()
    settled = time.time_ns() - stat.st_ctime_ns > 2 * 10**9
    return f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}" if settled else ""


def _digest(source: Source) -> str:
    with source.open() as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _publish(target: Path, beside: Path) -> None:
    """Put a copy of *target* in its place; a folder that cannot be written has no cache."""
    with suppress(OSError):
        handle, name = tempfile.mkstemp(prefix=".auditor-", suffix=".tmp", dir=beside.parent)
        try:
            with os.fdopen(handle, "wb") as out, target.open("rb") as data:
                while chunk := data.read(1 << 20):
                    out.write(chunk)
            Path(name).replace(beside)
        except OSError:
            Path(name).unlink()
            raise


def _bulk_reader() -> ReadBlock:
    # numba is heavy: imported only for inputs that are worth it.
    from auditor.formats.bulk_columns import read_block

    return read_block
