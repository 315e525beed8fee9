"""From files to a receiver: each line once, over outages, rotation, other forwarders and lines of any length."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditor.feed.address import TOKEN, Address
from auditor.feed.follow import Follow
from auditor.feed.forward import Forward
from auditor.feed.sender import Sender
from auditor.feed.sources import source_name
from auditor.feed.tail import BEFORE, START, TailedFile, digest
from auditor.feed.wire import MAX_LINES, Part
from auditor.intake.detect import around_in
from auditor.intake.sources import absent, present
from auditor.ledger.database import Ledger
from auditor.ledger.receive import Receiver
from auditor.ledger.sources import last_seen
from auditor.reading.lines import MAX_LINE
from tests.conftest import command, event, lines
from tests.exporters.receiver_server import ReceiverServer
from tests.exporters.test_ledger import NOW
from tests.formats.test_wrapped import WRAPS
from tests.ledger.conftest import counts, feed
from tests.ledger.test_wrapped import FLUENT_BIT, rejected, text, wrote
from tests.services import free_port


@pytest.fixture(autouse=True)
def _usual(random_now: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The events are of the day on which the random logs are read."""
    monkeypatch.delenv(TOKEN, raising=False)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Of the receiver."""
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def server(ledger: Ledger) -> Iterator[ReceiverServer]:
    """One that receives."""
    with ReceiverServer(ledger, lambda: NOW) as running:
        yield running


def forward(server: ReceiverServer, clock: list[float] | None = None) -> Forward:
    """As a new process would."""
    now = clock or [NOW]
    return Forward(Sender(Address.of(server.address, "--to")), lambda: now[0], around_in)


def test_a_file_that_grows_is_rotated_and_packed_is_one(ledger: Ledger, server: ReceiverServer, tmp_path: Path) -> None:
    """Whoever forwards it from wherever; and an ingest of the same file finds nothing new."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines([event("a"), event("b")]) + b"no JSON\n" + lines([event("c")])[:-1])
    done = forward(server).run([log])
    assert (done.counts["lines"], done.counts["events"], done.rejected) == (
        3,
        2,
        [(str(log), 3, "Expecting value at column 1")],
    )
    with log.open("ab") as file:
        file.write(b"\n" + lines([event("d")]))
    aside = tmp_path / "usage.jsonl.1"
    log.rename(aside)
    assert forward(server).run([aside]).counts["events"] == 2
    packed = tmp_path / "usage.jsonl.1.gz"
    packed.write_bytes(gzip.compress(aside.read_bytes()))
    again = forward(server)
    assert again.run([aside, packed]).counts.total() == 0
    assert feed(ledger, aside, packed).counts.total() == 0
    assert counts(ledger) == {"rows": 4, "lines": 5, "events": 4, "rejected": 1}


def test_two_that_send_one_file_count_it_once(ledger: Ledger, server: ReceiverServer, tmp_path: Path) -> None:
    """Each goes on from where the other has come to."""
    log, both = tmp_path / "usage.jsonl", [forward(server), forward(server)]
    for number in range(12):
        with log.open("ab") as file:
            file.write(lines([event(str(number))]))
        both[number % 2].run([log])
    assert counts(ledger) == {"rows": 12, "lines": 12, "events": 12}


def test_a_line_of_any_length_is_rejected_and_the_rest_goes_on(
    ledger: Ledger, server: ReceiverServer, tmp_path: Path
) -> None:
    """Its end is not what is sent of it; marks are those of the file all the same."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines([event("a")]) + b"x" * (12 << 20) + b"y" * 3000 + b"\n" + lines([event("b")]))
    done = forward(server).run([log])
    assert (done.counts["lines"], done.counts["events"], [each[1] for each in done.rejected]) == (3, 2, [2])
    with log.open("ab") as file:
        file.write(lines([event("c")]))
    assert forward(server).run([log]).counts["events"] == 1
    assert feed(ledger, log).counts.total() == 0


@pytest.mark.parametrize("wrap", WRAPS | FLUENT_BIT)
def test_what_stands_around_lines_is_not_sent(
    ledger: Ledger, server: ReceiverServer, tmp_path: Path, wrap: str
) -> None:
    """The marks are those of the file, and the numbers of bad lines; an ingest of it finds nothing new."""
    around = (WRAPS | FLUENT_BIT)[wrap]
    texts = [text("a", note="x" * BEFORE), text("b"), "{oops", text("a", note="x" * BEFORE)]
    log = wrote(tmp_path / "app.log", [around(each) for each in texts])
    done = forward(server).run([log])
    assert (done.counts["lines"], done.counts["events"], done.counts["duplicates"]) == (4, 2, 1)
    assert [number for number, _, _ in rejected(ledger)] == [3]
    wrote(log, [around(each) for each in [*texts, text("c")]])
    assert +forward(server).run([log]).counts == {"lines": 1, "events": 1}
    assert feed(ledger, log).counts.total() == 0


@pytest.mark.parametrize("place", range(4))
def test_holes_are_not_sent(ledger: Ledger, server: ReceiverServer, tmp_path: Path, place: int) -> None:
    """Where a log was emptied in place, or a host lost power: before, between and behind lines."""
    whole = [lines([event(each, note="x" * 500)]) for each in "abc"]
    log = tmp_path / "usage.jsonl"
    log.write_bytes(b"".join([*whole[:place], bytes(5000), *whole[place:]]) + b"\n")
    assert forward(server).run([log]).counts["events"] == 3
    with log.open("ab") as file:
        file.write(lines([event("d")]))
    assert forward(server).run([log]).counts["events"] == 1
    assert feed(ledger, log).counts.total() == 0


@pytest.mark.parametrize("size", [BEFORE, MAX_LINE, MAX_LINE + 1, 5 << 20])
def test_marks_do_not_depend_on_how_a_file_is_cut(tmp_path: Path, size: int) -> None:
    """Every piece ends at a mark of the file, of which no more than its own lines is held."""
    log = tmp_path / "usage.jsonl"
    data = b"".join(b"%d" % number + b"." * (size if number % 3 == 1 else 40) + b"\n" for number in range(5))
    log.write_bytes(data)
    file, mark, kept = TailedFile(log), START, b""
    for piece in file.pieces(file.furthest([])):
        assert piece.start == mark and len(piece.data) <= (4 << 20) + MAX_LINE + 1
        mark, kept = piece.end, kept + piece.data
        assert mark.before == digest(data[: mark.position][-BEFORE:])
        assert TailedFile(log).furthest([mark, START]) == mark
    assert (mark.position, mark.lines, kept.count(b"\n")) == (len(data), 5, 5)
    if size <= MAX_LINE:
        assert kept == data


def test_a_piece_has_no_more_lines_than_a_request_may(tmp_path: Path) -> None:
    """However short they are, and be the long ones all at the end."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(data := b"x\n" * (2 * MAX_LINES + 1) + b"y" * 1000 + b"\n")
    file, mark, kept = TailedFile(log), START, b""
    for piece in file.pieces(START):
        assert piece.start == mark and piece.data.count(b"\n") == piece.end.lines - mark.lines <= MAX_LINES
        mark, kept = piece.end, kept + piece.data
        assert mark.before == digest(data[: mark.position][-BEFORE:])
    assert (mark.position, kept, file.waits) == (len(data), data, False)


