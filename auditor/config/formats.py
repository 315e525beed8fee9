"""`[formats.NAME]` -> an nginx `log_format` or some, or where the objects of a JSON log hold what."""

from dataclasses import fields
from functools import partial

from auditor.config import values
from auditor.config.sections import CheckedTable
from auditor.model.json_shape import JsonShape
from auditor.model.settings import OwnFormat

_NEEDED = {"time": "proxy.timestamp", "status": "res.statusCode"}
_WORDS = {
    "time_unit": values.duration_unit,
    "time_of": partial(values.word, ("start", "end")),
    "duration_unit": values.duration_unit,
}
_READERS = {each.name: values.paths for each in fields(JsonShape)} | _WORDS


def own_format(_: str, table: CheckedTable) -> OwnFormat:
    """What a table declares; the kind says which keys there are."""
    kinds = ("log_format", "json")
    if table.take("kind", partial(values.word, kinds, wrong="is unknown; kinds are"), kinds[0]) == kinds[0]:
        if "log_format" not in table.values:
            raise table.fail("log_format", 'is missing; write one, or kind = "json" for a log of JSON objects')
        return table.need("log_format", values.log_template)
    for key, example in _NEEDED.items():
        if key not in table.values:
            raise table.fail(key, f'is missing; write the keys at which it stands, such as {key} = "{example}"')
    if ("url" in table.values) == ("path" in table.values):
        raise table.fail("url", "or path is needed, and not both: url holds a whole address, or path and query")
    shape = table.read(JsonShape, _READERS)
    for key, other in (("query", "path"), ("duration_unit", "duration")):
        if key in table.values and other not in table.values:
            raise table.fail(key, f"needs {other}")
    return shape
