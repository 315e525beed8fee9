"""Five hosts, one ledger: kills, lost answers, a database that restarts, a full disk; conservation to line and credit."""

import itertools
import os
import random
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from sqlalchemy import func, select

from auditor.feed.address import TOKEN
from auditor.ledger import schema
from auditor.ledger.database import Ledger
from auditor.model.errors import AuditorError
from tests.conftest import whole_lines
from tests.exporters.hosts import Line, SmallDisk, hosts
from tests.exporters.test_conservation import ENVIRONMENT, WRITER, Victim, counted
from tests.exporters.test_web import TLS, USERS
from tests.ledger.conftest import corrected, counts, sums
from tests.services import PostgresServer, free_port

KILLS = int(os.environ.get("AUDITOR_HOST_KILLS", "4"))
HOSTS = 5
SECRET = "f0rwarders-share-this-token"
BROKEN = """
import itertools, sys, time
from auditor.client.clock import NEW_ID
with open(f"{sys.argv[1]}/broken-{NEW_ID(time.time_ns())}.jsonl", "a", buffering=1) as file:
    for _ in itertools.count():
        file.write(f"no JSON {NEW_ID(time.time_ns())}\\n")
        print("written", flush=True)
        time.sleep(0.3)
"""
"""A writer of lines that are rejected, each of which counts once too."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL that this test restarts."""
    server = PostgresServer()
    yield server
    server.stop()


def begun(*arguments: str, cwd: Path, log: Path) -> "subprocess.Popen[str]":
    """A process whose complaints go to a file."""
    environment = {**ENVIRONMENT, TOKEN: SECRET}
    with log.open("a") as errors:
        return subprocess.Popen(
            arguments, cwd=cwd, env=environment, text=True, stdout=subprocess.DEVNULL, stderr=errors
        )  # fmt: skip


def reaches(address: str, context: ssl.SSLContext, seconds: float = 60) -> None:
    """Wait until an exporter is alive."""
    ends = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"{address}/-/healthy", timeout=5, context=context):
                return
        except OSError:
            assert time.monotonic() < ends, "the exporter does not come up"
            time.sleep(0.05)


def booked(where: str) -> Counter[str]:
    """The ledger's counts; nothing while the database is away."""
    try:
        with Ledger(where, reader=True) as ledger:
            return Counter(counts(ledger))
    except AuditorError:
        return Counter()


def grows(where: str, seconds: float = 60) -> None:
    """Wait until something more was booked."""
    before, ends = booked(where)["lines"], time.monotonic() + seconds
    while booked(where)["lines"] <= before:
        assert time.monotonic() < ends, "nothing is booked any more"
        time.sleep(0.1)


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    """A place for the ledger that can be full, where one can be mounted."""
    place = Path(tempfile.mkdtemp(prefix="auditor-disk-"))
    place.chmod(0o755)
    made = SmallDisk(place / "disk", "60m", "postgres")
    yield made
    made.close()
    shutil.rmtree(place)


