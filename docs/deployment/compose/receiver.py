"""A receiver for Alertmanager's webhooks, which prints a line an alert: python receiver.py [PORT]."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver(BaseHTTPRequestHandler):
    """Prints what is posted."""

    def do_POST(self) -> None:
        """Answer 200, and print status, name, labels and summary."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in body["alerts"]:
            labels = {name: value for name, value in alert["labels"].items() if name in ("provider", "account")}
            summary = alert["annotations"].get("summary", "")
            print(self.path, alert["status"], alert["labels"]["alertname"], labels, summary, flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """No line a request: the alerts are enough."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(sys.argv[1]) if len(sys.argv) > 1 else 9999), Receiver).serve_forever()
