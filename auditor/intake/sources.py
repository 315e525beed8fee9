"""Paths, folders, globs and standard input -> the sources of one audit, in an order that no argument order changes."""

import glob
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from auditor.intake.objects import is_address
from auditor.model.errors import InputError, TooLargeError
from auditor.model.words import plural
from auditor.reading.packed import FREE, MAX_RATIO
from auditor.system import memory

_ROTATED = r"(?:[.-]\d+)*(?:\.old)?(?:\.(?:gz|zst|bz2|xz))?"
USAGE = re.compile(rf".*\.(?:jsonl|ndjson){_ROTATED}", re.IGNORECASE | re.DOTALL)
"""Usage events that are taken from a folder, rotated and packed ones too; files that are named are always read."""
SHIPPED = re.compile(rf".*\.(?:jsonl|ndjson|json|log){_ROTATED}", re.IGNORECASE | re.DOTALL)
"""What collectors call files of usage events, too."""
LOGS = re.compile(
    rf".*(?:\.(?:jsonl|ndjson|json|log|har|csv|tsv|parquet)|(?:access|haproxy|traefik|envoy|caddy)[._-]?log){_ROTATED}"
    rf"|.*access[._-]log[.-]\d{{4}}-\d\d-\d\d\.txt{_ROTATED}"  # Tomcat
    r"|(?:.*\D)?\d{4}(?:-\d\d){5}-[0-9A-F]{16}"  # S3: the prefix, seconds, a unique part
    rf"|(?:.*\.)?E[0-9A-Z]{{6,}}\.\d{{4}}(?:-\d\d){{3}}\.[0-9a-z]+{_ROTATED}",  # CloudFront: distribution, hour, a part
    re.IGNORECASE | re.DOTALL,
)
"""Logs of all kinds."""
_WRITTEN_BY_US = ".auditor.parquet"
_BESIDE = re.compile(r"\..*|.*\.(?:auditor\.parquet|measured|toml|md|html|py)", re.IGNORECASE | re.DOTALL)
"""What stands beside logs and is not taken for one."""
_NAMED = 3
"""Files that a sentence names."""


@dataclass(frozen=True, slots=True)
class Source:
    """One input: where its bytes are, and how reports call it."""

    label: str
    path: Path
    cacheable: bool = True
    max_memory: int = memory.DEFAULT
    """Bytes that this process may have while it is read."""

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

    @contextmanager
    def reading(self) -> Iterator[BufferedReader]:
        """The raw bytes, and a bound on what making records of them takes."""
        with self.open() as raw, memory.capped(self.max_memory):
            try:
                # A file may be written as a hole of terabytes, which takes no room on disk and is read for hours.
                status = os.fstat(raw.fileno())
                stored = getattr(status, "st_blocks", status.st_size) * 512
                if status.st_size > FREE and status.st_size > MAX_RATIO * stored:
                    written = f"{status.st_size >> 20:,} MiB of which almost nothing was written"
                    raise TooLargeError(f"{written}; write it again, dense")
                yield raw
            except TooLargeError as error:
                raise InputError(f"{self.label}: {error}") from None
            except MemoryError as error:
                error.__traceback__ = None  # its frames hold what took so much
                raise InputError(
                    f"{self.label}: takes more than {self.max_memory >> 20:,} MiB of memory to read, as hardly any log "
                    "does; if this one may, allow more with --max-memory"
                ) from None


Note = Callable[[str], object]
"""Is told, in a sentence, of what a folder holds that is not read."""


def discover(
    arguments: Iterable[str],
    scratch: Path,
    names: re.Pattern[str] = LOGS,
    note: Note = lambda _: None,
    max_memory: int = memory.DEFAULT,
) -> list[Source]:
    """The sources of some command-line arguments, each file once, sorted by name; *names* chooses from folders.

    Standard input (`-`) is kept in *scratch*, since ties between records may need a second look at a line.
    """
    found: dict[str, Source] = {}
    for argument in arguments:
        if argument == "-":
            kept = scratch / "stdin"
            with kept.open("wb") as file:
                while chunk := sys.stdin.buffer.read(1 << 20):
                    file.write(chunk)
            found["-"] = Source("-", kept, cacheable=False, max_memory=max_memory)
            continue
        for path in _expand(argument, names, note):
            text = not any("\ud800" <= each <= "\udfff" for each in str(path))  # a cache cannot hold another name
            source, real = Source(str(path), path, text, max_memory=max_memory), os.path.realpath(path)
            # A file that goes by several names is called by the first of them, whatever the order of the arguments.
            found[real] = min(source, found.get(real, source), key=lambda each: each.label)
    return sorted(found.values(), key=lambda source: source.label)


