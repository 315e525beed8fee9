"""What loggers write in place of values: two calls that hold it are not told to be the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.exchanges.masks import _MAYBE, _SURE, is_masked
from tests.formats.test_exact_numbers import CARRIERS
from tests.formats.test_number_columns import audited

MASKS = [
    "[REDACTED]", "<redacted>", "[Filtered]", "[MASKED]", "***", "****", "xxxx", "XXXXXX", "(hidden)", "__redacted__",
    "{removed}", "redacted", "••••", "[text redacted]", "<masked: name>", "Hi [REDACTED], welcome", "J*** D***", "ab****yz",
    "...", "…", " [FILTERED] ", "A long ti... (truncated)", "[email protected]", "[email\u00a0protected]", "<hidden name>",
    "xxxx-xxxx-1234", "•••1234", "[PII removed]", "%5BREDACTED%5D", "%255Bredacted%255D", "&lt;redacted&gt;", "[REDACTED",
    "<EMAIL_ADDRESS>", "[PERSON_1]", "XXX-XX-1234", "**** **** **** 1234", "***-**-1234", "xxxxx1234", "Mr [name removed]",
    "write to [email protected] now", "Visa •••• 4242", "Dear J***, hi", "2024-XX-XX", "REDACTED-EMAIL", "xxx@example.com",
    "[object Object]", "<binary data>", "[12 chars]", "abc... 20 more characters", "[ANONYMIZED]", "<pseudonymised>", "{{MASK}}", "[REDACT]", '{"a": "***"}',
    "Visa **4242", "Card ** 4242", "(64 bytes)", "{string: 12}", "<Buffer(64 bytes)>", "[user's name hidden]",
    "Dear [hidden], hi", "By <hidden>.", "Ann ([removed])", "from [deleted]: hi",
]  # fmt: skip
PLAIN = [
    "Hidden", "A secret", "xx", "Max*", "/*** title ***/ h1 {}", "<input hidden>", "**bold** text", "The redacted report",
    "Read more...", "filtered water", "[1] Masked ball", "", "x",
    "(private beta)", "Join [private beta]", "[secret santa]", "XXL", "#1234", "#ffffff", "2024-01-02", "1920x1080", "5 * 3",
    "[b]bold[/b]", "***bold*** text", "[CONFIDENTIAL] Q3", "R&D &amp; more", "100%", "{{ name }}", "name@example.com",
    "**2024** in review", "**50 ways** to code", "x = 2 ** 10", "/** 2024 **/ h1 {}", "Array.from({length: 10})", "Intro (text 2)",
    "Descriptions (160 characters)", '<input type="hidden" name="id">', "p::before {content: ''; overflow: hidden}",
    '{"name": "Ann", "private": true}', '[{"id": 1, "hidden": true}]', "<!-- private data -->",
    "[hidden] {display: none}", "p[hidden]{display:none}", "[hidden],template{display:none}", "a:not([hidden]) > b",
    "[hidden]:not(b)",
]  # fmt: skip
URL = "https://render.imejis.io/v1/og-card"


@pytest.mark.parametrize("mask", MASKS)
def test_masks(mask: str) -> None:
    assert is_masked(mask)
    assert is_masked({"a": [1, {"b": mask}]})


@pytest.mark.parametrize("name", ["[REDACTED]", "***", "xxxx", "REDACTED", "<hidden name>"])
def test_masked_names_of_values(name: str) -> None:
    assert is_masked([{"a": {name: 1}}])
    assert not is_masked({"filtered": 1, "masked": "a", "_": "b"})


@pytest.mark.parametrize(
    "text", ["**12** " * 50_000, "*" * 500_000 + " a", "[hidden " * 50_000, "xxxx " * 50_000, "•• " * 50_000]
)
def test_long_texts_take_linear_time(text: str) -> None:
    """Backtracking would take hours."""
    assert not is_masked(text + "z")


@pytest.mark.parametrize("word", [*_SURE.split("|"), *_MAYBE.split("|"), "pii"])
def test_every_word_in_brackets(word: str) -> None:
    """And none is missed by the first look."""
    plain = word.replace("[sz]", "s").replace("[ _-]", " ")
    assert is_masked(f"[{plain}]")
    assert is_masked(f"<{plain.upper()}>")


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_mask(text: str) -> None:
    assert not is_masked({"a": text, "b": [None, 1, True]})


@pytest.mark.parametrize("name", CARRIERS)
@pytest.mark.parametrize(
    "body", [{"title": "[REDACTED]"}, {"title": {"text": "***"}, "n": 1}, {"layers": ["a", "xxxx"]}]
)
def test_calls_with_masked_bodies_are_unknown(tmp_path: Path, name: str, body: Any) -> None:
    report = audited(tmp_path, {name: CARRIERS[name](URL, [json.dumps(body)] * 3)})
    assert (report["totals"]["renders"], report["waste"]["total"]) == (3, 0)
    assert report["unknown"]["reasons"] == {"no_body": 3}


def form(value: str) -> dict[str, Any]:
    return {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "title", "value": value}]}


@pytest.mark.parametrize("post", [form, lambda value: {"mimeType": "text/plain", "text": value}])
def test_forms_and_texts_of_har(tmp_path: Path, post: Callable[[str], dict[str, Any]]) -> None:
    """The body of a call by a table of the user's own."""
    document = json.loads(CARRIERS["a.har"]("https://shop.example/api/og", ["{}"] * 4))
    for entry, value in zip(document["log"]["entries"], ("[REDACTED]", "[REDACTED]", "a", "a"), strict=True):
        entry["request"] |= {"postData": post(value), "bodySize": -1}
    report = audited(tmp_path, {"a.har": json.dumps(document)}, {"sources": {"api": {"path": "/api/og"}}})
    assert (report["unknown"]["renders"], report["waste"]["repeat"]) == (2, 1)


