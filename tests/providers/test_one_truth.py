"""Every documented address of a provider is the same call to every reader: template, images, credits."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from auditor.client.attach import meter
from auditor.client.call_rules import path_rule
from auditor.model.endpoints import Seen
from auditor.registry import PROVIDERS
from tests.examined import ran
from tests.formats.samples import taken_of
from tests.formats.test_foreign import report

BATCH: dict[str, Any] = {
    "default_options": {"css": "b", "ms_delay": 6000},
    "variations": [{"html": "1"}, {"html": "2", "ms_delay": 0}, {"html": "3"}],
}
PAGES = {"pages": [{"template_uuid": "a", "layers": {}}, {"template_uuid": "b", "layers": {}}]}
HCTI, BANNER, PLACID = "https://hcti.io/v1/image", "https://api.bannerbear.com", "https://api.placid.app"
SIGNED = "a" * 64


@dataclass(frozen=True)
class Row:
    """A call, and what each reader has to say of it."""

    provider: str
    method: str
    address: str
    body: Any
    template: str
    """By its body, if it has one."""
    credits: int | None = 1
    """By what it asks for; None is unknown."""
    logged: str | None = None
    """The template by the address alone, where that is another."""
    blind: int | None = 1
    """The credits by the address alone."""
    version: str | None = None
    many: bool = False
    """Whether the address alone leaves open how many images the call made."""
    known: bool = True
    """Whether the body says how many."""


ROWS = [
    Row("imejis", "POST", "https://render.imejis.io/v1/og-card?format=png", {"title.text": "a"}, "og-card"),
    Row("imejis", "GET", "https://render.imejis.io/v1/og%20card?dma-api-key=k&title.text=a", None, "og card"),
    Row("imejis", "POST", "https://api.imejis.io/api/designs/og-card", {}, "og-card"),
    Row("hcti", "POST", HCTI, {"html": "<h1>A</h1>", "css": "h1{}"}, "html"),
    Row("hcti", "POST", HCTI, {"url": "https://shop.example"}, "html"),
    Row("hcti", "POST", HCTI, {"html": "x", "ms_delay": 5000}, "html"),
    Row("hcti", "POST", HCTI, {"html": "x", "ms_delay": 5001}, "html", 2),
    Row("hcti", "POST", HCTI, {"html": "x", "ms_delay": 20000}, "html", 4),
    Row("hcti", "POST", HCTI, {"html": "x", "ms_delay": "soon"}, "html", None),
    Row("hcti", "POST", HCTI, {"html": "x", "jumbo_max_width": 8001, "jumbo_max_height": 8001}, "html", 5),
    Row("hcti", "POST", HCTI, {"html": "x", "jumbo_max_width": 80000, "jumbo_max_height": 5000}, "html", 11),
    Row("hcti", "POST", HCTI,
        {"html": "x", "jumbo_max_width": 16000, "jumbo_max_height": 16000, "ms_delay": 7000}, "html", 6),
    Row("hcti", "POST", f"{HCTI}/t-1", {"template_values": {"a": "b"}}, "t-1"),
    Row("hcti", "POST", f"{HCTI}/t-1/1594409399761", {"template_values": {"a": "b"}}, "t-1", version="1594409399761"),
    Row("hcti", "POST", f"{HCTI}/batch", BATCH, "batch", 5, blind=None, many=True),
    Row("hcti", "POST", f"{HCTI}/batch", {"variations": "?"}, "batch", None, blind=None, many=True, known=False),
    Row("hcti", "GET", f"{HCTI}/t-1/{SIGNED}/png?title=%22A%22", None, "t-1"),
    Row("hcti", "GET", f"{HCTI}/t-1/{SIGNED}?title=%22A%22&template_version=7", None, "t-1", version="7"),
    Row("hcti", "GET", f"{HCTI}/create-and-render/id-1/{SIGNED}/webp?html=x", None, "create-and-render"),
    Row("hcti", "GET", f"{HCTI}/create-and-render/id-1/{SIGNED}?html=x&ms_delay=12000", None, "create-and-render", 3,
        blind=3),
    Row("bannerbear", "POST", f"{BANNER}/v2/images", {"template": "t", "modifications": []}, "t", logged="unknown"),
    Row("bannerbear", "POST", "https://sync.api.bannerbear.com/v2/images", {"template": "t"}, "t", logged="unknown"),
    Row("bannerbear", "POST", f"{BANNER}/v5/images", {"template": "t"}, "t", logged="unknown"),
    Row("bannerbear", "POST", f"{BANNER}/v2/collections", {"template_set": "s"}, "s", None, "unknown", None, many=True,
        known=False),
    Row("bannerbear", "POST", f"{BANNER}/v2/animated_gifs", {"template": "t", "frames": [[], [], []]}, "t", 3,
        "unknown", None, many=True),
    Row("bannerbear", "POST", f"{BANNER}/v2/screenshots", {"url": "https://shop.example"}, "screenshot"),
    Row("bannerbear", "POST", f"{BANNER}/v5/batches", {"type": "image", "items": [{}, {}]}, "batch", 2, blind=None,
        many=True),
    Row("placid", "POST", f"{PLACID}/api/rest/images", {"template_uuid": "t", "layers": {}}, "t", logged="unknown"),
    Row("placid", "POST", f"{PLACID}/api/rest/t", {"layers": {"a": {"text": "b"}}}, "t"),
    Row("placid", "POST", f"{PLACID}/api/rest/pdfs", PAGES, "pdf", 4, blind=None, many=True),
    Row("placid", "GET", f"{PLACID}/u/t?title[text]=Hello", None, "t", None, blind=None),
    # Options that are lists and objects.
    Row("hcti", "POST", f"{HCTI}/t-1", {"template_values": {}, "viewports": [1]}, "t-1"),
    Row("bannerbear", "POST", f"{BANNER}/v2/images", {"template": "t", "template_version": {}}, "t", logged="unknown"),
    Row("placid", "POST", f"{PLACID}/api/rest/t", {"layers": {}, "modifications": {"width": 9}}, "t"),
    Row("creatomate", "POST", "https://api.creatomate.com/v1/renders", {"template_id": "t", "tags": ["a"]}, "t",
        logged="unknown"),
    Row("orshot", "POST", "https://api.orshot.com/v1/studio/render", {"templateId": 7, "response": {"type": "url"}},
        "7", logged="unknown"),
    Row("templated", "POST", "https://api.templated.io/v1/render", {"template": "t", "layers": {}, "pages": [1]}, "t",
        logged="unknown"),
    # What names no template.
    Row("hcti", "POST", HCTI, {"": "value"}, "html"),
    Row("hcti", "POST", f"{HCTI}?=value", {"html": "x"}, "html"),
    Row("bannerbear", "POST", f"{BANNER}/v2/screenshots", {"": "value"}, "screenshot"),
    Row("hcti", "GET", f"{HCTI}/t-1/{SIGNED}?template_version=", None, "t-1"),
    # Whole numbers, however JSON spells them.
    Row("hcti", "POST", HCTI, {"html": "x", "ms_delay": 5001.0, "jumbo_max_width": 1e0}, "html", 2),
    Row("hcti", "POST", HCTI, {"html": "x", "ms_delay": 5001.5}, "html", None),
]  # fmt: skip
NONE = [
    ("GET", f"{HCTI}/1a2b"), ("GET", f"{HCTI}/1a2b.png"), ("DELETE", f"{HCTI}/1a2b"), ("DELETE", f"{HCTI}/batch"),
    ("GET", "https://hcti.io/v1/images"), ("GET", "https://hcti.io/v1/usage"), ("POST", "https://hcti.io/v1/template"),
    ("POST", "https://hcti.io/v1/template/t-1"), ("GET", "https://api.imejis.io/designs/v2"),
    ("DELETE", "https://render.imejis.io/v1/og-card"), ("GET", f"{BANNER}/v2/images/abc"),
    ("GET", f"{BANNER}/v5/account"), ("GET", f"{PLACID}/api/rest/images/7"), ("POST", f"{PLACID}/api/rest/media"),
    ("POST", f"{PLACID}/api/rest/templates"),
]  # fmt: skip
"""Addresses beside them that render nothing."""
Told = tuple[str, str, str | None, Decimal | None, str | None]
"""provider, template, version, credits, why its key is unknown."""


def line_of(row: Row) -> str:
    """Of an access log: no bodies."""
    return f'10.0.0.1 - - [01/Sep/2026:08:00:00 +0000] "{row.method} {row.address} HTTP/1.1" 200 9 "-" "agent"\n'


def combined(row: Row, folder: Path) -> Iterable[Any]:
    """An access log."""
    return taken_of(folder, {"access.log": line_of(row)}).records


def programs(row: Row, folder: Path, *, body: bool = True, **more: Any) -> Iterable[Any]:
    """A program's JSON log, with what the call carried."""
    line = {"event": "call", "timestamp": "2026-09-01T08:00:00Z", "method": row.method, "url": row.address,
            "status_code": 200, **more}  # fmt: skip
    held = {} if row.body is None or not body else {"request_body": row.body}
    return taken_of(folder, {"calls.jsonl": json.dumps(line | held) + "\n"}).records


