"""Webhooks against a real server on this machine."""

import hashlib
import hmac
from typing import Any

import pytest

from auditor.model.errors import ConfigError
from auditor.schedule.deliveries.webhook import SCHEMA, Webhook
from auditor.schedule.delivery import DeliveryError
from tests.schedule.conftest import Posted, Said, message


def hook(webhook: Posted, **settings: Any) -> Webhook:
    return Webhook({"url_env": "HOOK", "private": True, **settings}, {"HOOK": webhook.url, "KEY": "k3y"})


def test_the_document_is_posted(webhook: Posted) -> None:
    """JSON, with the id as its idempotency key."""
    hook(webhook).send(message())
    ((path, headers, _),) = webhook.requests
    assert path == "/services/T0/sesame"
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "0123456789abcdef"
    assert "x-auditor-signature" not in headers
    (body,) = webhook.bodies
    assert body == {
        "schema": SCHEMA, "id": "0123456789abcdef", "cycle": "2026-09-01", "text": "one line\na sécond",
        "subject": "Render audit 2026-09-01: 10 credits wasted", "totals": {"credits": 10}, "comparison": None,
    }  # fmt: skip


def test_a_body_can_be_signed(webhook: Posted) -> None:
    """The receiver can check that it is ours."""
    hook(webhook, secret_env="KEY").send(message())
    _, headers, body = webhook.requests[0]
    assert headers["x-auditor-signature"] == "sha256=" + hmac.new(b"k3y", body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("status", "again"),
    [(200, None), (204, None), (301, False), (302, False), (307, False), (400, False), (401, False), (404, False),
     (408, True), (410, False), (425, True), (429, True), (500, True), (503, True), (0, True)],
)  # fmt: skip
def test_which_answers_are_tried_again(status: int, again: bool | None, webhook: Posted) -> None:
    """A redirect is not followed: who knows where it leads."""
    webhook.answers = [(status, {"location": webhook.url})]
    if again is None:
        hook(webhook).send(message())
    else:
        with pytest.raises(DeliveryError) as caught:
            hook(webhook).send(message())
        assert caught.value.again is again
        assert "sesame" not in str(caught.value)
    assert len(webhook.requests) == 1


def test_waits_are_as_asked_and_bounded(webhook: Posted, said: Said) -> None:
    """Retry-After, but a minute at most; every try has the same key."""
    webhook.answers = [(429, {"retry-after": "7"}), (503, {"retry-after": "99999"}), (500, {"retry-after": "soon"})]
    assert said.deliver(hook(webhook))
    assert said.waits == [7.0, 60.0, 4.0]
    assert {headers["idempotency-key"] for _, headers, _ in webhook.requests} == {"0123456789abcdef"}
    assert "at try 4" in said.words[-1]


def test_only_public_addresses_unless_allowed(webhook: Posted) -> None:
    """An address that was put into the environment by mistake does not reach inner services."""
    with pytest.raises(DeliveryError, match="not a public address; private = true") as caught:
        hook(webhook, private=False).send(message())
    assert not caught.value.again
    assert webhook.requests == []


@pytest.mark.parametrize("address", ["", " ", "ftp://x/", "https://u:sesame@x/", "sesame", "https://x/ sesame"])
def test_addresses_that_are_none(address: str) -> None:
    """Named by the variable, never by its value."""
    with pytest.raises(ConfigError, match="HOOK") as caught:
        Webhook({"url_env": "HOOK"}, {"HOOK": address})
    assert "sesame" not in str(caught.value)


def test_the_target_shows_the_host_alone(webhook: Posted) -> None:
    """Whoever knows the address can post."""
    made = hook(webhook)
    assert made.target == webhook.url.removesuffix("services/T0/sesame") + "…"
    assert "sesame" not in repr(made)
