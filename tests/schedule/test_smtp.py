"""Mail against a real server on this machine."""

import email
import email.policy
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme

from auditor.model.errors import ConfigError
from auditor.schedule.deliveries.smtp import Smtp
from auditor.schedule.delivery import DeliveryError
from tests.reports.corpus import HOSTILE
from tests.schedule.conftest import Mailbox, Said, mail_server, message

WHO = {"sender": "Render Auditor <audit@shop.example>", "to": ("team@shop.example", "cfo@shop.example")}


def smtp(mailbox: Mailbox, environment: dict[str, str] | None = None, **settings: Any) -> Smtp:
    return Smtp({"host": "127.0.0.1", "port": mailbox.port, "security": "none", **WHO, **settings}, environment or {})


def read(mailbox: Mailbox, place: int = 0) -> EmailMessage:
    content = mailbox.mails[place].content
    assert isinstance(content, bytes)
    found = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_a_mail_has_the_summary_as_text_and_the_reports_attached(mailbox: Mailbox) -> None:
    """Byte by byte, with a Message-ID of the delivery's own."""
    sent = message()
    smtp(mailbox).send(sent)
    mail = read(mailbox)
    assert mail["Subject"] == sent.subject
    assert mail["Message-ID"] == "<0123456789abcdef@shop.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mailbox.mails[0].rcpt_tos == list(WHO["to"])
    body = mail.get_body(("plain",))
    assert body is not None and body.get_content().splitlines() == ["one line", "a sécond"]
    attached = [
        (part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
        for part in mail.iter_attachments()
    ]
    assert attached == [(one.name, one.media_type, one.content) for one in sent.attachments]


@pytest.mark.slow
@pytest.mark.parametrize("place", range(0, len(HOSTILE), 20))
def test_no_word_becomes_a_header_or_a_part(place: int, mailbox: Mailbox) -> None:
    """The corpus in the subject and in every line: as many headers and parts as ever, and nobody else gets it."""
    words = HOSTILE[place : place + 20]
    smtp(mailbox).send(message("plain"))
    for word in (*words, "x\r\nBcc: all@shop.example\r\n\r\nbody", "x\n.\nMAIL FROM:<a@b>", "\r\n--boundary\r\n"):
        mailbox.mails[1:] = []
        smtp(mailbox).send(message(word, f"end {word}", subject=f"About {word}"))
        usual, mail = read(mailbox), read(mailbox, 1)
        assert mail.keys() == usual.keys()
        assert [part.get_content_type() for part in mail.walk()] == [part.get_content_type() for part in usual.walk()]
        assert mailbox.mails[1].rcpt_tos == list(WHO["to"])
        body = mail.get_body(("plain",))
        assert body is not None and len(body.get_content().splitlines()) == 2


def test_login_with_what_the_environment_holds(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names stand in the settings, values nowhere."""
    monkeypatch.setattr(
        "auditor.schedule.deliveries.smtp.TIMEOUT", 3.0
    )  # the server never answers a second kind of login
    environment = {"U": "audit", "P": "s3same!"}
    smtp(mailbox, environment, username_env="U", password_env="P").send(message())
    assert mailbox.logins == [(b"audit", b"s3same!")]
    wrong = smtp(mailbox, {"U": "audit", "P": "sesame"}, username_env="U", password_env="P")
    with pytest.raises(DeliveryError, match="the login was refused") as caught:
        wrong.send(message())
    assert not caught.value.again
    assert "sesame" not in str(caught.value) + wrong.target + repr(wrong)


@pytest.mark.parametrize(
    ("settings", "environment", "words"),
    [
        ({"username_env": "U"}, {"U": "u"}, "go together"),
        ({"username_env": "U", "password_env": "P"}, {"U": "u"}, "environment variable P is empty"),
        ({"host": "mail.shop.example", "username_env": "U", "password_env": "P"}, {"U": "u", "P": "p"}, "needs TLS"),
    ],
)
def test_settings_that_cannot_be(
    settings: dict[str, Any], environment: dict[str, str], words: str, mailbox: Mailbox
) -> None:
    """Before anything is sent; a password never goes over an open connection to another host."""
    with pytest.raises(ConfigError, match=words):
        smtp(mailbox, environment, **settings)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_tls_is_checked(security: str, tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path) -> None:
    """With the authority's certificate it goes through; without, nothing is said to the server."""
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    options: dict[str, Any] = (
        {"ssl_context": tls} if security == "tls" else {"tls_context": tls, "require_starttls": True}
    )
    with mail_server(**options) as mailbox:
        environment = {"U": "audit", "P": "s3same!"}
        login = {"security": security, "username_env": "U", "password_env": "P"}
        smtp(mailbox, environment, ca_file=str(ca_file), **login).send(message())
        assert len(mailbox.mails) == 1
        with pytest.raises(DeliveryError, match="no safe connection") as caught:
            smtp(mailbox, environment, **login).send(message())
        assert not caught.value.again
        assert len(mailbox.mails) == len(mailbox.logins) == 1


def test_a_server_without_tls_gets_nothing(mailbox: Mailbox) -> None:
    """STARTTLS is the default, and not optional."""
    with pytest.raises(DeliveryError, match="offers no TLS"):
        Smtp({"host": "127.0.0.1", "port": mailbox.port, **WHO}, {}).send(message())
    assert mailbox.mails == []


def test_temporary_refusals_are_tried_again_and_lasting_ones_not(mailbox: Mailbox, said: Said) -> None:
    """4xx four times at most, with growing waits; 5xx once."""
    mailbox.data = ["451 later", "452 full"]
    assert said.deliver(smtp(mailbox))
    assert said.waits == [1.0, 2.0]
    assert len(mailbox.mails) == 1
    mailbox.data = ["554 no"]
    assert not said.deliver(smtp(mailbox), resend=True)
    assert said.waits == [1.0, 2.0]
    assert "the server refused (554)" in said.words[-1]
    assert said.state == "failed"


def test_refused_recipients(mailbox: Mailbox) -> None:
    """One of two: the others have it, and it is said; all: tried again only where it may help."""
    mailbox.recipients = ["250 OK", "550 unknown"]
    with pytest.raises(DeliveryError, match=r"refused for cfo@shop.example, sent to the others") as caught:
        smtp(mailbox).send(message())
    assert not caught.value.again and len(mailbox.mails) == 1
    mailbox.recipients = ["450 busy", "450 busy"]
    with pytest.raises(DeliveryError, match="every recipient") as caught:
        smtp(mailbox).send(message())
    assert caught.value.again


def test_nobody_there_is_tried_again() -> None:
    """The server may come back."""
    with pytest.raises(DeliveryError, match="no answer") as caught:
        Smtp({"host": "127.0.0.1", "port": 1, "security": "none", **WHO}, {}).send(message())
    assert caught.value.again
