"""Which fields name the environment: `env`, `stage` and `environment` with whatever a program puts before them.

`pipeline_stage`, `environment_id` and `AWS_EXECUTION_ENV` are others' names of the same ending: a name with an unknown
beginning counts only for a value that is an environment's, and `stage` only behind what is deployed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from auditor.exchanges.cache_field import NONE
from auditor.exchanges.headers import pairs_of
from auditor.reading.names import at, column_name

_EXACT = {"environment": 1, "env": 2, "stage": 3}
_NAME = re.compile(r"(?:(?P<of>[a-z0-9_]+)_)?(?P<what>environment|env|stage)(?:_(?P<more>name|type|tier|slug))?")
_KNOWN = re.compile("deploy(?:ment)?|service|app(?:lication)?|dd|sentry|release|node|rails|rack|aspnetcore|dotnet")
"""What stands before it where it is an environment, whatever its name."""
_FRAMEWORK = re.compile("node|babel|rails|rack|flask|django|aspnetcore|dotnet|mix")
"""They have few: staging runs as `NODE_ENV=production` often, so that another field is heard first."""
_STAGED = re.compile(
    r"(?:.*_)?(?:deploy(?:ment)?|service|app(?:lication)?|api|gateway|release|serverless|sls|request_context)"
)
_OTHERS = re.compile(r"(?:.*_)?(?:prev|previous|old|new|last|next|from|to|source|src|parent|is|has|no|other)")
_VALUE = re.compile(
    r"(?:.*[-_./ ])?(?:(?:pre-?|non-?)?prod(?:uction)?|live|stag(?:e|ing)|stg|dev(?:el(?:op(?:ment)?)?)?|test(?:ing)?|"
    r"qa|uat|preview|sandbox|local(?:host)?|demo|canary|int(?:egration)?|ci|alpha|beta|acc(?:eptance)?|perf|review|nightly)"
    r"\d*(?:[-_./ ].*)?",
    re.IGNORECASE,
)
_LONGEST = 100
_WITHIN = (
    ("deployment",), ("deployment", "environment"), ("environment",), ("env",), ("service",), ("dd",), ("app",),
    ("extra",), ("record", "extra"), ("context",), ("fields",), ("labels",), ("tags",), ("ddtags",), ("attributes",),
    ("resource",), ("resource", "attributes"), ("kubernetes", "labels"), ("meta",), ("metadata",),
)  # fmt: skip
"""Objects in which loggers keep such values."""


def environment_of(fields: Mapping[str, Any]) -> str | None:
    """The environment that a record tells; None where it tells none, or two of equal rank."""
    if told := _told(fields.items(), ""):
        return _agreed(told)
    for path in _WITHIN:
        if path[0] not in fields:
            continue
        place = at(fields, *path)
        if path == ("ddtags",) and isinstance(place, str):
            place = place.split(",")  # `env:staging`
        pairs = pairs_of(place) if isinstance(place, dict | list) else ()
        if told := _told(pairs, "".join(f"{each}." for each in path)):
            return _agreed(told)
    return None


def _agreed(told: Mapping[int, Sequence[str]]) -> str | None:
    best = told[min(told)]
    return best[0] if len({each.lower() for each in best}) == 1 else None


def names_environment(name: str) -> bool:
    """Whether a field of such a name may tell the environment."""
    return _rank(name)[0] > 0


def _told(place: Iterable[tuple[str, Any]], path: str) -> dict[int, list[str]]:
    told: dict[int, list[str]] = {}
    for name, value in place:
        rank, sure = _rank(name)
        if not isinstance(value, str):
            continue
        if path and not rank:
            rank, sure = _rank(path + name)
        elif path and rank == _EXACT["stage"]:
            sure = False  # of a render's stages, it may be
        text = value.strip()
        if rank and text.lower() not in NONE and (sure or (len(text) <= _LONGEST and _VALUE.fullmatch(text))):
            told.setdefault(rank, []).append(text)
    return told


@lru_cache(4096)
def _rank(name: str) -> tuple[int, bool]:
    """(which is heard first, whether any value is an environment) of a name; 0 for one that is none."""
    match = _NAME.fullmatch(column_name(name)) if len(name) <= _LONGEST else None
    if match is None:
        return 0, False
    of, what, more = match["of"], match["what"], match["more"]
    if of is None:
        return (_EXACT[what], True) if more is None else (5, more == "name")
    if _OTHERS.fullmatch(of) or (what == "stage" and not _STAGED.fullmatch(of)):
        return 0, False
    return 6 if _FRAMEWORK.fullmatch(of) else 4, _KNOWN.fullmatch(of) is not None and more in (None, "name")
