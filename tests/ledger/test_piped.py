"""Standard input: committed as it comes, each event once by its id, and nothing lost that was committed."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from codecs import BOM_UTF8
from pathlib import Path

import pytest

from auditor.ledger.database import Ledger
from tests.conftest import command, event, lines
from tests.formats.test_parts import cri, docker, parts
from tests.ledger.conftest import counts
from tests.ledger.test_wrapped import LONG, rejected, text
from tests.services import ROOT


@pytest.fixture
def where(tmp_path: Path) -> Path:
    """A ledger that is not there yet."""
    return tmp_path / "ledger.db"


def test_what_a_container_said_is_ingested(tmp_path: Path, where: Path) -> None:
    """To its end; the same once more adds no event, and an unfinished last line is one."""
    said = "".join(f"{each}\n" for each in [docker(text("a")), *parts(LONG, docker), docker("starting")]) + docker(
        text("z")
    )
    for again in (False, True):
        done = command("ingest", "-", "--ledger", str(where), stdin=said.encode(), cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        new, old = (0, 3) if again else (3, 0)
        assert f"4 lines = {new} events + 0 superseded + {old} duplicates + 1 rejected" in done.stdout.decode()
        assert b"- line 5: " in done.stderr
    with Ledger(where) as ledger:
        assert counts(ledger)["rows"] == 3
        assert [number for number, _, _ in rejected(ledger)] == [5, 5]


@pytest.mark.parametrize("data", [b"", b"\n", lines([event("a")]), BOM_UTF8 + lines([event("a")]), gzip.compress(lines([event("a")])), json.dumps([event("a")]).encode(), gzip.compress(lines([event("a")] * 2000))[:-20]])  # fmt: skip
def test_any_stream_may_come(tmp_path: Path, where: Path, data: bytes) -> None:
    """Packed, an array, cut off, or empty."""
    done = command("ingest", "-", "--ledger", str(where), stdin=data, cwd=tmp_path)
    cut = data[-4:] not in (b"", b"\n") and len(data) > 30 and data[:2] == b"\x1f\x8b" and b"damaged" in done.stderr
    assert done.returncode == (3 if cut else 0), done.stderr
    with Ledger(where) as ledger:
        assert counts(ledger)["rows"] == (1 if data.strip() else 0)


def test_it_is_not_followed(tmp_path: Path, where: Path) -> None:
    """It ends by itself."""
    done = command("ingest", "-", "--follow", "--ledger", str(where), stdin=b"", cwd=tmp_path)
    assert (done.returncode, where.exists()) == (2, False)
    assert b"leave out --follow" in done.stderr


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_what_was_committed_stays(tmp_path: Path, where: Path, end: signal.Signals) -> None:
    """Each line as soon as it comes, whatever ends the command; a part waits for the rest of its line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "auditor", "ingest", "-", "--ledger", str(where)], stdin=subprocess.PIPE, cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": "1790812800"},
    )  # fmt: skip
    assert process.stdin is not None
    ends = time.monotonic() + 60
    for number in range(3):
        process.stdin.write(f"{cri(text(f'e{number}'))}\n".encode())
        process.stdin.flush()
        while True:
            assert time.monotonic() < ends and process.poll() is None
            if where.exists():
                with Ledger(where) as ledger:
                    if counts(ledger)["rows"] == number + 1:
                        break
    process.stdin.write(f"{next(parts(LONG, cri))}\n".encode())
    process.stdin.flush()
    process.send_signal(end)
    assert process.wait(30) != 0
    process.stdin.close()
    with Ledger(where) as ledger:
        assert (counts(ledger)["rows"], rejected(ledger)) == (3, [])
