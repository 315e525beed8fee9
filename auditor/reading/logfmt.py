"""logfmt: `key=value` pairs with blanks between them, values in quotes where they hold blanks."""

import re

from auditor.model.events import BadRecordError, Reason
from auditor.reading.variables import unescaped

_TOKEN = re.compile(r'([^\s="]++)(?:=(?:"((?:[^"\\]++|\\.)*+)"|([^\s"]\S*+)?))?(?:\s++|$)')


def pairs(text: str) -> dict[str, str]:
    """The values by their keys, unescaped; of a key that stands twice the first, of one without `=` an empty one.

    Raises `BadRecordError` for a text that is anything else, or has no pair at its beginning.
    """
    found: dict[str, str] = {}
    end = 0
    while end < len(text):
        token = _TOKEN.match(text, end)
        if token is None or (end == 0 and "=" not in token[0]):
            raise BadRecordError(Reason.NO_MATCH, "not key=value pairs")
        key, quoted, bare = token.groups()
        found.setdefault(key, unescaped(quoted) if quoted else bare or "")
        end = token.end()
    return found
