"""Unknown is not zero: renders whose key a log cannot tell, and what reports say of them (semantics section 11)."""

import io
import json
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit, simulate
from auditor.registry import REPORTS
from auditor.results.audit import Result, document
from auditor.results.simulation import Setting
from tests.conftest import documented

NOW = datetime(2026, 10, 1, tzinfo=UTC)
URL = "https://render.imejis.io/v1/og-card"
BODY = {"title": {"text": "Hello"}}


def call(minute: int, **fields: Any) -> dict[str, Any]:
    """A call as a program logs it."""
    stamp = f"2026-09-01T12:{minute:02d}:00Z"
    return {"timestamp": stamp, "event": "done", "method": "POST", "url": URL, "status_code": 200, **fields}


def audited(tmp_path: Path, name: str, text: str, **config: Any) -> Result:
    """The audit of a file."""
    (tmp_path / name).write_text(text)
    options = Options(cache=False, now=lambda: NOW)
    return audit(discover([str(tmp_path / name)], tmp_path), settings_of(config, "test"), options, lambda *_: None)


def of_calls(tmp_path: Path, *calls: dict[str, Any], findings: bool = False, **config: Any) -> dict[str, Any]:
    """JSON report of calls, without findings unless they are asked for."""
    log = tmp_path / "calls.jsonl"
    log.write_text("".join(json.dumps(each) + "\n" for each in calls))
    return documented([log], tmp_path, config, findings=findings, now=lambda: NOW)


def written(result: Result, report_format: str) -> str:
    """A report's words without its line breaks."""
    out = io.StringIO()
    REPORTS[report_format].write(result, out)
    return " ".join(out.getvalue().split())


def test_calls_without_bodies_are_unknown(tmp_path: Path) -> None:
    """Neither repeats nor needed: the share is null, and nothing is green."""
    found = of_calls(tmp_path, *(call(minute) for minute in range(5)))
    assert found["unknown"] == {"renders": 5, "credits": 5, "reasons": {"no_body": 5}}
    assert found["waste"]["total"] == 0


@pytest.mark.parametrize("report_format", ["text", "markdown", "html"])
def test_reports_say_what_is_not_known(tmp_path: Path, report_format: str) -> None:
    """How many, why, and what to log; never a green 0."""
    text = "".join(json.dumps(call(minute)) + "\n" for minute in range(4))
    said = written(audited(tmp_path, "calls.jsonl", text), report_format)
    assert "unknown for 4 of 4 renders (the log has no request bodies); to know, log the body of each call" in said
    assert "0.0%" not in said.partition("Account")[0].partition("Wasted")[2]


@pytest.mark.slow
def test_shares_are_of_what_is_known(tmp_path: Path) -> None:
    """Two of four credits are known, one of them is wasted: 50 %, not 25 %, and every report says of what."""
    known = [call(minute, request_body=BODY) for minute in range(2)]
    text = "".join(json.dumps(each) + "\n" for each in [*known, call(5), call(6)])
    result = audited(tmp_path, "calls.jsonl", text)
    found = document(result)
    assert (found["waste"]["repeat"], found["unknown"]["renders"]) == (1, 2)
    assert "1 credit (50.0% of the 2 credits billed for known images)" in written(result, "text")
    for report_format in ("markdown", "html"):
        assert "50.0% of the 2 credits billed for known images" in written(result, report_format)
    whole = audited(tmp_path, "calls.jsonl", "".join(json.dumps(each) + "\n" for each in known))
    for report_format in ("text", "markdown", "html"):
        assert "50.0% of the billed credits" in written(whole, report_format)


@pytest.mark.parametrize(
    "fields",
    [
        {"request_body": BODY},
        {"request_body": json.dumps(BODY)},
        {"input": BODY},
        {"Input": json.dumps(BODY)},
        {"request": {"body": BODY}},
        {"http": {"request": {"body": {"content": json.dumps(BODY)}}}},
    ],
)
def test_bodies_are_read_where_their_meaning_is_known(tmp_path: Path, fields: dict[str, Any]) -> None:
    """A JSON object, or the text of one, whatever the key is called."""
    found = of_calls(tmp_path, call(1, **fields), call(2, **fields))
    assert (found["unknown"]["renders"], found["waste"]["repeat"]) == (0, 1)


