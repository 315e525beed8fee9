"""Paths, folders, cache folders, addresses and lists of addresses -> the images that were asked for."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from auditor.caches import MAGIC, opened
from auditor.intake.sources import Note, plain_files
from auditor.model.errors import InputError
from auditor.system.network import FetchError, shown

MOST = 32 << 20
"""Bytes of one image."""
MAX_LINE = 1 << 20
"""Bytes of a line of a list that are looked at at once."""
_ADDRESS = re.compile(r"""https?://[^\s"'<>\\]+""")
_TRAILING = ".,;:)]}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One image that was asked for; `read` gives its bytes or raises `FetchError`."""

    source: str
    read: Callable[[], bytes]
    template: str | None = None
    placement: str | None = None


@dataclass(slots=True)
class Skipped:
    """Lines of lists that hold no address."""

    lines: int = 0
    first: str = ""


def wanted(
    paths: Iterable[str],
    lists: Iterable[str],
    fetch: Callable[[str], bytes],
    skipped: Skipped,
    note: Note = lambda _: None,
) -> Iterator[Wanted]:
    """Each once, sorted by source; `InputError` where a path does not exist."""
    found: dict[str, Wanted] = {}
    for argument in paths:
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", argument):
            found.setdefault(argument, _remote(argument, fetch, {}))
            continue
        for path in _files(argument, note):
            found.setdefault(str(path), Wanted(str(path), partial(_local, path)))
    for name in lists:
        for address, facts in _addresses(name, skipped):
            found.setdefault(address, _remote(address, fetch, facts))
    return iter(found[source] for source in sorted(found))


def _files(argument: str, note: Note) -> list[Path]:
    path = Path(argument)
    if path.is_dir():
        files = sorted(plain_files(path, path.rglob("*"), note))
        if not files:
            raise InputError(f"{argument}: the folder holds no file")
        return files
    if not path.exists():
        raise InputError(f"{argument}: there is no such file or folder; check the spelling")
    return [path]


def _local(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise FetchError("unreadable", f"cannot be read ({error.strerror})") from None
    if len(data) > MOST:
        raise FetchError("too_large", f"more than {MOST:,} bytes")
    if not data.startswith(MAGIC):
        return data
    entry = opened(data)  # of the client's cache
    if entry is None:
        raise FetchError("damaged", "the cache entry is not what was written")
    if entry.picture.content is None:
        raise FetchError("no_bytes", "the cache entry is the address of a hosted image, not its bytes")
    return entry.picture.content


def _remote(address: str, fetch: Callable[[str], bytes], facts: Mapping[str, Any]) -> Wanted:
    def name(field: str) -> str | None:
        value = facts.get(field)
        return value if isinstance(value, str) and value else None

    return Wanted(shown(address), lambda: fetch(address), name("template"), name("placement"))


def _addresses(name: str, skipped: Skipped) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Of JSON objects their `url` (with `template` and `placement`), of other lines every address in them."""
    try:
        raw = sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror}); check the path") from None
    with raw:
        for number, data in enumerate(iter(partial(raw.readline, MAX_LINE), b""), 1):
            line = data.decode(errors="replace")
            if not line.strip():
                continue
            found = _of_line(line)
            if not found:
                skipped.lines += 1
                skipped.first = skipped.first or f"{name} line {number}"
            yield from found


def _of_line(line: str) -> list[tuple[str, Mapping[str, Any]]]:
    if line.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            facts = json.loads(line)
            return [(facts["url"], facts)] if isinstance(facts.get("url"), str) else []
    return [(address.rstrip(_TRAILING), {}) for address in _ADDRESS.findall(line)]
