"""`meter` on the oldest and the newest versions of the clients that people use, against a provider on loopback."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.client.pinned import path_with
from tests.services import ROOT

OK, PART, GONE = [200, 33], [200, 4], "ConnectionError"
RENDER = [1, {"render": 1}, 0, 1.0, 0]
FIVE = [1, {"hit": 4, "render": 1}, 0, 1.0, 0]
FLAKY = [3, {"error": 2, "render": 1}, 2, 1.0, 2]
EXTENSIONS = ["http_version", "network_stream", "reason_phrase"]

HTTPX: dict[str, list[Any]] = {
    "plain": [*RENDER, OK],
    "of async": [*RENDER, OK],
    "mounted": [*RENDER, OK],
    "built with the transport": [*RENDER, OK],
    "built with the transport async": [*RENDER, OK],
    "chunked": [*RENDER, OK],
    "read in part": [*RENDER, [*PART, EXTENSIONS]],
    "unread and dropped": [*RENDER, 200],
    "unread and dropped async": [1, {"error": 1}, 0, 0.0, 0, 503],
    "layers that are shared": [3, *RENDER[1:], OK],
    "sent again by a redirect": [2, {"error": 1, "render": 1}, 0, 1.0, 0, ["k1"]],
    "twice and undone": [2, {"render": 1}, 0, 1.0, 0, OK],
    "not modified": [1, {"hit": 1}, 0, 0.0, 0, [304, 0]],
    "redirected": [1, {"error": 1}, 0, 0.0, 0, OK],
    "payment required": [1, {"error": 1}, 0, 0.0, 0, [402, 0]],
    "refused": [0, {"error": 1}, 0, 0.0, 0, "ConnectError"],
    "extended to try again": [*FLAKY, OK],
    "cached by hand": [1, {"hit": 2, "render": 1}, 0, 1.0, 0, OK],
}
OPENAI: dict[str, list[Any]] = {
    name: [1, {"render": 1}, 0, 4.0, 0, 4] for name in ("openai_default_http_client", "openai_itself", "openai_async")
}
HISHEL: dict[str, list[Any]] = {
    "hishel_five_of_one": [*FIVE, OK],
    "hishel_async_five_of_one": [*FIVE, OK],
    "hishel_revalidates": [5, *FIVE[1:], OK],
}
RETRIES: dict[str, list[Any]] = {name: [*FLAKY, OK] for name in ("httpx_retries_flaky", "httpx_retries_async")}
USED_UP = [
    [402, "quota", 0], [404, "not_found", 0], [408, "timeout", None], [429, "throttled", 0], [430, "quota", 0],
    [503, "server", 0], [504, "timeout", None], [302, "other", 0], [200, None, 1],
]  # fmt: skip
MARKED = [[430, "invalid", 0] if row[0] == 430 else row for row in USED_UP[:-1]] + [[200, "other", None]]
"""Of a function: no rule says what a 430 is, and an error that it ends with is not a render."""
REQUESTS: dict[str, list[Any]] = {
    "requests_plain": [*RENDER, OK],
    "requests_chunked": [*RENDER, OK],
    "requests_in_pieces": [*RENDER, OK],
    "requests_raw": [*RENDER, OK],
    "requests_read_in_part": [*RENDER, PART],
    "requests_redirected": [1, {"error": 1}, 0, 0.0, 0, OK],
    "requests_not_modified": [1, {"hit": 1}, 0, 0.0, 0, [304, 0]],
    "requests_refused": [0, {"error": 1}, 0, 0.0, 0, GONE],
    "requests_retry_flaky": [*FLAKY, OK],
    "requests_retry_exhausted": [2, {"error": 2}, 1, 0.0, 2, "RetryError"],
    "requests_retries_used_up": [36, {}, 0, 0.0, 0, [*USED_UP, USED_UP[-1], *MARKED]],
    "requests_retry_refused": [0, {"error": 3}, 2, 0.0, 0, GONE],
    "requests_twice_and_undone": [2, {"render": 1}, 0, 1.0, 0, [*OK, []]],
    "requests_adapter_of_ones_own": [*RENDER, OK],
    "requests_patched_afterwards": [*RENDER, ["yes", True]],
    "requests_pickled": [2, {"render": 1}, 0, 1.0, 0, OK],
    "requests_streamed_by_a_function": [2, {"error": 1, "render": 1}, 0, 1.0, 0, [*OK, False]],
    "requests_many_hosts_and_adapters": [23, {"error": 120, "render": 23}, 0, 23.0, 0, [4, True, []]],
    "requests_with_faults_of_ours": [0, {}, 0, 0.0, 0, 8],
}
OF_HTTPX = {f"httpx {name}": row for name, row in HTTPX.items()}
OF_HTTPX2 = {f"httpx2 {name}": row for name, row in HTTPX.items()}
UNDER_REQUESTS: dict[str, list[Any]] = {"hishel_under_requests": [*FIVE, OK]}
COMMON = OF_HTTPX | OPENAI | HISHEL | REQUESTS
EXPECTED: dict[str, dict[str, list[Any]]] = {
    "oldest": COMMON | OF_HTTPX2 | RETRIES,
    "middle": COMMON | UNDER_REQUESTS | {"requests_cache_five_of_one": [*FIVE, OK]},
    "newest": COMMON | OF_HTTPX2 | RETRIES | UNDER_REQUESTS | {"httpx2_over_http2": [*RENDER, ["HTTP/2", *OK]]},
}


@pytest.mark.parametrize("versions", EXPECTED)
def test_calls_and_events_agree(versions: str) -> None:
    """The same table for all of them; nothing of ours reaches the caller, and no fault is counted."""
    path = path_with(versions)
    told = subprocess.run(
        [sys.executable, "-m", "tests.client.tried"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    rows = {name: row for name, *row in map(json.loads, told.stdout.splitlines())}
    # (this environment may have more of these libraries, as after `make bench-client`)
    assert {name: rows.get(name) for name in EXPECTED[versions]} == EXPECTED[versions], told.stderr
    # The one place whose inside cannot be seen is named, and of faults there are only those that were made.
    warned = [line for line in told.stderr.splitlines() if "InjectedError" not in line]
    assert [line.partition(" counts")[0] for line in warned] == ["requests_adapter_of_ones_own.<locals>.Own"]
