"""What loggers write in place of values: two calls that hold it are not told to be the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.formats.masks import is_masked
from tests.formats.test_exact_numbers import CARRIERS
from tests.formats.test_number_columns import audited

MASKS = [
    "[REDACTED]", "<redacted>", "[Filtered]", "[MASKED]", "***", "****", "xxxx", "XXXXXX", "(hidden)", "__redacted__",
    "{removed}", "redacted", "••••", "[text redacted]", "<masked: name>", "Hi [REDACTED], welcome", "J*** D***", "ab****yz",
    "...", "…", " [FILTERED] ", "A long ti... (truncated)",
]  # fmt: skip
PLAIN = [
    "Hidden", "A secret", "xx", "Max*", "/*** title ***/ h1 {}", "<input hidden>", "**bold** text", "The redacted report",
    "Read more...", "filtered water", "[1] Masked ball", "", "x",
]  # fmt: skip
URL = "https://render.imejis.io/v1/og-card"


@pytest.mark.parametrize("mask", MASKS)
def test_masks(mask: str) -> None:
    assert is_masked(mask)
    assert is_masked({"a": [1, {"b": mask}]})


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
