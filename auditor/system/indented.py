"""JSON that people read: what `json.dumps(…, indent=2)` writes, several times sooner."""

from json import JSONEncoder
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

_leaf = JSONEncoder(allow_nan=False).encode


def indented(value: Any, line: str = "\n") -> str:
    """*value* as ASCII; *line* begins a line at its depth. Raises `ValueError` for NaN and infinities.

    The standard library indents in Python, with a generator for each level and a chunk for each comma.
    """
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if type(value) is int:
        return repr(value)
    deeper = line + "  "
    if value and isinstance(value, dict):
        pairs = [f"{deeper}{quoted(name)}: {indented(each, deeper)}" for name, each in value.items()]
        return f"{{{','.join(pairs)}{line}}}"
    if value and isinstance(value, list | tuple):
        return f"[{','.join([deeper + indented(each, deeper) for each in value])}{line}]"
    return _leaf(value)
