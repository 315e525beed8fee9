"""What a supervisor such as systemd is told (`sd_notify`): that the server is ready, reloads, lives and stops."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class Supervisor:
    """Speaks to the socket that the environment names; without one it says nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        where = environ.get("NOTIFY_SOCKET", "")
        self._where = "\0" + where[1:] if where.startswith("@") else where
        of_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        micros = environ.get("WATCHDOG_USEC", "") if of_us else ""
        self.every = int(micros) / 2_000_000 if micros.isascii() and micros.isdigit() and int(micros) else None
        """Seconds between two signs of life; None if nobody waits for them."""

    def tell(self, text: str) -> None:
        """`READY=1` when it serves or serves again, `RELOADING=1`, `WATCHDOG=1` as a sign of life, `STOPPING=1`."""
        if not self._where:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.sendto(text.encode(), self._where)
