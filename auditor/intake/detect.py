"""Which format an input has, by its content. Where that is not clear, the answer is a question and no guess."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from auditor.feed.tail import Readable
from auditor.formats.cloudfront_realtime import CloudFrontRealtime
from auditor.formats.log_format import LogFormat, LogFormats
from auditor.intake.question import SPREAD, objects_in, question
from auditor.intake.sources import USAGE
from auditor.model.errors import ConfigError, InputError
from auditor.model.events import BadRecordError, is_like_event
from auditor.model.json_shape import JsonShape
from auditor.model.names import available
from auditor.model.settings import OwnFormat
from auditor.reading.array import is_array, key_of_array, objects, whole_objects
from auditor.reading.cells import Cells, cells_in
from auditor.reading.format import Format, Sample
from auditor.reading.lines import LineReader, dense, without_holes, without_mark
from auditor.reading.names import json_in
from auditor.reading.packed import Stream, decompressed
from auditor.reading.parts import Unwrapper, unwrapped
from auditor.reading.shaped import ShapedJson
from auditor.reading.sums import told
from auditor.reading.table import Table
from auditor.reading.wrapped import DEEP
from auditor.registry import ALSO_CALLED, FORMATS

HEAD = 256 << 10
"""Bytes of the sample."""
LINES = 200
_TELLING = 2
"""Keys from which on an object tells that it is another program's."""
CLEAR = 0.5
"""A guess below this is none."""
MARGIN = 0.15
"""By so much the best guess is better than the next one."""
NATIVE = "jsonl"
DECLARED = (ShapedJson, LogFormat, LogFormats)
"""Formats of which several may fit a log: each is as good as its declaration."""


@dataclass(frozen=True, slots=True)
class Detected:
    """A format, and how sure that is."""

    kind: type[Format]
    confidence: float
    """1 where the user named it."""
    lines: int = 0
    """So many lines were looked at."""
    wraps: int = 0
    """So many collectors wrote something around the lines, out of which they have to be taken."""
    array: bool = False
    """Whether the lines are the objects of a JSON array."""
    key: str = ""
    """The key at which documents hold it, if they do."""
    cells: Cells | None = None
    """The column of a table that holds the lines."""

    def reader(self, stream: Stream) -> LineReader:
        """Reads the lines of an input as the format has to see them."""
        return LineReader(
            stream,
            cut=partial(objects, key=self.key) if self.array else None,
            inner=self.inside if self.wraps or self.cells else None,
            longest=self.kind.longest,
        )

    def inside(self, blocks: Iterable[bytes], *, grows: bool = False) -> Iterator[bytes]:
        """Blocks of whole lines as what is inside them, of an input that may still *grow* (`Unwrapper`)."""
        cells = self.cells
        found = blocks if cells is None else (b"\n".join(map(cells.line, block.split(b"\n"))) for block in blocks)
        for _ in range(self.wraps):
            found = Unwrapper(grows=grows).blocks(found)
        return iter(found)

    @property
    def foreign(self) -> bool:
        """Whether it is any other than the client's own."""
        return self.kind.name != NATIVE

    def __str__(self) -> str:
        inside = ", inside what a collector wrote around it" if self.wraps else ""
        if self.cells is not None:
            inside += f", in column {self.cells.index + 1} of a table, whose other columns are not read"
        lines = "line" if self.lines == 1 else f"{self.lines:,} lines"
        return f"{self.kind.title}{inside} ({self.confidence:.0%} sure, by the first {lines})"


def sample_of(path: Path, stream: Stream, log_formats: Mapping[str, OwnFormat] = MappingProxyType({})) -> Sample:
    """The head of an input; *log_formats* say at which keys of documents their records stand."""
    data = b""
    for chunk in without_holes(without_mark(LineReader(stream).chunks(HEAD))):
        data += dense(chunk)
        if len(data) >= HEAD:
            break
    # Firehose writes objects behind each other without line ends.
    if is_array(data) or (b"}" in data and b"\n" not in data.strip() and len(whole_objects(data)) > 1):
        return Sample(path, data, tuple(whole_objects(data)[:LINES]), array=True)
    whole = data.split(b"\n") if len(data) < HEAD else data[:HEAD].split(b"\n")[:-1]
    lines = [line for line in whole if line.strip(b" \t\r")]
    # Lines that are a document each are cut one by one, so that a bad one costs no other.
    if (not lines[1:] or json_in(lines[0]) is None) and (key := key_of_array(data, _keys(log_formats))):
        return Sample(path, data, tuple(whole_objects(data, key)[:LINES]), array=True, key=key)
    return Sample(path, data, tuple(lines[:LINES]))


