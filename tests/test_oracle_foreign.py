"""The product against the brute-force reading of section 11: every figure of random logs of other kinds."""

from collections import Counter
from pathlib import Path

import pytest

from auditor.model.errors import InputError
from auditor.model.numbers import number
from auditor.results.simulation import Setting
from tests.bruteforce_foreign import AskedError, Foreign
from tests.foreign_logs import foreign
from tests.simulation.test_simulate_oracle import product as simulated
from tests.slow_replay import MICRO, SlowReplay
from tests.test_oracle import bills_of_product, bills_of_slow, duplicates, failed, product, staging, volatile

SEEDS = range(40, 80)
SIZE = 140
COUNTED = ("duration_unit", "duration_unknown", "ids_repeat")


def by_content(assumed: dict[str, dict[str, int]], files: dict[str, bytes]) -> dict[bytes, Counter[str]]:
    """What was taken of files that are alike, together: whose event is the duplicate, nobody can tell."""
    found = {data: Counter[str]() for data in files.values()}
    for name, counts in assumed.items():
        found[files[name]].update(counts)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_logs_of_other_kinds_are_read_as_the_page_says(seed: int, tmp_path: Path) -> None:
    """Lines by what became of them, assumptions, totals, waste, unknown renders, bills and the rules' figures agree."""
    files, config = foreign(seed, SIZE)
    try:
        slow = Foreign(files, config)
    except AskedError:
        with pytest.raises(InputError, match="--ids keep"):
            product(files, config, tmp_path)
        return
    report = product(files, config, tmp_path)
    inputs = report["inputs"]
    assert {name: inputs[name] for name in slow.inputs} == slow.inputs
    assert {name: lines for name, lines in inputs["filtered_reasons"].items() if name in slow.reasons} == slow.reasons
    assert inputs["reasons"].get("odd_time", 0) == slow.odd
    taken = {
        Path(each["path"]).name: {name: each["assumed"][name] for name in COUNTED if each["assumed"].get(name)}
        for each in inputs["files"]
        if Path(each["path"]).name in slow.names
    }
    assert by_content(taken, files) == by_content(slow.assumed(), files)
    assert report["totals"] == slow.totals()
    assert report["waste"] == slow.waste()
    assert report["unknown"] == slow.unknown()
    assert bills_of_product(report) == bills_of_slow(slow)
    duplicates(report, slow)
    volatile(report, slow)
    failed(report, slow)
    staging(report, slow)


@pytest.mark.usefixtures("random_now")
@pytest.mark.parametrize("seed", SEEDS[::5])
def test_simulations_render_what_is_unknown(seed: int, tmp_path: Path) -> None:
    """Renders and credits at each setting; a render of unknown key is one at every setting."""
    files, config = foreign(seed, SIZE)
    slow = SlowReplay(Foreign(files, config | {"ids": "keep"}))
    caches = [Setting.of(ttl, coalescing=on) for ttl in (0, 3600 * 10**6, None) for on in (True, False)]
    report = simulated(files, config | {"ids": "keep"}, tmp_path, caches, per_template=False)
    for cache, row in zip(caches, report["rows"], strict=True):
        figures = slow.run(None if cache.ttl_us is None else MICRO * cache.ttl_us, coalescing=cache.coalescing)
        assert (row["renders"], row["hits"], row["coalesced"]) == (figures.renders, figures.hits, figures.coalesced)
        assert row["credits"] == number(figures.credits)
        assert row["renders"] >= slow.audit.unknown()["renders"]


@pytest.mark.slow
def test_the_generated_logs_reach_every_rule() -> None:
    """Else the tests above would prove little."""
    met: Counter[str] = Counter()
    for seed in SEEDS:
        try:
            slow = Foreign(*foreign(seed, SIZE))
        except AskedError:
            met["asked"] += 1
            continue
        for said in (slow.reasons, *slow.assumed().values(), slow.unknown()["reasons"]):
            met.update(dict(said))
        met.update(str(account["advice"]) for account in slow.accounts().values())
        met.update({cause: any(e.get(cause) for e in slow.wasted.values()) for cause in ("staging", "repeat")})
        met["volatile"] += any(slow.volatile.values())
    assert {
        "asked", "not_a_picture", "redirect", "partial", "not_sent", "duration_unit", "duration_unknown", "ids_repeat", "no_body",
        "no_inputs", "mostly_filtered", "too_little_data", "staging", "repeat", "volatile",
    } <= {name for name, times in met.items() if times > 0}  # fmt: skip
