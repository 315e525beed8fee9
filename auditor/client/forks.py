"""What starts again in a forked child: locks, threads and connections are the parent's. And what is closed at exit."""

import atexit
import logging
import os
import weakref
from typing import Any

log = logging.getLogger("auditor.client")

_PARTS: "weakref.WeakSet[Any]" = weakref.WeakSet()
_OPEN: "weakref.WeakSet[Any]" = weakref.WeakSet()


def renew_in_children(part: Any) -> None:
    """Call its `forked()` in every child from now on, as long as it lives."""
    _PARTS.add(part)


def _after_fork() -> None:
    for part in list(_PARTS):
        try:
            part.forked()
        except Exception as error:  # (a user's own store: the parts after it must begin again all the same)
            log.warning("a part of the client could not begin again after a fork (%s)", type(error).__name__)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def close_at_exit(part: Any) -> None:
    """Call its `close()` when the interpreter ends, if it still lives."""
    _OPEN.add(part)


@atexit.register
def _at_exit() -> None:
    for part in list(_OPEN):
        part.close()
