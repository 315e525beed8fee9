"""smtp: a mail with the summary as its text and the reports attached.

TLS is asked for unless `security = "none"`, and certificates are checked; a password never goes over an open connection
to another host. The Message-ID is the delivery's own, so that a mail that arrives twice is one to a mail reader.
"""

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import formatdate, parseaddr
from typing import Any, ClassVar

from auditor.model.errors import ConfigError
from auditor.schedule.delivery import DeliveryError, Message, secret
from auditor.system.terminal import plain

TIMEOUT = 30.0
_LOCAL = ("127.0.0.1", "::1", "localhost")


class Smtp:
    """`kind = "smtp"`."""

    FIELDS: ClassVar = {
        "host": "text", "port": "port", "security": "starttls|tls|none", "sender": "text", "to": "texts",
        "username_env": "text", "password_env": "text", "ca_file": "text",
    }  # fmt: skip
    REQUIRED: ClassVar = frozenset({"host", "sender", "to"})
    MOST_REPORTS: ClassVar = None

    def __init__(self, settings: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._host = str(settings["host"])
        self._security = settings.get("security", "starttls")
        self._port = int(settings.get("port", 465 if self._security == "tls" else 587))
        self._sender, self._to = str(settings["sender"]), list(settings["to"])
        self._user = secret(settings, "username_env", environment)
        self._password = secret(settings, "password_env", environment)
        self._ca_file = settings.get("ca_file")
        if (self._user is None) != (self._password is None):
            raise ConfigError("username_env and password_env go together; name both or neither")
        if self._user is not None and self._security == "none" and self._host not in _LOCAL:
            raise ConfigError(f'security = "none" would show the password to the network; {self._host} needs TLS')
        self.target = f"{', '.join(self._to)} by {self._host}:{self._port}"

    def send(self, message: Message) -> None:
        """One session; a temporary refusal (4xx) may be tried again, a lasting one (5xx) not."""
        try:
            with self._session() as session:
                self._log_in(session)
                refused = session.send_message(self.mail(message), self._sender, self._to)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            again = all(code < 500 for code in codes)
            raise DeliveryError(f"every recipient was refused ({codes[0]})", again=again) from None
        except smtplib.SMTPResponseException as error:
            login = isinstance(error, smtplib.SMTPAuthenticationError)
            what = "the login was refused" if login else "the server refused"
            raise DeliveryError(f"{what} ({error.smtp_code})", again=error.smtp_code < 500) from None
        except smtplib.SMTPNotSupportedError:
            raise DeliveryError("the server offers no TLS or no login", again=False) from None
        except ssl.SSLError as error:
            raise DeliveryError(f"no safe connection ({error.reason})", again=False) from None
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(f"no answer ({type(error).__name__})", again=True) from None
        if refused:
            raise DeliveryError(f"refused for {', '.join(sorted(refused))}, sent to the others", again=False)

    def mail(self, message: Message) -> EmailMessage:
        """Text and attachments. `EmailMessage` refuses line breaks in headers; `plain` writes them out before."""
        mail = EmailMessage(policy=POLICY)
        domain = parseaddr(self._sender)[1].rpartition("@")[2] or "localhost"
        mail["Subject"] = plain(message.subject)
        mail["From"], mail["To"] = self._sender, ", ".join(self._to)
        mail["Date"], mail["Message-ID"] = formatdate(), f"<{message.id}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content("\n".join(plain(line) for line in message.lines) + "\n")
        for attachment in message.attachments:
            kind, _, subtype = attachment.media_type.partition("/")
            mail.add_attachment(attachment.content, maintype=kind, subtype=subtype, filename=attachment.name)
        return mail

    def _log_in(self, session: smtplib.SMTP) -> None:
        if self._user is None or self._password is None:
            return
        try:
            session.login(self._user, self._password)
        except smtplib.SMTPServerDisconnected:  # some hang up instead of saying no
            raise DeliveryError("the login was refused", again=False) from None

    def _session(self) -> smtplib.SMTP:
        context = ssl.create_default_context(cafile=self._ca_file)
        if self._security == "tls":
            return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT, context=context)
        session = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT)
        if self._security == "starttls":
            try:
                session.starttls(context=context)
            except BaseException:
                session.close()
                raise
        return session
