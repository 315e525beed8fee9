"""The walk over many TTLs, at its edges."""

from fractions import Fraction

import pytest

from auditor.replay.caches import by_key
from auditor.replay.sums import Sum, read
from tests.replay.streams import ONE, prices, stream


@pytest.fixture(params=["plain", "compiled"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of running the walk."""
    monkeypatch.setattr("auditor.replay.caches.COMPILE_FROM", 0 if request.param == "compiled" else 10**9)


def walked(requests: list[dict[str, int]], *ttls: int, **usual: object) -> list[Sum]:
    """Sums of one key for each TTL."""
    sums = by_key(lambda: stream(requests), ttls, ONE, prices(**usual), len(requests), 10**6)  # type: ignore[arg-type]
    return [read(row) for row in sums[0].tolist()]


def counts(requests: list[dict[str, int]], life: int, **usual: object) -> tuple[int, int]:
    """(renders, concurrent)."""
    found = walked(requests, life, **usual)[0]
    return found.renders, found.concurrent


def at(*times: int, **same: int) -> list[dict[str, int]]:
    """Requests at some times."""
    return [{"ts_us": time, **same} for time in times]


def test_it_lives_from_when_it_is_stored_and_does_not_slide() -> None:
    """[start, done) is concurrent, [done, done + T) served, then it is rendered again."""
    assert counts(at(0, 9, 10, 109, 110, duration_us=10), 100) == (2, 1)
    assert counts(at(0, 60, 120), 100) == (2, 0)
    assert counts(at(0, 0, 0), 0) == (3, 0)


def test_a_request_that_was_no_render_takes_the_usual_time_and_price() -> None:
    """Price: its own, else that of the last render of its key, else the usual one."""
    hit = {"render": 0, "price": -1, "duration_us": -1}
    requests = [hit, {"ts_us": 100, "price": 2, "duration_us": 5}, {"ts_us": 200, **hit}, {"ts_us": 249, **hit}]
    found = walked(requests, 0, amounts=("0.5", 1, "2.25"), usual=0, duration=50)[0]
    assert (found.renders, found.concurrent) == (3, 1)
    assert (found.credits, found.concurrent_credits) == (Fraction("0.5") + 2 * Fraction("2.25"), Fraction("2.25"))


def test_only_two_renders_show_that_a_picture_changed() -> None:
    """A logged hit that differs from the stored image is served all the same, and counted as stale."""
    changed = [{"digest": 7}, {"ts_us": 1, "digest": 8}, {"ts_us": 2, "digest": 8}]
    assert counts(changed, 100) == (2, 0)
    hits = [{"digest": 7}, {"ts_us": 1, "digest": 8, "render": 0, "weight": 5}, {"ts_us": 2, "digest": 7}]
    found = walked(hits, 100)[0]
    assert (found.renders, found.stale) == (1, 5)
    late = [{"digest": 7, "render": 0}, {"ts_us": 1, "digest": 8}, {"ts_us": 2, "digest": 0}]
    assert (walked(late, 100)[0].renders, walked(late, 100)[0].stale) == (1, 1)


def test_the_further_hits_of_a_concurrent_one_find_the_picture_under_way() -> None:
    """The first of five waits; four see the current image, which is another."""
    found = walked([{"digest": 7, "duration_us": 10}, {"ts_us": 1, "digest": 8, "render": 0, "weight": 5}], 0)[0]
    assert (found.renders, found.concurrent, found.stale) == (1, 1, 4)


def test_a_longer_life_may_cost_more() -> None:
    """docs/simulation.md: the slow render at 5 covers 12, the quick one at 6 does not."""
    requests = [{"ts_us": 0}, {"ts_us": 5, "duration_us": 10}, {"ts_us": 6}, {"ts_us": 12}]
    assert [found.renders for found in walked(requests, 5, 6)] == [2, 3]


def test_where_all_renders_take_equally_long_a_longer_life_never_costs_more() -> None:
    """The walk is then the cover with the fewest intervals."""
    requests = at(*(time * time % 997 for time in range(200)), duration_us=3)
    requests.sort(key=lambda request: request["ts_us"])
    renders = [found.renders for found in walked(requests, *range(60))]
    assert renders == sorted(renders, reverse=True)
    assert renders[0] > renders[-1]


def test_sums_beyond_64_bits_are_exact() -> None:
    """Credits of 10^12 less a bit, sizes of 10^12, counts of 2^63 - 1, a thousand times."""
    dear = Fraction(10**12) - Fraction(1, 10**18)
    huge = 2**63 - 1
    requests = [
        item
        for time in range(1000)
        for item in (
            {"ts_us": 10 * time, "bytes": 10**12, "digest": 1},
            {"ts_us": 10 * time + 1, "render": 0, "weight": huge, "digest": 2, "price": -1},
        )
    ]
    found = walked(requests, 5, amounts=(dear,))[0]
    assert found == Sum(renders=1000, credits=1000 * dear, bytes=10**15, stale=1000 * huge)


def test_an_unordered_stream_is_refused() -> None:
    """An error, never a wrong count."""
    for requests in (at(5, 4), [{"key_high": 2}, {"key_high": 1}], [{"key_low": 2}, {"key_low": 1}]):
        with pytest.raises(ValueError, match="not ordered"):
            counts(requests, 1)


def test_keys_are_told_apart_by_all_their_bits() -> None:
    """Equal upper halves do not merge two keys, nor does the price of one become the other's."""
    requests = [{"key_low": 1, "price": 1}, {"key_low": 2, "price": -1, "render": 0}]
    assert walked(requests, 100, amounts=(1, 2))[0].credits == 3


def test_many_groups_take_several_passes_with_the_same_sums() -> None:
    """The memory for sums bounds how many TTLs one pass serves, and nothing else."""
    requests, lives = at(0, 1, 3, 7, 20, 21), (0, 1, 2, 5, 9)
    passes = []

    def counted() -> object:
        passes.append(1)
        return stream(requests)

    sums = by_key(counted, lives, ONE, prices(), 6, 300)  # type: ignore[arg-type]
    assert [read(row) for row in sums[0].tolist()] == walked(requests, *lives)
    assert len(passes) == 3
