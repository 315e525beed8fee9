"""The numbers of tables: a column decides over the whole file, and where it does not, nothing is read before it is asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.config import settings_of
from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.exchange import Exchange
from auditor.intake.read import detected_in
from auditor.intake.sources import discover
from auditor.model.errors import InputError
from auditor.reading.lines import LineReader
from tests.conftest import command, documented


def audited(
    folder: Path, files: Mapping[str, str | None], config: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """JSON of some files of one folder, without findings; None is a file that is there."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return documented([folder / name for name in files], folder, config, **{"findings": False, **options})


def export(*credits: str, by: str = ";", column: str = "credits", more: str = "") -> str:
    """A row a minute."""
    rows = [f'a{n}{by}og{by}2026-09-01 08:{n:02}:00{by}completed{by}"{text}"' for n, text in enumerate(credits)]
    return "\n".join([by.join(("id", "template", "created_at", "status", column)), *rows, more])


SPELLED = [
    (("1,5", "0,5"), 2), (("1,250", "0,5"), 1.75), (("1,250", "3.5"), 1253.5), (("1.250", "2,5"), 1252.5),
    (("1,250", "1,234,567"), 1235817), (("1.250", "1.234.567"), 1235817), (("1 250", "1,5"), 1251.5),
    (("1\u00a0250,5",), 1250.5), (("1\u202f250", "7"), 1257), (("1'250.5",), 1250.5), (("€ 1,50", "2,50 €"), 4),
    (("$1,250.00", "$3"), 1253), (("1.234,50 EUR",), 1234.5), (("12,34,567", "1,250"), 1235817), (("0.125", "1.250"), 1.375),
    (("3", "40"), 43),
]  # fmt: skip


@pytest.mark.parametrize("column", ["size", "File size", "width", "height", "bytes", "duration_ms"])
@pytest.mark.parametrize("values", [("1.200", "1.600"), ("1,200", "1,600"), ("1.200", "800")])
def test_whole_numbers_in_groups_are_asked_about_too(tmp_path: Path, column: str, values: tuple[str, ...]) -> None:
    """A table whose sizes are 1,200 with a point or a comma is an export, whatever the mark."""
    with pytest.raises(InputError, match=rf"line 2: column `{column}` holds `1.200`, which is .* --decimal"):
        audited(tmp_path, {"export.csv": export(*values, column=column)})
    mark = "," if "." in values[0] else "."
    found = audited(tmp_path, {"export.csv": None}, {"decimal": mark})
    assert found["totals"]["renders"] == 2


@pytest.mark.parametrize(("credits", "total"), SPELLED)
def test_the_column_decides(tmp_path: Path, credits: tuple[str, ...], total: float) -> None:
    found = audited(tmp_path, {"export.csv": export(*credits)})
    assert (found["totals"]["renders"], found["totals"]["credits"]) == (len(credits), total)


@pytest.mark.parametrize(
    "column",
    ["credits_spent", "credit_cost", "Credit usage", "used_credits", "consumed_credits", "cost_in_credits", "Credits billed",
     "creditsUsed", "credits deducted"],
)  # fmt: skip
def test_credits_by_other_names(tmp_path: Path, column: str) -> None:
    found = audited(tmp_path, {"export.csv": export("1,5", "2", column=column)})
    assert found["totals"]["credits"] == 3.5
    assert Assumption.NUMBERS_UNREAD not in found["inputs"]["files"][0]["assumed"]


@pytest.mark.parametrize(
    "column", ["credits_left", "Remaining credits", "credit_balance", "price", "Cost (USD)", "amount_usd", "unit_price"]
)
def test_other_columns_of_money_are_named_as_unread(tmp_path: Path, column: str) -> None:
    found = audited(tmp_path, {"export.csv": export("1.5", "2.5", column=column)})
    assert found["totals"]["credits"] == 2
    assert found["inputs"]["files"][0]["assumed"][Assumption.NUMBERS_UNREAD] == 2


