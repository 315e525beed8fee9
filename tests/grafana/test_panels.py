"""What panels show in cases that the history does not have, judged by promtool: colors of the cycle, and words for nothing."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from tests.grafana.test_queries import ALL, dashboards, filled
from tests.services import need

DAY = 86_400
BOARDS = dict(dashboards())
MAIN = 'provider="imejis",account="main"'
AUDITED = 'imgrender_audit_timestamp_seconds{job="imgrender"}'


def asked(board: str, title: str, letter: str) -> str:
    """The query of a panel."""
    (panel,) = [each for each in BOARDS[board]["panels"] if each["title"] == title]
    (target,) = [each for each in panel["targets"] if each["refId"] == letter]
    return filled(target["expr"], ALL, DAY)


def judged(folder: Path, expr: str, series: Mapping[str, float], expected: Sequence[tuple[str, float]]) -> str:
    """What promtool says where *expr* gives other samples, (labels, value), over *series* that stay as they are."""
    test = {
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [{"series": name, "values": f"{value}x5"} for name, value in series.items()],
            "promql_expr_test": [{
                "expr": expr, "eval_time": "5m",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in expected],
            }],
        }],
    }  # fmt: skip
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(test, width=10_000))
    promtool = need("prometheus", "promtool")
    done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize(
    ("lasts", "left", "letter"),
    [(1.9, 1, "A"), (10.5, 22, "C"), (60, 22, "A"), (22, 21, "B"), (21, 21, "B"), (0, 5, "C"), (0.2, 0.1, "A")],
)
def test_credits_last_is_colored_by_the_end_of_the_cycle(
    tmp_path: Path, lasts: float, left: float, letter: str
) -> None:
    """Green with 1.9 days where the cycle ends in one; red with 10 where it ends in 22; orange where it is only just."""
    (panel,) = [each for each in BOARDS["overview"]["panels"] if each["title"] == "Credits last for"]
    colors = {
        each["matcher"]["options"]: each["properties"][0]["value"]["fixedColor"]
        for each in panel["fieldConfig"]["overrides"] if each["matcher"]["id"] == "byFrameRefID"
    }  # fmt: skip
    assert colors == {"A": "green", "B": "orange", "C": "red"}
    series = {
        f'account:imgrender_plan_lasts:seconds{{job="imgrender",{MAIN}}}': lasts * DAY,
        f'account:imgrender_period_left:seconds{{job="imgrender",{MAIN}}}': left * DAY,
    }
    for each in colors:
        expected = [(f"{{{MAIN}}}", lasts * DAY)] if each == letter else []
        assert judged(tmp_path, asked("overview", "Credits last for", each), series, expected) == ""


CREDITS = f'imgrender_finding_credits{{job="imgrender",{MAIN},template="og",rule="x",severity="high"}}'
ERRORS = 'imgrender_client_cache_errors_total{job="shop",tier="redis",op="get"}'


@pytest.mark.parametrize(
    ("board", "title", "series", "expected"),
    [
        ("findings", "Top accounts", {}, []),
        ("findings", "Top accounts", {AUDITED: 1}, [('{account="nothing to save"}', 0)]),
        ("findings", "Top accounts", {AUDITED: 1, CREDITS: 0}, [('{account="nothing to save"}', 0)]),
        ("findings", "Top accounts", {AUDITED: 1, CREDITS: 7}, [(f"{{{MAIN}}}", 7)]),
        ("traffic", "Cache errors", {}, []),
        ("traffic", "Cache errors", {'imgrender_client_build_info{job="shop"}': 1}, [('{tier="none"}', 0)]),
        ("traffic", "Cache errors", {'imgrender_client_build_info{job="shop"}': 1, ERRORS: 3}, [('{op="get",tier="redis"}', 0)]),
    ],
)  # fmt: skip
def test_none_is_told_from_not_known(
    tmp_path: Path, board: str, title: str, series: dict[str, float], expected: list[tuple[str, float]]
) -> None:
    """Where nothing was looked at there is no series, and the panel's own words stand there."""
    assert judged(tmp_path, asked(board, title, "A"), series, expected) == ""


def test_money_of_a_finding_is_that_of_fixing_it_alone(tmp_path: Path) -> None:
    """By account and rule, the same on both dashboards."""
    found = 'job="imgrender",provider="imejis",rule="x",currency="USD"'
    series = {
        f'imgrender_finding_monthly_saving{{account="main",{found}}}': 30,
        f'imgrender_finding_monthly_saving{{account="new",{found}}}': 0,
    }
    expected = [(f'{{{of},currency="USD",rule="x"}}', value)
                for of, value in ((MAIN, 30), ('provider="imejis",account="new"', 0))]  # fmt: skip
    for board, title, letter in (("overview", "Fix first", "B"), ("findings", "Money", "A")):
        assert judged(tmp_path, asked(board, title, letter), series, expected) == ""


def test_money_of_bytes_is_for_a_month(tmp_path: Path) -> None:
    """Over the audited time, of all findings; they have no account."""
    found = 'job="imgrender",provider="imejis",currency="USD"'
    series = {
        f'imgrender_finding_bytes_cost{{rule="oversized-outputs",{found}}}': 6,
        'imgrender_audit_window_start_timestamp_seconds{job="imgrender"}': 1000,
        'imgrender_audit_window_end_timestamp_seconds{job="imgrender"}': 1000 + 3 * 2_629_800,
    }
    expected = [('{provider="imejis",currency="USD",rule="oversized-outputs"}', 2)]
    assert judged(tmp_path, asked("findings", "Money", "B"), series, expected) == ""


def test_limits_are_those_of_plan_and_alerts() -> None:
    """Orange where an alert informs, red where the plan ends; what is not known has no color."""
    for title in ("Plan used", "Projected at the end"):
        (panel,) = [each for each in BOARDS["overview"]["panels"] if each["title"] == title]
        steps = [(step["value"], step["color"]) for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert steps == [(None, "text"), (0, "green"), (0.8, "orange"), (1.0, "red")]


@pytest.mark.parametrize("board", BOARDS)
def test_what_is_not_known_is_neither_good_nor_bad(board: str) -> None:
    """The words for nothing take the first color of a number."""
    numbers = [each for each in BOARDS[board]["panels"] if each["type"] == "stat"]
    first = {each["title"]: each["fieldConfig"]["defaults"]["thresholds"]["steps"][0] for each in numbers}
    assert {title for title, step in first.items() if step["color"] != "text"} == set()
    assert all(len(each["fieldConfig"]["defaults"]["noValue"]) < 20 for each in numbers), "it stands on one line"
