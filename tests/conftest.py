"""What most tests need: events with defaults, logs, and the product in process or as a command."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit
from auditor.registry import RULES
from auditor.results.audit import document
from tests import warm
from tests.bruteforce import NOW
from tests.quick import Quick, service

ROOT = Path(__file__).parents[1]
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quick`, for `make test QUICK=1`."""
    parser.addoption("--quick", action="store_true", help="only tests that start no process and are not slow")


def pytest_configure(config: pytest.Config) -> None:
    """Choose and watch the quick tests, where they alone are to run."""
    if config.getoption("--quick"):
        config.pluginmanager.register(Quick())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start a process."""
    for item in items:
        if isinstance(item, pytest.Function) and service(item):
            item.add_marker("service")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Spare the garbage collector all that was collected, which stays until the end."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Nothing is spared at the end, where native modules look for what is left."""
    gc.unfreeze()


def event(identity: str = "e1", ts: str = "2026-09-01T08:00:00Z", **fields: Any) -> dict[str, Any]:
    """A render of one key, with *fields* changed."""
    return {
        "v": 1,
        "id": identity,
        "ts": ts,
        "outcome": "render",
        "provider": "imejis",
        "account": "main",
        "environment": "production",
        "template": "og",
        "key": "k1:a",
        **fields,
    }


def lines(events: Iterable[Mapping[str, Any]]) -> bytes:
    """JSON Lines."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


def documented(
    paths: Iterable[Path],
    folder: Path,
    config: Mapping[str, Any] | None = None,
    *,
    findings: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """JSON report of some logs; without *findings* none are looked for, and it has no such part."""
    settings = settings_of(config or {}, "test")
    if not findings:
        settings = replace(settings, disabled=frozenset(RULES))
    sources = discover([str(path) for path in paths], folder)
    result = audit(sources, settings, Options(**{"cache": False, **options}), lambda *_: None)
    found: dict[str, Any] = json.loads(json.dumps(document(result)))
    if not findings:
        del found["findings"]
    return found


Report = Callable[..., dict[str, Any]]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """JSON report of some events, or of raw bytes."""

    def run(
        events: Iterable[Mapping[str, Any]] | bytes, config: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        log = tmp_path / "usage.jsonl"
        log.write_bytes(events if isinstance(events, bytes) else lines(events))
        return documented([log], tmp_path, config, **options)

    return run


@pytest.fixture
def random_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day on which the random logs are read: whatever today is, their times are odd or usual by it."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(NOW.timestamp())))


def only(report: Mapping[str, Any], rule: str) -> dict[str, Any]:
    """The one finding of a rule."""
    (finding,) = [finding for finding in report["findings"] if finding["rule"] == rule]
    return finding


def whole_lines(data: bytes) -> list[bytes]:
    """The lines that have an end. At a kill the kernel may cut a write where a page ends: what nobody was told of."""
    return data.split(b"\n")[:-1]


def command(
    *arguments: str, stdin: bytes | None = None, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """`auditor …` as a process of its own; most are forks of one that is warm."""
    whole = {**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": "1790812800", **environment}
    if warm.serves(whole):
        return warm.run(arguments, stdin, cwd or ROOT, whole)
    return subprocess.run(
        [sys.executable, "-m", "auditor", *arguments], input=stdin, capture_output=True, cwd=cwd or ROOT, check=False,
        env=whole,
    )  # fmt: skip
