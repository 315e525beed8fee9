"""unrendered-templates, worked out by hand: what is a placeholder, what is a word, and which credits are counted."""

import json
from pathlib import Path
from typing import Any

import pytest

from auditor.exchanges.unrendered import unrendered
from auditor.intake import read
from auditor.model.fingerprint import Scope, derive_key
from tests.conftest import DIGEST, Report, documented, event, only

CONFIG = {"sources": {"shop": {"path": r"/cards/(?P<template>[^/]+)/[^/]+", "ignore": ["utm"]}}}


@pytest.mark.parametrize(
    ("target", "body", "found"),
    [
        ("/cards/og/{{id}}.png", None, "{{…}}\t:path"),
        ("/cards/og/%7B%7B%20user.id%20%7D%7D.png", None, "{{…}}\t:path"),
        ("/cards/og/%257B%257Bid%257D%257D.png", None, "{{…}}\t:path"),
        ("/cards/og/$%7Bid%7D.png", None, "${…}\t:path"),
        ("/cards/undefined/1.png", None, "undefined\t:path"),
        ("/cards/og/NaN.png", None, "NaN\t:path"),
        ("/cards/og/1.png?title=Hi%20%24%7Bname%7D", None, "${…}\ttitle"),
        ("/cards/og/1.png?title=null", None, "null\ttitle"),
        ("/cards/og/1.png?a=null&b=%5Bobject+Object%5D", None, "[object Object]\tb"),
        ("/cards/og/1.png?modifications=%7B%22t%22%3A%22undefined%22%7D", None, "undefined\tmodifications.t"),
        ("/v1/render", b'{"layers": [{"text": "Dear {{ name }}"}]}', "{{…}}\tlayers.text"),
        ("/v1/render", b'{"title": "\\u007b\\u007bname}}"}', "{{…}}\ttitle"),
        ("/v1/render", b"title=NaN&color=red", "NaN\ttitle"),
        ("/v1/render", b"<h1>{{title}}</h1>", "{{…}}\t:body"),
        ("/v1/render", b'{"html": "<script>f(`${x}`)</script><p>{{title}}</p>"}', "{{…}}\thtml"),
        (
            "/v1/render",
            b'{"html": "<pre>{{a}}</pre><p>Dear {{name}}</p><CODE class=\\"x\\">${b}</CODE>"}',
            "{{…}}\thtml",
        ),
        ("/v1/render", b'{"html": "<prefix>{{a}}</prefix>"}', "{{…}}\thtml"),
        ("/v1/render", b'{"html": "a </pre> b --> {{a}}"}', "{{…}}\thtml"),
        ("/cards/og/1.png?Ann+Lee=undefined", None, "undefined\t:body"),  # a name that may be a value is not told
    ],
)
def test_placeholders(target: str, body: bytes | None, found: str) -> None:
    """In a path, a parameter or a body, however often encoded; of several the surest."""
    assert unrendered(target, body) == found


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/cards/og/banana.png?word=nan", None),
        ("/cards/undefined-error/1.png?t=undefined%20behavior", None),
        ("/cards/og/nullable.png?name=Jennifer+Null&last=Null&user=NULL", None),
        ("/cards/og/1.png?undefined=1&null", None),  # a name is not a value
        ("/cards/og/1.png?width=auto&color=none&x=None", None),
        ("/cards/{id}/1.png?set={1,2}&braces=%7B%7D&empty=%7B%7B%7D%7D", None),
        ("/cards/og/1.png?price=$%7B5%7D&m={{1,2},{3}}", None),
        ("/v1/render", b'{"subtitle": null, "list": [null]}'),
        ("/v1/render", b'{"html": "<script>const a = `${b}`; {{c}}</script><p>Hi</p>"}'),
        ("/v1/render", b'{"html": "<style>.a{width:${w}}</style><PRE\\n>Hello {{name}}</PRE><!-- {{x}} -->"}'),
        ("/v1/render", b'{"html": "<p>Write <code>{{ user.name }}</code> or <kbd>${name}</kbd>.</p>"}'),
        ("/v1/render", b'{"html": "<pre><code>{{a}}</code>{{b}}</pre><samp>[object Object]</samp>"}'),
        ("/v1/render", b'{"html": "<SCRIPT>{{a}}</Script ><script>never ended {{b}}"}'),
        ("/v1/render?html=%3Cpre%3E%7B%7Ba%7D%7D%3C%2Fpre%3E", None),
        ("/v1/render", b"<h1>Mustache</h1><pre>{{title}}</pre>"),
        ("/v1/render", b'{"code": "```js\\nconsole.log(`${name}`)\\n```"}'),
        ("/v1/render", b'{"js": "items.map(i => `${i}`)"}'),
        ("/v1/render", b'{"css": ".a{b:c}@media print{.a{d:e}}"}'),
    ],
)
def test_ordinary_words(target: str, body: bytes | None) -> None:
    """Parts of words, other spellings, names, JSON's null, and code are no placeholders."""
    assert unrendered(target, body) is None


def log(path: Path, *targets: str) -> Path:
    """An access log, a render a minute."""
    path.write_text(
        "".join(
            f'203.0.113.7 - - [01/Sep/2026:08:{n:02}:00 +0000] "GET {target} HTTP/1.1" 200 {5000 + n} "-" "-"\n'
            for n, target in enumerate(targets)
        )
    )
    return path


PLANTED = (
    "/cards/og/1.png", "/cards/og/undefined.png", "/cards/og/undefined.png", "/cards/og/2.png?title=%7B%7Btitle%7D%7D",
    "/cards/og/3.png?title=banana&utm=undefined", "/cards/og/4.png?title=null&name={{name}}",
)  # fmt: skip


