"""The budget's count outlives segments, clocks that step, and files that somebody put there."""

import gzip
import json
import os
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from auditor.client import budget, count
from auditor.client.budget import LOCK_NAME, Budget
from auditor.client.count import CONFIRMED_US, Count
from auditor.client.renderer import Renderer
from auditor.model.errors import ConfigError, RenderError
from auditor.model.fingerprint import Scope
from tests.client.conftest import Time, Upstream, fails
from tests.client.test_budget import spend
from tests.client.test_renderer import raising

Build = Callable[..., Renderer]
NOVEMBER, DECEMBER, OCTOBER, YEARS_AHEAD = (
    datetime(year, month, 10, tzinfo=UTC).timestamp() for year, month in ((2026, 11), (2026, 12), (2026, 10), (2041, 3))
)
HOUR = 3600


def packed(folder: Path) -> None:
    for path in folder.glob("usage-*.jsonl"):
        path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def shipped(folder: Path) -> None:
    for path in folder.glob("usage-*"):
        path.unlink()


def moved(folder: Path) -> None:
    (folder / "old").mkdir()
    for path in folder.glob("usage-*"):
        path.rename(folder / "old" / path.name)


def emptied(folder: Path) -> None:
    for path in folder.glob("usage-*"):
        path.write_bytes(b"")


@pytest.mark.parametrize("becomes", [packed, shipped, moved, emptied])
def test_it_does_not_depend_on_segments(build: Build, tmp_path: Path, becomes: Callable[[Path], None]) -> None:
    """Spent is spent: for a new process, and for one that goes on."""
    first = build(budget=Budget(5), cache=None)
    assert spend(first, 3) == 3
    becomes(tmp_path / "usage")
    assert spend(first, 1) == 1
    first.close()
    becomes(tmp_path / "usage") if becomes is not moved else shutil.rmtree(tmp_path / "usage" / "old")
    assert spend(build(budget=Budget(5), cache=None), 6) == 1


def test_calls_that_were_never_answered_stay_counted(build: Build, tmp_path: Path, upstream: Upstream) -> None:
    """Also when the segment with their attempt is gone; those that are known to be free do not."""
    upstream.script = [raising(httpx.ReadTimeout("slow")), fails(500), fails(502), raising(httpx.ReadError("x"))]
    renderer = build(budget=Budget(5), cache=None, tries=1)
    for number in range(4):
        with pytest.raises(RenderError):
            renderer.render("og", {"n": number})
    renderer.close()
    shipped(tmp_path / "usage")
    assert spend(build(budget=Budget(5), cache=None), 9) == 2


def test_a_render_counts_what_it_cost(build: Build, upstream: Upstream) -> None:
    """Not 1 if the provider says otherwise."""
    headers = {"x-renders-consumed": "2.5"}
    upstream.script = [lambda _: httpx.Response(200, headers=headers, json={"url": "https://hcti.io/1"})] * 9
    renderer = build(provider="hcti", api_key="user:key", budget=Budget(5), cache=None)
    assert spend(renderer, 9) == 2  # 2.5 + 2.5, and 1 more has to fit


def test_segments_of_before_are_taken_over_once(build: Build, tmp_path: Path) -> None:
    """What an older version counted from segments; later copies of them add nothing."""
    first = build(budget=Budget(9), cache=None)
    assert spend(first, 3) == 3
    first.close()
    for path in (tmp_path / "usage").glob(".budget-*"):
        path.unlink()  # as the older version left it
    second = build(budget=Budget(5), cache=None)
    assert spend(second, 1) == 1
    for path in list((tmp_path / "usage").glob("usage-*.jsonl")):
        shutil.copy(path, path.with_name(f"usage-copy-{path.name}"))
    (tmp_path / "usage" / "usage-planted-1.jsonl").write_text("\n".join(map(json.dumps, planted(9))))
    assert spend(second, 5) == 1
    assert spend(build(budget=Budget(5), cache=None), 5) == 0