@pytest.mark.parametrize("body", ["****", '{"title": "cut', "", None, 7, ["a"]])
def test_a_masked_or_cut_body_is_none(tmp_path: Path, body: Any) -> None:
    """The call is counted all the same."""
    found = of_calls(tmp_path, call(1, request_body=body), call(2, request_body=body))
    assert (found["totals"]["renders"], found["unknown"]["reasons"]) == (2, {"no_body": 2})


@pytest.mark.parametrize(
    "fields",
    [
        {"env": "staging"}, {"environment": "Staging"}, {"stage": "staging"}, {"ENV": "staging"},
        {"extra": {"env": "staging"}}, {"deployment": {"environment": "staging"}}, {"service.environment": "staging"},
        {"app_env": "staging"}, {"NODE_ENV": "staging"}, {"node_env": "staging"}, {"RAILS_ENV": "staging"}, {"APP-ENV": "Staging"},
        {"dd.env": "staging"}, {"dd": {"env": "staging"}}, {"deployment.environment.name": "staging"}, {"env_name": "staging"},
        {"deploy_env": "staging"}, {"deployment": {"environment": {"name": "staging"}}}, {"environment": {"name": "staging"}},
        {"appEnv": "staging"}, {"ASPNETCORE_ENVIRONMENT": "Staging"}, {"releaseStage": "staging"}, {"environment_name": "staging"},
        {"web_env": "eu-staging-2"}, {"environmentType": "staging"}, {"requestContext.stage": "staging"},
        {"tags": ["service:og", "env:staging"]}, {"ddtags": "service:og,env:staging"}, {"tags": {"environment": "staging"}},
        {"resource": {"attributes": {"deployment.environment": "staging"}}}, {"APP_ENV": "staging", "NODE_ENV": "production"},
        {"kubernetes": {"labels": {"env": "staging"}}}, {"meta": {"env": "staging"}},
        {"environment_slug": "staging"},
        {"app_env": "rc"}, {"env": "rc", "app_env": "production"}, {"environment": "null", "env": "staging"},
    ],
)  # fmt: skip
def test_the_environment_is_read(tmp_path: Path, fields: dict[str, Any]) -> None:
    """A billed render of staging is waste, known or not; nothing is assumed for it."""
    found = of_calls(tmp_path, call(1, **fields), call(2, env="production"))
    assert found["waste"]["staging"] == 1 and found["unknown"]["renders"] == 1
    assert "no_environment" not in found["inputs"]["files"][0]["assumed"]


