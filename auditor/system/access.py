"""Access: who besides this user may read the spool, and how its files and folder come to say so.

An application and the exporter that reads its events are two users. With `spool_mode=0o640` the group reads, and the
folder is 2750, so that what is made in it is of its group. No mode lets another user write: events are a bill.
"""

import logging
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from auditor.model.errors import ConfigError

log = logging.getLogger("auditor.client")
PRIVATE = 0o600
_ALLOWED = {PRIVATE: 0o700, 0o640: 0o2750, 0o644: 0o2755}
"""Modes of files, with that of their folder."""


def mode_of(value: object) -> int:
    """The mode that a configuration means: `0o640`, `"0640"` or `"640"`. `ValueError` says what is allowed."""
    mode = value
    if isinstance(value, str) and re.fullmatch(r"(0o?)?[0-7]{3}", value):
        mode = int(value.removeprefix("0o"), 8)
    if isinstance(mode, bool) or mode not in _ALLOWED:
        shown = f"{value} ({value:#o})" if isinstance(value, int) and not isinstance(value, bool) else repr(value)
        raise ValueError(
            f"= {shown} is none of 0o600 (this user), 0o640 (its group too) and 0o644 (everybody); in TOML and in text "
            'write "0640"'
        )
    assert isinstance(mode, int)
    return mode


def _gid_of(group: object) -> int:
    if isinstance(group, int) and not isinstance(group, bool) and 0 <= group < 2**32 - 1:
        return group
    if isinstance(group, str) and group:
        import grp

        try:
            return grp.getgrnam(group).gr_gid
        except KeyError:
            if group.isascii() and group.isdecimal():
                return _gid_of(int(group))
    raise ConfigError(f"spool_group={group!r} is not a group of this machine; add it (groupadd), or give its number")


@dataclass(slots=True)
class Access:
    """The mode of segments, and their group (None leaves what the system gives)."""

    mode: int
    gid: int | None
    _told: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, mode: int | str | None, group: str | int | None) -> "Access":
        """What `spool_mode=` and `spool_group=` mean; a group alone means 0640."""
        try:
            bits = mode_of(mode) if mode is not None else PRIVATE if group is None else 0o640
        except ValueError as error:
            raise ConfigError(f"spool_mode {error}") from None
        if bits == PRIVATE and group is not None:
            raise ConfigError(f"spool_group={group!r} could read nothing with spool_mode=0o600; write 0o640")
        return cls(bits, None if group is None else _gid_of(group))

    def share(self, descriptor: int) -> None:
        """Give a new segment its group and mode; one that cannot get them stays private, and events are kept."""
        if self.mode == PRIVATE:
            return
        try:
            self._give(descriptor, self.mode)
        except OSError as error:
            self._warn("segments", f"events stay readable by this user alone: {self._why(error)}")

    def share_folder(self, folder: Path) -> None:
        """Let the readers into the folder, if it is this user's own and private; another one is its owner's matter."""
        if self.mode == PRIVATE:
            return
        try:
            # A link could lead to a folder that was not meant to be opened.
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            self._check(folder.stat(), folder)
            return
        try:
            found = os.fstat(descriptor)
            if found.st_uid == os.geteuid() and not found.st_mode & 0o077:
                self._open(descriptor)
                found = os.fstat(descriptor)
            self._check(found, folder)
        finally:
            os.close(descriptor)

    def _open(self, descriptor: int) -> None:
        mode = _ALLOWED[self.mode]
        try:
            try:
                self._give(descriptor, mode)
            except PermissionError:  # as systemd's RestrictSUIDSGID= answers to the group bit
                self._give(descriptor, mode & 0o777)
        except OSError as error:
            self._warn("folder", f"the folder of events stays closed to its readers: {self._why(error)}")

    def _give(self, descriptor: int, mode: int) -> None:
        """The group first: no user of another group may read in between."""
        if self.gid is not None and os.fstat(descriptor).st_gid != self.gid:
            os.fchown(descriptor, -1, self.gid)
        os.fchmod(descriptor, mode)  # what `open` and `mkdir` are given is cut by the umask

    def _check(self, found: os.stat_result, folder: Path) -> None:
        """Say it where the readers cannot enter."""
        enter = stat.S_IROTH | stat.S_IXOTH
        if found.st_mode & enter == enter:
            return
        enter = stat.S_IRGRP | stat.S_IXGRP
        if self.mode & 0o004 or found.st_mode & enter != enter or self.gid not in (None, found.st_gid):
            group = f"chgrp {self.gid} {folder} && " if self.gid is not None else ""
            self._warn(
                "folder",
                f"{folder}: readers of the events cannot enter ({stat.filemode(found.st_mode)}, group {found.st_gid}): "
                f"{group}chmod {_ALLOWED[self.mode]:o} {folder}",
            )

    def _why(self, error: OSError) -> str:
        if self.gid is None:
            return f"{error.strerror}"
        return f"{error.strerror}; add the application's user to the group {self.gid} (usermod -aG) and restart it"

    def _warn(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            log.warning("%s", text)
