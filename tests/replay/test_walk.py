"""The walk, at its edges."""

from typing import Any

import pyarrow as pa
import pytest

from auditor.replay.walk import COLUMNS, Verdict, verdicts

N, C, R, CH, EX, EI, *_ = Verdict


def walked(rows: list[tuple[int, int, int]], ttl: int = 100, monkeypatch: Any = None) -> list[Verdict]:
    """Verdicts of (time, duration, digest) of one key, fed in batches of two."""
    table = pa.table(
        {
            **{name: [1] * len(rows) for name in ("key_high", "key_low")},
            "ts_us": [r[0] for r in rows],
            "duration_us": [r[1] for r in rows],
            "digest": [r[2] for r in rows],
            "row": range(len(rows)),
        }
    )
    result = verdicts(table.to_batches(max_chunksize=2), ttl, len(rows))
    assert result.column("row").to_pylist() == list(range(len(rows)))
    return [Verdict(verdict) for verdict in result.column("verdict").to_pylist()]


CASES = [
    ([(0, 10, 0), (9, 10, 0), (10, 10, 0)], [N, C, R]),  # until done: concurrent; from done on: repeat
    ([(0, 10, 0), (109, 0, 0), (110, 0, 0)], [N, R, EX]),  # the TTL counts from done, and excludes its end
    ([(0, 0, 0), (60, 0, 0), (120, 0, 0)], [N, R, EX]),  # it does not slide on reads
    ([(0, 0, 0), (0, 0, 0)], [N, R]),  # without a duration nothing is concurrent
    (
        [(0, 0, 7), (5, 0, 8), (6, 0, 8), (7, 0, 7)],
        [N, CH, R, CH],
    ),  # a changed image is needed and is then the current one
    ([(0, 0, 7), (5, 0, 0), (6, 0, 8)], [N, R, CH]),  # an unknown digest never differs
    ([(0, 0, 7), (100, 0, 7), (300, 0, 8)], [N, EI, EX]),  # expired with the same image is evidence
    ([(0, 50, 7), (10, 500, 8), (60, 0, 7)], [N, C, R]),  # a concurrent one does not become current
]


@pytest.mark.parametrize(("rows", "expected"), CASES)
def test_walk(rows: list[tuple[int, int, int]], expected: list[Verdict]) -> None:
    """Each edge of semantics section 3."""
    assert walked(rows) == expected


def test_a_walk_by_neighbours_would_be_wrong() -> None:
    """Comparing each render with the one before it (lag) calls the third a repeat: the walk does not slide."""
    assert walked([(0, 0, 0), (99, 0, 0), (150, 0, 0)]) == [N, R, EX]


def test_an_unordered_stream_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream out of order is an error, compiled or not, never a wrong count."""
    for compile_from in (10, 0):
        monkeypatch.setattr("auditor.replay.walk.COMPILE_FROM", compile_from)
        with pytest.raises(ValueError, match="not ordered"):
            walked([(5, 0, 0), (4, 0, 0)])


def test_keys_are_told_apart_by_all_their_bits() -> None:
    """Equal upper halves do not merge two keys."""
    columns = {name: [0, 0] for name in COLUMNS} | {"key_low": [1, 2], "row": [0, 1]}
    assert verdicts(pa.table(columns).to_batches(), 100, 2).column("verdict").to_pylist() == [N, N]
