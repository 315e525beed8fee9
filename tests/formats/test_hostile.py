"""Whatever stands in a line: no format raises, takes long, or grows; an answer is an event, a rejection, or another line."""

import os
import random
import re
import time
import tracemalloc
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from auditor.config import load
from auditor.exchanges.mapper import Mapper
from auditor.formats.csv_table import CsvTable
from auditor.formats.log_format import LogFormat
from auditor.reading.format import Format, Sample
from auditor.reading.lines import MAX_LINE, Line, LineReader
from auditor.reading.reader import Reading, Tally
from auditor.registry import FORMATS
from tests.formats.hostile import LINES, PIECES, extreme, grown, retyped
from tests.formats.samples import FOLDER, SAMPLES

SECONDS = float(os.environ.get("AUDITOR_FUZZ_SECONDS", "1"))
"""For each format; `make fuzz` takes 60."""
SETTINGS = load(FOLDER / "auditor.toml")
KINDS: dict[str, type[Format]] = {
    name: LogFormat.of(name, next(iter(SETTINGS.log_formats.values()))) if name == LogFormat.name else kind
    for name, kind in FORMATS.items()
}
KINDS["log-formats"] = LogFormat.of("log-formats", ["$status $request_uri $msec", *SETTINGS.log_formats.values()])


def reading(kind: type[Format]) -> Reading:
    """A reader of one format, as an audit has it."""
    reader = Reading("x", kind(ZoneInfo("UTC")), Mapper(SETTINGS, "x"), Tally())
    if kind.name == CsvTable.name:
        reader.kind.parse((FOLDER / "csv.csv").read_bytes().partition(b"\n")[0])
    return reader


def damaged(rng: random.Random) -> bytes:
    """Some line, cut, crossed with another, bent, or made of nothing."""
    line = bytearray(rng.choice(LINES))
    for _ in range(rng.randrange(5)):
        at = rng.randrange(len(line) + 1)
        match rng.randrange(7):
            case 0:
                del line[at:]
            case 1:
                line[at : at + rng.randrange(9)] = rng.choice(PIECES) * rng.randrange(4)
            case 2:
                other = rng.choice(LINES)
                line[at:] = other[rng.randrange(len(other)) :]
            case 3:
                line[at:at] = rng.randbytes(rng.randrange(6))
            case 4:
                del line[at : at + rng.randrange(1, 40)]
            case 5:
                line[at:at] = str(rng.choice([0, -1, 2**63, 10**40, 1e308, float("nan")])).encode()
            case _:
                line[at:at] = line[:at][-rng.randrange(1, 30) :]
    return bytes(line)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(KINDS))
def test_no_line_breaks_a_format(name: str) -> None:
    """For some seconds, from a seed that is printed; every record is counted, and memory stays where it was."""
    seed = int(os.environ.get("AUDITOR_FUZZ_SEED", "0")) or time.time_ns()
    rng, number = random.Random(seed), 0
    reader = reading(KINDS[name])
    end = time.monotonic() + SECONDS
    tracemalloc.start()
    try:
        while time.monotonic() < end:
            records = [Line(number + i, data) for i in range(200) if (data := damaged(rng)).strip()]
            number += 200
            verdicts = list(reader.verdicts(records))
            tally = reader.tally
            assert len(verdicts) <= len(records)
            assert all(line.data for line, _ in verdicts)
        assert tracemalloc.get_traced_memory()[1] < 96 << 20
    except Exception as error:
        raise AssertionError(f"AUDITOR_FUZZ_SEED={seed} breaks {name}: {error!r}") from error
    finally:
        tracemalloc.stop()
    assert tally.lines >= tally.others + tally.reasons.total()
    assert number


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(KINDS))
def test_any_number_may_be_absurd(name: str) -> None:
    """Each number of each good line as infinity, as ten million digits' worth of exponent, as none: counted, never raised."""
    reader = reading(KINDS[name])
    lines = [Line(number, data) for line in LINES for number, data in enumerate(extreme(line), 1)]
    verdicts = list(reader.verdicts(lines))
    assert reader.tally.reasons
    assert len(verdicts) <= len(lines)
    assert reader.tally.others + reader.tally.reasons.total() <= reader.tally.lines <= len(lines)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(KINDS))
