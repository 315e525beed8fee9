"""`auditor inspect` as people run it: files, folders, the client's cache, lists of addresses, and the file it writes."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from auditor import Files, Renderer
from auditor.inspect.pictures import Skipped, wanted
from auditor.model.measurements import SCHEMA, load
from auditor.sandbox.server import Sandbox
from tests.conftest import command
from tests.inspect.pictures import drawing, photo, saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = tmp_path / "pictures"
    (pictures / "deep").mkdir(parents=True)
    (pictures / "card.png").write_bytes(saved(drawing(), "PNG"))
    (pictures / "deep" / "photo.png").write_bytes(saved(photo(), "PNG"))
    (pictures / "deep" / "copy.bin").write_bytes(saved(photo(), "PNG"))
    return pictures


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes())


def test_a_folder_is_measured_into_a_file_that_is_read_back(folder: Path, tmp_path: Path) -> None:
    """Each image once by its bytes; a second run takes everything over and writes the same."""
    output = tmp_path / "measured.json"
    done = command("inspect", str(folder), "--shown", "120", "--output", str(output))
    assert done.returncode == 0, done.stderr
    assert b"2 images" in done.stdout and b"1 with the bytes of another" in done.stdout
    found = read(output)
    assert found["schema"] == SCHEMA
    sizes = {Path(one["source"]).name: (one["bytes"], one["width"], one["shown"]) for one in found["pictures"]}
    assert sizes["card.png"] == ((folder / "card.png").stat().st_size, 240, [120, 80])
    pictures, method = load(output)
    assert {one.digest for one in pictures} == {
        "sha256:" + hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("card.png", "deep/photo.png")
    }
    assert method["mean"] == 0.98
    totals = found["totals"]
    best = sum(min([one["bytes"], *(t["bytes"] for t in one["trials"])]) for one in found["pictures"])
    assert (totals["bytes"], totals["smallest_bytes"]) == (sum(one.bytes for one in pictures), best)
    before = output.read_bytes()
    again = command("inspect", str(folder), "--shown", "120", "--output", str(output))
    assert b"2 known before" in again.stdout
    assert output.read_bytes() == before


def test_the_clients_cache_is_read(tmp_path: Path) -> None:
    """Its files hold more than images; a damaged one is refused by name."""
    cache = tmp_path / "cache"
    with (
        Sandbox() as sandbox,
        Renderer(api_key="sandbox", base_url=f"{sandbox.origin}/v1", cache=Files(cache)) as renderer,
    ):
        rendered = renderer.render("og", {"n": 1}, format="png")
        renderer.render("og", {"n": 2}, format="png")
    files = sorted(path for path in cache.rglob("*") if path.is_file())
    done = command("inspect", str(cache), "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    digests = {one["digest"] for one in found["pictures"]}
    assert len(digests) == 2
    assert "sha256:" + hashlib.sha256(rendered.content).hexdigest() in digests
    data = bytearray(files[0].read_bytes())
    data[-1] ^= 1
    files[0].write_bytes(data)
    damaged = command("inspect", str(cache), "--format", "json")
    assert damaged.returncode == 3
    (refused,) = json.loads(damaged.stdout)["refused"]
    assert (refused["source"], refused["reason"]) == (str(files[0]), "damaged")


def test_lists_and_logs_of_addresses(tmp_path: Path) -> None:
    """One a line, JSON with template and placement, any log; lines without one are counted and named."""
    addresses = tmp_path / "list"
    addresses.write_text(
        "https://a.example/1.png\n\n# a comment\n"
        '{"url": "https://a.example/2.png?sig=s", "template": "og", "placement": "card"}\n{"nothing": 1}\n'
        '1.2.3.4 - - [01/Sep/2026] "GET /x HTTP/1.1" 200 1 "https://b.example/3.png" "(see https://c.example/4.png)."\n'
        "https://a.example/1.png\n"
    )
    skipped = Skipped()
    fetched: list[str] = []

    def fetch(address: str) -> bytes:
        fetched.append(address)
        return b""

    found = list(wanted([], [str(addresses)], fetch, skipped))
    assert [(one.source, one.template, one.placement) for one in found] == [
        ("https://a.example/1.png", None, None),
        ("https://a.example/2.png?…", "og", "card"),
        ("https://b.example/3.png", None, None),
        ("https://c.example/4.png", None, None),
    ]
    assert (skipped.lines, skipped.first) == (2, f"{addresses} line 3")
    for one in found:
        one.read()
    assert fetched[1] == "https://a.example/2.png?sig=s"


def test_addresses_are_fetched_and_limits_come_from_the_list(tmp_path: Path) -> None:
    """From one's own network only by --allow-network; the query of an address is in no output."""
    data = saved(drawing(), "PNG")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if "sig=sesame" in self.path else 403)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    (tmp_path / "auditor.toml").write_text("[limits.placements.card]\nwidth = 60\ndpr = 2\n")
    address = f"http://127.0.0.1:{server.server_port}/a.png?sig=sesame"
    (tmp_path / "list").write_text(json.dumps({"url": address, "placement": "card"}))
    common = ("inspect", "--urls", "list", "--format", "json")
    try:
        refused = command(*common, cwd=tmp_path)
        assert refused.returncode == 3
        assert json.loads(refused.stdout)["refused"][0]["reason"] == "private_address"
        done = command(*common, "--allow-network", "127.0.0.0/8", cwd=tmp_path)
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    (picture,) = json.loads(done.stdout)["pictures"]
    assert picture["shown"] == [120, 80]
    for said in (refused, done):
        assert b"sesame" not in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to inspect"),
        (("nowhere.png",), "there is no such file or folder"),
        (("--urls", "nowhere"), "cannot be read"),
        ((".", "--shown", "huge"), "--shown = 'huge' is not a size"),
        ((".", "--shown", "0x0"), "is not a size"),
        ((".", "--allow-network", "10.1"), "--allow-network = '10.1' is not a network"),
        ((".", "--output", "broken.json"), "broken.json: is not a file of `auditor inspect`"),
    ],
)
def test_wrong_options_are_named_with_their_cure(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """In one sentence and without a traceback."""
    (tmp_path / "broken.json").write_text("{}")
    done = command("inspect", *arguments, cwd=tmp_path)
    assert done.returncode in (2, 3)
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("not json", "is not JSON"),
        ('{"schema": "render-auditor/measured/v1", "pictures": [{}]}', "pictures[0] is damaged"),
        ('{"schema": "render-auditor/measured/v1", "pictures": [3]}', "pictures[0] is damaged"),
    ],
)
def test_a_damaged_file_is_named(damage: str, words: str, tmp_path: Path) -> None:
    """With the place in it, by the audit that should read it."""
    (tmp_path / "m.json").write_text(damage)
    (tmp_path / "u.jsonl").write_text("")
    done = command("audit", "u.jsonl", "--measured", "m.json", cwd=tmp_path)
    assert done.returncode == 3
    assert words in done.stderr.decode()


def test_a_hostile_name_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """Names of files are written out."""
    (tmp_path / "a\x1b[31m.png").write_bytes(b"no picture")
    done = command("inspect", str(tmp_path))
    assert b"\x1b" not in done.stdout + done.stderr
    assert b"a\\x1b[31m.png: refused (format)" in done.stderr
