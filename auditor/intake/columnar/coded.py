"""The distinct values of a block's lines: each is read once and spread over the lines that have it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from auditor.intake.columnar.scalars import text_column
from auditor.intake.columns import column_of
from auditor.model.events import BadRecordError
from auditor.reading.variables import decoded


@dataclass(frozen=True, slots=True)
class Coded:
    """A value for each line, each distinct one once."""

    codes: Any
    """Into *values*."""
    values: Sequence[Any]
    good: Any
    """By line: whether it could be read."""

    def ints(self, rows: Any, of: Callable[[Any], int | None] = lambda value: value) -> Any:
        """A number of each value, spread over some lines; -1 for None."""
        found = [of(value) for value in self.values]
        return np.array([-1 if value is None else value for value in found], np.int64)[self.codes[rows]]

    def recoded(self, of: Callable[[Any], Any]) -> "Coded":
        """Something of each value, each distinct one once."""
        found: dict[Any, int] = {}
        codes = np.array([found.setdefault(of(value), len(found)) for value in self.values], np.int64)
        return Coded(codes[self.codes], list(found), self.good)

    def column(self, rows: Any, field: str, mask: Any = None) -> pa.Array:
        """What a field of the event has of each value, spread over some lines; null where *mask* is set."""
        return column_of(field, self.values).take(pa.array(self.codes[rows], mask=mask))


@dataclass(frozen=True, slots=True)
class PlainLines:
    """Plain lines of a block, and where each variable stands."""

    buf: Any
    numbers: Any
    bounds: Any
    spans: Any
    at: dict[str, int]
    """Role -> variable."""

    def texts(self, place: int | None) -> tuple[Any, list[str]]:
        """(codes, distinct texts) of a variable; None is what stands behind the last one."""
        if place is None:
            starts, ends = self.spans[:, -1, 1], self.bounds[:, 1]
        else:
            starts, ends = self.spans[:, place, 0], self.spans[:, place, 1]
        column = text_column(self.buf, starts, ends, kind=pa.binary()).dictionary_encode()
        return column.indices.to_numpy(), [decoded(value) for value in column.dictionary.to_pylist()]

    def same(self, value: Any) -> Coded:
        """One value for all lines."""
        lines = len(self.numbers)
        return Coded(np.zeros(lines, np.int64), [value], np.ones(lines, np.bool_))

    def read(self, role: str, parse: Callable[[str], Any]) -> Coded:
        """What *parse* makes of each distinct text; None for all where the log has no such variable."""
        if role not in self.at:
            return self.same(None)
        return self.joint({role: self.texts(self.at[role])}, lambda said: parse(said[role]))

    def joint(
        self,
        columns: Mapping[str, tuple[Any, list[str]]],
        parse: Callable[[dict[str, str]], Any],
        otherwise: Any = None,
    ) -> Coded:
        """What *parse* makes of the texts of some columns together; *otherwise* is for lines that are not plain."""
        if not columns:
            return self.same(None)
        codes, kinds, _ = distinct([column for column, _ in columns.values()])
        values, good = [], np.ones(len(kinds), np.bool_)
        for code, kind in enumerate(kinds):
            said = {name: texts[at] for at, (name, (_, texts)) in zip(kind, columns.items(), strict=True)}
            try:
                values.append(parse(said))
            except BadRecordError:
                values.append(otherwise)
                good[code] = False
        return Coded(codes, values, good[codes])


def distinct(columns: Sequence[Any]) -> tuple[Any, list[tuple[int, ...]], list[int]]:
    """(code of each row, the distinct rows, how often each stands) of some columns of small numbers."""
    joint, most = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        size = int(column.max(initial=0)) + 1
        if most * size > 2**63:
            joint, most = np.unique(joint, return_inverse=True)[1], len(joint)
        joint, most = joint * size + column, most * size
    coded = pa.array(joint).dictionary_encode()
    codes, row_of = coded.indices.to_numpy(), np.empty(len(coded.dictionary), np.int64)
    row_of[codes] = np.arange(len(codes))
    rows = list(zip(*(column[row_of].tolist() for column in columns), strict=True))
    return codes, rows, np.bincount(codes).tolist()