def test_any_value_may_be_of_another_type(name: str) -> None:
    """Each value of each good line as a list, an object, a number, nothing: counted, never raised."""
    reader = reading(KINDS[name])
    lines = [Line(number, data) for line in LINES for number, data in enumerate(retyped(line), 1)]
    assert len(list(reader.verdicts(lines))) <= len(lines)
    assert reader.tally.lines <= len(lines)


DEEP = [b'{"a":' * 300 + b"1" + b"}" * 300, b"[" * 300 + b"]" * 300]
HUGE = [b"9" * 19, b"1" + b"0" * 18, b"0"]


@pytest.mark.parametrize("name", sorted(name for name, kind in KINDS.items() if kind.records is not Format.records))
def test_whatever_stands_in_a_batch_is_a_record(name: str, tmp_path: Path) -> None:
    """Of formats that cut their lines into records: values that are absurd, or too deep, are counted, never raised."""
    kind, path = KINDS[name], tmp_path / "x"
    for sample in (each for each in SAMPLES if each.name.partition(".")[0] == name and each.suffix == ".log"):
        line = next(each for each in sample.read_bytes().split(b"\n") if each)
        for found in re.finditer(rb'(?<=: )"?\d+"?|(?<=:)"?\d+"?', line):
            for value in [*DEEP, *HUGE, *(b'"%b"' % each for each in HUGE)]:
                path.write_bytes(line[: found.start()] + value + line[found.end() :] + b"\n")
                with path.open("rb") as raw:
                    reader = reading(kind)
                    records = list(reader.kind.records(path, LineReader(raw)))
                assert kind.detect(Sample(path, b"", (path.read_bytes(),))) >= 0
                list(reader.verdicts(records))
                assert reader.tally.lines == len(records) > 0


def spent(reader: Reading, line: bytes) -> float:
    """CPU seconds that a line takes, the least of three."""
    best = 1e9
    for _ in range(3):
        start = time.process_time()
        list(reader.verdicts([Line(1, line)]))
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(KINDS))
def test_time_is_linear_in_a_line(name: str) -> None:
    """t(4n) / t(n) <= 6 for lines that repeat something a hundred thousand times, wherever it stands."""
    rng = random.Random(0)
    reader = reading(KINDS[name])
    own = [line for line in LINES if _reads(name, line)] or LINES
    size = 20_000
    for piece in PIECES:
        for _ in range(2):
            line = rng.choice(own)
            at = rng.randrange(len(line) + 1)
            times = size // len(piece)
            small = spent(reader, grown(line, at, piece, times))
            if small < 0.002:  # so quick that four times as much is quick in any case: look at once at far more
                small, large = 0.004, spent(reader, grown(line, at, piece, 4 * times))
            else:
                large = spent(reader, grown(line, at, piece, 4 * times))
            if large / small > 6:  # a busy machine, perhaps: what is slow by itself is so again, with more to measure
                times *= 4
                small, large = (spent(reader, grown(line, at, piece, each)) for each in (times, 4 * times))
            assert large / small <= 6, (name, piece, at, small, large)


def _reads(name: str, line: bytes) -> bool:
    tally = Tally()
    list(Reading("x", KINDS[name](ZoneInfo("UTC")), Mapper(SETTINGS, "x"), tally).verdicts([Line(1, line)]))
    return not tally.reasons


def test_a_line_that_is_too_long_is_rejected_unread() -> None:
    """A line of more than 1 MiB is nobody's event."""
    reader = reading(KINDS["combined"])
    list(reader.verdicts([Line(1, b"x" * (MAX_LINE + 1))]))
    assert {reason.value: count for reason, count in reader.tally.reasons.items()} == {"too_long": 1}
