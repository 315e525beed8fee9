"""Logs and the client read an answer alike: error words, quotas and media types have one table each."""

import json
from pathlib import Path
from typing import Any

import pytest

from auditor.exchanges import outcome
from auditor.exchanges.outcome import fate, tells_size
from auditor.model import media
from auditor.model.events import Outcome
from auditor.model.provider import Answer
from auditor.registry import PROVIDERS
from tests.formats.test_number_columns import audited

STATUSES = [*range(300, 304), *range(305, 480), *range(500, 600)]


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_status_has_one_word(name: str) -> None:
    """Of an answer that says nothing more, in logs and in the client; 499 is a client's own end in logs."""
    provider = PROVIDERS[name]
    for status in STATUSES:
        if status == 460:
            continue
        known = fate(status, None, Outcome.RENDER, Outcome.ERROR, provider.quota.statuses).error
        assert (status, known) == (status, provider.error(Answer(status, {}, b"")).word)


def calls(url: str, *statuses: int) -> str:
    """A call a second."""
    return "".join(
        json.dumps({"ts": f"2026-09-01T06:00:{n:02}Z", "method": "POST", "url": url, "status_code": status, "request_body": {"a": n}}) + "\n"
        for n, status in enumerate(statuses)
    )  # fmt: skip


def lines(path: str, *statuses: int) -> str:
    """The same as an access log."""
    return "".join(
        f'203.0.113.7 - - [01/Sep/2026:06:00:{n:02} +0000] "GET {path}?n={n} HTTP/1.1" {status} 9 "-" "Mozilla/5.0"\n'
        for n, status in enumerate(statuses)
    )


def words(report: dict[str, Any]) -> dict[str, int]:
    """Error -> how often it stands in the findings."""
    return {
        finding["subject"]["error"]: finding["evidence"]["errors"]
        for finding in report["findings"] if finding["rule"] == "failed-calls"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("https://hcti.io/v1/image/og", "quota"),
        ("https://render.imejis.io/v1/og", "throttled"),
        ("https://api.placid.app/api/rest/og", "throttled"),
    ],
)
def test_a_provider_says_what_429_means(tmp_path: Path, url: str, error: str) -> None:
    """A plan that is used up is no throttle, and the report assumes nothing where that is declared."""
    report = audited(tmp_path, {"calls.jsonl": calls(url, 200, 429, 429, 402)}, findings=True)
    assert words(report) == ({"quota": 3} if error == "quota" else {"throttled": 2, "quota": 1})
    assert ("throttled" in report["inputs"]["files"][0]["assumed"]) == (error == "throttled")


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("provider", "error"), [("hcti", "quota"), ("imejis", "throttled"), (None, "throttled")])
def test_a_source_may_name_the_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str | None, error: str, compiled: bool
) -> None:
    if compiled:
        monkeypatch.setattr("auditor.intake.read.BULK_FROM", 0)
    table = {"path": "/og", **({"provider": provider} if provider else {})}
    report = audited(
        tmp_path, {"access.log": lines("/og", 200, 429, 200, 429)}, {"sources": {"og": table}}, findings=True
    )
    assert words(report) == {error: 2}


@pytest.mark.slow
def test_rows_of_an_export(tmp_path: Path) -> None:
    rows = [f"r{n},og,2026-09-01T06:00:0{n}Z,{status}" for n, status in enumerate((200, 429, 429))]
    text = "\n".join(["id,template,created_at,status", *rows])
    assert words(audited(tmp_path / "a", {"hcti.csv": text}, findings=True)) == {"quota": 2}
    assert words(audited(tmp_path / "b", {"imejis.csv": text}, findings=True)) == {"throttled": 2}


def test_tries_before_the_answer(tmp_path: Path) -> None:
    """nginx's list of upstreams: the earlier ones failed for want of credits."""
    config = {"formats": {"own": {"log_format": '$time_iso8601 $host "$request" $status $upstream_status'}}}
    log = '2026-09-01T06:00:00Z hcti.io "POST /v1/image/og HTTP/1.1" 200 429, 200\n'
    report = audited(tmp_path, {"own.log": log}, config, input_format="own", findings=True)
    assert (report["totals"]["renders"], report["totals"]["retries"]) == (1, 1)
    found = next(each for each in report["findings"] if each["rule"] == "failed-calls")
    assert found["subject"]["error"] == "quota"


@pytest.mark.parametrize(
    "text", ["image/png", "Image/PNG; charset=binary", "application/octet-stream", "-", "", None, "text/html", "application/pdf", "binary/octet-stream"]
)  # fmt: skip
def test_media_types_have_one_table(text: str | None) -> None:
    assert outcome.is_picture is media.is_picture
    for status in (200, 201, 206, 404):
        whole = media.tells_size(status, media.media_type_of(text))
        assert tells_size(Outcome.RENDER, status, media.media_type_of(text)) == whole