def test_bodies_of_a_log_format(tmp_path: Path) -> None:
    config = {"formats": {"own": {"log_format": '$time_iso8601 $host "$request" $status $request_body'}}}
    lines = [
        f'2026-09-01T06:0{n}:00Z render.imejis.io "POST /v1/og-card HTTP/1.1" 200 {{"title": "{title}"}}'
        for n, title in enumerate(("[MASKED]", "[MASKED]", "a", "a"))
    ]
    report = audited(tmp_path, {"own.log": "\n".join(lines)}, config, input_format="own")
    assert (report["unknown"]["renders"], report["waste"]["repeat"]) == (2, 1)


@pytest.mark.parametrize(
    "inputs", ['{""title"": ""[Filtered]""}', "[REDACTED]", "****", '[{""text"": ""<redacted>""}]']
)
def test_inputs_of_an_export(tmp_path: Path, inputs: str) -> None:
    rows = [f'r{n},og,2026-09-01T06:0{n}:00Z,"{inputs if n < 2 else "a"}"' for n in range(4)]
    report = audited(tmp_path, {"export.csv": "\n".join(["id,template,created_at,modifications", *rows])})
    assert report["unknown"]["reasons"] == {"no_inputs": 2}
    assert report["waste"]["repeat"] == 1


@pytest.mark.parametrize("column", ["template", "account", "key"])
def test_other_columns_of_an_export_that_make_the_key(tmp_path: Path, column: str) -> None:
    values = {"template": "og", "account": "main", "key": "", "inputs": "a"} | {column: "[REDACTED]"}
    rows = [f"2026-09-01T06:0{n}:00Z,{','.join(values.values())}" for n in range(3)]
    report = audited(tmp_path, {"export.csv": "\n".join([f"created_at,{','.join(values)}", *rows])})
    assert (report["unknown"]["renders"], report["waste"]["total"]) == (3, 0)
    assert report["inputs"]["files"][0]["assumed"]["masked"] == 3


