"""Raises an error in each function of ours, one at a time, while a metered call is running.

A fault is raised at a function's first instruction. Functions that the caller's side calls itself are left out: there a
fault would be the call's own, as if the function were not there.
"""

import dis
import functools
import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import auditor

PACKAGE = str(Path(auditor.__file__).parent)
GUARDS = {"quiet.<locals>.call", "Metering.fault", "Meter.lost"}
"""What catches faults, and what counts them."""
PASSAGES = {
    "_async_generator.<locals>.call", "_generator.<locals>.call", "_watched.<locals>.<lambda>",
    "Passage.__exit__", "_method.<locals>.call",
}  # fmt: skip
"""Through which the caller's own call goes on."""
READERS = {
    "stable", "_form", "_object", "_text", "_integer", "_real", "_items", "_fields", "_mapping", "_tagged",
    "decoded", "_gzip", "status_of", "answer_of", "content_of",
}  # fmt: skip
"""Read objects of the caller's, which may fail by themselves: then nothing is known of them, which is no fault."""
_OF_PYTHON = {"contextlib.py", "functools.py"}
Place = tuple[str, str]
Outcome = tuple[str, Any]


class InjectedError(Exception):
    """Of ours; it holds what must not be logged."""


def outcome(run: Callable[[], Any]) -> Outcome:
    """What a caller gets: a result, or an exception."""
    try:
        return ("gave", run())
    except Exception as error:
        return ("raised", (type(error), str(error)))


@functools.cache
def _first(code: CodeType) -> int:
    return next(each.offset for each in dis.get_instructions(code) if each.opname == "RESUME")


def _place(frame: FrameType) -> Place | None:
    code = frame.f_code
    if not code.co_filename.startswith(PACKAGE) or code.co_qualname in GUARDS | PASSAGES:
        return None
    if frame.f_lasti > _first(code):  # it goes on, after a yield or an await
        return None
    caller = frame.f_back
    while caller is not None and Path(caller.f_code.co_filename).name in _OF_PYTHON:
        caller = caller.f_back
    if caller is None or not caller.f_code.co_filename.startswith(PACKAGE):
        return None
    return Path(code.co_filename).name, code.co_qualname


@contextmanager
def _profiled(watch: Callable[[FrameType, str, Any], None]) -> Iterator[None]:
    """*watch* hears of this thread's calls, but of none that collecting garbage makes: those are other clients'."""
    gc.disable()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(None)
        gc.enable()


def places(made: Callable[[], Callable[[], Any]]) -> Counter[Place]:
    """How often each function of ours begins while what is *made* runs, caches of classes being filled."""
    outcome(made())
    run, found = made(), Counter[Place]()

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and (place := _place(frame)) is not None:
            found[place] += 1

    with _profiled(watch):
        outcome(run)
    return found


def injected(run: Callable[[], Any], place: Place, number: int) -> Outcome:
    """What a caller gets if the function fails the *number*th time that it begins."""
    seen = 0

    def fail(frame: FrameType, event: str, _: Any) -> None:
        nonlocal seen
        if event == "call" and _place(frame) == place:
            seen += 1
            if seen == number:
                raise InjectedError("SECRETvalue")  # Python stops calling this function now

    with _profiled(fail):
        return outcome(run)


def faults(found: Counter[Place], most: int = 3) -> Iterator[tuple[Place, int]]:
    """Each function, the first times that it begins."""
    for place, count in sorted(found.items()):
        yield from ((place, number) for number in range(1, min(count, most) + 1))
