"""What is asked where no format fits: what was looked for, what is missing, and the line that answers.

Of the log only the names of its columns and keys are told, and of those only what looks like one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

from auditor.formats.csv_table import CsvTable
from auditor.model.errors import InputError
from auditor.model.events import BadRecordError
from auditor.reading.format import Format, Sample
from auditor.reading.json_lines import json_object
from auditor.reading.names import column_name
from auditor.reading.rows import lacking

_NAME = re.compile(r"[@$]?[A-Za-z_][\w .()\[\]/$-]{0,39}", re.ASCII)
SPREAD = re.compile(rb"\s*\{\s*\n\s*\"")
"""An object as it is written for people."""
_SHOWN = 12
"""Names that are told."""
_DEPTH = 3
_TEXT = (
    "spell its lines as a log_format: --input-format '$remote_addr [$time_local] \"$request\" $status $body_bytes_sent'"
)
_TABLE = "name the columns time, url and status in its first line"


def question(
    sample: Sample, guesses: Sequence[tuple[float, type[Format]]], label: str, declared: Sequence[str] = ()
) -> InputError:
    """The question about a sample, of which *guesses* are how sure each format is, the surest first.

    *declared* says what formats of auditor.toml do not find in it.
    """
    likely = [(share, kind) for share, kind in guesses[:2] if share]
    records = list(objects_in(sample))
    answer = _TEXT
    if likely:
        found = "it may be " + " or ".join(f"{kind.name} ({share:.0%})" for share, kind in likely)
        if len(likely) == 1 and (why := _refused(sample, likely[0][1])):
            found += f", whose first line that cannot be read says: {why}"
    elif records:
        keys = list(dict.fromkeys(key for record in records for key in _paths(record)))
        found, answer = f"json: {_missing('key', keys)}", _declared(keys)
    elif SPREAD.match(sample.data):
        found, answer = "its JSON objects span several lines", "write each on one line: jq -c . FILE"
    elif columns := _columns(sample):
        found, answer = f"csv: {_missing('column', columns)}", _TABLE
    else:
        found = "its lines are no JSON objects, no table with a header, and fit no other format"
    found = "; ".join([found, *declared])
    return InputError(
        f"{label}: cannot tell the format; {found}; name it with --input-format NAME (auditor formats lists them), or "
        f"{answer}"
    )


def objects_in(sample: Sample) -> Iterator[dict[str, Any]]:
    """The objects of those lines that are one."""
    for line in sample.lines:
        with suppress(BadRecordError):
            yield json_object(line)


def _missing(what: str, names: Sequence[str]) -> str:
    """`no column for the time; columns are when, url, status`."""
    roles = lacking(_spelled(names))
    lacks = f"no {what} for the {' and the '.join(roles)}" if roles else f"no format has these {what}s"
    shown = [name for name in names if _NAME.fullmatch(name)][:_SHOWN]
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    return f"{lacks}; {what}s are {', '.join(shown)}{more}"


def _declared(keys: Sequence[str]) -> str:
    """The table of auditor.toml that describes such objects; KEY stands where none is known."""
    names = list(filter(_NAME.fullmatch, keys))
    found = {role: [name for name in names if role not in lacking(_spelled([name]))] for role in lacking(())}
    told = "; ".join(f'{role.lower()} = "{next(iter(paths), "KEY")}"' for role, paths in found.items())
    return f'describe it in auditor.toml: [formats.own] with kind = "json"; {told}'


def _paths(record: Mapping[str, Any], before: str = "", depth: int = _DEPTH) -> Iterator[str]:
    for key, value in record.items():
        if isinstance(value, dict) and value and depth > 1:
            yield from _paths(value, f"{before}{key}.", depth - 1)
        else:
            yield f"{before}{key}"


def _spelled(names: Sequence[str]) -> set[str]:
    """Names as they are compared, of paths the last key, too."""
    return {column_name(each) for name in names for each in (name, name.rpartition(".")[2])}


def _columns(sample: Sample) -> list[str]:
    """The header of a table; nothing for what is none."""
    table = CsvTable(ZoneInfo("UTC"))
    for line in sample.lines[:2]:
        with suppress(BadRecordError):
            table.row(line)
    names = table.names or []
    whole = len(names) > 1 and len(set(names)) == len(names) and all(map(_NAME.fullmatch, names))
    return names if whole and len(sample.lines) > 1 else []


def _refused(sample: Sample, kind: type[Format]) -> str:
    """Why the first line that *kind* does not read is refused."""
    reader = kind(ZoneInfo("UTC"))
    for line in sample.lines:
        try:
            reader.parse(line)
        except BadRecordError as bad:
            return bad.detail
    return ""
