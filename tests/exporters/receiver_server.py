"""A server that receives, in this process, and can be away for a while."""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType

from auditor_exporter.http import serve
from auditor_exporter.rates import Rates
from auditor_exporter.receiving import Receiving
from auditor_exporter.snapshot import Snapshot
from auditor_exporter.tokens import Tokens
from auditor_exporter.webconfig import Live

from auditor.config import settings_of
from auditor.ledger.database import Ledger
from auditor.ledger.receive import Receiver
from tests.services import free_port


class ReceiverServer:
    """On one port of the loopback, whenever it is started."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float], tokens: Tokens | None = None) -> None:
        self._receiver = Receiver(ledger, settings_of({}, "test"), clock)
        self._tokens = tokens or Tokens(None)
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        up = threading.Event()

        async def run() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            receiving = Receiving(lambda: self._receiver, self._tokens, lambda _: None, Rates())
            snapshot = Snapshot([])
            await serve(
                lambda: snapshot, "127.0.0.1", self.port, Live(None), lambda _: up.set(), self._stop,
                receiving=receiving,
            )  # fmt: skip

        self._thread = threading.Thread(target=lambda: asyncio.run(run()))
        self._thread.start()
        assert up.wait(30)

    def stop(self) -> None:
        """Be away."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def __enter__(self) -> "ReceiverServer":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
