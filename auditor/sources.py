"""Paths, folders, globs and standard input -> the sources of one audit, in an order that no argument order changes."""

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from auditor.errors import InputError

NAMES = re.compile(
    r".*(?:\.(?:jsonl|ndjson|json|log|har|csv|tsv|parquet)|(?:access|haproxy|traefik|envoy|caddy)[._-]?log)"
    r"(?:[.-]\d+)*(?:\.(?:gz|zst|bz2|xz))?",
    re.IGNORECASE,
)
"""What is taken from a folder, rotated and packed ones too; files that are named are read whatever they are called."""
_WRITTEN_BY_US = ".auditor.parquet"


@dataclass(frozen=True, slots=True)
class Source:
    """One input: where its bytes are, and how reports call it."""

    label: str
    path: Path
    cacheable: bool = True

    @property
    def size(self) -> int:
        """Bytes on disk, for progress."""
        return self.path.stat().st_size

    def open(self) -> BufferedReader:
        """The raw bytes."""
        try:
            return self.path.open("rb")
        except OSError as error:
            raise InputError(
                f"{self.label}: cannot be read ({error.strerror}); check the path and its permissions"
            ) from None


def discover(arguments: Iterable[str], scratch: Path) -> list[Source]:
    """The sources of some command-line arguments, each file once, sorted by name.

    Standard input (`-`) is kept in *scratch*, since ties between records may need a second look at a line.
    """
    found: dict[str, Source] = {}
    for argument in arguments:
        if argument == "-":
            kept = scratch / "stdin"
            with kept.open("wb") as file:
                while chunk := sys.stdin.buffer.read(1 << 20):
                    file.write(chunk)
            found["-"] = Source("-", kept, cacheable=False)
            continue
        for path in _expand(argument):
            found.setdefault(os.path.realpath(path), Source(str(path), path))
    return sorted(found.values(), key=lambda source: source.label)


def present(arguments: Iterable[str]) -> list[Path]:
    """The files that are there now; none is no error, since they may come yet."""
    try:
        return [source.path for source in discover(arguments, Path())]
    except InputError:
        return []


def _expand(argument: str) -> list[Path]:
    path = Path(argument)
    if path.is_dir():
        files = list(_logs(path))
        if not files:
            raise InputError(f"{argument}: the folder holds no log (.jsonl, .log, .har, .csv …); name the files")
        return files
    if path.exists():
        return [path]
    matches = [Path(match) for match in glob.glob(argument, recursive=True)]
    files = [match for match in matches if match.is_file()]
    if not files:
        raise InputError(f"{argument}: there is no such file, folder or match; check the spelling")
    return files


def _logs(folder: Path) -> Iterator[Path]:
    """The logs of a folder and those below it; one that has an auditor.toml of its own is audited by itself."""
    for path in folder.iterdir():
        if path.is_dir():
            if not path.is_symlink() and not (path / "auditor.toml").exists():
                yield from _logs(path)
        elif NAMES.fullmatch(path.name) and not path.name.endswith(_WRITTEN_BY_US) and path.is_file():
            yield path
