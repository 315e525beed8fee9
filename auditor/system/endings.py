"""How a command ends: one sentence on stderr and an exit code, whatever went wrong.

0 is done, 1 a finding and nothing else, 2 an option, the configuration or the machine (a full disk, a ledger that
cannot be written), 3 an input, 70 a fault of the program itself; 130, 141 and 143 are a shell's for Ctrl-C, for a
reader who has enough, and for SIGTERM.
"""

import errno
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from auditor.model.errors import AuditorError, ConfigError, InputError
from auditor.system.terminal import plain

BROKEN_PIPE, INTERRUPTED, TERMINATED, FAULT = 141, 130, 143, 70
TRACEBACK = "AUDITOR_TRACEBACK"
"""The environment variable that asks for a traceback, which is not shown unasked: it may hold values of the input."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_LONGEST = 600
"""Characters of a sentence: a name in it may be as long as a hostile file makes it."""


def run(name: str, app: Callable[[], object]) -> None:
    """Run a command line; *name* is what its sentences begin with."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal's encoding lacks is written as an escape: no report fails for one character.
            stream.reconfigure(errors="backslashreplace")
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)  # so that temporary files go with a service that is stopped
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:  # else it was closed before we began
                # What is still in the buffer: at the end of the process its loss could not be reported.
                sys.stdout.flush()
    except SystemExit as end:
        _leave_as(name, end)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _give_up_output()
        sys.exit(BROKEN_PIPE)
    except Exception as error:  # what it is, `told` says
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        words, code = told(error)
        _give_up_output()
        fail(name, words, code)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    sys.exit(TERMINATED)


def fail(name: str, words: str, code: int) -> NoReturn:
    """One sentence, and the end."""
    shown = plain(words)
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # it may be full or closed as well
            print(f"{name}: {shown if len(shown) <= _LONGEST else shown[:_LONGEST] + '…'}", file=sys.stderr, flush=True)
    sys.exit(code)


_INPUT: dict[type[BaseException], str] = {
    MemoryError: "there is not enough memory for this input; audit fewer or smaller files at once",
    RecursionError: "an input is nested too deeply to be read",
    EOFError: "an input is cut off; get it again",
}


def told(error: BaseException) -> tuple[str, int]:
    """The sentence for an error, and the exit code."""
    if isinstance(error, AuditorError):
        return str(error), error.exit_code
    for kind, words in _INPUT.items():
        if isinstance(error, kind):
            return words, InputError.exit_code
    words = _of_machine(error)
    if words:
        return words, ConfigError.exit_code
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"a fault of the program ({type(error).__name__}{where}); report it with what {TRACEBACK}=1 shows", FAULT


def _of_machine(error: BaseException) -> str:
    """For what the terminal, the system or a database refused; empty for anything else."""
    if isinstance(error, UnicodeEncodeError):
        return f"the output cannot be written in {error.encoding}; use --output or PYTHONIOENCODING=utf-8"
    if isinstance(error, OSError):
        return _of_system(error)
    home = type(error).__module__.partition(".")[0]
    if home in ("sqlalchemy", "sqlite3", "psycopg"):  # by name: importing them takes longer than most commands
        return f"the ledger cannot be used ({_first_line(getattr(error, 'orig', None) or error)})"
    if home in ("duckdb", "_duckdb"):
        return f"the audit's temporary tables failed ({_first_line(error)}); free memory or disk, or set TMPDIR"
    return ""


def _of_system(error: OSError) -> str:
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}; check the path, its permissions and the disk"
    if error.errno in NO_ROOM:
        return f"the output cannot be written whole ({os.strerror(error.errno or 0)})"
    return f"the system refused what was needed ({error.strerror or _first_line(error)})"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _leave_as(name: str, end: SystemExit) -> NoReturn:
    """Typer ends with 1, which here is a finding, where a pipe broke and where an input ended early."""
    if isinstance(end.__context__, BrokenPipeError):
        _give_up_output()
        sys.exit(BROKEN_PIPE)
    early = getattr(end.__context__, "__cause__", None)
    if isinstance(early, EOFError):
        fail(name, *told(early))
    raise end


def _give_up_output() -> None:
    """Python flushes once more when it ends, and would complain again."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