def har(row: Row, folder: Path, *, body: bool = True, status: int = 200, **headers: str) -> Iterable[Any]:
    """A HAR."""
    return taken_of(folder, {"a.har": json.dumps(session([row], body=body, status=status, **headers))}).records


def session(rows: Iterable[Row], *, body: bool = True, status: int = 200, **headers: str) -> dict[str, Any]:
    """The HAR of some calls, whose answers have *headers*."""
    entries = []
    for second, row in enumerate(rows):
        request: dict[str, Any] = {"method": row.method, "url": row.address, "headers": []}
        if row.body is not None and body:
            request["postData"] = {"mimeType": "application/json", "text": json.dumps(row.body)}
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in headers.items()]
        answer = {"status": status, "headers": told, "content": {"size": 9, "mimeType": "application/json"}}
        when = f"2026-09-01T08:00:{second:02}Z"
        entries.append({"startedDateTime": when, "time": 5, "request": request, "response": answer})
    return {"log": {"version": "1.2", "creator": {"name": "x"}, "entries": entries}}


def metered(row: Row, folder: Path, *, status: int = 200, **headers: str) -> Iterable[Any]:
    """`meter`, around httpx."""
    found: list[dict[str, Any]] = []
    answer = {"url": "https://hcti.io/v1/image/1"}
    transport = httpx.MockTransport(
        lambda _: httpx.Response(
            status, json=answer, headers={each.replace("_", "-"): headers[each] for each in headers}
        )
    )
    client = meter(httpx.Client(transport=transport), events=lambda record: found.append(dict(record)), registry=None)
    client.request(row.method, row.address, json=row.body) if row.body is not None else client.request(
        row.method, row.address
    )
    return [{"unknown": None, **each} for each in found if each["outcome"] != "attempt"]


