"""webhook: a JSON document, posted to an address that an environment variable holds.

The address is a secret, since all who know it can post: only its host is ever shown. `Idempotency-Key` is the same on
every try of one delivery. With `secret_env` the body is signed: `X-Auditor-Signature: sha256=` and the HMAC of the
body. Only public addresses are connected to, unless `private = true`; redirects are not followed.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, ClassVar

from auditor.model.errors import ConfigError
from auditor.schedule.delivery import DeliveryError, Message, secret
from auditor.system.network import Fetcher, FetchError, Guard, parsed

SCHEMA = "render-auditor/delivery/v1"
EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_LATER = frozenset({408, 425, 429})


class Webhook:
    """`kind = "webhook"`."""

    FIELDS: ClassVar = {"url_env": "text", "secret_env": "text", "private": "flag"}
    REQUIRED: ClassVar = frozenset({"url_env"})
    MOST_REPORTS: ClassVar = 0

    def __init__(self, settings: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        address = secret(settings, "url_env", environment) or ""
        try:
            self._url = parsed(address)
        except FetchError as error:
            raise ConfigError(f"the environment variable {settings['url_env']}: {error.detail}") from None
        self._secret = secret(settings, "secret_env", environment)
        self._guard = Guard(EVERYWHERE if settings.get("private") else ())
        self.target = f"{self._url.scheme}://{self._url.netloc.decode('ascii')}/…"

    def body(self, message: Message) -> dict[str, Any]:
        """What is posted."""
        names = {"schema": SCHEMA, "id": message.id, "cycle": message.name, "subject": message.subject}
        return {**names, "text": "\n".join(message.lines), **message.document}

    def send(self, message: Message) -> None:
        """Post it; 2xx is delivered, 408, 425, 429 and 5xx may be tried again, anything else not."""
        content = json.dumps(self.body(message), ensure_ascii=True, allow_nan=False).encode()
        headers = {"content-type": "application/json", "idempotency-key": message.id}
        if self._secret is not None:
            signature = hmac.new(self._secret.encode(), content, hashlib.sha256).hexdigest()
            headers["x-auditor-signature"] = f"sha256={signature}"
        try:
            with Fetcher(self._guard) as fetcher:
                answer = fetcher.send("POST", self._url, headers, content)
        except FetchError as error:
            again = error.reason in ("unreachable", "out_of_time")
            fix = "; private = true in its table permits it" if error.reason == "private_address" else ""
            detail = "it is not a public address" if fix else error.detail
            raise DeliveryError(detail + fix, again=again) from None
        if not 200 <= answer.status < 300:
            again = answer.status in _LATER or answer.status >= 500
            asked = answer.headers.get("retry-after", "")
            after = float(asked) if re.fullmatch(r"\d{1,6}", asked) else None
            raise DeliveryError(f"HTTP {answer.status}", again=again, after=after)
