"""Where a ledger in a file lies: the file, or why there can be none."""

import os
import stat
from pathlib import Path

from auditor.model.errors import ConfigError

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip


class PlaceError(ConfigError):
    """There can be no ledger at a path until somebody changes what is there."""


def look(path: Path, name: str, *, links: bool = False) -> os.stat_result | None:
    """The file; None where there is none. It opens nothing: a pipe would keep its reader forever.

    *links* may lead to a file that is still to be made. `PlaceError` with the cause where *name* can be no ledger.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        lost = next((each for each in (path, *path.parents) if each.is_symlink() and not each.exists()), None)
        if lost is None or (links and lost == path and Path(os.path.realpath(path)).parent.is_dir()):
            return None
        raise PlaceError(
            f"{name}: {lost} is a link to {lost.readlink()}, which is not there; correct the link"
        ) from None
    except NotADirectoryError:
        between = next(each for each in path.parents if each.exists() and not each.is_dir())
        raise PlaceError(f"{name}: {between} is a file and not a folder; correct the path") from None
    except PermissionError:
        closed = next((each for each in reversed(path.parents) if not os.access(each, os.X_OK)), path.parent)
        raise PlaceError(
            f"{name}: this user may not search the folder {closed}; allow it (chmod +x), or run as its owner"
        ) from None
    except (OSError, ValueError) as error:  # a loop of links, a name that is too long, a disk that fails
        words = getattr(error, "strerror", None) or error
        raise PlaceError(f"{name}: the path cannot be followed ({words}); correct it") from None
    if stat.S_ISDIR(status.st_mode):
        raise PlaceError(f"{name}: a folder is no ledger; name a file, as in --ledger auditor.db")
    if not stat.S_ISREG(status.st_mode):
        kind = next((words for found, words in _KINDS if found(status.st_mode)), "no file")
        raise PlaceError(f"{name}: {kind} is no ledger; name a regular file, as in --ledger auditor.db")
    if not os.access(path, os.R_OK):
        raise PlaceError(f"{name}: this user may not read the file; allow it (chmod +r), or run as its owner")
    return status


def make(path: Path, name: str) -> None:
    """An empty file, if there is none; readable by its user alone, as the usage in it: SQLite's own would be by all."""
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise PlaceError(
            f"{name}: the file cannot be made ({error.strerror}); make the folder {target.parent} writable, or name "
            "another path"
        ) from None
