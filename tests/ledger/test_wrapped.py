"""What shippers write around events: an ingest takes out of it what an audit takes, whatever the cuts and kills."""

import gzip
import json
import os
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from auditor.intake.sources import discover
from auditor.ledger import ingest, piece, schema
from auditor.ledger.database import Ledger
from auditor.system.files import SETTLED
from tests.conftest import event
from tests.formats.test_parts import WRAPS as RUNTIMES
from tests.formats.test_parts import Wrap, cri, docker, parts
from tests.formats.test_wrapped import WRAPS
from tests.ledger.conftest import counts, feed
from tests.ledger.test_ingest import report

OLD = 1_600_000_000
"""When a file was last written to that gets no more lines."""
FLUENT_BIT: dict[str, Callable[[str], str]] = {
    "fluent bit": lambda text: json.dumps({"date": 1788249600.25, "log": text}),
    "fluent bit of docker": lambda text: json.dumps({"date": 1788249600.25, "stream": "stdout", "log": text + "\n"}),
    "vector": lambda text: json.dumps({"file": "/usage.jsonl", "host": "web", "message": text, "timestamp": "2026-09-01T08:00:00Z"}),
    "docker logs": lambda text: text,
    "docker logs -t": lambda text: f"2026-09-01T08:00:00.123456789Z {text}",
}  # fmt: skip
LONG = json.dumps(event("long", inputs={"text": "x" * 40_000}))


def text(identity: str, **fields: Any) -> str:
    """A line of the client's."""
    return json.dumps(event(identity, **fields))


def wrote(path: Path, written: list[str] | bytes, *, settled: bool = True) -> Path:
    """A file of such lines, to which nobody writes any more, or somebody may."""
    path.write_bytes(written if isinstance(written, bytes) else "".join(f"{each}\n" for each in written).encode())
    if settled:
        os.utime(path, (OLD, OLD))
    return path


def rejected(ledger: Ledger) -> list[tuple[int, str, str]]:
    """(line, reason, detail) of what the ledger keeps."""
    with ledger.read() as connection:
        rows = connection.execute(select(schema.rejections).order_by(schema.rejections.c.line))
        return [(row.line, row.reason, row.detail) for row in rows]


def agreed(ledger: Ledger, log: Path, config: dict[str, Any] | None = None) -> dict[str, int]:
    """Ingest a file, which has to give what an audit of it gives; the counts."""
    feed(ledger, log, config=config)
    inputs = report(discover([str(log)], log.parent), config or {})["inputs"]
    known = counts(ledger)
    names = ("lines", "events", "superseded", "duplicates", "rejected")
    assert {name: known.get(name, 0) for name in names} == {name: inputs[name] for name in names}
    assert rejected(ledger) == [(bad["line"], bad["reason"], bad["detail"]) for bad in inputs["rejections"]]
    return known


@pytest.fixture
def own(tmp_path: Path) -> Ledger:
    """A ledger of this test; what is read is the same over both databases."""
    return Ledger(tmp_path / "ledger.db")


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("wrap", WRAPS | FLUENT_BIT)
def test_what_stands_around_events_is_taken_off(
    own: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrap: str, bulk: bool
) -> None:
    """Bad lines keep the number that they have in the file; the time of a wrap is not the event's."""
    if bulk:
        monkeypatch.setattr(piece, "BULK_FROM", 0)
    texts = [text("a", ts="2026-08-01T08:00:00Z"), text("b"), "", "{oops", text("c", v=7), text("a"), text("d")]
    wrapped = (WRAPS | FLUENT_BIT)[wrap]
    log = wrote(tmp_path / "app.log", [wrapped(each) if each else "" for each in texts])
    known = agreed(own, log)
    assert (known["lines"], known["events"], known["rejected"]) == (6, 3, 2)
    assert [number for number, _, _ in rejected(own)] == [4, 5]
    own.export(tmp_path / "export.jsonl")
    kept = [json.loads(line) for line in (tmp_path / "export.jsonl").read_text().splitlines()]
    assert [each["id"] for each in kept] == ["a", "b", "d"]
    assert kept[0]["ts"] == "2026-08-01T08:00:00Z"
    assert feed(own, log).counts["lines"] == 0


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("many", [1, 3, 20])
def test_a_byte_order_mark_is_no_part_of_a_line(own: Ledger, tmp_path: Path, many: int, packed: bool) -> None:
    """Yet of the file: it is read on where the last run ended, be it shorter or longer than what a mark looks at."""
    log, written = tmp_path / "usage.jsonl", BOM_UTF8
    for count in (many, many + 2):
        written = BOM_UTF8 + "".join(f"{text(str(number))}\n" for number in range(count)).encode()
        wrote(log, gzip.compress(written) if packed else written)
        for _ in range(3):
            feed(own, log)
            assert counts(own) == {"rows": count, "lines": count, "events": count}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("array", ["array", "pretty", "one behind the other", "in a document"])