def _keys(log_formats: Mapping[str, OwnFormat]) -> Iterator[str]:
    """The keys at which documents hold an array of records: those that auditor.toml declares, and ours."""
    declared = (each for each in log_formats.values() if isinstance(each, JsonShape))
    paths = dict.fromkeys(path for shape in declared for path in shape.records)
    return (path.rpartition(".")[2] for path in (*paths, "records", "Records"))


def detect(sample: Sample, log_formats: Mapping[str, OwnFormat], label: str) -> Detected:
    """The format of a sample. `InputError` names the candidates where none is clear."""
    native = FORMATS[NATIVE]
    if not sample.data.strip():
        return Detected(native, 0.0)
    guesses = _guesses(sample, log_formats)
    found = _inside(sample, _clear(sample, guesses), lambda inside: _clear(inside, _guesses(inside, log_formats)))
    if found is not None:
        return found
    questions = (kind.question(sample) for kind in FORMATS.values()) if guesses[0][0] < CLEAR else ()
    if asked := next(filter(None, questions), None):
        raise InputError(f"{label}: {asked}")
    if guesses[0][0] < CLEAR and (sums := told(sample.lines)) is not None:
        raise InputError(f"{label}: {sums}")
    if guesses[0][0] < CLEAR and _is_damaged_usage(sample, label):
        return Detected(native, native.detect(sample), len(sample.lines), array=sample.array, key=sample.key)
    shapes = (own(name, each) for name, each in log_formats.items())
    empty = [shape.lacking(sample.lines) for shape in shapes if issubclass(shape, ShapedJson)]
    raise question(sample, guesses, label, [each for each in empty if each and guesses[0][0] < CLEAR])


def _guesses(sample: Sample, log_formats: Mapping[str, OwnFormat]) -> list[tuple[float, type[Format]]]:
    """How sure each format is, the surest first; of usage events no other is asked."""
    native = FORMATS[NATIVE]
    if (sure := native.detect(sample)) > 1 - MARGIN:
        return [(sure, native)]
    kinds = [*(own(name, told) for name, told in log_formats.items()), *FORMATS.values()]
    return sorted(((kind.detect(sample), kind) for kind in kinds), key=lambda guess: -guess[0])


def own(name: str, told: OwnFormat) -> type[Format]:
    """The format that a table of auditor.toml declares."""
    return ShapedJson.of(name, told) if isinstance(told, JsonShape) else LogFormat.of(name, told)


def _clear(sample: Sample, guesses: list[tuple[float, type[Format]]]) -> Detected | None:
    """The best guess, if it is good and much better than the next one."""
    best, kind = guesses[0]
    # A format that reads more of the same lines than its base is no rival of it.
    next_best = next((share for share, other in guesses[1:] if not issubclass(kind, other)), 0.0)
    clear = best >= CLEAR and (best - next_best >= MARGIN or best == 1) and not _rivaled(sample, guesses)
    return Detected(kind, best, len(sample.lines), array=sample.array, key=sample.key) if clear else None


def _rivaled(sample: Sample, guesses: list[tuple[float, type[Format]]]) -> bool:
    """Whether another declaration fits as well and reads something else; those of auditor.toml come before ours."""
    best, kind = guesses[0]
    if not issubclass(kind, DECLARED):
        return False
    rivals = (other for share, other in guesses[1:] if share == best and issubclass(other, DECLARED))
    own = [other for other in rivals if _is_own(other) is _is_own(kind)]
    return any(_read(kind, line) != _read(other, line) for other in own for line in kind.each(sample.lines))


def _is_own(kind: type[Format]) -> bool:
    """Whether auditor.toml declares it."""
    return not issubclass(kind, ShapedJson) or kind.own


def _read(kind: type[Format], line: bytes) -> list[object]:
    found: list[object] = []
    for part in kind.parts(line):
        with suppress(BadRecordError):
            found.append(kind(ZoneInfo("UTC")).parse(part))
    return found


def _inside(sample: Sample, found: Detected | None, detected: Callable[[Sample], Detected | None]) -> Detected | None:
    """What was found, or what is found in the cells of a table if that is better, or in other wraps if as good."""
    found = _unwrapped(sample, found, detected)
    if sample.array or (found is not None and issubclass(found.kind, Table)):
        return found
    for cells in cells_in(sample.lines):
        best = -1.0 if found is None else found.confidence
        level = found is not None and not (found.wraps or found.cells) and cells.quoted
        if best == 1 and not level:
            continue
        inside = _sample(sample, map(cells.line, sample.lines))
        inner = _unwrapped(inside, detected(inside), detected) if inside.lines else None
        if inner is not None and (inner.confidence > best or (level and inner.confidence == best)):
            found = replace(inner, cells=cells)
    return found


