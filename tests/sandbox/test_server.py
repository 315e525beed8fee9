"""The sandbox answers as the API does, and its invoice is exact."""

import io
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from auditor.sandbox.server import Sandbox
from tests.conftest import command
from tests.services import ROOT, free_port

KEY = {"dma-api-key": "sandbox"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """On Basic, two designs."""
    with Sandbox(included=1000, designs={"og": (1200, 630), "dot": (8, 8)}) as running:
        yield running


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that gives up soon."""
    with httpx.Client(timeout=0.5) as client:
        yield client


@pytest.mark.parametrize(("name", "kind"), [("png", "PNG"), ("jpeg", "JPEG"), ("jpg", "JPEG"), ("webp", "WEBP")])
def test_pictures_are_real(sandbox: Sandbox, http: httpx.Client, name: str, kind: str) -> None:
    """Of the asked format and the design's size; equal requests give equal bytes, others others."""
    url = f"{sandbox.url}/og?format={name}"
    first, again, other = (
        http.post(url, headers=KEY, json=body).content
        for body in ({"title.text": "Hello", "n": 1}, {"n": 1.0, "title.text": "Hello"}, {"title.text": "Hallo"})
    )
    picture = Image.open(io.BytesIO(first))
    assert (picture.format, picture.size) == (kind, (1200, 630))
    assert first == again != other
    assert sandbox.billing.invoice()["credits"] == 3


def test_formats_quality_and_pdf(sandbox: Sandbox, http: httpx.Client) -> None:
    """JPEG by default, smaller with less quality; a PDF begins as one."""
    default = http.post(f"{sandbox.url}/og", headers=KEY, json={})
    poor = http.post(f"{sandbox.url}/og?quality=5", headers=KEY, json={})
    assert default.headers["content-type"] == "image/jpeg" and len(poor.content) < len(default.content) * 0.8
    assert http.post(f"{sandbox.url}/og?format=pdf", headers=KEY, json={}).content.startswith(b"%PDF")


def test_get_and_the_older_address(sandbox: Sandbox, http: httpx.Client) -> None:
    """A key in the query, overrides too; all of it billed."""
    by_get = http.get(f"{sandbox.url}/dot", params={"dma-api-key": "sandbox", "title.text": "x", "format": "png"})
    by_post = http.post(f"{sandbox.origin}/api/designs/dot?format=png", headers=KEY, json={"title.text": "x"})
    assert by_get.content == by_post.content and sandbox.billing.invoice()["templates"] == {"dot": 2}


def test_addresses(sandbox: Sandbox, http: httpx.Client) -> None:
    """Hosted ones stay, signed ones need their token and end."""
    hosted = http.post(f"{sandbox.url}/dot?delivery=hosted", headers=KEY, json={}).json()
    assert hosted["success"] and http.get(hosted["url"]).headers["content-type"] == "image/jpeg"
    signed = http.post(f"{sandbox.url}/dot?delivery=signed&expiresIn=5", headers=KEY, json={}).json()
    assert http.get(signed["url"]).status_code == 200
    assert http.get(signed["url"].replace("expires=1", "expires=2")).status_code == 403
    assert http.get(signed["url"][:-3] + "aaa").status_code == 403
    assert "expiresAt" in signed and "expiresAt" not in hosted


def test_refusals_cost_nothing(sandbox: Sandbox, http: httpx.Client) -> None:
    """With the bodies that the service sends."""
    url = f"{sandbox.url}/dot"
    wrong = [
        (http.post(url, json={}), 401, {"success": False, "error": "Unauthorized"}),
        (http.post(url, headers={"dma-api-key": "x"}, json={}), 404, {"success": False, "error": "Key not found"}),
        (
            http.post(f"{sandbox.url}/gone", headers=KEY, json={}),
            404,
            {"success": False, "message": "Design not found"},
        ),
        (http.post(f"{url}?format=gif", headers=KEY, json={}), 400, None),
        (http.post(url, headers=KEY, content=b"nonsense"), 400, None),
        (http.post(url, headers=KEY, json=[1]), 400, None),
    ]
    for answer, status, body in wrong:
        assert answer.status_code == status
        assert body is None or answer.json() == body
    no_plan = http.post(url, headers={"dma-api-key": "sandbox-no-plan"}, json={})
    assert no_plan.status_code == 429
    document = no_plan.json()
    assert document["message"] == "Your workspace has no active plan. Choose a plan to start generating images."
    assert (document["reason"], document["data"]["limit"]) == ("no-plan", 0) and set(document) == {
        "success", "message", "reason", "data", "requestId",
    }  # fmt: skip
    assert sandbox.billing.invoice()["credits"] == 0 and sandbox.billing.invoice()["calls"] == 7


def test_a_plan_runs_out() -> None:
    """At its last credit."""
    with Sandbox(included=3, designs={"dot": (8, 8)}) as sandbox, httpx.Client() as http:
        answers = [http.post(f"{sandbox.url}/dot", headers=KEY, json={"n": n}) for n in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].json()["data"]["usage"] == answers[-1].json()["data"]["limit"] == 3
        assert sandbox.billing.invoice()["credits"] == 3


def test_throttling() -> None:
    """Beyond the rate: 429 with Retry-After, and free."""
    with Sandbox(per_second=5, designs={"dot": (8, 8)}) as sandbox, httpx.Client() as http:
        answers = [http.post(f"{sandbox.url}/dot", headers=KEY, json={}) for _ in range(12)]
        throttled = [answer for answer in answers if answer.status_code == 429]
        assert 1 <= len(throttled) <= 7 and throttled[0].headers["retry-after"] == "1"
        assert sandbox.billing.invoice()["credits"] == 12 - len(throttled)


@pytest.mark.parametrize(
    ("fault", "billed", "sees"),
    [
        ("500", 0, 500), ("502", 0, 502), ("503", 0, 503), ("429", 0, 429),
        ("hang", 0, httpx.ReadTimeout), ("close", 0, httpx.RemoteProtocolError),
        ("billed-hang", 1, httpx.ReadTimeout), ("billed-close", 1, httpx.RemoteProtocolError),
        ("drip", 1, httpx.ReadTimeout),
    ],
)  # fmt: skip
def test_faults(sandbox: Sandbox, http: httpx.Client, fault: str, billed: int, sees: Any) -> None:
    """Each is what it says, to the client and on the invoice; then all is well again."""
    asked = http.post(f"{sandbox.origin}/sandbox/faults", json={"next": [fault]})
    assert asked.status_code == 200
    if isinstance(sees, int):
        assert http.post(f"{sandbox.url}/dot", headers=KEY, json={}).status_code == sees
    else:
        with pytest.raises(sees):
            http.post(f"{sandbox.url}/dot", headers=KEY, json={})
    invoice = http.get(f"{sandbox.origin}/sandbox/invoice").json()
    assert (invoice["credits"], invoice["unanswered"], invoice["faults"]) == (billed, billed, {fault: 1})
    assert http.post(f"{sandbox.url}/dot", headers=KEY, json={}).status_code == 200


def test_faults_by_rate(http: httpx.Client) -> None:
    """About as often as asked; wrong names and shares are refused."""
    with Sandbox(faults={"500": 0.5}, designs={"dot": (8, 8)}, seed=7) as sandbox:
        failed = sum(http.post(f"{sandbox.url}/dot", headers=KEY, json={}).status_code == 500 for _ in range(100))
        assert 35 <= failed <= 65
        for wrong in ({"rates": {"nonsense": 1}}, {"rates": {"500": 2}}, {"next": ["x"]}, []):
            assert http.post(f"{sandbox.origin}/sandbox/faults", json=wrong).status_code == 400


def test_only_loopback_is_listened_on(sandbox: Sandbox) -> None:
    """Nobody else's business."""
    assert sandbox.origin.startswith("http://127.0.0.1:")


def test_the_command_serves_and_says_what_it_billed() -> None:
    """The address first, on stdout; Ctrl-C ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "auditor", "sandbox", "--port", str(free_port()), "--plan", "free", "--latency", "0",
         "--design", "dot=8x8", "--fault", "502=0"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert httpx.post(f"{url}/dot", headers=KEY, json={}).status_code == 200
    process.send_signal(2)
    _, said = process.communicate(timeout=10)
    assert "sandbox on Free" in said and "1 credits were billed" in said and process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plan", "Gold"], "available: Free, Basic, Pro"), (["--fault", "500"], "write NAME=VALUE"),
        (["--fault", "oops=1"], "--fault"), (["--design", "a=b"], "write 1200x630"),
    ],
)  # fmt: skip
def test_wrong_options_are_named(arguments: list[str], message: str) -> None:
    """With the cure."""
    done = command("sandbox", *arguments)
    assert done.returncode == 2 and message in done.stderr.decode()


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": "0.0.0.0:80"}, {"Host": "127.0.0.1.evil.example"}, {"Origin": "null"},
     {"Origin": "https://evil.example"}, {"Origin": "http://localhost:3000"}, {"Host": "x", "Origin": "http://x"}],
)  # fmt: skip
def test_a_web_page_changes_no_faults(sandbox: Sandbox, http: httpx.Client, headers: dict[str, str]) -> None:
    """A form of any page can send such a POST: as text, without asking first."""
    url, body = f"{sandbox.origin}/sandbox/faults", '{"rates": {"500": 1.0}}'
    answer = http.post(url, content=body, headers={"Content-Type": "text/plain", **headers})
    assert answer.status_code == 403
    assert not http.post(url, content="{}").json()["rates"]
    assert http.post(url, content=body, headers={"Origin": sandbox.origin}).json()["rates"]
