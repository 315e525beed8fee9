"""Cache traces: published miss ratios, a twenty-line LRU, and the straight way against the general one."""

import random
from pathlib import Path
from typing import Any

import pytest

from auditor import pipeline
from auditor.config import load
from auditor.intake.sources import discover
from auditor.results.header import document
from auditor.results.simulation import Setting
from tests.conftest import ROOT
from tests.replay.test_lru import textbook

TRACES = ROOT.parent / "shared" / "data" / "traces"
PUBLISHED = {75: 0.688562, 300: 0.580980, 1200: 0.483512, 3000: 0.414606}


def simulated(path: Path, caches: list[Setting], **options: Any) -> dict[str, Any]:
    """The document of one trace."""
    result = pipeline.simulate(
        discover([str(path)], path.parent),
        load(None),
        pipeline.Options(cache=False, **options),
        caches,
        lambda *_: None,
    )
    return document(result) | {"generated_at": None}


@pytest.mark.slow
@pytest.mark.external
@pytest.mark.skipif(not TRACES.is_dir(), reason="needs ../shared/data/traces")
def test_miss_ratios_are_the_published_ones() -> None:
    """cache2k_web07, to six digits."""
    report = simulated(TRACES / "cache2k_web07.csv", [Setting.of(None, entries=entries) for entries in PUBLISHED])
    assert {row["capacity_entries"]: row["miss_ratio"] for row in report["rows"]} == PUBLISHED


@pytest.mark.slow
@pytest.mark.external
@pytest.mark.skipif(not TRACES.is_dir(), reason="needs ../shared/data/traces")
@pytest.mark.parametrize("name", ["adaptsize", "cache2k_web07", "zanbil_share"])
def test_every_trace_is_the_textbook_lru(name: str) -> None:
    """Misses and missed bytes, by entries and by bytes."""
    path = TRACES / f"{name}.csv"
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    trace = [(int(key), int(size)) for _, key, size in rows]
    limits: list[dict[str, int]] = [{"entries": 10}, {"entries": 500}, {"size": 10**6}, {"entries": 50, "size": 10**7}]
    caches = [Setting.of(None, entries=limit.get("entries"), bytes=limit.get("size")) for limit in limits]
    report = simulated(path, caches)
    every = sum(size for _, size in trace)
    for row, limit in zip(report["rows"], limits, strict=True):
        misses, missed = textbook(trace, **limit)
        assert (row["renders"], row["miss_ratio"]) == (misses, round(misses / len(trace), 6))
        assert row["byte_miss_ratio"] == pytest.approx(missed / every, abs=1e-6)


CACHES = [
    Setting.of(None, entries=3),
    Setting.of(5 * 10**6, entries=2, bytes=90),
    Setting.of(2 * 10**6),
    Setting.of(None),
]


def rows_of(rng: random.Random) -> list[str]:
    """A small trace; ids that look like numbers and are not the same."""
    names = rng.choice([["1", "2", "17", "300"], ["1", "01", "a", "x y", "é"], ["0", "0x1", "-1", "+1"]])
    times = sorted(rng.randrange(40) for _ in range(rng.randrange(1, 60)))
    if rng.random() < 0.3:
        rng.shuffle(times)
    return [f"{time},{rng.choice(names)},{rng.choice([0, 1, 30, 100])}" for time in times]


SPOILT = ["3,a", "3,a,1,1", "x,a,1", "-3,a,1", "3,,1", "3,a,-1", "3,a,1.5", "3.5,a,1", "", "  ", "0x10,a,1", "3, a ,1",
          "03,1,1", "3,1,1\r", '3,"a",1', "3,\xe9,1", "9,a,2000000000000", "1e1,a,1", "3,a,0x1", "time,id,size"]  # fmt: skip


@pytest.mark.parametrize("seed", range(80))
def test_the_straight_way_gives_what_the_general_one_does(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole document, also with a header, lines that are no plain rows, and a window."""
    rng = random.Random(seed)
    rows = rows_of(rng)
    if seed % 2:
        rows.insert(rng.randrange(len(rows) + 1), rng.choice(SPOILT))
    if rng.random() < 0.3:
        rows.insert(0, rng.choice(["time,id,size", "Time, ID ,size"]))
    path = tmp_path / "trace.csv"
    path.write_bytes("\n".join(rows).encode("latin-1" if rng.random() < 0.1 else "utf-8") + rng.choice([b"", b"\n"]))
    window = {"since": None, "until": None}
    if rng.random() < 0.4:
        from auditor.model.plans import moment

        window = {"since": moment(rng.randrange(30) * 10**6), "until": moment(rng.randrange(5, 45) * 10**6)}
    straight = simulated(path, CACHES, input_format="cache-trace", **window)
    monkeypatch.setattr("auditor.pipeline.read_trace", lambda *_: None)
    assert straight == simulated(path, CACHES, input_format="cache-trace", **window)


def test_a_plain_trace_does_take_the_straight_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers and names, with and without a header: no engine is started."""
    monkeypatch.setattr("auditor.analysis.load.ENGINES", {})
    for text in ("1,5,10\n2,5,10\n", "time,id,size\n1,k1:ab,10\n2,k1:ab,10"):
        path = tmp_path / "trace.csv"
        path.write_text(text, encoding="utf-8")
        assert [row["renders"] for row in simulated(path, CACHES, input_format="cache-trace")["rows"]] == [1, 1, 1, 1]


def test_an_id_is_the_text_that_stands_there(tmp_path: Path) -> None:
    """07 and 7 are two images, though both are one number."""
    path = tmp_path / "trace.csv"
    path.write_text("0,7,10\n1,07,10\n2,7,10\n")
    assert simulated(path, [Setting.of(None, entries=9)])["rows"][0]["renders"] == 2