def test_the_last_row_may_decide(tmp_path: Path) -> None:
    """However long the file is."""
    found = audited(tmp_path, {"export.csv": export(*["1,250"] * 59, "0,5")})
    assert found["totals"]["credits"] == 59 * 1.25 + 0.5


@pytest.mark.parametrize(
    ("credits", "comma", "point"),
    [
        (("1,250",), 1.25, 1250),
        (("1,250", "2,000", "12"), 15.25, 3262),
        (("1.250", "3"), 1253, 4.25),
        (("1,250", "1.250"), 1251.25, 1251.25),
        (("€ 1,250",), 1.25, 1250),
    ],
)
def test_a_column_that_does_not_tell_is_asked_about(
    tmp_path: Path, credits: tuple[str, ...], comma: float, point: float
) -> None:
    """With the file, the line, the column, what it may be, and the option; which then answers."""
    files = {"export.csv": export(*credits)}
    with pytest.raises(
        InputError, match=r"export\.csv line 2: column `credits` holds .* or .*--decimal , or --decimal \."
    ):
        audited(tmp_path, files)
    assert audited(tmp_path, files, {"decimal": ","})["totals"]["credits"] == comma
    assert audited(tmp_path, files, {"decimal": "."})["totals"]["credits"] == point


def test_two_marks_in_one_column_are_asked_about(tmp_path: Path) -> None:
    """The option then rejects the other rows by name."""
    files = {"export.csv": export("1,5", "2.5", "1,25")}
    with pytest.raises(InputError, match=r"line 3: column `credits` holds `2\.5` and `1,5`"):
        audited(tmp_path, files)
    found = audited(tmp_path, files, {"decimal": ","})
    assert (found["totals"]["credits"], found["inputs"]["rejected"]) == (2.75, 1)
    assert found["inputs"]["rejections"][0]["reason"] == "bad_value"


def test_a_point_in_a_table_of_programs_is_one(tmp_path: Path) -> None:
    """Commas between the values and no decimal comma anywhere: `1.250` is what a program wrote."""
    assert audited(tmp_path, {"a.csv": export("1.250", by=",")})["totals"]["credits"] == 1.25
    with pytest.raises(InputError, match="--decimal"):
        audited(tmp_path, {"a.csv": export("1.250", by="\t")})
    text = 'id,template,created_at,credits,duration_ms\n1,og,2026-09-01 08:00:00,1.250,"0,5"'
    with pytest.raises(InputError, match="`credits`"):
        audited(tmp_path, {"a.csv": text})


ACCESS = (
    "time;url;status;{name}\n2026-09-01T08:00:10Z;/img/1.png;200;{first}\n2026-09-01T08:00:11Z;/img/2.png;200;{second}"
)
SOURCES = {"sources": {"img": {"path": "/img/.*"}}}


def durations(folder: Path, text: str, config: Mapping[str, Any] | None = None) -> list[int | None]:
    """Microseconds of the requests of an access log in a table."""
    (folder / "a.csv").write_text(text, encoding="utf-8")
    (source,) = discover([str(folder / "a.csv")], folder)
    detected = detected_in(source, settings_of(config or {}, "test"), None)
    kind = detected.kind(ZoneInfo("UTC"))
    with source.open() as raw:
        items = [kind.parse(line.data) for line in kind.records(source.path, LineReader(raw))]
    return [item.duration_us for item in items if isinstance(item, Exchange)]


@pytest.mark.parametrize(
    ("name", "first", "second", "found"),
    [
        ("duration_ms", "4.500,0", "3.000,5", [4_500_000, 3_000_500]),
        ("duration_seconds", "4,500", "3,0", [4_500_000, 3_000_000]),
        ("elapsed_ms", "4'500", "3'000", [4_500_000, 3_000_000]),
        ("response_time_ms", "4 500", "3 000", [4_500_000, 3_000_000]),
        ("latency_ms", "1,234,567", "1,250", [1_234_567_000, 1_250_000]),
        ("duration_ms", "4,5", "-", [4_500, None]),
    ],
)
def test_durations_of_access_logs(tmp_path: Path, name: str, first: str, second: str, found: list[int | None]) -> None:
    assert durations(tmp_path, ACCESS.format(name=name, first=first, second=second)) == found


