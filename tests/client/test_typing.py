"""A user's project under mypy and pyright: what is right passes, and each slip is found where it stands."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services import ROOT, need, npm_ci

PROGRAM = """
import httpx
from auditor import Budget, Metering, QuotaExceededError, RenderError, Rendered, Renderer, connect, meter, metered


def page(renderer: Renderer, title: str) -> bytes:
    try:
        return renderer.render("og-card", {"title.text": title}, format="png", placement="og_image").content
    except (QuotaExceededError, RenderError) as error:
        print(error.credits)
        raise


imejis = Renderer("imejis", api_key="k", budget=Budget(5), events="usage")
hcti = Renderer("hcti", api_key="u:k")
other = Renderer(api_key="k")
page(imejis, "x")
page(hcti, "x")
page(other, "x")
page(connect("production"), "x")
found: Rendered = imejis.render("t", {}, format="webp", quality=80, delivery="signed", expires_in=5, refresh=True)
hcti.render("t", {}, format="png", device_scale=2, viewport_width=800, stale_if_error=60)
gone: bool = imejis.delete(found.key)
client: httpx.Client = meter(httpx.Client(), account="main", events="usage", key=lambda request: request.url)


@metered("card", provider="hcti", account="main", events="usage", spool_mode=0o640, units=4)
def draw(title: str, size: int = 1) -> bytes:
    return title.encode() * size


image: bytes = draw("x", size=2)


async def main() -> None:
    found: Rendered = await imejis.arender("t", {}, format="pdf", timeout=5)
    print(found.width, found.outcome)
"""
WRONG = [
    'imejis.render("t", {}, fromat="png")',
    'hcti.render("t", {}, fromat="png")',
    'other.render("t", {}, fromat="png")',
    'imejis.render("t", {}, format="bmp")',
    'imejis.render("t", {}, device_scale=2)',
    'hcti.render("t", {}, quality=80)',
    'imejis.render("t", {}, refesh=True)',
    'imejis.render("t", {}, ttl="1h")',
    'imejis.arender("t", {}, fromat="png")',
    'Renderer("imejis", api_key="k", acount="x")',
    'Renderer("imejis", api_key=b"k")',
    'meter(httpx.Client(), acount="x")',
    'meter(httpx.AsyncClient(), evnts="usage")',
    'metered("card", evnts="usage")',
    'metered("card", acount="x")',
    'metered("card", credits="many")',
    'Metering(acount="x")',
    "draw(1)",
    'draw("x", sise=2)',
]
Found = set[tuple[str, int]]
Check = Callable[[Path], Found]


def mypy(project: Path) -> Found:
    """(file, line) of each error."""
    programs = sorted(map(str, project.glob("*.py")))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--follow-imports=silent",
               "--config-file=", *programs]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    lines = [line.split(":") for line in done.stdout.splitlines() if ": error:" in line]
    return {(Path(line[0]).name, int(line[1])) for line in lines}


def installed() -> Path:
    """Pyright of the pinned version, installed once."""
    pins = ROOT / "requirements" / "pyright"
    digest = hashlib.sha256((pins / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = ROOT / ".clients" / f"pyright-{digest}"
    if not folder.is_dir():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            shutil.copytree(pins, Path(made, "pyright"))
            npm_ci(Path(made, "pyright"))
            try:
                Path(made, "pyright").rename(folder)
            except OSError:  # another process was first
                assert folder.is_dir()
    return folder / "node_modules" / "pyright" / "index.js"


def pyright(project: Path) -> Found:
    """As `mypy`; in its strict mode."""
    node = need("nodejs", "node")
    (project / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict", "extraPaths": [str(ROOT)]}))
    done = subprocess.run(
        [node, installed(), "--outputjson", "--pythonpath", sys.executable, "--project", project],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == len(list(project.glob("*.py"))), done.stderr
    problems = [each for each in found["generalDiagnostics"] if each["severity"] in ("error", "warning")]
    return {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in problems}


def examples(page: str) -> str:
    """Those of a page that are whole programs."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    whole = [block for block in blocks if re.search(r"^from auditor import .*(Renderer|meter)", block, re.MULTILINE)]
    assert whole, page
    return "\n".join(whole)


@pytest.mark.parametrize("check", [mypy, pyright])
def test_right_programs_pass_and_each_slip_is_found(check: Check, tmp_path: Path) -> None:
    """The examples of the docs; misspelled options of a call, of `meter` and of `metered`; what no option takes."""
    assert (ROOT / "auditor" / "py.typed").is_file()
    (tmp_path / "readme.py").write_text(examples("README.md"))
    (tmp_path / "client_page.py").write_text(examples("docs/client.md"))
    (tmp_path / "program.py").write_text(PROGRAM + "".join(f"{line}\n" for line in WRONG))
    first = PROGRAM.count("\n") + 1
    assert check(tmp_path) == {("program.py", line) for line in range(first, first + len(WRONG))}
