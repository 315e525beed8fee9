"""What the demo says of itself while it runs."""

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from scripts.live.summary import Summary
from tests.live.story import PLAN, Story

ANSWERS = {
    "credits_used:sum": [("shop", 1003)], "plan_credits:max": [("shop", PLAN)], "hit": [("shop", 0.25)],
    "plan_burn": [("shop", 12.34)],
}  # fmt: skip


class Asked(Story):
    """A house whose Prometheus knows of one account, and of alerts with and without one."""

    def get(self, _: str, query: str) -> dict[str, Any]:
        """As Prometheus' API."""
        if query.startswith("ALERTS"):
            names = [("ImgRenderPlanUsedUp", {"account": "shop"}), ("ImgRenderIngestStale", {})]
            return {"result": [{"metric": {"alertname": name, **more}} for name, more in names]}
        found = next((rows for part, rows in ANSWERS.items() if part in query), [])
        return {"result": [{"metric": {"account": name}, "value": [0, str(value)]} for name, value in found]}


def summary(folder: Path) -> Summary:
    """After three credits."""
    story: Any = Asked(folder)
    story.past.spent["campaigns"] = 0
    story.spend(3)
    return Summary.of(story)


def test_a_line_for_a_log(tmp_path: Path) -> None:
    """What is not known is `-`, never 0."""
    text = summary(tmp_path).line().split(" ", 1)[1]
    assert text == (
        "credits 1,003, history 1,000 + invoice 3; shop 1,003 of 1,100, hits 25%, burn 12.3; "
        "campaigns - of -, hits -, burn -; firing: IngestStale (all), PlanUsedUp (shop)"
    )


def test_the_same_for_a_terminal(tmp_path: Path) -> None:
    """A table, and the counts beside it."""
    out = io.StringIO()
    Console(file=out, width=100).print(summary(tmp_path).shown())
    assert "credits 1,003: history 1,000 + the sandbox's invoice 3" in out.getvalue()
    assert "│ campaigns │                    - │     - │             - │              - │" in out.getvalue()
    assert "firing: IngestStale (all), PlanUsedUp (shop)" in out.getvalue()
