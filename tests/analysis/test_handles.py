"""Stages hand on what they made: a later one of the same kind changes nothing that a reader of the first sees."""

from pathlib import Path

from auditor.analysis.case import Case
from auditor.analysis.days import daily
from auditor.analysis.walk import replay
from auditor.model.findings import Finding
from auditor.registry import RULES
from tests.conftest import event
from tests.examined import examined

LOG = [
    *(event(f"d{day}", f"2026-09-{day:02d}T08:00:00Z", key="daily") for day in range(1, 8)),
    event("again", "2026-09-07T09:00:00Z", key="daily"),
]
"""Daily renders of one key, which a day serves once and a week seven times."""


def test_a_second_replay_changes_no_finding_of_the_first(tmp_path: Path) -> None:
    """Its own TTL is a week: more are duplicates, but only to those who ask it."""

    def findings(case: Case) -> list[Finding]:
        return [finding for rule in RULES.values() for finding in rule.findings(case)]

    with examined(LOG, tmp_path) as log:
        case = Case(log.facts, log.replayed, log.bills, (), log.facts.credits)
        before, days = findings(case), daily(log.facts, log.replayed)
        second = replay(log.facts, 7 * 86_400 * 10**6)
        assert (log.replayed.walked.ttl_us, second.walked.ttl_us) == (86_400 * 10**6, 7 * 86_400 * 10**6)
        assert findings(case) == before
        assert daily(log.facts, log.replayed) == days
        assert daily(log.facts, second) != days
