"""Damage of every kind: each bad line is named with its reason, and no good one is lost."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
import zstandard

from auditor.config import settings_of
from auditor.exchanges.mapper import Mapper
from auditor.formats.jsonl import JsonLines
from auditor.intake.columnar.bulk_columns import read_block
from auditor.intake.columns import SCHEMA, batches
from auditor.reading.lines import MAX_LINE, Line
from auditor.reading.reader import Reading, Tally
from tests.conftest import ROOT, Report, command, event, lines
from tests.random_logs import generate

pytestmark = pytest.mark.usefixtures("random_now")

GOOD = json.dumps(event("good")).encode()


def with_(**fields: object) -> bytes:
    """A line that is good but for some fields."""
    return json.dumps(event("bad", **fields)).encode()


def number(name: str, text: str, **fields: object) -> bytes:
    """A line that is good but for a number, written as it stands."""
    return json.dumps(event("bad", **fields, **{name: "@"})).replace('"@"', text).encode()


DAMAGE = [
    (b'{"v":1,"id":"\xff\xfe"}', "bad_encoding"),
    (GOOD[:-1] + b',"x":"\x00"}', "not_json"),
    (GOOD[:-1] + b',"x":NaN}', "not_json"),
    (GOOD[:-1] + b',"x":-Infinity}', "not_json"),
    (GOOD[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not_json"),
    (GOOD[:-1] + b',"bytes":' + b"9" * 5000 + b"}", "bad_value"),
    (GOOD[:-1] + b',"bytes":1e99999999999999999999}', "bad_value"),
    (GOOD[:-1] + b',"id":"twice"}', "bad_value"),
    (GOOD[:-1] + b',"x":{"a":1,"a":2}}', "bad_value"),
    (GOOD[:-1] + b",}", "not_json"),
    (GOOD + GOOD, "not_json"),
    (b"[1,2]", "not_object"),
    (b'"text"', "not_object"),
    (b"3.5", "not_object"),
    (b"null", "not_object"),
    (b"{}", "missing_field"),
    (GOOD[:60], "not_json"),
    (with_(v=7), "unknown_version"),
    (json.dumps({"v": 1, "id": "x"}).encode(), "missing_field"),
    (with_(template=5), "bad_value"),
    (with_(width="1200"), "bad_value"),
    (with_(credits=-1), "bad_value"),
    (number("credits", "1e9999999"), "bad_value"),
    (number("credits", "1e-9999999"), "bad_value"),
    (number("credits", "1." + "0" * 40 + "1"), "bad_value"),
    (number("duration_ms", "1e9999999"), "bad_value"),
    (number("count", "1000000000000001", outcome="hit"), "bad_value"),
    (number("count", "1000000000", outcome="hit", bytes=10**10), "bad_value"),
    (with_(ts="9999-12-31T00:00:00Z"), "odd_time"),
    (with_(ts="9900-12-31T00:00:00+00:60"), "bad_value"),
    (with_(ts="0001-01-01T00:00:00Z"), "odd_time"),
    (with_(key="\ud83d"), "bad_value"),
    (GOOD[:-1] + b',"x":"tab\there"}', "not_json"),
    (GOOD.replace(b'"', b"'"), "not_json"),
    (GOOD + b" // note", "not_json"),
    (GOOD[:-1] + b',"x":0x10}', "not_json"),
    (GOOD[:-1] + b',"x":01}', "not_json"),
    (GOOD[:-1] + b',"x":"' + b"y" * MAX_LINE + b'"}', "too_long"),
    (b"\xef\xbb\xbf\xef\xbb\xbf" + GOOD, "not_json"),
    (GOOD.decode().encode("utf-16"), "bad_encoding"),
]


@pytest.mark.parametrize("bulk", [False, True])
def test_kinds_of_damage(report: Report, monkeypatch: pytest.MonkeyPatch, bulk: bool) -> None:
    """Each bad line has its true number and reason; every good line between them counts."""
    if bulk:
        monkeypatch.setattr("auditor.intake.read.BULK_FROM", 0)
    parts = []
    for index, (bad, _) in enumerate(DAMAGE):
        parts += [json.dumps(event(f"g{index}")).encode(), b"", bad.replace(b"\n", b" ")]
    found = report(b"\n".join(parts) + b"\n")
    assert [(bad["line"], bad["reason"]) for bad in found["inputs"]["rejections"]] == [
        (3 * index + 3, reason) for index, (_, reason) in enumerate(DAMAGE)
    ]
    assert found["inputs"]["events"] == len(DAMAGE)
    assert found["inputs"]["lines"] == 2 * len(DAMAGE)
    assert found["inputs"]["rejected"] == len(DAMAGE)


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_the_bulk_reader_takes_nothing_that_the_exact_one_would_not(seed: int) -> None:
    """What the compiled reader takes, it takes to the very same values; the rest it hands back."""
    files, _ = generate(seed, 300)
    block = b"".join(files.values()) + lines(
        [event(f"p{n}", width=n + 1, credits=n / 4, duration_ms=n / 8) for n in range(50)]
    )
    assert len(agreed(block)) >= 50


def agreed(block: bytes) -> list[int]:
    """The lines of a block that the compiled reader takes, from 11, after a look that the exact one takes them so."""
    batch, rest, count = read_block(block, 10)
    every = [Line(number, data) for number, data in enumerate(block.split(b"\n")[:-1], 11) if data.strip()]
    kind = JsonLines(ZoneInfo("UTC"))
    exact = dict(Reading("x", kind, Mapper(settings_of({}, "test"), "x"), Tally()).events(every))
    plain: list[int] = batch.column("line").to_pylist()
    assert sorted(plain + [line.number for line in rest]) == [line.number for line in every]
    assert count == block.count(b"\n")
    taken = [(number, exact[number]) for number in plain]
    assert pa.Table.from_batches([batch]).to_pylist() == pa.Table.from_batches(batches(taken), SCHEMA).to_pylist()
    return plain


HASH = "0123456789abcdef"
EDGES: list[tuple[dict[str, object], bool]] = [
    *(({"ts": text}, True) for text in (
        "2024-02-29T23:59:59Z", "2000-02-29T00:00:00.1+23:59", "1970-01-01T00:00:00-00:01", "9899-12-31T23:59:59Z",
        "2026-01-31T00:00:00.1234567890123Z", "2026-03-01T00:00:00.000001-23:59",
    )),
    *(({"ts": text}, False) for text in (
        "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60", "2026-01-01T00:00:00+01:000", "2026-01-01T00:00:00Zx", "1969-12-31T00:00:00Z",
        "9900-01-01T00:00:00Z", "2026-1-01T00:00:00Z", "",
    )),
    *(({"inputs": inputs}, True) for inputs in (
        {}, {"a": HASH}, {"b": HASH, "a!": HASH, "a": HASH, "": HASH}, {f"f{n}": HASH for n in range(31, -1, -1)},
    )),
    *(({"inputs": inputs}, False) for inputs in (
        {f"f{n}": HASH for n in range(33)}, {"a": HASH[1:]}, {"a": HASH.upper()}, {"a": HASH + "0"}, {"a b": HASH}, [],
    )),
    ({"inputs": None, "credits": None, "bytes": None}, True),
    *(({name: value}, name == "duration_ms") for name in ("bytes", "duration_ms") for value in (1.5, 0.125)),
    *(({"credits": value}, plain) for value, plain in ((0.123456789, True), (999_999_999, True), (10**9, False))),
    *(({"outcome": "error", "status": status}, True) for status in (200, 408, 502, 520, 527, 528)),
    ({"outcome": "error", "status": None}, True),
    ({"outcome": "attempt", "credits": 3}, True),
    ({"environment": "Staging"}, False),
    ({"id": "x" * 200}, True),
    ({"id": "x" * 201}, False),
    *(({"digest": f"sha256:{digits}"}, digits == "a" * 64) for digits in ("a" * 64, "A" * 64, "a" * 63, "a" * 65)),
]  # fmt: skip


def test_the_bulk_reader_at_its_edges() -> None:
    """Times, inputs and numbers just inside and just outside of what is plain, and lines that are cut anywhere."""
    every = [{**event("edge"), **fields} for fields, _ in EDGES]
    for separators in ((",", ":"), (" , ", " : ")):
        block = b"".join(json.dumps(each, separators=separators).encode() + b"\n" for each in every)
        assert agreed(block) == [number for number, (_, plain) in enumerate(EDGES, 11) if plain]
    for cut in range(len(GOOD)):
        assert not agreed(GOOD[:cut] + b"\n")


@pytest.mark.parametrize("packed", ["gz", "zst"])
@pytest.mark.parametrize("share", [0.3, 0.8, 0.999])
def test_lines_before_a_cut_count(tmp_path: Path, packed: str, share: float) -> None:
    """A compressed log that breaks off gives what stands before the break, and exit 3."""
    data = lines(event(f"e{os.urandom(8).hex()}") for _ in range(3000))
    whole = gzip.compress(data) if packed == "gz" else zstandard.ZstdCompressor().compress(data)
    log = tmp_path / f"usage.jsonl.{packed}"
    log.write_bytes(whole[: int(len(whole) * share)])
    done = command("audit", str(log), "--format", "json")
    inputs = json.loads(done.stdout)["inputs"]
    assert done.returncode == 3
    assert inputs["files"][0]["truncated"]
    assert b"cut off" in done.stderr
    assert (inputs["events"] > 1000) == (share > 0.5)


def test_members_frames_bom_and_line_ends(tmp_path: Path) -> None:
    """Concatenated members and frames, a byte order mark, CRLF and a last line without an end are all read."""
    first, second = lines([event("a")]), lines([event("b")])
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(first) + gzip.compress(second))
    frame = zstandard.ZstdCompressor().compress
    (tmp_path / "b.jsonl.zst").write_bytes(frame(lines([event("c")])) + frame(lines([event("d")])))
    (tmp_path / "c.jsonl").write_bytes(b"\xef\xbb\xbf" + lines([event("e")]).replace(b"\n", b"\r\n") + GOOD)
    done = command("audit", str(tmp_path), "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["inputs"]["events"] == 6


def test_a_giant_line_costs_no_memory(tmp_path: Path) -> None:
    """Of a line of 256 MiB only its beginning is held, and the lines around it count."""
    log = tmp_path / "usage.jsonl.gz"
    with gzip.open(log, "wb", compresslevel=1) as out:
        out.write(lines([event("a")]))
        for _ in range(256):
            out.write(b"x" * (1 << 20))
        out.write(b"\n" + lines([event("b")]))
    script = (
        "import resource, sys\nfrom auditor.reading.lines import LineReader\nfrom auditor.reading.packed import decompressed\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"lines = [(l.number, len(l.data)) for l in LineReader(decompressed(open({str(log)!r}, 'rb')))]\n"
        "print(lines, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, cwd=ROOT, text=True)
    found, grown = done.stdout.rsplit(maxsplit=1)
    assert [number for number, _ in eval(found)] == [1, 2, 3]
    assert int(grown) < 64
