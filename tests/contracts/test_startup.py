"""What `auditor --help` costs."""

import subprocess
import sys

import pytest

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


@pytest.mark.parametrize(
    ("command", "absent", "said"),
    [
        (["inspect", "no-such"], {"sqlalchemy", "pyarrow"}, "no-such: there is no such file or folder"),
        (["compare", "self-hosted"], {"msgspec", "rich"}, "needs the package rich,"),
    ],
)
def test_what_a_command_says_without_some_packages(command: list[str], absent: set[str], said: str) -> None:
    """Measuring needs no database; of several absent packages the same one is named."""
    script = (
        f"import sys\nsys.modules.update(dict.fromkeys({absent!r}))\n"
        f"sys.argv = ['auditor', *{command!r}]\nfrom auditor.__main__ import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert said in done.stderr