def test_arrays_of_events_are_lines_too(own: Ledger, tmp_path: Path, array: str, packed: bool) -> None:
    """As a console or Firehose saves them; read once."""
    events = [event("a"), event("b"), {"v": 1}, event("c")]
    made = {
        "array": json.dumps(events),
        "pretty": json.dumps(events, indent=2),
        "in a document": json.dumps({"count": 4, "records": events}, indent=2),
        "one behind the other": "".join(map(json.dumps, events)),
    }[array].encode()
    log = wrote(tmp_path / "usage.json", gzip.compress(made) if packed else made)
    assert agreed(own, log)["events"] == 3
    assert feed(own, log).counts["lines"] == 0


@pytest.mark.parametrize("wrap", RUNTIMES)
def test_a_line_that_was_split_is_one_event_whatever_the_cut(own: Ledger, tmp_path: Path, wrap: Wrap) -> None:
    """The checkpoint never stands between its parts: a file that is read after each byte or so gives the same."""
    pieces = list(parts(LONG, wrap))
    written = [wrap(text("a"), True, "stdout"), pieces[0], wrap(text("other"), True, "stderr"), *pieces[1:]]
    whole = "".join(f"{each}\n" for each in [*written, wrap(text("z"), True, "stdout")]).encode()
    log = tmp_path / "app.log"
    cuts = [0, *(at + 1 for at, byte in enumerate(whole) if byte == ord("\n"))]
    for cut in sorted({*cuts, *(cut + 7 for cut in cuts[:-1])}):
        wrote(log, whole[:cut], settled=False)
        feed(own, log)
        assert rejected(own) == []
    known = counts(own)
    assert (known["lines"], known["events"], known.get("duplicates", 0)) == (4, 4, 0)


def test_the_first_line_may_be_a_part(own: Ledger, tmp_path: Path) -> None:
    """Nothing tells yet what the file holds."""
    pieces = list(parts(LONG, cri))
    log = wrote(tmp_path / "app.log", pieces[:1], settled=False)
    assert feed(own, log).counts["lines"] == 0
    wrote(log, pieces)
    assert agreed(own, log)["events"] == 1


@pytest.mark.parametrize("wrap", [cri, docker])
def test_a_part_whose_end_never_comes_keeps_no_other_line_away(own: Ledger, tmp_path: Path, wrap: Wrap) -> None:
    """Nor forever: once nobody writes to the file any more, the part is rejected, as an audit does."""
    written = [wrap(text("a")), wrap(text("b")), next(parts(LONG, wrap)), wrap(text("c"), True, "stderr")]
    log = wrote(tmp_path / "app.log", written, settled=False)
    assert feed(own, log).counts["events"] == 2
    known = agreed(own, wrote(log, written))
    assert (known["lines"], known["events"], known["rejected"]) == (4, 3, 1)
    assert rejected(own)[0][0] == 3
    assert "split" in rejected(own)[0][2]


def test_a_follower_reads_what_waited_once_the_file_is_settled(own: Ledger, tmp_path: Path) -> None:
    """Also if nothing was written since the last look."""
    from auditor.config import settings_of
    from auditor.feed.follow import Follow

    written = [cri(text("a")), next(parts(LONG, cri)), cri(text("c"), True, "stderr")]
    log = wrote(tmp_path / "app.log", written, settled=False)
    now = [log.stat().st_mtime + 1]
    follow = Follow(ingest.Ingest(own, settings_of({}, "test"), lambda: now[0]), lambda: [log])
    assert follow.look().counts["events"] == 1
    assert follow.look().counts["lines"] == 0
    now[0] += SETTLED
    assert follow.look().counts["events"] == 1
    assert follow.look().counts["lines"] == 0


def test_an_event_of_fluent_bit_may_be_as_long_as_a_part_of_docker(own: Ledger, tmp_path: Path) -> None:
    """Only Docker leaves out the end of a line to say that it goes on, and it names the stream."""
    wrap = FLUENT_BIT["fluent bit"]
    log = wrote(tmp_path / "app.log", [wrap(text("a")), wrap(LONG), wrap(text("b"))])
    assert agreed(own, log)["events"] == 3


def test_a_field_of_an_event_is_no_wrap(own: Ledger, tmp_path: Path) -> None:
    """A caller may add fields that are called as wraps are."""
    noise = [json.dumps({"log": f"start {number}\n", "stream": "stdout"}) for number in range(3)]
    log = wrote(tmp_path / "app.log", noise, settled=False)
    feed(own, log)
    wrote(log, [*noise, docker(text("a", message="hello", log="hi"))])
    assert feed(own, log).counts["events"] == 1


@pytest.mark.parametrize("lines", [199, 200, 201, 400])
def test_what_comes_before_the_first_event_hides_none(own: Ledger, tmp_path: Path, lines: int) -> None:
    """An application says much at its start; its own words are rejected, however many."""
    noise = [docker(f"starting {number}") for number in range(lines)]
    log = wrote(tmp_path / "app.log", [*noise, docker(text("a"))])
    done = feed(own, log)
    assert (done.counts["events"], done.counts["rejected"]) == (1, lines)
