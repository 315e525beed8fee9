"""What becomes of each record of sample_logs/formats/; `make golden` writes it down, test_samples.py compares."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from auditor.config import load, settings_of
from auditor.exchanges.mapper import Mapper
from auditor.intake.read import Intake, detected_in, units_of
from auditor.intake.sources import Source
from auditor.model.events import Rejection, UsageEvent
from auditor.model.settings import Settings
from auditor.reading.lines import Line, LineReader
from auditor.reading.packed import decompressed
from auditor.reading.reader import Reading, Tally
from auditor.reading.secrets import redact
from tests.records import record_of

FOLDER = Path(__file__).parents[2] / "sample_logs" / "formats"
SAMPLES = sorted(path for path in FOLDER.iterdir() if path.suffix not in {".toml", ".golden", ".md"})


def verdicts(path: Path) -> tuple[str, list[dict[str, Any]], Tally]:
    """(name of the detected format, what each record became, what was counted)."""
    tally = Tally()
    name, records = read(path, tally)
    return name, [{"line": line.number, **_told(item)} for line, item in records], tally


@dataclass(frozen=True)
class Taken:
    """What is taken of a file: what was counted, and its records."""

    tally: Tally
    records: list[dict[str, Any]]
    format: str
    detected: str = field(compare=False)
    """With what is around the lines."""

    @property
    def assumed(self) -> Counter[str]:
        """Name -> records."""
        return Counter(name for record in self.records for name in (record["assumed"] or "").split())

    @property
    def unknown(self) -> Counter[str]:
        """Why it is not known which image -> records."""
        return Counter(record["unknown"] for record in self.records if record["unknown"])

    @property
    def repeats(self) -> int:
        """Renders of a known image that another one is of, too."""
        keys = [each["key"] for each in self.records if each["outcome"] == "render" and not each["unknown"]]
        return len(keys) - len(set(keys))

    def count(self, outcome: str) -> int:
        """Records of an outcome."""
        return sum(record["outcome"] == outcome for record in self.records)


def taken(path: Path, settings: Settings, input_format: str | None = None) -> Taken:
    """What is taken of a file by whichever reader it needs."""
    records = path.with_suffix(".taken.parquet")
    intake = Intake.of(Source(path.name, path), records, settings, input_format, False, lambda _: None)
    return Taken(intake.tally, pq.read_table(records).to_pylist(), intake.format, intake.detected)


def taken_of(
    folder: Path, files: Mapping[str, str | None], config: Mapping[str, Any] | None = None, **options: Any
) -> Taken:
    """The same of the only one of some files; None is a file that is there."""
    ((name, text),) = files.items()
    if text is not None:
        (folder / name).write_text(text, encoding="utf-8")
    return taken(folder / name, settings_of(config or {}, "test"), **options)


def read(path: Path, tally: Tally) -> tuple[str, list[tuple[Line, UsageEvent | Rejection | None]]]:
    """(name of the detected format, the records of a sample with what each became)."""
    settings = load(FOLDER / "auditor.toml")
    source = Source(path.name, path)
    detected = detected_in(source, settings, None)
    kind = detected.kind
    mapper = Mapper(settings, path.name, units_of(source, detected, settings))
    reading = Reading(path.name, kind(settings.timezone), mapper, tally)
    with path.open("rb") as raw:
        return kind.name, list(reading.verdicts(reading.kind.records(path, LineReader(decompressed(raw)))))


def _told(item: UsageEvent | Rejection | None) -> dict[str, Any]:
    if isinstance(item, Rejection):
        return {"rejected": item.reason.value, "detail": item.detail}
    return {"other": True} if item is None else {"event": record_of(item)}


def golden(path: Path) -> Iterator[str]:
    """The golden file of a sample, line by line."""
    tally = Tally()
    name, records = read(path, tally)
    events = [item for _, item in records if isinstance(item, UsageEvent)]
    assumed = Counter(name for event in events for name in (event.assumed or "").split())
    yield json.dumps({"format": name, "assumed": dict(sorted(assumed.items())), "secrets": tally.secrets})
    for line, item in records:
        yield json.dumps({"line": line.number, **_told(item)})


def golden_of(path: Path) -> Path:
    """Where it stands."""
    return path.with_name(path.name + ".golden")


def example(path: Path) -> tuple[str, str]:
    """The first record of a sample that is an event, cut for print, and that event as JSON."""
    for line, item in read(path, Tally())[1]:
        if isinstance(item, UsageEvent):
            return redact(line.data).decode(), json.dumps(record_of(item), indent=2)
    raise ValueError(f"{path.name} holds no event")
