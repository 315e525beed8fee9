"""What loggers write in place of a value that nobody may see: requests that hold it differ in what is not there."""

import re
from typing import Any

from auditor.fingerprint import leaves

_SURE = "redacted|filtered|masked|scrubbed|saniti[sz]ed|obfuscated|anonymi[sz]ed|censored|truncated|omitted"
_WORDS = rf"{_SURE}|hidden|removed|secret|private|protected|encrypted|confidential|sensitive|deleted|suppressed|pii"
_MORE = r"[\w .,:-]{0,24}"
_WHOLE = re.compile(
    rf"[\W_]+(?:{_WORDS})[\W_]+|redacted|masked|filtered|censored"
    r"|[*\u2022\u25cf\u2588]{2,}|[x#]{3,}|\.{3,}|\u2026|\S*\*{3,}\S*(?:\s+\S*\*{3,}\S*)*",
    re.IGNORECASE,
)
"""Such a word, nothing but marks, or words with marks in each (`J*** D***`)."""
_WITHIN = re.compile(rf"[\[<({{](?:{_MORE}[ :_-])?(?:{_SURE})(?:[ :,_-]{_MORE})?[\])>}}]", re.IGNORECASE)
"""Among other text: `Hi [REDACTED]`, `<masked: name>`."""


def is_masked(value: Any) -> bool:
    """Whether a value, or one in it however deep, is masked."""
    texts = (each for each in leaves(value) if isinstance(each, str))
    return any(_WHOLE.fullmatch(each.strip()) or _WITHIN.search(each) for each in texts)
