"""Every query of every dashboard on a Prometheus, and the list of those that may be empty, with a reason each."""

import time
from collections.abc import Mapping

from tests.grafana.processes import STEP
from tests.grafana.prometheus import Prometheus
from tests.grafana.test_queries import ALL, queries

NO_ADDRESS = "Imejis has no usage address, and the sandbox stands for Imejis"
EMPTY: Mapping[tuple[str, str, str], str] = {
    ("overview", "Credits, by the ledger and by the provider", "A"): NO_ADDRESS,
    ("overview", "Credits, by the ledger and by the provider", "B"): NO_ADDRESS,
    ("overview", "Credits, by the ledger and by the provider", "C"): NO_ADDRESS,
    ("overview", "Difference", "A"): NO_ADDRESS,
    ("overview", "Provider: left", "A"): NO_ADDRESS,
    ("overview", "Provider: age", "A"): NO_ADDRESS,
    ("overview", "Accounts that differ", "A"): "no auditor.toml contradicts the ledger",
    **{("overview", "What is missing", letter): "nothing is" for letter in "ABCDEFG"},
    ("findings", "Money", "B"): "no price of bytes is configured",
}
"""(dashboard, panel, query) -> why the demo has nothing to show there."""
CASES = {("overview", "Credits last for")}
"""(dashboard, panel) with a query for each color: one of them gives something."""


def ask_all(server: Prometheus) -> tuple[int, list[str]]:
    """How many queries there are, and what is wrong with them now.

    That is an error, a value that is none, no series, or series where the list expects none.
    """
    now, left, wrong, every = time.time(), dict(EMPTY), list[str](), list(queries(ALL))
    cases = set(CASES)
    for asked, instant, span in every:
        where = (asked.dashboard, asked.panel, asked.letter)
        reason = left.pop(where, None)
        try:
            asked.found = server.at(asked.expr, now) if instant else server.over(asked.expr, now - span, now, STEP)
        except AssertionError as error:  # (as that client tells of an answer that is none)
            wrong.append(f"{asked.dashboard}, {asked.panel} {asked.letter}: {error}")
            continue
        wrong += asked.faults(empty=reason is not None or where[:2] in CASES)
        cases -= {where[:2]} if asked.found else set()
        if reason is not None and asked.found:
            wrong.append(f"{', '.join(where)}: has series, take it off the list of empty ones ({reason})")
    wrong += (f"{', '.join(where)}: none of its queries gives anything" for where in cases)
    wrong += (f"{', '.join(where)}: is in no dashboard, take it off the list of empty ones" for where in left)
    return len(every), wrong
