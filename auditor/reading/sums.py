"""Tables of sums, a row a day say: no reader takes them, so the user is told what does."""

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from auditor.model.events import BadRecordError
from auditor.reading.cells import DELIMITERS
from auditor.reading.decimals import readings
from auditor.reading.json_lines import json_object
from auditor.reading.number_columns import is_sum

_MONTHS = r"[A-Za-z]{3,9}\.?"
_DAY = re.compile(
    rf"\d{{4}}[-/.]\d\d?(?:[-/.]\d\d?)?|\d\d?[-/.]\d\d?[-/.](?:\d{{4}}|\d\d)|20\d{{6}}|\d{{4}}-?W\d\d|\d{{4}}-Q\d"
    rf"|\d\d?[-/]\d{{4}}|\d\d?\.?[ -]{_MONTHS}[ -]\d{{2,4}}|{_MONTHS}[ -](?:\d\d?,? )?\d{{2,4}}|\d{{4}}[ -]{_MONTHS}"
    r"|\d{4}-\d\d-\d\d[T ]00:00(?::00(?:\.0+)?)?(?:Z|[ +]00:?00| UTC)?",
    re.ASCII,
)
"""A day, week, month or quarter."""


def told(lines: Sequence[bytes]) -> str | None:
    """What to do with a table of which these are the first lines; None where it is none of sums."""
    rows = _rows(lines)
    columns = (
        {name: [str(row[name]) for row in rows if row.get(name) not in (None, "")] for name in rows[0]} if rows else {}
    )
    days = next((name for name, values in columns.items() if values and all(map(_DAY.fullmatch, values))), None)
    numbers = [name for name, values in columns.items() if name != days and values and all(map(readings, values))]
    only = days is not None and len(numbers) == len(columns) - 1
    if sums := [name for name in numbers if only or is_sum(name)]:
        named = ", ".join(f"`{name}`" for name in sums[:3])
        each = f" for each `{days}`" if days else ""
        return (
            f"a table of sums, with a row{each} and numbers in {named}; an audit needs a row for each render with its "
            "time. For the plan that holds N renders a month, run: auditor estimate --requests N; to compare a month's "
            "sum N with a log, run: auditor reconcile LOG --cycle YYYY-MM --invoice N"
        )
    if days is not None and len(columns) > 1:
        return f"the column `{days}` holds days without a time of day; export a row for each render with its time"
    return None


def _rows(lines: Sequence[bytes]) -> list[Mapping[str, Any]]:
    """The first lines as rows; none where they are no table."""
    with suppress(BadRecordError):
        return [json_object(line) for line in lines]
    head = lines[0].removeprefix(BOM_UTF8).decode(errors="replace")
    by = max(DELIMITERS, key=head.count)
    with suppress(csv.Error, ValueError):
        texts = [head, *(line.decode(errors="replace") for line in lines[1:])]
        names, *rows = ([value.strip() for value in row] for row in csv.reader(texts, delimiter=by, strict=True))
        if len(names) > 1 and "" not in names and not any(map(readings, names)):
            return [dict(zip(names, row, strict=True)) for row in rows]
    return []
