"""Which format an input has, by its content. Where that is not clear, the answer is a question and no guess."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auditor.errors import ConfigError, InputError
from auditor.formats.base import Format, Sample
from auditor.formats.lines import LineReader
from auditor.formats.log_format import LogFormat
from auditor.formats.packed import Stream
from auditor.registry import FORMATS

HEAD = 256 << 10
"""Bytes of the sample."""
LINES = 200
CLEAR = 0.5
"""A guess below this is none."""
MARGIN = 0.15
"""By so much the best guess is better than the next one."""
NATIVE = "jsonl"
_NATIVE_NAMES = (".jsonl", ".ndjson")
_PACKED = (".gz", ".zst", ".bz2", ".xz")


@dataclass(frozen=True, slots=True)
class Detected:
    """A format, and how sure that is."""

    kind: type[Format]
    confidence: float
    """1 where the user named it."""
    lines: int = 0
    """So many lines were looked at."""

    @property
    def foreign(self) -> bool:
        """Whether it is any other than the client's own."""
        return self.kind.name != NATIVE

    def __str__(self) -> str:
        return f"{self.kind.title} ({self.confidence:.0%} sure, by the first {self.lines:,} lines)"


def sample_of(path: Path, stream: Stream) -> Sample:
    """The head of an input."""
    data = b""
    for chunk in LineReader(stream).chunks(HEAD):
        data += chunk
        if len(data) >= HEAD:
            break
    whole = data.split(b"\n") if len(data) < HEAD else data[:HEAD].split(b"\n")[:-1]
    lines = [line for line in whole if line.strip(b" \t\r")]
    return Sample(path, data, tuple(lines[:LINES]))


def detect(sample: Sample, log_formats: Mapping[str, str], label: str) -> Detected:
    """The format of a sample. `InputError` names the candidates where none is clear."""
    native = FORMATS[NATIVE]
    sure = native.detect(sample)
    seen = len(sample.lines)
    if sure > 1 - MARGIN or not sample.data.strip():
        return Detected(native, sure, seen)
    kinds = [*(LogFormat.of(name, text) for name, text in log_formats.items()), *FORMATS.values()]
    guesses = sorted(
        ((kind.detect(sample), -place, kind) for place, kind in enumerate(kinds)), key=lambda guess: guess[:2]
    )
    best, _, kind = guesses[-1]
    # A format that reads more of the same lines than its base is no rival of it.
    next_best, _, other = next(guess for guess in reversed(guesses[:-1]) if not issubclass(kind, guess[2]))
    if best >= CLEAR and (best - next_best >= MARGIN or best == 1):
        return Detected(kind, best, seen)
    plain_name = Path(label).name
    for ending in _PACKED:
        plain_name = plain_name.removesuffix(ending)
    if best < CLEAR and (plain_name.endswith(_NATIVE_NAMES) or sample.data.lstrip()[:1] == b"{"):
        return Detected(native, sure, seen)
    likely = " or ".join(f"{each.name} ({share:.0%})" for share, each in ((best, kind), (next_best, other)) if share)
    raise InputError(
        f"{label}: cannot tell the format{f'; it may be {likely}' if likely else ''}; name it with --input-format: "
        f"{', '.join(FORMATS)}, or an nginx log_format string"
    )


def named(name: str, log_formats: Mapping[str, str]) -> Detected:
    """The format that `--input-format` names: a registered one, one of auditor.toml, or a log_format string."""
    if name in log_formats:
        return Detected(LogFormat.of(name, log_formats[name]), 1.0)
    if "$" in name:
        try:
            return Detected(LogFormat.of(LogFormat.name, name), 1.0)
        except ValueError as error:
            raise ConfigError(f"--input-format: the log_format {error}") from None
    if name not in FORMATS or name == LogFormat.name:
        known = [*log_formats, *FORMATS]
        raise ConfigError(
            f"--input-format {name!r} is no format; formats are {', '.join(known)}, or a log_format string"
        )
    return Detected(FORMATS[name], 1.0)