@pytest.mark.parametrize(
    "fields",
    [
        {"environment_id": "staging"}, {"env_id": "staging"}, {"pipeline_stage": "test"}, {"stage_id": "7"}, {"envelope": "test"},
        {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs20.x"}, {"virtual_env": "/srv/venv"}, {"previous_env": "staging"},
        {"environment_url": "https://staging.example"}, {"backstage": "test"}, {"runtime_environment": "node"}, {"env": ""},
        {"request": {"env": "staging"}}, {"is_env": "test"}, {"web_env": "staging", "api_env": "qa"}, {"env": 5},
        {"environments": "staging"}, {"context": {"stage": "resize"}}, {"processing_stage": "staging"},
        {"env": "null"}, {"environment": "None"}, {"app_env": "(null)"}, {"deployment": {"environment": "null"}},
    ],
)  # fmt: skip
def test_what_names_no_environment(tmp_path: Path, fields: dict[str, Any]) -> None:
    """Nor do two that contradict each other: production is assumed, and said to be."""
    found = of_calls(tmp_path, call(1, **fields))
    assert found["waste"]["staging"] == 0
    assert found["inputs"]["files"][0]["assumed"]["no_environment"] == 1


@pytest.mark.parametrize(
    "column", ["Stage", "app_env", "Deployment Environment", "NODE_ENV", "env_name", "environment"]
)
def test_columns_of_tables_name_it_by_the_same_rule(tmp_path: Path, column: str) -> None:
    config = {"sources": {"og": {"path": "/og"}}}
    table = f"time,url,status,method,{column}\n2026-09-01T12:00:00Z,/og?a=1,200,GET,Staging\n"
    assert document(audited(tmp_path, "a.csv", table, **config))["waste"]["staging"] == 1
    rows = f"template,created_at,status,{column}\nt,2026-09-01T12:00:00Z,completed,dev\n"
    assert document(audited(tmp_path, "imejis.csv", rows))["waste"]["staging"] == 1


def test_what_the_configuration_says_of_an_environment_comes_first(tmp_path: Path) -> None:
    """A table of [sources] that names one."""
    sources = {"calls": {"provider": "imejis", "account": "main", "environment": "qa"}}
    found = of_calls(tmp_path, call(1, env="production"), findings=True, sources=sources)
    assert found["findings"][0]["subject"]["environment"] == "qa"


@pytest.mark.slow
def test_tables_and_nginx_name_an_environment_too(tmp_path: Path) -> None:
    """A column of an access log, a column of an export, a variable of nginx."""
    config = {"sources": {"og": {"path": "/og"}}}
    table = "time,url,status,method,Stage\n2026-09-01T12:00:00Z,/og?a=1,200,GET,Staging\n"
    assert document(audited(tmp_path, "a.csv", table, **config))["waste"]["staging"] == 1
    nginx = {"time_iso8601": "2026-09-01T12:00:00Z", "request": "GET /og?a=1 HTTP/1.1", "status": 200, "env": "test"}
    assert document(audited(tmp_path, "n.log", json.dumps(nginx) + "\n", **config))["waste"]["staging"] == 1
    rows = "template,created_at,status,env\nt,2026-09-01T12:00:00Z,completed,dev\n"
    assert document(audited(tmp_path, "imejis.csv", rows))["waste"]["staging"] == 1


@pytest.mark.parametrize(
    ("head", "row", "reasons"),
    [
        ("template,created_at,status,credits", "og,{},completed,1", {"no_inputs": 3}),
        ("Template ID;Created At;Title", "og;{};Hello", {"no_inputs": 3}),
        ("template,created_at,inputs", 'og,{},"{{""title"":""a""}}"', {}),
        ("template,created_at,key", "og,{},k", {}),
    ],
)
def test_a_table_without_inputs_says_so(tmp_path: Path, head: str, row: str, reasons: dict[str, int]) -> None:
    """In `unknown`, in what was assumed of the file, and in the words of the report."""
    times = [f"2026-09-0{day}T12:00:00Z" for day in (1, 4, 7)]
    result = audited(tmp_path, "imejis.csv", "\n".join([head, *map(row.format, times)]) + "\n")
    found = document(result)
    assert found["unknown"]["reasons"] == reasons
    assert ("no_inputs" in found["inputs"]["files"][0]["assumed"]) == bool(reasons)
    assert (
        "(inputs are missing or masked); to know, log or export the inputs as they are" in written(result, "text")
    ) == bool(reasons)


@pytest.mark.slow
def test_failures_that_an_export_bills_are_waste(tmp_path: Path) -> None:
    """`Status=failed` with a credit: cause `failed`, in every report."""
    rows = "template,created_at,status,credits\nog,2026-09-01T12:00:00Z,failed,1\nog,2026-09-01T12:01:00Z,failed,0\n"
    result = audited(tmp_path, "imejis.csv", rows)
    assert document(result)["waste"]["failed"] == 1
    for report_format in ("text", "markdown", "html", "csv-daily"):
        assert "failed" in written(result, report_format)
    assert sum((sum(day.credits.values(), Fraction(0)) for day in result.days), Fraction(0)) == 1


@pytest.mark.parametrize("ttl", [0, 3600 * 10**6, None])
def test_an_unknown_render_is_a_render_at_every_setting(tmp_path: Path, ttl: int | None) -> None:
    """With and without coalescing, and in a bounded cache."""
    log = tmp_path / "calls.jsonl"
    log.write_text("".join(json.dumps(call(1)) + "\n" for _ in range(6)))
    caches = [Setting.of(ttl), Setting.of(ttl, coalescing=False), Setting.of(ttl, entries=10)]
    options = Options(cache=False, now=lambda: NOW)
    done = simulate(discover([str(log)], tmp_path), settings_of({}, "test"), options, caches, lambda *_: None)
    assert [row.renders for row in done.rows] == [6, 6, 6]


def test_unknown_renders_are_no_evidence_of_volatile_inputs(tmp_path: Path) -> None:
    """Their address is a part of the inputs only."""
    sources = {"og": {"path": "/og", "methods": ["POST"]}}
    lines = "".join(
        f'1.2.3.4 - - [01/Sep/2026:08:{at:02d}:00 +0000] "POST /og?cb={at} HTTP/1.1" 200 5000 "-" "-"\n'
        for at in range(40)
    )
    found = document(audited(tmp_path, "access.log", lines, sources=sources))
    assert found["unknown"]["renders"] == 40 and found["waste"]["total"] == 0
    assert not [each for each in found["findings"] if each["rule"] == "volatile-inputs"]