def told(records: Iterable[Any]) -> list[Told]:
    """What was read."""
    return [
        (each["provider"], each["template"], each.get("template_version"), _exact(each["credits"]), each["unknown"])
        for each in records
    ]


def _exact(credits: Any) -> Decimal | None:
    return None if credits is None else Decimal(str(getattr(credits, "contents", credits)))


def ids(row: Row) -> str:
    """A name that says which."""
    return f"{row.method} {row.address[8:60]} {json.dumps(row.body)[:40]}"


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_a_call_is_the_same_to_all_who_know_its_body(row: Row, tmp_path: Path) -> None:
    credits = None if row.credits is None else Decimal(row.credits)
    right = (row.provider, row.template, row.version, credits, None if row.known else "count")
    assert told(har(row, tmp_path)) == [right]
    assert told(programs(row, tmp_path)) == [right]
    assert told(metered(row, tmp_path)) == [(*right[:4], None)]  # (an event of the client's has no such field)


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_a_call_is_the_same_to_all_who_know_its_address_alone(row: Row, tmp_path: Path) -> None:
    credits = None if row.blind is None else Decimal(row.blind)
    why = "count" if row.many else None if row.method == "GET" else "no_body"
    right = (row.provider, row.logged or row.template, row.version, credits, why)
    assert told(combined(row, tmp_path)) == [right]
    assert told(har(row, tmp_path, body=False)) == [right]
    assert told(programs(row, tmp_path, body=False)) == [right]


