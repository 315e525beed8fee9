"""The metrics of a renderer's registry as an application, and what keeps them right where several workers answer."""

import os
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from prometheus_client import CollectorRegistry, make_asgi_app, make_wsgi_app, multiprocess, values

_SEVERAL = (
    b"Several workers answer here, and each counts only its own requests. Set PROMETHEUS_MULTIPROC_DIR to an empty "
    b"folder before the workers start; with gunicorn, add `from auditor import child_exit` to gunicorn.conf.py.\n"
)
_OF_LIVING = re.compile(r"_(\d+)\.db$")
_dead: Any = multiprocess.mark_process_dead
_TEXT = "text/plain; charset=utf-8"


class _Workers(multiprocess.MultiProcessCollector):
    """The sum over all workers, without what those had in flight that died where no hook runs."""

    def collect(self) -> Any:
        bury(Path(self._path))
        return super().collect()  # type: ignore[no-untyped-call]


def metrics_app(registry: CollectorRegistry, kind: Literal["asgi", "wsgi"]) -> Any:
    """An application that shows *registry*; in prometheus_client's multiprocess mode, the sum over all workers.

    Where several workers share a listening socket without that mode, it answers 503: one worker's share is not the sum.
    """
    make = make_asgi_app if kind == "asgi" else make_wsgi_app
    if multiprocess_mode():
        shared = CollectorRegistry()
        _Workers(shared)  # type: ignore[no-untyped-call]
        return make(shared)
    return (_asgi if kind == "asgi" else _wsgi)(make(registry))


def multiprocess_mode() -> bool:
    """Whether prometheus_client keeps its values in files, which it decides when it is first imported."""
    kept = getattr(values.ValueClass, "_multiprocess", False)
    return bool(kept) and "PROMETHEUS_MULTIPROC_DIR" in os.environ


def child_exit(server: object, worker: Any) -> None:
    """The hook of that name in gunicorn: what a worker that is gone had in flight does not stay in the sum."""
    del server
    if multiprocess_mode():
        with suppress(FileNotFoundError):  # a scrape was faster
            _dead(worker.pid)


def bury(folder: Path) -> None:
    """As `child_exit`, for workers that died where no hook runs: their gauges of what lives are removed."""
    names = [_OF_LIVING.search(path.name) for path in folder.glob("gauge_live*.db")]
    for pid in {int(found[1]) for found in names if found is not None}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # so was another scrape, or the hook
                _dead(pid, str(folder))
        except OSError:  # (of another user: it lives)
            continue


def several(proc: Path = Path("/proc")) -> bool:
    """Whether another child of this process's parent listens where this one does, as far as the system tells."""
    mine = _listening(proc, os.getpid())
    siblings: set[str] = set()
    for tasks in proc.glob(f"{os.getppid()}/task/*/children") if mine else ():
        with suppress(OSError):
            siblings.update(tasks.read_text().split())
    return any(mine & _sockets(proc / pid) for pid in siblings - {str(os.getpid())})


def _listening(proc: Path, pid: int) -> set[str]:
    """Inodes of the TCP and Unix sockets on which a process waits for clients, and of those of the same address.

    Workers either share a socket or have one each (`SO_REUSEPORT`).
    """
    found: set[str] = set()
    own = _sockets(proc / str(pid))
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            rows = [row.split() for row in (proc / str(pid) / "net" / name).read_text().splitlines()[1:]]
            listening = [(row[1], row[9]) for row in rows if row[3] == "0A"]
            addresses = {address for address, inode in listening if inode in own}
            found |= {inode for address, inode in listening if address in addresses}
    with suppress(OSError):
        rows = [row.split() for row in (proc / str(pid) / "net" / "unix").read_text().splitlines()[1:]]
        found |= {row[6] for row in rows if int(row[3], 16) & 0x10000} & own
    return found


def _sockets(process: Path) -> set[str]:
    found: set[str] = set()
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


Asgi = Callable[[Any, Any, Any], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def _asgi(app: Asgi) -> Asgi:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not several():
            await app(scope, receive, send)
            return
        headers = [(b"content-type", _TEXT.encode())]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": _SEVERAL})

    return answer


def _wsgi(app: Wsgi) -> Wsgi:
    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if not (environ.get("wsgi.multiprocess") or several()):
            return app(environ, start)
        start("503 Service Unavailable", [("Content-Type", _TEXT)])
        return [_SEVERAL]

    return answer
