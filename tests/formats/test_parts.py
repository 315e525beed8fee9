"""Lines that a container runtime split at 16 KiB: joined, counted once, and numbered by their first part."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auditor.reading.lines import MAX_LINE
from auditor.reading.parts import Unwrapper
from tests.formats.test_foreign import line, report

SPLIT = 16 << 10
LONG = line(1, "/img/og/1.png?x=" + "x" * 3 * SPLIT).rstrip("\n")
Wrap = Callable[[str, bool, str], str]


def cri(text: str, last: bool = True, stream: str = "stdout") -> str:
    return f"2026-09-01T08:00:00.123456789Z {stream} {'F' if last else 'P'} {text}"


def docker(text: str, last: bool = True, stream: str = "stdout") -> str:
    return json.dumps({"log": text + "\n" * last, "stream": stream, "time": "2026-09-01T08:00:00.1Z"})


def journald(text: str, last: bool = True, stream: str = "stdout") -> str:
    told = {} if last else {"CONTAINER_PARTIAL_MESSAGE": "true"}
    return json.dumps({"MESSAGE": text, "CONTAINER_ID": stream, **told})


def fluentd(text: str, last: bool = True, stream: str = "stdout") -> str:
    told = {"partial_message": "true", "partial_id": stream, "partial_last": str(last).lower()}
    return json.dumps({"source": stream, "log": text, **told})


def fluent_bit(text: str, last: bool = True, stream: str = "stdout") -> str:
    return json.dumps({"stream": stream, "logtag": "F" if last else "P", "log": text})


def in_filebeat(text: str, last: bool = True, stream: str = "stdout") -> str:
    return json.dumps({"message": cri(text, last, stream)})


def in_cell(text: str, last: bool = True, stream: str = "stdout") -> str:
    return '"2026-09-01 08:00:00.250","{}"'.format(cri(text, last, stream).replace('"', '""'))


WRAPS = [cri, docker, journald, fluentd, fluent_bit, in_filebeat, in_cell]


def parts(text: str, wrap: Wrap, stream: str = "stdout") -> Iterator[str]:
    """A line as its runtime writes it."""
    cuts = range(0, len(text), SPLIT)
    for cut in cuts:
        yield wrap(text[cut : cut + SPLIT], cut == cuts[-1], stream)


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("wrap", WRAPS)
def test_parts_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrap: Wrap, bulk: bool) -> None:
    """Also between those of another stream; the counts and numbers are those of records."""
    if bulk:
        monkeypatch.setattr("auditor.intake.read.BULK_FROM", 0)
    first, *rest = parts(LONG, wrap)
    written = [
        *(wrap(line(n).strip(), True, "stdout") for n in range(9)),
        *(first, wrap("oops", True, "stderr"), *rest),
        *(wrap("later", True, "stdout"), wrap(line(2, "/img/og/2.png").strip(), True, "stdout")),
    ]
    log = tmp_path / "web.log"
    log.write_text("".join(f"{each}\n" for each in written))
    found = report(log, findings=True)
    inputs = found["inputs"]
    assert (inputs["lines"], inputs["events"], inputs["filtered"], inputs["rejected"]) == (13, 11, 0, 2)
    assert [(bad["line"], bad["excerpt"]) for bad in inputs["rejections"]] == [(11, "oops"), (15, "later")]
    tops = [top["request"] for finding in found["findings"] for top in finding["evidence"].get("top_keys", ())]
    assert tops == ["/img/og/1.png"]


@pytest.mark.parametrize("wrap", WRAPS)
def test_the_last_part_may_be_empty(wrap: Wrap) -> None:
    """That of a line which is as long as a part, or as several: the line behind it is one of its own."""
    whole = LONG[: 2 * SPLIT]
    written = [*(wrap(whole[cut : cut + SPLIT], False, "stdout") for cut in (0, SPLIT)), wrap("", True, "stdout")]
    rows = [each.encode() for each in [*written, wrap("next", True, "stdout")]]
    if wrap is in_cell:
        rows = [json.dumps({"message": row.decode().split('","')[1][:-1].replace('""', '"')}).encode() for row in rows]
    for _ in range(1 + (wrap in (in_filebeat, in_cell))):
        rows = b"".join(Unwrapper().blocks([b"".join(row + b"\n" for row in rows)])).split(b"\n")[:-1]
    assert rows == [whole.encode(), b"", b"", b"next"]


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_log_of_long_lines_only_is_detected(tmp_path: Path, wrap: Wrap) -> None:
    """No line of it can be read alone, and the sample ends within one; the requests that repeat are named."""
    log = tmp_path / "web.log"
    log.write_text("".join(f"{part}\n" for _ in range(12) for part in parts(LONG, wrap)))
    found = report(log, findings=True)
    assert (found["inputs"]["events"], found["inputs"]["rejected"], found["waste"]["repeat"]) == (12, 0, 11)
    tops = [top["request"] for finding in found["findings"] for top in finding["evidence"].get("top_keys", ())]
    assert tops == ["/img/og/1.png?x=…"]


@pytest.mark.parametrize("wrap", WRAPS[:5])
def test_a_line_without_its_end_is_one_record(tmp_path: Path, wrap: Wrap) -> None:
    """It is rejected where it begins, once it is sure that nothing follows, and takes no other line with it."""
    start = list(parts(LONG, wrap))[:2]
    others = [wrap(line(n).strip(), True, "stderr") for n in range(1100)]
    log = tmp_path / "web.log"
    log.write_text("".join(f"{each}\n" for each in [*others[:20], *start, *others, *others[:5], start[0]]))
    inputs = report(log)["inputs"]
    assert [bad["line"] for bad in inputs["rejections"]] == [21, 1128]
    assert all("split" in bad["detail"] for bad in inputs["rejections"])
    assert (inputs["lines"], inputs["events"]) == (1127, 1125)


def test_a_joined_line_may_be_too_long(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    long = line(1, "/img/og/1.png?x=" + "x" * MAX_LINE).strip()
    log.write_text("".join(f"{each}\n" for each in [cri(line(0).strip()), *parts(long, cri), cri(line(2).strip())]))
    inputs = report(log)["inputs"]
    assert [(bad["line"], bad["reason"]) for bad in inputs["rejections"]] == [(2, "too_long")]
    assert inputs["events"] == 2


def test_where_blocks_end_changes_nothing() -> None:
    """As many lines come out as went in, the same ones however the input was read."""
    text = "".join(
        f"{part}\n" for n in range(30) for part in (*parts(LONG[: n * 3000], docker), docker(line(n).strip()))
    )
    rows = text.encode().splitlines(keepends=True)
    whole = b"".join(Unwrapper().blocks(iter([text.encode()])))
    assert whole.count(b"\n") == len(rows)
    for size in (1, 2, 7):
        blocks = (b"".join(rows[start : start + size]) for start in range(0, len(rows), size))
        assert b"".join(Unwrapper().blocks(blocks)) == whole


@pytest.mark.slow
def test_parts_without_end_take_no_memory() -> None:
    """Whether of one writer or of a thousand."""
    tracemalloc.start()
    try:
        for writers in (1, 1000):
            block = "".join(fluentd("x" * 200, False, f"w{n % writers}") + "\n" for n in range(5000)).encode()
            lines = sum(out.count(b"\n") for out in Unwrapper().blocks(block for _ in range(20)))
            assert lines == 100_000
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