def test_a_duration_is_not_dropped_in_silence(tmp_path: Path) -> None:
    text = ACCESS.format(name="duration_seconds", first="1,250", second="2,250")
    with pytest.raises(InputError, match="`duration_seconds` holds `1,250`"):
        durations(tmp_path, text)
    assert durations(tmp_path, text, {"decimal": ","}) == [1_250_000, 2_250_000]
    found = audited(tmp_path, {"a.csv": ACCESS.format(name="duration_ms", first="1.2.3", second="4")}, SOURCES)
    assert [bad["reason"] for bad in found["inputs"]["rejections"]] == ["bad_value"]


@pytest.mark.parametrize(
    ("column", "text", "size"),
    [("bytes", "48.120,0", 48120), ("File size", "1 048 576", 1048576), ("size", "1'000", 1000)],
)
def test_sizes(tmp_path: Path, column: str, text: str, size: int) -> None:
    assert audited(tmp_path, {"a.csv": export(text, column=column)})["totals"]["bytes"] == size


def test_parquet_columns_of_text(tmp_path: Path) -> None:
    """The same table, whatever the file."""
    columns = {"id": ["a", "b"], "template": ["og", "og"], "created_at": ["2026-09-01 08:00:00", "2026-09-01 08:01:00"]}
    for credits, config, total in ((["1,250", "0,5"], {}, 1.75), (["1,250", "2"], {"decimal": "."}, 1252)):
        pq.write_table(pa.table({**columns, "credits": credits}), tmp_path / "a.parquet")
        assert audited(tmp_path, {"a.parquet": None}, config)["totals"]["credits"] == total
    with pytest.raises(InputError, match="`credits`"):
        audited(tmp_path, {"a.parquet": None})


def test_usage_events_in_a_spreadsheet(tmp_path: Path) -> None:
    """Our own fields, saved again by a program with decimal commas."""
    head = "v;id;ts;outcome;provider;account;environment;template;key;credits;duration_ms"
    row = "1;e{n};2026-09-01T08:00:0{n}Z;render;imejis;main;production;og;k1:{n};{credits};250,5"
    text = "\n".join([head, row.format(n=1, credits="1,5"), row.format(n=2, credits="2")])
    assert audited(tmp_path, {"a.csv": text})["totals"]["credits"] == 3.5


@pytest.mark.parametrize(
    "column",
    ["count", "renders", "requests", "images", "quantity", "Render Count", "COUNT(*)", "num_requests", "Total renders",
     "API calls", "image_count", "sum(credits)", "qty", "hits", "n", "cnt", "num", "total", "rows", "amount", "volume",
     "usage_count", "total_renders", "Usage", "render_cnt", "num_rows", "n_renders", "Generated", "freq"],
)  # fmt: skip
def test_a_table_of_sums_is_asked_about(tmp_path: Path, column: str) -> None:
    """A row that stands for 120 renders is not one render."""
    text = f'timestamp,template,"{column}"\n2026-09-01T00:00:00Z,og-card,120\n2026-09-02T00:00:00Z,og-card,80'
    with pytest.raises(InputError, match=r"a\.csv line 2: column .* several renders"):
        audited(tmp_path, {"a.csv": text})


def test_sums_of_requests_and_of_parquet_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`requests`"):
        audited(tmp_path, {"a.csv": ACCESS.format(name="requests", first="1", second="1,200")}, SOURCES)
    pq.write_table(
        pa.table({"timestamp": ["2026-09-01T00:00:00Z"], "template": ["og"], "count": [7]}), tmp_path / "a.parquet"
    )
    with pytest.raises(InputError, match="`count`"):
        audited(tmp_path, {"a.parquet": None})


@pytest.mark.parametrize("name", ["n", "total", "amount", "usage", "generated"])
@pytest.mark.parametrize("values", [("1", "1", "1"), ("0.25", "1.5", "0.75"), ("1", "2", "1"), ("a", "b", "c"), ("", "", "9"),
                                    ("1788264000", "1788264001", "1788264002"), ("true", "true", "false")])  # fmt: skip