@pytest.mark.parametrize("bulk", [False, True])
def test_an_access_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bulk: bool) -> None:
    """Both readers: the second `undefined` is a repeat, whose credit is counted there; `utm` is kept out of the key."""
    monkeypatch.setattr(read, "BULK_FROM", 0 if bulk else 1 << 40)
    found = documented([log(tmp_path / "access.log", *PLANTED)], tmp_path, CONFIG)
    mine = [each for each in found["findings"] if each["rule"] == "unrendered-templates"]
    assert {each["subject"]["placeholder"]: (each["credits"], each["evidence"]) for each in mine} == {
        "undefined": (1, {"renders": 2, "credits_paid": 2, "fields": {":path": 2}}),
        "{{…}}": (2, {"renders": 2, "credits_paid": 2, "fields": {"name": 1, "title": 1}}),
    }
    assert {each["subject"]["placeholder"]: each["confidence"] for each in mine} == {
        "undefined": "medium",
        "{{…}}": "high",
    }
    assert found["waste"]["total"] == 1


def test_many_templates_share_a_finding(tmp_path: Path) -> None:
    """Beyond the first 20 of an account, environment and placeholder; no render and no credit is lost."""
    path = tmp_path / "access.log"
    # Of template t000 one render, of t001 two, and so on to 45 of t044, each of an image of its own.
    targets = [f"/cards/t{n:03}/{image}.png?title=%7B%7Btitle%7D%7D" for n in range(45) for image in range(n + 1)]
    path.write_text(
        "".join(
            f'203.0.113.7 - - [01/Sep/2026:08:{n // 60:02}:{n % 60:02} +0000] "GET {target} HTTP/1.1" 200 9 "-" "-"\n'
            for n, target in enumerate([*targets, "/cards/undefined/1.png"])
        )
    )
    found = documented([path], tmp_path, CONFIG)
    mine = [each for each in found["findings"] if each["rule"] == "unrendered-templates"]
    own = {each["subject"]["template"]: each["credits"] for each in mine if "template" in each["subject"]}
    assert own == {**{f"t{n:03}": n + 1 for n in range(25, 45)}, "undefined": 1}
    (others,) = (each for each in mine if "template" not in each["subject"])
    assert others["subject"] == {
        "provider": "own", "account": "default", "environment": "production", "placeholder": "{{…}}",
    }  # fmt: skip
    assert (others["credits"], others["evidence"]["renders"], others["evidence"]["templates"]) == (325, 325, 25)
    assert "of 325 renders of 25 other templates" in others["message"]
    assert sum(each["credits"] for each in mine) == len(targets) + 1


def test_null_may_be_meant(tmp_path: Path) -> None:
    """Low confidence, and so never of high severity."""
    found = documented([log(tmp_path / "access.log", "/cards/og/1.png?a=null")], tmp_path, CONFIG)
    finding = only(found, "unrendered-templates")
    assert (finding["credits"], finding["confidence"], finding["severity"]) == (1, "low", "medium")


def usage(secret: str, value: str = "{{title}}", **fields: Any) -> list[dict[str, Any]]:
    """Three renders, whose second has *value* for its title."""
    scope = Scope("imejis", "main", "production", derive_key(secret))
    return [
        event(f"e{n}", f"2026-09-01T08:0{n}:00Z", key=f"k1:{n}", inputs=scope.input_digests({"title": title}), **fields)
        for n, title in enumerate(("banana", value, "Null"))
    ]


@pytest.mark.parametrize(
    "value", ["{{title}}", "{{ title }}", "${title}", "undefined", "null", "NaN", "[object Object]"]
)
def test_usage_events(report: Report, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Digests tell what stood there where their key is known, and nothing where it is not."""
    monkeypatch.setenv("AUDITOR_SECRET", "one")
    finding = only(report(usage("one", value)), "unrendered-templates")
    assert (finding["credits"], finding["evidence"]["fields"]) == (1, {"title": 1})
    assert value in {finding["subject"]["placeholder"], "{{title}}", "{{ title }}", "${title}"}
    assert not report(usage("another", value))["findings"]


def test_the_key_of_a_client(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AUDITOR_SECRET the client keys its digests with the API key that auditor.toml names."""
    monkeypatch.delenv("AUDITOR_SECRET", raising=False)
    monkeypatch.setenv("MY_KEY", "one")
    config = {"client": {"production": {"provider": "imejis", "account": "main", "api_key_env": "MY_KEY"}}}
    assert only(report(usage("one"), config), "unrendered-templates")["credits"] == 1


def test_a_template_and_a_plain_value(report: Report) -> None:
    """The id of the template, and values that another writer put in clear; `undefined-error` is a name like others."""
    found = report(
        [
            event("a", key="k1:a", template="undefined"),
            event("b", key="k1:b", template="undefined-error"),
            event("c", key="k1:c", template="og", inputs={"title": "[object Object]", "x": "undefined"}),
        ]
    )
    mine = [each for each in found["findings"] if each["rule"] == "unrendered-templates"]
    assert {(each["subject"]["template"], each["subject"]["placeholder"]) for each in mine} == {
        ("undefined", "undefined"),
        ("og", "[object Object]"),
    }


def test_credits_of_other_causes_stay_there(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staging credits are the cause `staging`; no input's value stands in the report."""
    monkeypatch.setenv("AUDITOR_SECRET", "one")
    found = report(usage("one", environment="staging", digest=DIGEST))
    finding = only(found, "unrendered-templates")
    assert (finding["credits"], finding["evidence"]["credits_paid"], found["waste"]["staging"]) == (0, 1, 3)
    assert "banana" not in json.dumps(found)