TARGETS = [
    "/og?title=[REDACTED]", "/og?title=%5BREDACTED%5D", "/og?title=%255BREDACTED%255D", "/og?title=***", "/og?a=1&title=xxxx",
    "/og?mail=[email%20protected]", "/og?%5Bredacted%5D=a", "/og?***", "/og?card=xxxx-xxxx-1234", "/og/[REDACTED].png",
    "/og/%2A%2A%2A.png", "/og/%E2%80%A2%E2%80%A2%E2%80%A21234/a.png", "/og/:id", "/og/{id}.png", "/og/<hidden+name>/a.png",
    "/og?title={%22a%22:%22[PII%20removed]%22}",
]  # fmt: skip
OWN = {"sources": {"og": {"path": "/og.*", "ignore": ["token"]}}}


def lines(target: str, kind: str) -> str:
    """Three equal requests, a minute apart."""
    stamps = [f"2026-09-01T06:0{n}:00Z" for n in range(3)]
    if kind == "log":
        return "\n".join(
            f'1.2.3.4 - - [01/Sep/2026:06:0{n}:00 +0000] "GET {target} HTTP/1.1" 200 512 "-" "curl"' for n in range(3)
        )
    if kind == "har":
        entries = [
            {"startedDateTime": stamp, "time": 250, "request": {"method": "GET", "url": f"https://h.example{target}"},
             "response": {"status": 200, "content": {"size": 9, "mimeType": "image/png"}}}
            for stamp in stamps
        ]  # fmt: skip
        return json.dumps({"log": {"entries": entries}})
    return "\n".join(
        json.dumps({"time": stamp, "method": "GET", "url": f"https://h.example{target}", "status_code": 200})
        for stamp in stamps
    )


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_masked_addresses_are_unknown(tmp_path: Path, target: str) -> None:
    """In the query, as a name and in the path, in every kind of log."""
    for kind in ("log", "har", "jsonl"):
        report = audited(tmp_path / kind, {f"a.{kind}": lines(target, kind)}, OWN)
        assert (report["totals"]["renders"], report["waste"]["total"]) == (3, 0), kind
        assert report["unknown"]["reasons"] == {"no_inputs": 3}
        assert report["inputs"]["files"][0]["assumed"]["masked"] == 3


@pytest.mark.parametrize(
    "target",
    ["/og?title=a&token=***", "/og/filtered/a.png", "/og/masked", "/og?title=Max*", "/og/a.png?w=300x200", "/og/hidden/xx",
     "/og/w_1,h_2/$x_!1!/a.png"],
)  # fmt: skip
def test_addresses_without_a_mask_repeat(tmp_path: Path, target: str) -> None:
    """A masked parameter that the key leaves out does not matter."""
    report = audited(tmp_path, {"a.log": lines(target, "log")}, OWN)
    assert (report["unknown"]["renders"], report["waste"]["repeat"]) == (0, 2)


@pytest.mark.parametrize(
    ("call", "unknown"),
    [("?title.text=%5BREDACTED%5D", 3), ("?title.text=Hi&dma-api-key=%5BREDACTED%5D", 0), ("?[REDACTED]=Hi", 3)],
)
def test_calls_by_address(tmp_path: Path, call: str, unknown: int) -> None:
    """A masked API key is no part of what is asked for."""
    rows = [
        json.dumps({"ts": f"2026-09-01T06:0{n}:00Z", "method": "GET", "url": URL + call, "status_code": 200})
        for n in range(3)
    ]
    report = audited(tmp_path, {"a.jsonl": "\n".join(rows)})
    assert (report["unknown"]["renders"], report["waste"]["repeat"]) == (unknown, 0 if unknown else 2)


@pytest.mark.slow
def test_masks_of_many_lines_are_read_alike(tmp_path: Path) -> None:
    """By the reader of whole blocks and by that of single lines."""
    log = "\n".join(
        f'1.2.3.4 - - [01/Sep/2026:06:{n % 60:02}:00 +0000] "GET /og?title={"***" if n % 2 else "a"} HTTP/1.1" 200 512 "-" "c"'
        for n in range(12_000)
    )
    report = audited(tmp_path, {"a.log": log + "\n"}, OWN)
    assert (report["unknown"]["renders"], report["waste"]["repeat"]) == (6_000, 5_999)
