"""Keys, inputs and events of the examples in other languages are Python's."""

import json
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from auditor import Renderer
from auditor.model.fingerprint import Scope, derive_key
from tests.conftest import ROOT, command
from tests.services import free_port, need, npm_ci

FOLDER = ROOT / "docs" / "events"
VECTORS = json.loads((FOLDER / "vectors.json").read_text())
SCHEMA = Draft202012Validator(json.loads((ROOT / "auditor" / "usage_event_v1.schema.json").read_text()))
Run = Callable[[list[str]], list[dict[str, Any]]]
REQUEST = {
    "secret": "s", "provider": "imejis", "account": "main", "environment": "production", "template": "og-card",
    "template_version": None, "overrides": {}, "options": {},
}  # fmt: skip


def python(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the client would write."""
    scope = Scope(request["provider"], request["account"], request["environment"], derive_key(request["secret"]))
    try:
        return {
            "key": scope.key(
                request["template"], request["overrides"], request["options"], request["template_version"]
            ),
            "inputs": scope.input_digests(request["overrides"]),
        }
    except ValueError as error:
        return {"error": str(error)}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["what"])
def test_the_vectors_are_python_s(vector: dict[str, Any]) -> None:
    """Those that the docs hand out."""
    assert python(vector["request"]) == {"key": vector["key"], "inputs": vector["inputs"]}


def _many() -> Iterator[str]:
    """Requests as JSON, of every kind that could be spelled otherwise."""
    values = [
        "null", "true", "0", "-0", "-0.0", "0.0", "1", "1.0", "-1", "1e3", "1E-3", "0.1", "0.30000000000000004",
        "123456789012345.6", "9007199254740991", "-9007199254740991", "5e-324", "1e-7", "1e-6",
        "0.000001234", "333333333.33333329", "4.50", "2e-3", "1234.5678e-10", "9.5367431640625e-7", "4.35", "1e-27",
        '""', '"é"', '"e\\u0301"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\u0000\\u001f\\u007f\\u0080"', '"\\u2028\\u2029"',
        '"\\/\\"\\\\\\b\\f\\n\\r\\t"', '"<a href=\'x\'>&amp;</a>"', '"\\ufeff"', '"\\uffff"', "[]", "{}", "[[],{},[null]]",
        '["\\ue000","\\ud83d\\ude00"]', "[1,2.5,-0,1e2]",
    ]  # fmt: skip
    for value in values:
        yield f'{{"a": {value}}}'
        yield f'{{"deep": {{"b": [{value}], "a": {{"c": {value}}}}}, "z": {value}}}'
    yield from (
        "{}", '{"a": {}}', '{"a": {"b": {}}}', '{"": 1}', '{"": {"": 1}}', '{"a.b": 1, "c": {"d": 2}}', '{"b": 1, "a": 2}',
        '{"10": 1, "9": 2, "1": {"2": 3, "1": 4}}', '{"\\ue000": 1, "\\ud83d\\ude00": 2, "z": 3, "\\u00e9": 4, "e\\u0301": 5}',
        '{"__proto__": 1}', '{"__proto__": {"a": 1}, "constructor": "x", "toString": {"valueOf": 2}}', '{"\\n": {"\\"": 1}}',
        '{"length": 3, "0": "x"}', '{"toJSON": "x"}', '{"ſ": 1, "S": 2, "s": 3, "ß": 4}',
    )  # fmt: skip
    yield from (json.dumps({f"f{n}": [n, {"x": n / 7}, "ä" * n], "t": {"n": n * 1.1e10}}) for n in range(60))
    chance = random.Random(7)
    yield from (json.dumps({_text(chance): _random(chance, 3) for _ in range(4)}) for _ in range(500))


def _random(chance: random.Random, depth: int) -> Any:
    """Any JSON that has a key: numbers of all sizes, text of all planes."""
    kind = chance.randrange(8 if depth else 6)
    if kind == 0:
        return chance.choice([None, True, False])
    if kind == 1:
        return chance.randint(-(2**53) + 1, 2**53 - 1) >> chance.randrange(53)
    if kind in (2, 3):
        return chance.choice([-1, 1]) * chance.random() * 10.0 ** chance.randint(-320, 15)
    if kind in (4, 5):
        return _text(chance)
    if kind == 6:
        return [_random(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {_text(chance): _random(chance, depth - 1) for _ in range(chance.randrange(5))}


def _text(chance: random.Random) -> str:
    planes = [(0, 0x20), (0x20, 0x7F), (0x7F, 0x800), (0x800, 0xD800), (0xE000, 0x10000), (0x10000, 0x110000)]
    return "".join(chr(chance.randrange(*chance.choice(planes))) for _ in range(chance.randrange(6)))


def cases() -> list[str]:
    """Lines for a program: all overrides, and all other parts in turn."""
    lines = [json.dumps(REQUEST).replace('"overrides": {}', f'"overrides": {text}') for text in _many()]
    parts: dict[str, list[Any]] = {
        "secret": ["", "ü" * 40, "x" * 200, "\u0000"],
        "provider": ["hcti", "ö", "4:abc"],
        "account": ["1:a", "a" * 300, "日本", "ma", "mai"],
        "environment": ["Production", "STAGING", "Größe", "ΑΒΓ"],
        "template": ["", "a/b?c", "\U0001f600", "n6:"],
        "template_version": ["", "1", "v2.0"],
        "options": [
            {"format": "jpg"}, {"format": "jpeg"}, {"format": None}, {"quality": 80, "format": "png"}, {"quality": 80.0},
            {"format": "JPG"}, {"a": {"format": "jpg", "b": None}}, {"dpr": 1.5},
        ],
    }  # fmt: skip
    return lines + [json.dumps({**REQUEST, name: value}) for name, values in parts.items() for value in values]


REFUSED = ["9007199254740992", "-9007199254740993", "123456789012345678901234567890", "[[9007199254740993]]",
           '{"id": 9223372036854775807}', '"\\ud800"', '["\\udc00\\ud800"]', '{"\\ud83d": 1}']  # fmt: skip
"""Whole numbers that binary fractions cannot hold, and half surrogate pairs, at any depth."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Node example, installed from its own lock file."""
    need("nodejs", "node")
    folder = tmp_path_factory.mktemp("node") / "node"
    shutil.copytree(FOLDER / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    npm_ci(folder)
    return folder


@pytest.fixture(scope="module")
def golang(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go example, built by Debian's compiler with Debian's golang.org/x/crypto, without modules or a network."""
    program = need("golang-go", "go")
    need("golang-golang-x-crypto-dev", "blake2b.go", "/usr/share/gocode/src/golang.org/x/crypto/blake2b")
    folder = tmp_path_factory.mktemp("go")
    built = subprocess.run(
        [program, "build", "-o", str(folder / "keys"), *map(str, sorted((FOLDER / "go").glob("*.go")))],
        cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "HOME": str(folder), "GOFLAGS": "-p=1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder / "keys"


@pytest.fixture(scope="module", params=["node", "go"])
def said(request: pytest.FixtureRequest) -> Run:
    """Lines -> what the example says of each."""
    if request.param == "node":
        folder = request.getfixturevalue("node")
        program = [need("nodejs", "node"), str(folder / "keys.mjs")]
    else:
        program = [str(request.getfixturevalue("golang"))]

    def run(lines: list[str]) -> list[dict[str, Any]]:
        done = subprocess.run(program, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.split("\n") if line]
        assert len(found) == len(lines)
        return found

    return run


def test_the_vectors_are_theirs(said: Run) -> None:
    """The published ones."""
    found = said([json.dumps(vector["request"]) for vector in VECTORS])
    assert found == [{"key": vector["key"], "inputs": vector["inputs"]} for vector in VECTORS]


def test_keys_and_inputs_are_python_s(said: Run) -> None:
    """On many requests: numbers, text, nesting, order, every part of the scope."""
    lines = cases()
    assert len(lines) > 600
    for line, found in zip(lines, said(lines), strict=True):
        wanted = python(json.loads(line))
        assert "key" in wanted, line
        assert found == wanted, line


def test_what_has_no_canonical_json_is_refused(said: Run) -> None:
    """Rather than given the key of something else."""
    lines = [json.dumps(REQUEST).replace('"overrides": {}', f'"overrides": {{"a": {text}}}') for text in REFUSED]
    for line, found in zip(lines, said(lines), strict=True):
        assert "error" in python(json.loads(line)), line
        assert set(found) == {"error"}, line


def test_a_real_renderer_follows_the_recipe(said: Run, tmp_path: Path) -> None:
    """The key in its event, with options by the provider's names, and its inputs."""
    png = b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IHDR" + (1).to_bytes(4) * 2 + bytes(13) + b"IEND\xaeB`\x82"
    answer = httpx.MockTransport(lambda _: httpx.Response(200, content=png, headers={"content-type": "image/png"}))
    overrides = {"title.text": "Zoë", "list": [1.0, -0.0], "deep": {"a": {}}}
    with Renderer(
        api_key="k", secret="s", account="main", environment="Staging", events=tmp_path, registry=None, transport=answer
    ) as renderer:
        renderer.render("og-card", overrides, format="jpg", quality=80, template_version="7")
    (log,) = tmp_path.glob("usage-*.jsonl")
    written = [json.loads(line) for line in log.read_text().splitlines()][-1]
    assert SCHEMA.is_valid(written)
    asked = REQUEST | {"environment": "STAGING", "template_version": "7", "overrides": overrides}
    (found,) = said([json.dumps({**asked, "options": {"format": "jpeg", "quality": 80}})])
    assert found == {"key": written["key"], "inputs": written["inputs"]}


def test_the_events_of_node(node: Path, tmp_path: Path) -> None:
    """They pass the schema, the audit takes every line, and their keys are those that Python's client would write."""
    subprocess.run(
        [need("nodejs", "node"), node / "example.mjs", tmp_path / "usage"], check=True, env={"AUDITOR_SECRET": "s3cret"}
    )
    (log,) = (tmp_path / "usage").glob("usage-*.jsonl")
    assert not log.name.endswith(".open.jsonl")
    assert log.stat().st_mode & 0o777 == 0o600
    events = [json.loads(line) for line in log.read_text().splitlines()]
    for event in events:
        SCHEMA.validate(event)
    outcomes = sorted(event["outcome"] for event in events)
    assert outcomes == ["attempt"] * 3 + ["coalesced", "error", "hit", "render", "render"]
    scope = Scope("imejis", "main", "production", derive_key("s3cret"))
    assert {event["key"] for event in events} == {
        scope.key("og-card", {"title": title}, {"format": "png"}) for title in ("Post 1", "Post 2", "broken")
    }
    assert all(event["inputs"].keys() == {"title"} for event in events)

    done = command(
        "audit", str(tmp_path / "usage"), "--format", "json", SOURCE_DATE_EPOCH=str(int(log.stat().st_mtime) + 1)
    )
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)["totals"]
    assert (totals["renders"], totals["hits"], totals["coalesced"], totals["errors"]) == (2, 1, 1, 1)
    assert totals["unresolved"] == 0
    assert float(totals["credits"]) == 2
    assert b"0 rejected" in done.stderr or b"rejected" not in done.stderr


def test_a_call_that_is_refused_costs_nothing(node: Path, tmp_path: Path) -> None:
    """No server listens there: an error with 0 credits, as Python's client says it."""
    with suppress(subprocess.CalledProcessError):
        subprocess.run(
            [need("nodejs", "node"), node / "example.mjs", tmp_path / "usage", f"http://127.0.0.1:{free_port()}"],
            check=True, env={}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    events = [json.loads(line) for log in (tmp_path / "usage").glob("*.jsonl") for line in log.read_text().splitlines()]
    errors = [event for event in events if event["outcome"] == "error"]
    assert {event["error"] for event in errors} == {"connection", "other"}  # the call's own, and of who waited for it
    assert all(SCHEMA.is_valid(event) and event["credits"] == 0 for event in errors)


def test_the_lock_names_no_registry() -> None:
    """Each package by its version and digest alone; and nothing that was installed is kept here."""
    lock = json.loads((FOLDER / "node" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert set(packages) == {"node_modules/@noble/hashes", "node_modules/canonicalize"}
    assert all(
        package["integrity"].startswith("sha512-") and "resolved" not in package for package in packages.values()
    )
