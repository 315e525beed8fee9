"""A table of sums is no log: the message says what it is and which command takes a sum."""

from pathlib import Path

import pytest

from auditor.model.errors import InputError
from tests.conftest import command
from tests.formats.test_number_columns import audited

DAYS = [
    ("2026-09-01", "2026-09-02"), ("01.09.2026", "2.9.2026"), ("9/1/2026", "9/2/26"), ("2026-09", "2026-10"), ("20260901", "20260902"),
    ("2026-W36", "2026-W37"), ("Sep 2026", "October 2026"), ("1 Sep 2026", "02 Sep 2026"), ("2026-09-01 00:00:00", "2026-09-02T00:00:00Z"),
    ("2026/09/01", "2026/09/02"), ("2026-Q3", "2026-Q4"), ("Sep 1, 2026", "Sep 2, 2026"),
]  # fmt: skip


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("column", ["renders", "_col1", "Credits used", "images"])
@pytest.mark.parametrize("by", [",", ";", "\t"])
def test_a_row_a_day(tmp_path: Path, days: tuple[str, str], column: str, by: str) -> None:
    rows = [by.join((f'"{day}"', count)) for day, count in zip(days, ("120", "80"), strict=True)]
    with pytest.raises(InputError, match=f"with a row for each `Day` and numbers in `{column}`; .*reconcile LOG"):
        audited(tmp_path, {"a.csv": "\n".join([f"Day{by}{column}", *rows])})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("date,template,renders\n2026-09-01,og,120\n2026-09-02,og,80", "numbers in `renders`"),
        ("template,renders\nog,120\ncard,80", "numbers in `renders`"),
        ("\ufeffmonth;requests;cost\n2026-09;1.200;3,20 €", "numbers in `requests`, `cost`"),
        (
            "date,template,status,credits\n2026-09-01,og,completed,1\n2026-09-02,og,failed,0",
            "`date` holds days without a time of day",
        ),
        ('{"date":"2026-09-01","renders":120}\n{"date":"2026-09-02","renders":80}', "numbers in `renders`"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "usage.jsonl"])
def test_other_sums(tmp_path: Path, text: str, words: str, name: str) -> None:
    with pytest.raises(InputError, match=words):
        audited(tmp_path, {name: text})


@pytest.mark.parametrize(
    "text", ["a,b\nx,y", "name,size\nanna,7\nbo,8", "1,2\n3,4", '{"a":1}', "day\n2026-09-01", "{oops"]
)
def test_what_is_none_is_not_called_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError) as raised:
        audited(tmp_path, {"a.csv": text})
    assert "sums" not in str(raised.value)


def test_the_commands_it_names_take_a_sum(tmp_path: Path) -> None:
    times = [f"2026-09-{day:02}T08:00:00Z" for day in (1, 30)]
    (tmp_path / "log.csv").write_text("\n".join(["timestamp,template,credits", *(f"{at},og,100" for at in times)]))
    assert command("estimate", "--requests", "200").returncode == 0
    done = command("reconcile", str(tmp_path / "log.csv"), "--cycle", "2026-09", "--invoice", "200")
    assert done.returncode == 0, done.stderr