@pytest.mark.slow
def test_five_hosts_one_ledger(server: PostgresServer, disk: SmallDisk, tmp_path: Path) -> None:
    """Spools = ledger, to the line: nothing twice, nothing lost, and rejected lines as often as they were written."""
    rng, seeds, python = random.Random(5), itertools.count(), sys.executable
    if disk.made:
        server.sql(f"CREATE TABLESPACE small LOCATION '{disk.folder}'")
    where = server.database("small" if disk.made else "pg_default")
    with hosts(HOSTS) as network:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.crt")
        own = authority.issue_cert(network.address)
        own.private_key_pem.write_to_path(tmp_path / "server.key")
        own.cert_chain_pems[0].write_to_path(tmp_path / "server.crt")
        (tmp_path / "web.yml").write_text(TLS + USERS)
        (tmp_path / "tokens").write_text(SECRET)
        (tmp_path / "tokens").chmod(0o600)
        port = free_port()
        line = Line(network.address, port)
        context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
        folders = [tmp_path / f"host{number}" for number in range(HOSTS)]

        def exporter() -> "subprocess.Popen[str]":
            return begun(
                python, "-m", "auditor_exporter.main", "serve", "--ledger", where, "--web.ingest", "--listen",
                f"{network.address}:{port}", "--web.config.file", "web.yml", "--web.ingest-tokens", "tokens",
                cwd=tmp_path, log=tmp_path / "exporter.log",
            )  # fmt: skip

        def forward(number: int, *more: str) -> "subprocess.Popen[str]":
            return begun(
                *network.prefixes[number], python, "-m", "auditor", "forward", str(folders[number]), "--to",
                f"https://{network.address}:{line.port}", "--ca", str(tmp_path / "ca.crt"), *more,
                cwd=tmp_path, log=tmp_path / f"forward{number}.log",
            )  # fmt: skip

        def failures() -> int:
            return (tmp_path / "exporter.log").read_text().count("receiving fails")

        serving = Victim(exporter)
        reaches(f"https://{network.address}:{port}", context)
        writers, forwarders = [], []
        for number, folder in enumerate(folders):
            folder.mkdir()
            for program in (WRITER.replace("20_000", "200_000"), BROKEN):
                log = tmp_path / "writers.log"
                writers.append(begun(python, "-c", program, str(folder), str(next(seeds)), cwd=tmp_path, log=log))
            forwarders.append(Victim(lambda number=number: forward(number, "--follow", "--every", "0.1")))  # type: ignore[misc]
        killed: Counter[str] = Counter()
        try:
            grows(where)
            line.losing = 0.2
            order = ["forward", "exporter", "disk", "postgresql", "forward", "exporter"]
            while killed.total() < KILLS:
                name = order[killed.total() % len(order)]
                time.sleep(rng.random())
                if name == "forward":
                    rng.choice(forwarders).kill()
                elif name == "exporter":
                    serving.kill()
                    reaches(f"https://{network.address}:{port}", context)
                elif name == "postgresql":
                    server.restart()
                elif disk.made:
                    before, ends = failures(), time.monotonic() + 20
                    disk.fill()
                    while failures() == before and time.monotonic() < ends:
                        time.sleep(0.1)
                    disk.free()
                killed[name] += 1
                if killed.total() % 3 == 0:
                    grows(where)
            for writer in writers:
                writer.kill()
                writer.wait()
            for forwarder in forwarders:
                forwarder.end()
            codes = {each.wait(120) for each in [forward(number) for number in range(HOSTS)]}
            line.losing = 0
            left = {each.wait(120) for each in [forward(number) for number in range(HOSTS)]}
        finally:
            line.close()
            for writer in writers:
                writer.kill()
            for victim in (*forwarders, serving):
                victim.end()
    spools = tmp_path / "spools"
    spools.mkdir()
    broken = 0
    for folder in folders:
        for path in folder.iterdir():
            if path.name.startswith("broken-"):
                broken += len(whole_lines(path.read_bytes()))
            else:
                path.rename(spools / path.name)
    known, oracle = counted(spools)
    with Ledger(where) as ledger:
        found, exact, wrong = Counter(counts(ledger)), sums(ledger, "rollups")[()], corrected(ledger)
        with ledger.read() as connection:
            kept = connection.execute(select(func.count()).select_from(schema.rejections)).scalar_one()
            sources = connection.execute(select(func.count()).select_from(schema.sources)).scalar_one()
    print(
        f"\n{HOSTS} hosts ({network.kind}), {killed.total()} faults {dict(killed)}, {line.lost} lost answers, "
        f"receiving failed {failures()} times\n"
        f"{'':12}{'lines':>9}{'events':>9}{'superseded':>12}{'duplicates':>12}{'rejected':>10}{'credits':>10}\n"
        f"{'spools':12}{known['lines'] + broken:>9}{known['events']:>9}{known['lines'] - known['events']:>12}{0:>12}"
        f"{broken:>10}{oracle['credits']:>10}\n"
        f"{'ledger':12}{found['lines']:>9}{found['events']:>9}{found['superseded']:>12}{found['duplicates']:>12}"
        f"{found['rejected']:>10}{exact.credits:>10}"
    )
    assert codes <= {0, 3} and left == {0}, "what was left was sent, and then there was nothing more"
    assert (found["lines"], found["rejected"], kept) == (known["lines"] + broken, broken, broken)
    assert (found["rows"], found["events"], found["duplicates"]) == (known["events"], known["events"], 0)
    assert found["superseded"] == known["lines"] - known["events"]
    assert (exact.credits, exact.requests, exact.bytes) == (oracle["credits"], oracle["requests"], oracle["bytes"])
    assert not wrong.get("credits") and sources == HOSTS
    assert line.lost and broken
    if disk.made and killed["disk"]:
        assert "No space left on device" in (tmp_path / "exporter.log").read_text()
