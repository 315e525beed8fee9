"""Local servers that take what is delivered, and a message to deliver. Nothing leaves the machine."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from auditor.schedule.delivery import Attachment, Message
from auditor.schedule.outbox import Outbox
from tests.services import free_port


def message(*lines: str, subject: str = "Render audit 2026-09-01: 10 credits wasted", **fields: Any) -> Message:
    """A message with a text and an HTML attachment."""
    attachments = [
        Attachment("report.html", "text/html", b"<!doctype html><p>r\xc3\xa9port</p>\r\n"),
        Attachment("report.txt", "text/plain", "r\u00e9port\n".encode()),
    ]
    whole = {
        "id": "0123456789abcdef", "name": "2026-09-01", "subject": subject, "lines": lines or ("one line", "a sécond"),
        "attachments": attachments, "document": {"totals": {"credits": 10}, "comparison": None},
    }  # fmt: skip
    return Message(**{**whole, **fields})


class Posted:
    """What a webhook got; the statuses that it answers, one after the other, then 200."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.url = ""

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.requests]


@pytest.fixture
def webhook() -> Iterator[Posted]:
    posted = Posted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            posted.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status, headers = posted.answers.pop(0) if posted.answers else (200, {})
            if status == 0:  # a broken connection
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {"content-length": "2", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    posted.url = f"http://127.0.0.1:{server.server_port}/services/T0/sesame"
    yield posted
    server.shutdown()
    thread.join()
    server.server_close()


class Mailbox:
    """What a mail server got; the replies that it gives to recipients and data, one after the other, then it takes."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.recipients: list[str] = []
        self.data: list[str] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.port = 0

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.recipients.pop(0) if self.recipients else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        answer = self.data.pop(0) if self.data else "250 OK"
        if answer.startswith("250"):
            self.mails.append(envelope)
        return answer

    def login(self, server: SMTP, session: Session, envelope: Envelope, kind: str, data: LoginPassword) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"s3same!")


@contextmanager
def mail_server(**options: Any) -> Iterator[Mailbox]:
    """A real SMTP server on a free port of 127.0.0.1."""
    mailbox = Mailbox()
    chosen = {"authenticator": mailbox.login, "auth_require_tls": False, **options}
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **chosen)
    controller.start()
    try:
        mailbox.port = controller.port
        yield mailbox
    finally:
        controller.stop()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as server:
        yield server


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


class Said:
    """An outbox with a clock that stands still, and what it said and waited for."""

    def __init__(self, folder: Path) -> None:
        self.words: list[str] = []
        self.waits: list[float] = []
        self.outbox = Outbox(folder, self.waits.append, lambda: datetime(2026, 10, 1, tzinfo=UTC), self.words.append)

    def deliver(
        self, delivery: Any, sent: Message | None = None, *, resend: bool = False, dry_run: bool = False
    ) -> bool:
        return self.outbox.deliver("team", delivery, sent or message(), resend=resend, dry_run=dry_run)

    @property
    def state(self) -> Any:
        return self.outbox.known().get("team", {}).get("state")


@pytest.fixture
def said(tmp_path: Path) -> Said:
    return Said(tmp_path)