def planted(calls: int) -> list[dict[str, Any]]:
    """Renders of the scope that nobody made."""
    return [
        {"v": 1, "id": f"p{n}", "ts": datetime.now(UTC).isoformat(), "outcome": "render", "provider": "imejis",
         "account": "main", "environment": "production", "template": "og", "key": "k"}
        for n in range(calls)
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["foreign", "link", "second name", "loose", "fifo", "folder"])
def test_what_others_put_there_adds_no_spend(
    build: Build, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither as a segment to take over nor as a count; and nothing hangs."""
    folder = tmp_path / "usage"
    folder.mkdir()
    elsewhere = tmp_path / "elsewhere"
    scope = Scope("imejis", "main", "production", b"k" * 32)
    now = Time()
    counts = Count(folder, scope, "1 UTC")
    start = budget.cycles(int(now.now * 1e6), int(now.now * 1e6), 1, Budget(1).zone)[0].start_us
    for path, content in (
        (folder / "usage-x-1-1-1.jsonl", "\n".join(map(json.dumps, planted(9))) + "\n"),
        (counts._path(start), "\n1000;"),
        (counts._path(start * 2), "\n1000;"),
    ):
        if how == "fifo":
            os.mkfifo(path)
        elif how == "folder":
            path.mkdir()
        elif how in ("link", "second name"):
            target = elsewhere.with_name(f"elsewhere-{path.name}")
            target.write_text(content)
            path.symlink_to(target) if how == "link" else path.hardlink_to(target)
        else:
            path.write_text(content)
            if how == "loose":
                path.chmod(0o666)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("elsewhere-*")}
    renderer = build(budget=Budget(5), cache=None, clock=now.clock())
    if how == "foreign":
        monkeypatch.setattr(count.os, "geteuid", lambda: os.getuid() + 1)
    assert spend(renderer, 7) == 5
    assert {path.name: path.read_bytes() for path in tmp_path.glob("elsewhere-*")} == before


@pytest.mark.parametrize("how", ["link", "fifo", "folder"])
def test_the_lock_is_no_way_out_of_the_folder(build: Build, tmp_path: Path, how: str) -> None:
    """Nothing is made where it points to; the budget holds in this process all the same."""
    folder = tmp_path / "usage"
    folder.mkdir()
    lock = folder / LOCK_NAME
    {"link": lambda: lock.symlink_to(tmp_path / "target"), "fifo": lambda: os.mkfifo(lock), "folder": lock.mkdir}[how]()
    assert spend(build(budget=Budget(2), cache=None), 5) == 2
    assert not (tmp_path / "target").exists()


def test_a_clock_that_steps_ahead_and_back_refills_nothing(build: Build, moving: Time) -> None:
    """November is spent, and stays so after a render of December."""
    moving.now = NOVEMBER
    renderer = build(budget=Budget(5), cache=None, clock=moving.clock())
    assert spend(renderer, 9) == 5
    moving.now = DECEMBER
    assert spend(renderer, 1) == 1
    moving.now = NOVEMBER + HOUR
    assert spend(renderer, 9) == 0
    assert spend(build(budget=Budget(5), cache=None, clock=moving.clock()), 9) == 0
    moving.now += 49 * HOUR
    assert spend(renderer, 9) == 0
    moving.now = DECEMBER + HOUR
    assert spend(renderer, 9) == 4


@pytest.mark.parametrize("restarted", [False, True])
def test_an_earlier_cycle_needs_two_days_of_later_times(build: Build, moving: Time, restarted: bool) -> None:
    """The highest cycle that was seen stays the current one until then; a new process knows it too."""
    moving.now = NOVEMBER
    renderer = build(budget=Budget(3), cache=None, clock=moving.clock())

    def allowed() -> int:
        nonlocal renderer
        if restarted:
            renderer.close()
            renderer = build(budget=Budget(3), cache=None, clock=moving.clock())
        return spend(renderer, 9)

    assert allowed() == 3
    for moving.now in (OCTOBER, OCTOBER + 47 * HOUR, OCTOBER - 30 * HOUR, OCTOBER + 17 * HOUR):
        assert allowed() == 0
    moving.now = OCTOBER + 19 * HOUR  # 49 h after the earliest time since it went back
    assert allowed() == 3
    moving.now = NOVEMBER + HOUR
    assert allowed() == 0
    moving.now = OCTOBER + 24 * HOUR  # back again, and the wait begins again
    assert allowed() == 0


def test_a_clock_that_was_years_ahead_is_survived(build: Build, moving: Time) -> None:
    """The right cycle counts again after two days, and the next one begins in time."""
    moving.now = YEARS_AHEAD
    renderer = build(budget=Budget(2), cache=None, clock=moving.clock())
    assert spend(renderer, 9) == 2
    moving.now = NOVEMBER
    assert spend(renderer, 9) == 0
    moving.now += 48 * HOUR
    assert spend(renderer, 9) == 2
    moving.now = DECEMBER
    assert spend(renderer, 9) == 2


def test_what_is_spent_while_the_clock_is_behind_counts_in_both(build: Build, moving: Time) -> None:
    """So that the return does not give it back."""
    moving.now = NOVEMBER
    renderer = build(budget=Budget(5), cache=None, clock=moving.clock())
    assert spend(renderer, 1) == 1
    moving.now = OCTOBER
    assert spend(renderer, 3) == 3
    moving.now += 49 * HOUR
    assert spend(renderer, 9) == 2
    moving.now = NOVEMBER
    assert spend(renderer, 9) == 1


def test_ever_knows_no_clock(build: Build, moving: Time) -> None:
    """Whatever it says."""
    renderer = build(budget=Budget(2, per="ever"), cache=None, clock=moving.clock())
    assert spend(renderer, 1) == 1
    moving.now = YEARS_AHEAD
    assert spend(renderer, 9) == 1
    moving.now = OCTOBER
    assert spend(build(budget=Budget(2, per="ever"), cache=None, clock=moving.clock()), 9) == 0


def test_two_readers_of_one_count_lose_nothing(tmp_path: Path) -> None:
    """Without a lock, and with one of them stopped between reading and adding."""
    scope = Scope("imejis", "main", "production", b"k" * 32)
    first, second = Count(tmp_path, scope, "ever"), Count(tmp_path, scope, "ever")
    for each in (first, second):
        assert each.current(0, 1) == (0,)

    def add(counts: Count) -> None:
        for _ in range(200):
            counts.add(0, Decimal("0.5"))

    threads = [threading.Thread(target=add, args=(each,)) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    third = Count(tmp_path, scope, "ever")
    for each in (first, second, third):
        each.current(0, 1)
        assert each.used(0) == 200


def test_a_count_that_was_deleted_or_cannot_be_written_goes_on(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In the processes that know it."""
    renderer = build(budget=Budget(6), cache=None)
    assert spend(renderer, 3) == 3
    for path in (tmp_path / "usage").glob(".budget-*"):
        path.unlink()
    assert spend(renderer, 1) == 1
    assert spend(build(budget=Budget(6), cache=None), 1) == 1, "it was written again, whole"
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if data.startswith(b"\n") and data.endswith(b";"):
            raise OSError(28, "no space")
        return write(descriptor, data)

    monkeypatch.setattr(count.os, "write", full)
    assert spend(renderer, 5) == 1
    monkeypatch.undo()
    assert "cannot be written" in caplog.text
    assert spend(renderer, 5) == 0


def test_a_torn_record_is_no_number(tmp_path: Path) -> None:
    """A disk that was full in the middle of one."""
    counts = Count(tmp_path, Scope("imejis", "main", "production", b"k" * 32), "ever")
    counts.current(0, 1)
    counts.add(0, Decimal(1))
    with counts._path(0).open("ab") as file:
        file.write(b"\n1")
    counts.add(0, Decimal(1))
    counts.current(0, 1)
    assert counts.used(0) == 2
    assert counts._path(0).stat().st_mode & 0o777 == 0o600
    assert CONFIRMED_US == 48 * 3600 * 10**6


@pytest.mark.parametrize(
    "wrong",
    [{"credits": -1}, {"credits": 1.5}, {"credits": True}, {"credits": "9"}, {"per": "month"}, {"anchor_day": 0},
     {"anchor_day": 32}, {"on_exceeded": "wran"}, {"timezone": "Berlin"}, {"credits": Decimal("NaN")}],
)  # fmt: skip
def test_wrong_budgets_are_named(wrong: dict[str, Any]) -> None:
    """When they are made."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Budget(**{"credits": 1, **wrong})