@pytest.mark.parametrize(
    "spelled",
    [
        "API.Imejis.IO",
        "api.imejis.io.",
        "api.imejis.io:443",
        "api.imejis.io.:443",
        "api.imejis.io:",
        "u:p@API.imejis.io.",
    ],
)
def test_a_host_is_the_same_however_it_is_spelled(spelled: str, tmp_path: Path) -> None:
    """To every reader, to the provider itself, and to a rule of one's own that spells it in yet another way."""
    row = Row("imejis", "POST", f"https://{spelled}/api/designs/og-card", {"title.text": "a"}, "og-card")
    for reader in (combined, programs, har, metered):
        assert [each[:2] for each in told(reader(row, tmp_path))] == [("imejis", "og-card")], reader
    assert PROVIDERS["imejis"].recognise("POST", urlsplit(row.address), b"{}") is not None
    found: list[Any] = []
    rule = path_rule("mine", "Api.imejis.io.", r"/api/designs/(?P<template>[^/]+)")
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    client = meter(httpx.Client(transport=transport), events=found.append, registry=None, rules=[rule])
    client.post(row.address, json=row.body)
    assert {each["template"] for each in found} == {"og-card"}


def test_blank_parameters_are_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty title is not the title that the template has."""
    monkeypatch.setenv("AUDITOR_SECRET", "one for all")
    path = "https://render.imejis.io/v1/og-card"
    rows = [Row("imejis", "GET", f"{path}{query}", None, "og-card") for query in ("", "?title.text=", "?title.text")]
    for reader in (combined, programs, har, metered):
        bare, blank, same = ([each["key"] for each in reader(row, tmp_path)] for row in rows)
        assert bare != blank == same, reader
    rule = path_rule("mine", "img.example", r"/(?P<template>[^/]+)", method="GET")
    seen = [rule.recognise("GET", urlsplit(f"https://img.example/t{query}"), b"") for query in ("", "?a=")]
    assert seen[0] != seen[1]


@pytest.mark.parametrize("held", [{"a": "value"}, ["value"], True, None, "", 1.5])
def test_what_is_no_name_names_no_template(held: Any, tmp_path: Path) -> None:
    """Nor is anything of it told."""
    row = Row("bannerbear", "POST", f"{BANNER}/v2/images", {"template": held, "modifications": []}, "unknown")
    for reader in (programs, har, metered):
        assert [template for _, template, *_ in told(reader(row, tmp_path))] == ["unknown"]


@pytest.mark.parametrize(("method", "address"), NONE)
def test_what_renders_nothing_is_no_call_to_anybody(method: str, address: str, tmp_path: Path) -> None:
    row = Row("", method, address, {"html": "x"} if method == "POST" else None, "")
    for reader in (combined, programs, har, metered):
        assert told(reader(row, tmp_path)) == []


@pytest.mark.parametrize(("said", "credits"), [("2", 2), ("0", 0), ("1.5", "1.5"), ("", 1), ("many", 1), ("-1", 1)])
def test_the_answer_says_what_a_call_cost(said: str, credits: Any, tmp_path: Path) -> None:
    """Wherever the log has its headers, whatever the call asked for; what is not a number says nothing."""
    row, right = Row("hcti", "POST", HCTI, {"html": "x"}, "html"), [Decimal(credits)]
    header = "x-renders-consumed"
    assert _credits(har(row, tmp_path, x_renders_consumed=said)) == right
    assert _credits(metered(row, tmp_path, x_renders_consumed=said)) == right
    for more in ({"response_headers": {header: said}}, {"response": {"headers": [{"name": header, "value": said}]}},
                 {"sent_http_x_renders_consumed": said}, {"X-Renders-Consumed": [said]}):  # fmt: skip
        assert _credits(programs(row, tmp_path, **more)) == right
    line = f'2026-09-01T08:00:00+00:00 hcti.io "POST /v1/image HTTP/1.1" 200 {said or "-"}\n'
    log_format = '$time_iso8601 $host "$request" $status $sent_http_x_renders_consumed'
    (tmp_path / "proxy.log").write_text(line * 3)
    assert _credits(taken_of(tmp_path, {"proxy.log": None}, input_format=log_format).records) == right * 3


def _credits(records: Iterable[Any]) -> list[Decimal | None]:
    return [_exact(each["credits"]) for each in records]


def test_a_batch_whose_answer_says_what_it_cost_is_known(tmp_path: Path) -> None:
    """Though nobody knows how many images it made."""
    row = Row("hcti", "POST", f"{HCTI}/batch", BATCH, "batch")
    assert told(har(row, tmp_path, body=False, x_renders_consumed="3")) == [("hcti", "batch", None, 3, "count")]


def test_what_a_cache_answers_costs_nothing(tmp_path: Path) -> None:
    """It keeps the headers of the answer that was billed."""
    row = Row("hcti", "GET", f"{HCTI}/t-1/{SIGNED}?a=b", None, "t-1")
    (found,) = har(row, tmp_path, x_renders_consumed="1", cf_cache_status="HIT")
    assert (found["outcome"], found["credits"]) == ("hit", 0)


@pytest.mark.parametrize(
    ("body", "repeats"),
    [
        ({"html": "x"}, 0),
        ({"html": "x", "dedupe_duration_s": 86_400}, 0),
        ({"html": "x", "dedupe_duration_s": 0}, 2),
        ({"url": "https://shop.example"}, 2),
        ({"url": "https://shop.example", "dedupe_duration_s": 2_592_000}, 0),
    ],
)
def test_repeats_that_the_provider_does_not_bill_are_no_waste(body: Any, repeats: int, tmp_path: Path) -> None:
    """HTML is found again for 30 days and more, a screenshot if the call asks for it."""
    rows = [Row("hcti", "POST", HCTI, body, "html")] * 3
    path = tmp_path / "a.har"
    path.write_text(json.dumps(session(rows)))
    found = report(path, config={}, findings=True)
    assert (found["totals"]["renders"], found["totals"]["credits"]) == (3, 3)
    assert (found["waste"]["repeat"], found["waste"]["total"]) == (repeats, repeats)
    assert ("free_repeats" in found["inputs"]["files"][0]["assumed"]) is (repeats == 0)
    assert [each["rule"] for each in found["findings"] if each["rule"] == "duplicate-renders"] == (
        ["duplicate-renders"] if repeats else []
    )


@pytest.mark.parametrize(
    ("rule", "first", "second"),
    [
        ("volatile-inputs", {"html": "{}", "n": "a"}, {"html": "{}", "n": "b"}),
        ("unrendered-templates", {"html": "{} {{{{name}}}}"}, {"html": "{} ${{name}}"}),
    ],
)
def test_repeats_that_the_provider_does_not_bill_save_no_rule_credits(
    rule: str, first: dict[str, str], second: dict[str, str], tmp_path: Path
) -> None:
    """Of 30 images each was asked for by two requests, and each of those twice."""
    rows = [
        Row("hcti", "POST", HCTI, {name: text.format(image) for name, text in body.items()}, "html")
        for image in range(30)
        for body in (first, first, second, second)
    ]
    held = session(rows)
    for number, entry in enumerate(held["log"]["entries"]):
        entry["startedDateTime"] = f"2026-09-01T08:{number // 60:02}:{number % 60:02}Z"
        entry["response"]["content"] = {"size": 5000 + 40 * (number // 4), "mimeType": "image/png"}
    path = tmp_path / "a.har"
    path.write_text(json.dumps(held))
    found = report(path, config={}, findings=True)
    billed = 30 if rule == "volatile-inputs" else 60
    assert sum(each["credits"] for each in found["findings"] if each["rule"] == rule) == billed
    assert sum(each["credits"] for each in found["findings"]) == billed


def month(body: Any) -> dict[str, Any]:
    """The HAR of a whole September, in which one call is made each day."""
    entries = []
    for day in range(1, 31):
        (entry,) = session([Row("hcti", "POST", HCTI, body, "html")])["log"]["entries"]
        entries.append(entry | {"startedDateTime": f"2026-09-{day:02}T{23 * (day > 15):02}:00:00Z"})
    return {"log": {"version": "1.2", "creator": {"name": "x"}, "entries": entries}}


@pytest.mark.parametrize(("body", "free"), [({"html": "x"}, True), ({"html": "x", "dedupe_duration_s": 0}, False)])
def test_no_what_if_saves_repeats_that_are_not_billed(body: Any, free: bool, tmp_path: Path) -> None:
    """Nor does it save a render: what the provider serves again is needed at every setting."""
    path = str(tmp_path / "a.har")
    Path(path).write_text(json.dumps(month(body)))

    def said(*command: str) -> Any:
        return json.loads(ran(*command, path, "--format", "json", "--no-cache").out)

    simulated = said("simulate", "--ttl", "1d", "--ttl", "9d", "--ttl", "forever")
    bounded = said("simulate", "--ttl", "9d", "--capacity-entries", "5")
    left = [(row["renders"], row["credits"]) for found in (simulated, bounded) for row in found["rows"]]
    assert all(each == (30, 30) for each in left) is free
    assert (simulated["recommendation"] is None) is free
    (estimated,) = said("estimate", "--ttl", "9d", "--batch-ttl", "20d")["estimates"]
    assert (estimated["calls"] == 30) is free
    (account,) = said("plan", "--ttl", "9d", "--longer-ttl", "20d")["accounts"]
    assert (not any(scenario["credits_saved"] for scenario in account["scenarios"])) is free


@pytest.mark.parametrize(("body", "staging"), [({"html": "x"}, 1), ({"html": "x", "dedupe_duration_s": 0}, 30)])
def test_staging_wastes_only_what_is_billed(body: Any, staging: int, tmp_path: Path) -> None:
    """The first of thirty calls, where the others are free."""
    path = tmp_path / "a.har"
    path.write_text(json.dumps(month(body)))
    source = {"provider": "hcti", "account": "main", "environment": "staging"}
    config = {"sources": {"calls": source}, "rules": {"duplicate-renders": {"ttl": "40d"}}}
    found = report(path, config=config, findings=True)
    assert (found["waste"]["staging"], found["waste"]["total"], found["totals"]["credits"]) == (staging, staging, 30)
    assert sum(each["credits"] for each in found["findings"]) == staging


def test_free_repeats_by_the_answer_cost_nothing(tmp_path: Path) -> None:
    """A render of 0 credits is a render."""
    records = []
    for second, consumed in enumerate(("1", "0", "0")):
        (entry,) = session([Row("hcti", "POST", HCTI, {"html": "x"}, "")], x_renders_consumed=consumed)["log"][
            "entries"
        ]
        records.append(entry | {"startedDateTime": f"2026-09-01T08:00:{second:02}Z"})
    path = tmp_path / "a.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": records}}))
    found = report(path, config={}, findings=True)
    assert (found["totals"]["renders"], found["totals"]["credits"], found["waste"]["total"]) == (3, 1, 0)


@pytest.mark.parametrize(("status", "said", "credits"), [(500, "1", 1), (500, "", 0), (504, "0", 0), (504, "", None)])
def test_a_failed_call_costs_what_its_answer_says(status: int, said: str, credits: int | None, tmp_path: Path) -> None:
    """As a render does; else it is free, or unknown where somebody on the way gave up."""
    row, headers = Row("hcti", "POST", f"{HCTI}/t", {}, "t"), {"x_renders_consumed": said}
    right = [None if credits is None else Decimal(credits)]
    assert _credits(har(row, tmp_path, status=status, **headers)) == right
    assert _credits(programs(row, tmp_path, status_code=status, response_headers={"x-renders-consumed": said})) == right
    assert _credits(metered(row, tmp_path, status=status, **headers)) == right


def test_the_compiled_reader_reads_the_same_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of addresses that differ in what they cost."""
    lines = "".join(line_of(row) for row in ROWS for _ in range(2))
    exact = told(taken_of(tmp_path, {"access.log": lines}).records)
    monkeypatch.setattr("auditor.intake.read.BULK_FROM", 0)
    assert Counter(told(taken_of(tmp_path, {"again.log": lines}).records)) == Counter(exact)
    assert len(exact) == 2 * len(ROWS) and len({credits for *_, credits, _ in exact}) > 2


@pytest.mark.parametrize("name", [name for name in PROVIDERS if PROVIDERS[name].api is not None])
def test_what_the_client_sends_is_recognized(name: str) -> None:
    """The same template, inputs and options."""
    api = PROVIDERS[name].api
    assert api is not None
    call = api.call(api.base_url, "k:s", "og card", b'{"title":"a"}', {})
    seen = PROVIDERS[name].recognise(call.method, urlsplit(call.url), call.content)
    assert seen == Seen("og card", {"title": "a"}, {})