def present(arguments: Iterable[str]) -> list[Path]:
    """The usage events that are there now; none is no error, since they may come yet, and keeps no others away."""
    found: dict[str, Path] = {}
    for argument in arguments:
        with suppress(InputError):
            for path in () if is_address(argument) else _expand(argument, SHIPPED):
                found.setdefault(os.path.realpath(path), path)
    return sorted(found.values(), key=str)


def absent(arguments: Iterable[str]) -> list[str]:
    """The files and folders that are named and not there; a pattern may match nothing."""
    return [each for each in arguments if not (glob.has_magic(each) or is_address(each) or Path(each).exists())]


def stays_in(folder: Path, path: Path) -> bool:
    """Whether a path in *folder* is really there, and no link to something outside of it."""
    return not path.is_symlink() or Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def plain_files(folder: Path, paths: Iterable[Path], note: Note = lambda _: None) -> Iterator[Path]:
    """Those of some paths in *folder* that may be read because the folder was named.

    A link may lead to another file of the folder. One that leads out of it would let anyone who can write there choose
    what is read; a FIFO or a device may never end.
    """
    left: dict[str, list[Path]] = {}
    for path in paths:
        if not stays_in(folder, path):
            left.setdefault("a link out of the folder and not followed", []).append(path)
        elif path.is_file():
            yield path
        elif path.exists() and not path.is_dir():
            left.setdefault("no regular file and not read", []).append(path)
    for why, found in left.items():
        for path in sorted(found)[:_NAMED]:
            note(f"{path} is {why}; to read it, name it")
        if len(found) > _NAMED:
            note(f"{folder}: {len(found) - _NAMED:,} more, each {why}")


def _expand(argument: str, names: re.Pattern[str], note: Note = lambda _: None) -> list[Path]:
    path = Path(argument)
    if path.is_dir():
        try:
            passed: dict[re.Pattern[str], list[Path]] = {}
            files = list(plain_files(path, _logs(path, names, passed), note))
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions") from None
        for taken, over in passed.items():
            note(_passed_over(argument, over, "logs" if taken is LOGS else "usage events", own=taken is not names))
        if not files:
            wanted = ".jsonl, .ndjson, .json or .log file" if names is SHIPPED else "log (.jsonl, .log, .har, .csv …)"
            raise InputError(f"{argument}: the folder holds no {wanted}; name the files themselves")
        return files
    if path.exists():
        return [path]
    matches = [Path(match) for match in glob.glob(argument, recursive=True)]
    files = [match for match in matches if match.is_file()]
    if not files:
        raise InputError(f"{argument}: there is no such file, folder or match; check the spelling")
    return files


def _passed_over(folder: str, files: list[Path], kind: str, *, own: bool) -> str:
    """What to say of files that are not named like a *kind*; *own*: below an auditor.toml of their own."""
    one = len(files) == 1
    names = ", ".join(sorted(str(path.relative_to(folder)) for path in files)[:_NAMED])
    more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
    where = " below an auditor.toml of their own" if own else ""
    are, them = ("is", "it") if one else ("are", "them")
    return (
        f"{folder}: passed over {plural(len(files), 'file')}{where} that {are} not named like {kind}: {names}{more}; "
        f"name {them} to read {them}"
    )


def _logs(folder: Path, names: re.Pattern[str], passed: dict[re.Pattern[str], list[Path]]) -> Iterator[Path]:
    """What is called like a log in a folder and below it; links to folders are not entered.

    Files that are not called so are *passed*, by the names that are looked for.

    A folder below that has an auditor.toml of its own maps its logs by that: only usage events are taken from it, which
    mean the same everywhere.
    """
    for path in folder.iterdir():
        if path.is_dir():
            if not path.is_symlink():
                yield from _logs(path, USAGE if (path / "auditor.toml").exists() else names, passed)
        elif names.fullmatch(path.name) and not path.name.endswith(_WRITTEN_BY_US):
            yield path
        elif path.is_file() and not _BESIDE.fullmatch(path.name):
            passed.setdefault(names, []).append(path)