def test_a_receiver_that_is_down_for_an_hour_loses_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """What is followed waits, also a file that was rotated away meanwhile, with seconds that pass when one waits."""
    folder, now, server = tmp_path / "usage", [NOW], ReceiverServer(ledger, lambda: now[0])
    folder.mkdir()
    written = 0

    def passes(seconds: float) -> bool:
        nonlocal written
        now[0] += seconds
        while written < (now[0] - NOW) / 10:
            with (folder / f"usage-{written // 100}.jsonl").open("ab") as file:
                file.write(lines([event(str(written))]))
            written += 1
        if now[0] - NOW > 3600 and not up:
            server.start()
            up.append(True)
        return False

    up: list[bool] = []
    passes(10)
    sender = Sender(Address.of(server.address, "--to"), wait=passes, steady=lambda: now[0], chance=lambda: 0.5)
    following = Follow(
        Forward(sender, lambda: now[0]), lambda: present([str(folder)]), lambda: absent([str(folder)]), [str(folder)]
    )
    following.look()
    following.look()
    following.close()
    sender.close()
    server.stop()
    assert written > 360 and counts(ledger) == {"rows": written, "lines": written, "events": written}
    with ledger.read() as connection:
        assert last_seen(connection, int(now[0] * 1e6)) == {source_name(str(folder)): int(now[0] * 1e6)}


def test_the_command_ends_when_all_is_sent(ledger: Ledger, server: ReceiverServer, tmp_path: Path) -> None:
    """0; 3 with rejected lines, which are named; 4 when nobody answers in time; 2 for an address that is none."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines([event("a"), event("b")]))
    to = ("--to", server.address)
    done = command("forward", str(log), *to)
    assert (done.returncode, done.stdout) == (0, b"2 lines = 2 events + 0 superseded + 0 duplicates + 0 rejected\n")
    with log.open("ab") as file:
        file.write(b"no JSON\n")
    done = command("forward", str(tmp_path), *to)
    assert (done.returncode, b"line 3" in done.stderr) == (3, True)
    done = command("forward", str(log), *to)
    assert (done.returncode, b"hold no new one" in done.stderr) == (0, True)
    with log.open("ab") as file:
        file.write(lines([event("c")]))
    done = command("forward", str(log), "--patience", "1s", "--to", f"http://me:s3cret@127.0.0.1:{free_port()}")
    assert (done.returncode, b"s3cret" in done.stderr, b"stays in its files" in done.stderr) == (4, False, True)
    assert command("forward", str(log), "--to", "http://ledger.example", AUDITOR_FORWARD_TOKEN="x").returncode == 2


def test_a_file_that_is_refused_keeps_no_other_away(
    ledger: Ledger, server: ReceiverServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and goes once it is taken."""
    (tmp_path / "logs").mkdir()
    logs = [wrote(tmp_path / "logs" / f"{name}.jsonl", [text(name)]) for name in "ab"]
    names = [str(each) for each in logs]
    following = Follow(forward(server), lambda: present(names), lambda: absent(names), names)
    with monkeypatch.context() as refusing:
        take = Receiver.take

        def refuse(self: Receiver, lines: bytes, sender: str, part: Part | None = None) -> object:
            if part is not None and part.path.endswith("a.jsonl"):
                raise ValueError("it is refused")
            return take(self, lines, sender, part)

        refusing.setattr(Receiver, "take", refuse)
        done = following.look()
        assert (done.counts["events"], [path for path, _ in done.unread]) == (1, [names[0]])
        assert "it is refused" in done.unread[0][1]
        following.look()
    assert following.look().counts["events"] == 1
