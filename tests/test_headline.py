"""The headline of random shops against the slow reading of section 12, and what has to hold of every action."""

from pathlib import Path

import pytest

from tests.bruteforce import Audit
from tests.bruteforce_headline import Month, headlines
from tests.random_logs import shop
from tests.test_oracle import headline, product

SHOPS = 200
PARTS = 20


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_the_headline_of_every_shop_is_that_of_the_slow_reading(part: int, tmp_path: Path) -> None:
    """All of it, and the money of each finding of waste."""
    for seed in range(part, SHOPS, PARTS):
        files, config = shop(seed)
        headline(product(files, config, tmp_path / f"{seed}"), Audit(files, config))


@pytest.mark.slow
def test_every_action_is_worth_its_fixes() -> None:
    """Without any of its fixes the plan costs more or does not hold; each changes a plan or has a fix."""
    seen = dict.fromkeys(("plan", "fixes", "many"), 0)
    for seed in range(SHOPS):
        files, config = shop(seed)
        slow = Audit(files, config)
        accounts = slow.accounts()
        for told in headlines(slow)[0]:
            for action in told["actions"]:
                fixes = [(rule, subject) for rule, subject, _ in action.get("fixes", ())]
                assert fixes or action["from"] != action["to"]
                seen[action["kind"]] += 1
                seen["many"] += len(fixes) > 1
                who = action["provider"], action["account"]
                month = Month(slow, who, accounts[who])
                for fix in fixes:
                    rest = [each for each in fixes if each != fix]
                    bills = month.mean(action["to"], rest), month.mean(action["to"], fixes)
                    assert not month.holds(action["to"], rest) or bills[0] is None or bills[0] > (bills[1] or 0)
    assert min(seen.values()) > 20, seen
