"""What `auditor --help` costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT


def test_help_imports_nothing_heavy() -> None:
    """pandas, DuckDB, SQLAlchemy, numba, pyarrow, numpy and rich are imported by the commands that need them."""
    script = (
        "import sys\nfrom auditor.cli import main\nsys.argv = ['auditor', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'pandas', 'duckdb', 'sqlalchemy', 'numba', 'pyarrow', 'numpy', 'rich'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "HEAVY []" in done.stdout
    assert "Usage: " in done.stdout


def test_the_client_brings_nothing_of_the_audits() -> None:
    """It lives in other people's web applications; stores and the sandbox are imported by who uses them."""
    script = (
        "import sys\nfrom auditor import Budget, Item, Memory, Metering, Renderer, connect, meter, metered\n"
        "renderer = Renderer(api_key='k')\n"
        "heavy = {'pandas', 'duckdb', 'sqlalchemy', 'numba', 'pyarrow', 'numpy', 'redis', 'obstore', 'PIL', 'aiohttp'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "HEAVY []" in done.stdout


def test_an_item_of_a_batch_is_light() -> None:
    """Those who list what is to be rendered need nothing that renders."""
    script = "import sys\nfrom auditor import Item\nprint({'aiolimiter', 'httpx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("command", "absent", "said"),
    [
        (["inspect", "no-such"], {"sqlalchemy", "pyarrow"}, "no-such: there is no such file or folder"),
        (["compare", "self-hosted"], {"msgspec", "rich"}, "needs the package rich,"),
    ],
)
def test_what_a_command_says_without_some_packages(command: list[str], absent: set[str], said: str) -> None:
    """Measuring needs no database; of several absent packages the same one is named."""
    assert said in without(absent, command).stderr


def test_measuring_ends_without_a_database(tmp_path: Path) -> None:
    """The extra `inspect` alone is enough to the last line."""
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    done = without({"sqlalchemy", "pyarrow", "duckdb"}, ["inspect", str(tmp_path / "a.png"), "--format", "json"])
    assert (done.returncode, json.loads(done.stdout)["pictures"][0]["width"]) == (0, 4)


def without(absent: set[str], command: list[str]) -> "subprocess.CompletedProcess[str]":
    """`auditor ...` where some packages are not installed."""
    script = (
        f"import sys\nsys.modules.update(dict.fromkeys({absent!r}))\n"
        f"sys.argv = ['auditor', *{command!r}]\nfrom auditor.__main__ import main\nmain()"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
