"""secret-in-log, worked out by hand."""

from typing import Any

import pytest

from tests.conftest import Report, event, only


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("url", "https://render.imejis.io/v1/x?format=png&dma-api-key=abcdef0123456789", "dma-api-key"),
        ("url", "https://x/?a=1%26api_key%3dabcdef0123456789", "api_key"),
        ("api_key", "abcdef0123456789x", "api_key"),
        ("note", "Authorization: Bearer abcdef0123456789", "bearer"),
        ("proxy", "https://user:abcdef0123456789@host/x", "password in a URL"),
        ("authorization", "Token abcdef0123456789", "authorization"),
        ("token", "[abcdef0123456789]", "token"),
    ],
)
def test_secrets_are_found_and_masked(report: Report, field: str, value: str, name: str) -> None:
    """Parameters, fields, credentials and passwords in URLs; the value is shown by two characters at most."""
    found = report([event("a", **{field: value}), event("b", **{field: value})])
    finding = only(found, "secret-in-log")
    assert finding["subject"]["field"] == name
    assert finding["evidence"]["lines"] == 2
    assert "cdef0123456789" not in str(found)


@pytest.mark.parametrize(
    "fields",
    [
        {"key": "k1:" + "ab" * 32},
        {"inputs": {"token": "0123456789abcdef"}},
        {"api_key": "REDACTED"},
        {"token": "********"},
        {"url": "https://x/og?title=A&token=%2A%2A%2A"},
        {"url": "https://x/og?token=[FILTERED]&title=A"},
        {"url": "https://x/og?api_key=%5BREDACTED%5D"},
        {"url": "https://user:***@x/og"},
        {"url": "https://x/og?token=undefined"},
        {"password": "••••••••"},
        {"secret": "<masked>"},
        {"token": "****1234"},
        {"authorization": "Bearer ***"},
        {"authorization": "Basic [REDACTED]"},
        {"authorization": "Token xxxxxxxx"},
        {"url": "https://render.imejis.io/v1/x?format=png"},
        {"template": "basic template-one"},
    ],
)
def test_what_is_no_secret(report: Report, fields: dict[str, Any]) -> None:
    """Fingerprints, digests of inputs called token, and values that are masked already."""
    assert "secret-in-log" not in {finding["rule"] for finding in report([event("a", **fields)])["findings"]}
