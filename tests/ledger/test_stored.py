"""Object stores: every object once, whatever its name, size, copies, kills and faults, and no secret in a message."""

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditor.config import settings_of
from auditor.feed.follow import Follow
from auditor.feed.taken import Ingested
from auditor.intake import objects as module
from auditor.intake.objects import Objects
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.stored import LIST_EVERY, Stored
from auditor.model.errors import ConfigError, MissingExtraError
from tests.conftest import command, event, lines
from tests.formats.test_parts import docker, parts
from tests.ledger.conftest import counts
from tests.ledger.test_wrapped import FLUENT_BIT, LONG, rejected, text
from tests.moto import SECRET, Moto, moto
from tests.services import ROOT, free_port

ODD = ["with space", "100%", "%20", "ünïcode €", "a+b", "q?x=1#f", "*[~]{}", "back\\slash", "no-suffix"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """One for this module; each test has a bucket of its own."""
    with moto(tmp_path_factory.mktemp("moto")) as started:
        yield started


@pytest.fixture
def bucket(server: Moto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A new one, and the environment that leads to it."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server.bucket(f"usage-{abs(hash(tmp_path)):x}"[:40])


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """What is read is the same over both databases; `test_resume` uses both."""
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


def look(ledger: Ledger, address: str) -> Ingested:
    """As a new process looks."""
    done = Ingested()
    Stored(Ingest(ledger, settings_of({}, "test")), ledger, Objects(address)).look(done)
    return done


def complaints(done: Ingested) -> str:
    """All of a look."""
    return "\n".join(done.complaints())


def test_objects_are_read_once_whatever_their_names_and_shippers(ledger: Ledger, server: Moto, bucket: str) -> None:
    """Wrapped or not, packed or not, with an end of their last line or none; an unchanged one is not asked for."""
    for number, name in enumerate(ODD):
        server.put(bucket, f"usage/2026/{name}", f"{FLUENT_BIT['fluent bit'](text(f'e{number}'))}\n".encode())
    server.put(bucket, "usage/vector.log.gz", gzip.compress(f"{text('gz')}\n{text('last')}".encode()))
    server.put(bucket, "usage/empty", b"")
    server.put(bucket, "usage/folder/", b"")
    server.put(bucket, "usage-of-others/x.jsonl", lines([event("not asked for")]))
    split = "\n".join([*parts(LONG, docker), docker("oops")])
    server.put(bucket, "usage/docker", split.encode())
    done = look(ledger, f"s3://{bucket}/usage")
    assert (done.counts["events"], done.counts["rejected"], done.unread) == (len(ODD) + 3, 1, [])
    assert [number for number, _, _ in rejected(ledger)] == [4]
    asked = len(server.asked())
    done = look(ledger, f"s3://{bucket}/usage/")
    assert (done.counts["lines"], complaints(done), len(server.asked())) == (0, "", asked)


def test_one_object_may_be_named(ledger: Ledger, server: Moto, bucket: str) -> None:
    """And nothing else is read."""
    server.put(bucket, "usage/a b%.jsonl", lines([event("a")]))
    server.put(bucket, "usage/b", lines([event("b")]))
    assert look(ledger, f"s3://{bucket}/usage/a b%.jsonl").counts["events"] == 1


def test_the_same_content_counts_once(ledger: Ledger, server: Moto, bucket: str) -> None:
    """Under another key, packed, or longer: what was read is not read again."""
    data = lines(event(f"e{n}") for n in range(50))
    server.put(bucket, "a", data)
    assert look(ledger, f"s3://{bucket}").counts["events"] == 50
    server.put(bucket, "b", data)
    server.put(bucket, "c.gz", gzip.compress(data))
    assert look(ledger, f"s3://{bucket}").counts["lines"] == 0
    server.put(bucket, "a", data + lines([event("more")]))
    assert look(ledger, f"s3://{bucket}").counts == {"lines": 1, "events": 1}
    assert counts(ledger)["lines"] == 51


def test_a_thousand_objects_and_more_are_listed_in_pages(ledger: Ledger, server: Moto, bucket: str) -> None:
    """A store gives 1,000 names at once."""
    for number in range(1005):
        server.put(bucket, f"usage/{number:04}", lines([event(f"e{number}")]))
    done = look(ledger, f"s3://{bucket}/usage")
    assert (done.counts, complaints(done)) == ({"lines": 1005, "events": 1005}, "")
    asked = len(server.asked())
    assert look(ledger, f"s3://{bucket}/usage").counts["lines"] == 0
    assert len(server.asked()) == asked


def test_large_objects_are_read_in_ranges(
    ledger: Ledger, server: Moto, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So much in memory at once; a resumed one is read from where it was left."""
    monkeypatch.setattr(module, "BLOCK", 10_000)
    data = lines(event(f"e{n}") for n in range(500))
    server.put(bucket, "plain", data)
    asked = len(server.asked())
    assert look(ledger, f"s3://{bucket}").counts["events"] == 500
    assert len(server.asked()) - asked >= len(data) // 10_000
    server.put(bucket, "plain", data + lines([event("more")]))
    asked = len(server.asked())
    assert look(ledger, f"s3://{bucket}").counts == {"lines": 1, "events": 1}
    assert len(server.asked()) - asked < 40  # (its head, and its end)


def test_an_object_that_is_replaced_while_it_is_read_is_read_again(
    ledger: Ledger, server: Moto, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never the half of one and the half of another."""
    monkeypatch.setattr(module, "BLOCK", 10_000)
    server.put(bucket, "a", lines(event(f"e{n}") for n in range(300)))
    block = Objects.block

    def replaced(self: Objects, wanted: module.StoredObject, number: int) -> bytes:
        if number == 2:
            monkeypatch.setattr(Objects, "block", block)
            server.put(bucket, "a", lines(event(f"new{n}") for n in range(300)))
        return block(self, wanted, number)

    monkeypatch.setattr(Objects, "block", replaced)
    done = look(ledger, f"s3://{bucket}")
    assert (
        complaints(done)
        == f"s3://{bucket}/a cannot be read (it was replaced while it was read; run it again); what it holds is missing"
    )
    before = counts(ledger)["rows"]
    done = look(ledger, f"s3://{bucket}")
    assert (done.counts["events"], complaints(done)) == (300, "")
    assert counts(ledger)["rows"] == before + 300


def test_a_cut_object_is_set_aside_until_it_is_whole_or_gone(ledger: Ledger, server: Moto, bucket: str) -> None:
    """The lines before the cut count; the same object is not fetched each time."""
    packed = gzip.compress(lines(event(f"e{n}") for n in range(3000)))
    server.put(bucket, "a.gz", packed[:-200])
    server.put(bucket, "b.gz", packed[:-100])
    now = [0.0]
    ingest = Ingest(ledger, settings_of({}, "test"))
    stored = Stored(ingest, ledger, Objects(f"s3://{bucket}"), clock=lambda: now[0])
    stored.due(done := Ingested())
    assert "cut off or damaged" in complaints(done)
    assert 0 < counts(ledger)["rows"] < 3000
    ingest.beat()
    asked = len(server.asked())
    now[0] += LIST_EVERY
    stored.due(done := Ingested())
    assert (complaints(done), len(server.asked())) == ("", asked)
    server.put(bucket, "a.gz", packed)
    server.delete(bucket, "b.gz")
    stored.due(done := Ingested())
    assert len(server.asked()) == asked, "it is not time yet"
    now[0] += LIST_EVERY
    stored.due(done := Ingested())
    assert (complaints(done), counts(ledger)["rows"]) == ("", 3000)
    assert counts(ledger).get("duplicates", 0) == 0
    with ledger.read() as connection:
        from auditor.ledger.sources import files_set_aside

        assert files_set_aside(connection, int(time.time() * 1e6)) == 0


def test_a_follower_lists_again(ledger: Ledger, server: Moto, bucket: str) -> None:
    """Beside files; while a store cannot be listed there is no heartbeat of its source."""
    now = [0.0]
    ingest = Ingest(ledger, settings_of({}, "test"))
    stored = Stored(ingest, ledger, Objects(f"s3://{bucket}/usage"), clock=lambda: now[0])
    follow = Follow(ingest, tuple, tuple, [f"s3://{bucket}/usage"], [stored.due])
    assert follow.look().counts["lines"] == 0
    for number in range(3):
        server.put(bucket, f"usage/{number}", lines([event(f"e{number}")]))
        now[0] += LIST_EVERY
        assert follow.look().counts["events"] == 1


def test_what_fails_is_said_in_a_sentence_without_a_secret(
    server: Moto, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bucket, no answer, a name that cannot be read; neither address nor key of the endpoint is shown."""
    server.put(bucket, "bad//name", b"x")
    server.put(bucket, "usage/good", lines([event("a")]))

    def said(address: str, **environment: str) -> tuple[int, str]:
        done = command("ingest", address, "--ledger", str(tmp_path / "l.db"), cwd=tmp_path, **environment)
        text = (done.stdout + done.stderr).decode()
        assert "Traceback" not in text
        for secret in (SECRET, "hidden", "AKIA", "X-Amz", "127.0.0.1"):
            assert secret not in text
        return done.returncode, text

    code, words = said(f"s3://{bucket}-none")
    assert code == 3 and "there is no bucket" in words
    code, words = said(f"s3://{bucket}")
    assert code == 3 and "empty part (//)" in words
    code, words = said(f"s3://{bucket}/none")
    assert code == 3 and "no object below it" in words
    code, words = said(f"s3://{bucket}", AWS_ENDPOINT_URL=f"http://user:hidden@127.0.0.1:{free_port()}")
    assert code == 3 and "does not answer" in words and "AWS_ENDPOINT_URL" in words
    assert said(f"s3://{bucket}/usage")[0] == 0
    for address in ("s3://", "ftp://host/x", f"s3://key:hidden@{bucket}/x", "https://host/x"):
        code, words = said(address)
        assert code == 2 and "s3://bucket/prefix" in words


@pytest.mark.parametrize("word", ["PermissionDeniedError", "UnauthenticatedError"])
def test_denied_access_is_told(bucket: str, word: str) -> None:
    """Where credentials come from, and what they have to allow."""
    from obstore import exceptions

    store = Objects(f"s3://{bucket}")
    with pytest.raises(module.StoreError) as caught, store.told():
        raise getattr(exceptions, word)(f"signed https://x?X-Amz-Signature={SECRET}")
    assert "access denied" in str(caught.value) and "AWS_ACCESS_KEY_ID" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"\[objectstore\]"):
        Objects("s3://bucket")
    with pytest.raises(ConfigError):
        Objects("s3:///x")


def test_a_killed_ingest_goes_on_where_it_was(server: Moto, bucket: str, tmp_path: Path) -> None:
    """kill -9 in the middle of an object, again and again: each line once."""
    size = 60_000
    server.put(bucket, "usage/large.gz", gzip.compress(lines(event(f"e{n}") for n in range(size)), 1))
    server.put(bucket, "usage/plain", lines(event(f"p{n}") for n in range(size)))
    where = tmp_path / "ledger.db"
    start = [sys.executable, "-m", "auditor", "ingest", f"s3://{bucket}/usage", "--ledger", str(where)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": "1790812800"}
    with Ledger(where) as ledger:
        last = kills = 0
        while kills < 3:
            process = subprocess.Popen(start, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL)
            ends = time.monotonic() + 120
            while counts(ledger)["rows"] == last and process.poll() is None:
                assert time.monotonic() < ends
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            last = counts(ledger)["rows"]
            if last == 2 * size:
                break
        done = subprocess.run(start, env=environment, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        known = counts(ledger)
    assert kills >= 2
    assert (known["rows"], known["lines"], known.get("duplicates", 0)) == (2 * size, 2 * size, 0)


def test_what_is_read_of_an_object_is_what_a_file_gives(
    ledger: Ledger, server: Moto, bucket: str, tmp_path: Path
) -> None:
    """Seek, read and tell, at any place."""
    data = os.urandom(100_000)
    server.put(bucket, "x", data)
    (stored,) = Objects(f"s3://{bucket}")
    (tmp_path / "x").write_bytes(data)
    with stored.open() as ours, (tmp_path / "x").open("rb") as theirs:
        for offset, whence, size in (
            (0, 0, 10),
            (-50, 2, 100),
            (70_000, 0, 40_000),
            (-5, 1, 5),
            (100_000, 0, 1),
            (3, 0, -1),
        ):
            assert ours.seek(offset, whence) == theirs.seek(offset, whence)
            assert ours.read(size) == theirs.read(size)
            assert ours.tell() == theirs.tell()
