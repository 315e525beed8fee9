"""The acceptance table of `meter`: for each client the events are the sandbox's invoice; `pytest -s` shows it."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from auditor.sandbox.server import Sandbox
from tests.client.pinned import path_with
from tests.services import ROOT

_BOTH = {"httpx", "httpx async", "openai", "openai async", "requests", "requests, urllib3 Retry", "hishel"}
CLIENTS = {
    "oldest": _BOTH | {"httpx2", "httpx2 async", "httpx-retries"},
    "middle": _BOTH | {"requests-cache"},
    "newest": _BOTH | {"httpx2", "httpx2 async", "httpx-retries"},
}
CACHES, RETRIES = {"hishel", "requests-cache"}, {"requests, urllib3 Retry", "httpx-retries"}
LINE = "{client:32} {calls:>5} {paid:>5} {attempts:>8} {render:>6} {hit:>4} {error:>5} {retried:>7} {credits:>7} {equal:>6}"


@pytest.mark.parametrize("versions", CLIENTS)
def test_the_events_of_each_client_are_its_invoice(versions: str) -> None:
    """Each call that arrived is one event, each that was billed one credit, and each request one result."""
    path = path_with(versions)
    with Sandbox(designs={"dot": (8, 8)}, faults={"500": 0.15, "503": 0.1}, seed=7) as sandbox:
        told = subprocess.run(
            [sys.executable, "-m", "tests.client.tried_invoice", sandbox.origin],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert (told.returncode, told.stderr) == (0, "")
    rows: dict[str, dict[str, Any]] = {}
    names = ("client", "calls", "paid", "attempts", "render", "hit", "error", "retried", "credits", "equal")
    print("\n" + LINE.format(**{name: name for name in names}))
    for line in told.stdout.splitlines():
        found = json.loads(line)
        rows[found["client"].rpartition(" ")[0]] = found
        counts = {name: found["results"].get(name, 0) for name in ("render", "hit", "error")}
        equal = (found["calls"], str(found["paid"]), 0) == (found["attempts"], found["credits"], found["uncertain"])
        print(LINE.format(**found, **counts, equal="yes" if equal else "NO"))
        assert equal, found
        assert counts["render"] == found["paid"] and counts["error"] == found["calls"] - found["paid"], found
        assert set(found["results"]) <= set(counts), found
    # (this environment may have more of these libraries, as after `make bench-client`)
    assert set(rows) >= CLIENTS[versions]
    for name, found in rows.items():
        requests = sum(found["results"].values()) - found["retried"]
        assert requests == 24 or name == "openai", found  # (the SDK's own retries are requests of their own)
        assert bool(found["results"].get("hit")) is (name in CACHES), found
        assert bool(found["retried"]) is (name in RETRIES), found
