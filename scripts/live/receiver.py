"""The receiver of alerts: what Alertmanager sends to the team and to the pager, in the order in which it came."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert in one notification."""

    at: float
    """On the steady clock."""
    receiver: str
    status: str
    """`firing` or `resolved`."""
    alert: str
    account: str


class Receiver:
    """An address that takes notifications, and keeps and logs them."""

    def __init__(self, log: Path) -> None:
        self.notices: list[Notice] = []
        self.log = log
        self._lock = threading.Lock()
        self.url = ""

    def came(self, receiver: str, body: bytes) -> None:
        """Take one notification, as Alertmanager's webhook sends it."""
        with self._lock, self.log.open("a") as log:
            for alert in json.loads(body)["alerts"]:
                labels = alert["labels"]
                notice = Notice(
                    time.monotonic(), receiver, alert["status"], labels["alertname"], labels.get("account", "")
                )
                self.notices.append(notice)
                log.write(f"{time.strftime('%H:%M:%S')} /{receiver} {notice.status} {json.dumps(labels)}\n")

    def of(self, alert: str, status: str, account: str) -> list[Notice]:
        """The notices of one alert."""
        return [each for each in self.notices if (each.alert, each.status, each.account) == (alert, status, account)]


@contextmanager
def receiving(log: Path) -> Iterator[Receiver]:
    """One that listens on a free port of this machine."""
    receiver = Receiver(log)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.came(self.path.strip("/"), self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The log has what came."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