def _sample(sample: Sample, inner: Iterable[bytes]) -> Sample:
    lines = tuple(filter(None, inner))
    return replace(sample, data=b"\n".join(lines), lines=lines)


def _unwrapped(
    sample: Sample, found: Detected | None, detected: Callable[[Sample], Detected | None]
) -> Detected | None:
    """What was found, or what is found inside the lines if that is as good.

    Where a format reads both, a prefix would become a part of the first value: of a host, say.
    """
    for wraps in range(1, DEEP + 1):
        inside = _sample(sample, unwrapped(sample.lines))
        if inside.lines == sample.lines:
            break
        sample = inside
        inner = detected(sample)
        if inner is None:
            continue
        best = -1.0 if found is None else found.confidence
        if inner.confidence > best or (inner.confidence == best and not inner.kind.prefixed):
            found = replace(inner, wraps=wraps)
    return found


def _is_damaged_usage(sample: Sample, label: str) -> bool:
    """Whether unreadable lines were usage events: by their fields, or by the file's name."""
    name = USAGE.fullmatch(Path(label).name) is not None
    records = list(objects_in(sample))
    if any(map(is_like_event, records)):
        return name or sample.data.lstrip()[:1] == b"{"
    return name and not SPREAD.match(sample.data) and all(len(record) < _TELLING for record in records)


def named(name: str, log_formats: Mapping[str, OwnFormat]) -> Detected:
    """The format that `--input-format` names: a registered one, one of auditor.toml, or a log_format string."""
    if name in log_formats:
        return Detected(own(name, log_formats[name]), 1.0)
    if "$" in name:
        try:
            return Detected(LogFormat.of(LogFormat.name, name), 1.0)
        except ValueError as error:
            raise ConfigError(f"--input-format: the log_format {error}") from None
    try:
        if (fields := CloudFrontRealtime.of(name)) is not None:
            return Detected(fields, 1.0)
    except ValueError as error:
        raise ConfigError(f"--input-format: the list of CloudFront's fields {error}") from None
    name = ALSO_CALLED.get(name, name)
    if name not in FORMATS or name == LogFormat.name:
        known = available(name, [*log_formats, *ALSO_CALLED, *FORMATS])
        raise ConfigError(f"--input-format: unknown format {name!r}; {known}, or a log_format string")
    return Detected(FORMATS[name], 1.0)


def wrapped_in(named: Detected, sample: Sample) -> Detected:
    """A format that was named, and what stands around its lines."""
    found = _around(named.kind, sample, named.kind.detect)
    if found is None:
        return replace(named, array=sample.array, key=sample.key)
    return replace(named, wraps=found.wraps, array=sample.array, key=sample.key, cells=found.cells)


def around_in(path: Readable) -> Detected:
    """What stands around the usage events of a file. `OSError` where it cannot be read."""
    with path.open("rb") as raw:
        return usage_in(Path(str(path)), decompressed(raw))


def usage_in(path: Path, stream: Stream) -> Detected:
    """Usage events, and what stands around them; where no line tells yet, as much as may be (`DEEP`).

    The last line may be unfinished, and has no say.
    """
    sample = sample_of(path, stream)
    if not sample.array and len(sample.lines) > 1 and sample.data[-1:] != b"\n":
        sample = replace(sample, lines=sample.lines[:-1])
    native = FORMATS[NATIVE]
    return _around(native, sample, _events) or Detected(native, 0.0, wraps=DEEP, array=sample.array, key=sample.key)


def _events(sample: Sample) -> float:
    """The share of lines that are events, or were: a part of one that is wrapped is none."""
    records = map(json_in, sample.lines)
    told = sum(isinstance(record, dict) and is_like_event(record) for record in records)
    return told / len(sample.lines) if sample.lines else 0.0


def _around(kind: type[Format], sample: Sample, share: Callable[[Sample], float]) -> Detected | None:
    """A format and what stands around its lines, by the *share* that can be read; None where none can."""
    bare = Detected(kind, share(sample), array=sample.array, key=sample.key)
    found = _inside(sample, bare, lambda inside: replace(bare, confidence=share(inside)))
    return found if found is not None and found.confidence else None
