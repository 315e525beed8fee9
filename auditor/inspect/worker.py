"""The parent's side of the limited process: one child a thread, started again whenever an image ends it."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

START_SECONDS = 60.0
PICTURE_SECONDS = 60.0
"""On the clock, beside the child's own limit of processor time."""
SERVED = 200
"""Images that one child opens before another takes over, so that nothing of them adds up."""
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT")
_ENDED: Mapping[int, tuple[str, str]] = {
    signal.SIGXCPU: ("out_of_time", "took more processor time than one image may"),
    signal.SIGKILL: ("out_of_memory", "the system ended its process"),
}


class Worker:
    """Measures one image after another; an image that ends the child is refused, and the next gets a new one."""

    def __init__(
        self, *, seconds: float = PICTURE_SECONDS, module: str = "auditor.inspect.child",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._seconds = seconds
        self._module = module
        self._clock = clock
        self._child: subprocess.Popen[bytes] | None = None
        self._served = 0
        self.method: Mapping[str, Any] = {}
        """What the child measures with."""

    def measure(self, data: bytes, limit: Mapping[str, float | None] | None) -> dict[str, Any]:
        """What the child says: facts, or `refused` and `detail`."""
        child = self._started()
        head = json.dumps({"limit": limit}).encode()
        try:
            stdin = cast(BinaryIO, child.stdin)
            stdin.write(len(head).to_bytes(4) + len(data).to_bytes(4) + head + data)
            stdin.flush()
            line = self._line(child, self._seconds)
        except (BrokenPipeError, ConnectionResetError):
            line = b""
        except TimeoutError:
            self.close()
            return {"refused": "out_of_time", "detail": f"took more than {self._seconds:g} seconds"}
        self._served += 1
        if not line.endswith(b"\n"):
            code = child.wait()
            self.close()
            reason, detail = _ENDED.get(-code, ("crashed", f"ended its process ({code})"))
            return {"refused": reason, "detail": detail}
        if self._served >= SERVED:
            self.close()
        return cast("dict[str, Any]", json.loads(line))

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                with contextlib.suppress(BrokenPipeError):
                    cast(BinaryIO, stream).close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            # Nothing of the environment that could be a secret goes along, and threads would need address space.
            environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._child = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable, "-P", "-m", self._module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, env=environment, cwd="/", start_new_session=True,
            )  # fmt: skip
            self._served = 0
            line = self._line(self._child, START_SECONDS)
            if not line.endswith(b"\n"):
                code = self._child.wait()
                self._child = None
                raise ModuleNotFoundError(f"the measuring process does not start ({code})", name="scikit-image")
            self.method = json.loads(line)
        return self._child

    def _line(self, child: subprocess.Popen[bytes], seconds: float) -> bytes:
        """One line of the child, whole or as far as it came; `TimeoutError` when it takes longer."""
        out = cast(BinaryIO, child.stdout)
        ends = self._clock() + seconds
        found = b""
        while not found.endswith(b"\n"):
            ready, _, _ = select.select([out], [], [], max(0.0, ends - self._clock()))
            if not ready:
                raise TimeoutError
            chunk = os.read(out.fileno(), 1 << 16)
            if not chunk:
                return found
            found += chunk
        return found