def test_a_name_that_may_be_a_count_takes_whole_numbers_in_most_rows(
    tmp_path: Path, name: str, values: tuple[str, ...]
) -> None:
    """Where they are, it is asked about, also where the last row decides."""
    head, *rows = (
        f"timestamp,template,{name}",
        *(f"2026-09-0{n}T00:00:00Z,og,{each}" for n, each in enumerate(values, 1)),
    )
    if values == ("", "", "9"):
        with pytest.raises(InputError, match=f"line 4: column `{name}`"):
            audited(tmp_path, {"a.csv": "\n".join([head, *rows])})
    else:
        assert audited(tmp_path, {"a.csv": "\n".join([head, *rows])})["totals"]["renders"] == 3


def test_a_count_of_one_is_one_render(tmp_path: Path) -> None:
    text = "timestamp,template,quantity,count\n2026-09-01T00:00:00Z,og-card,1,1\n2026-09-02T00:00:00Z,og-card,1.0,"
    assert audited(tmp_path, {"a.csv": text})["totals"]["renders"] == 2


@pytest.mark.parametrize(
    "rows",
    [
        ["0", "1", "0", "1"], ["0.0", "1", "", "0"], ["0,0", "1", "1", "0"],
        ["0\t0", "1\t1", "0\t", "1\t"],
    ],
)  # fmt: skip
def test_a_row_that_counts_no_render_is_none(tmp_path: Path, rows: list[str]) -> None:
    """It is filtered and not lost; a day without renders is no reason to refuse a table."""
    by = "\t".join(["timestamp", "template", "renders", *(["hits"] if "\t" in rows[0] else [])])
    text = "\n".join([by, *(f"2026-09-0{n}T00:00:00Z\tog-card\t{row}" for n, row in enumerate(rows, 1))])
    found = audited(tmp_path, {"a.csv": text})
    assert (found["totals"]["renders"], found["inputs"]["filtered"]) == (2, 2)


def test_counts_that_differ_are_asked_about(tmp_path: Path) -> None:
    """A row of no render and one hit is not one render."""
    text = "timestamp,template,renders,hits\n2026-09-01T00:00:00Z,og-card,0,1"
    with pytest.raises(InputError, match="column `renders`"):
        audited(tmp_path, {"a.csv": text})


def test_a_sum_of_no_credits_tells_nothing_of_renders(tmp_path: Path) -> None:
    """It may be one render that cost nothing, or none: the user is asked, with a command that works for sums."""
    text = "timestamp,template,total_credits\n2026-09-01T00:00:00Z,og-card,0"
    with pytest.raises(InputError, match=r"`total_credits`.*auditor estimate --requests N"):
        audited(tmp_path, {"a.csv": text})
    assert command("estimate", "--requests", "200").returncode == 0


@pytest.mark.parametrize("name", ["audit", "plan", "simulate", "estimate"])
def test_the_option_is_there_for_every_reader(tmp_path: Path, name: str) -> None:
    (tmp_path / "export.csv").write_text(export("1,250", "2"))
    asked = command(name, str(tmp_path / "export.csv"))
    assert asked.returncode == 3
    assert b"--decimal ," in asked.stderr
    assert command(name, str(tmp_path / "export.csv"), "--decimal", ",").returncode == 0
    (tmp_path / "auditor.toml").write_text('decimal = "."\n')
    assert command(name, str(tmp_path / "export.csv")).returncode == 0


@pytest.mark.parametrize(
    ("invoice", "code", "words"),
    [
        ("2,0", 0, b""),
        ("€ 2,00", 0, b""),
        ("1,250", 2, b"--decimal"),
        ("1.250", 2, b"1.250 or 1250"),
        ("2,0,0", 2, b"not a number"),
    ],
)
def test_reconcile_reads_the_invoice_alike(tmp_path: Path, invoice: str, code: int, words: bytes) -> None:
    (tmp_path / "export.csv").write_text(export("1,5", "0,5"))
    done = command("reconcile", str(tmp_path / "export.csv"), "--cycle", "2026-09", "--invoice", invoice)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
