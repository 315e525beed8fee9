"""Lines of logs in the cells of tables: the cells tell which column they stand in, and its name does not matter."""

from pathlib import Path

import pytest

from auditor.config import settings_of
from auditor.model.errors import InputError
from tests.formats.samples import taken
from tests.formats.test_foreign import SHOP, report

EIGHT = 1_788_249_600_000_000
"""2026-09-01T08:00:00Z."""
AGENT = "Mozilla/5.0 (X11; Linux, like Gecko)"
STAMP = "2026-09-01T08:00:0{n}Z"
LINES = {
    "combined": '203.0.113.7 - - [01/Sep/2026:08:00:0{n} +0000] "GET /img/og/1.png HTTP/1.1" 200 9 "-" "{agent}"',
    "haproxy": (
        "203.0.113.7:4{n} [01/Sep/2026:08:00:0{n}.000] www~ app/app1 0/0/1/28/29 200 2345 - - ---- 1/1/0/0/0 0/0 {{{agent}}} "
        '"GET /img/og/1.png HTTP/1.1"'
    ),
    "w3c": "2026-09-01 08:00:0{n} GET /img/og/1.png a=1,b;c 200 9",
    "nginx-json": '{{"time":"2026-09-01T08:00:0{n}Z","request_uri":"/img/og/1.png","status":200,"ua":"{agent}"}}',
}
W3C = "#Fields: date time cs-method cs-uri-stem cs(User-Agent) sc-status sc-bytes"
NAMES = [
    "log_line", "jsonPayload_message", "jsonPayload.message", "textPayload", "line", "raw", "_raw", "event.original", "@message",
    "Zeile", "log entry", "the whole text of what the server wrote", "f0_", "col (1)",
]  # fmt: skip


def texts(kind: str) -> list[str]:
    """Two requests for one image."""
    lines = [LINES[kind].format(n=n, agent=AGENT) for n in (1, 5)]
    return [W3C, *lines] if kind == "w3c" else lines


def rows(kind: str, by: str, place: int, columns: int, *, quoted: bool) -> list[str]:
    """A table of the lines."""
    found = []
    for n, text in enumerate(texts(kind)):
        cells = [STAMP.format(n=n), "web-1", "eu"][: columns - 1]
        cells.insert(place, '"{}"'.format(text.replace('"', '""')) if quoted else text)
        found.append(by.join(cells))
    return found


def check(path: Path, text: str, kind: str) -> None:
    path.write_text(text, encoding="utf-8")
    found = taken(path, settings_of(SHOP, "test"))
    assert found.format == kind
    assert ("whose other columns are not read" in found.detected) is (path.suffix == ".csv")
    assert [each["ts_us"] - EIGHT for each in found.records] == [1_000_000, 5_000_000]
    assert (found.tally.reasons, found.repeats) == ({}, 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["combined", "nginx-json"])
def test_the_name_does_not_matter(tmp_path: Path, name: str, kind: str) -> None:
    check(tmp_path / "a.csv", "\n".join([f"timestamp,{name}", *rows(kind, ",", 1, 2, quoted=True)]), kind)


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("by", [",", ";", "\t"])
@pytest.mark.parametrize("head", [True, False])
def test_in_quotes(tmp_path: Path, kind: str, by: str, head: bool) -> None:
    """Behind a byte order mark and Excel's hint, and with a line break at the end of each cell."""
    table = rows(kind, by, 1, 3, quoted=True)
    names = [f"sep={by}", by.join(["time", "what", "host"])] if head else []
    check(tmp_path / "a.csv", "\ufeff" + "\r\n".join([*names, *table]), kind)
    ends = [row.replace(f'"{by}web', f'\n"{by}web') for row in table]
    check(tmp_path / "b.csv", "\n".join([*names, *ends]), kind)


@pytest.mark.parametrize("kind", ["combined", "haproxy", "w3c"])
@pytest.mark.parametrize("by", [",", ";", "|"])
@pytest.mark.parametrize(("place", "columns"), [(1, 2), (1, 3), (0, 2), (2, 4)])
def test_without_quotes(tmp_path: Path, kind: str, by: str, place: int, columns: int) -> None:
    """A cell may hold what stands between the cells; columns before and behind it are as many as ever."""
    names = ["time", "host", "zone"][: columns - 1]
    names.insert(place, "entry")
    check(tmp_path / "a.csv", "\n".join([by.join(names), *rows(kind, by, place, columns, quoted=False)]), kind)


def test_cells_that_cannot_be_told_apart_are_asked_about(tmp_path: Path) -> None:
    """JSON that is not in quotes begins cells of its own."""
    (tmp_path / "a.csv").write_text("\n".join(["time,entry", *rows("nginx-json", ",", 1, 2, quoted=False)]))
    with pytest.raises(InputError, match="cannot tell the format"):
        report(tmp_path / "a.csv", config=SHOP)


def test_one_column(tmp_path: Path) -> None:
    check(tmp_path / "a.csv", "\n".join(["entry", *rows("combined", ",", 0, 1, quoted=True)]), "combined")


def test_a_row_of_too_few_values_is_rejected(tmp_path: Path) -> None:
    table = [*rows("nginx-json", ",", 1, 2, quoted=True), '"2026-09-01T08:00:07Z"']
    (tmp_path / "a.csv").write_text("\n".join(["time,entry", *table]))
    inputs = report(tmp_path / "a.csv", config=SHOP)["inputs"]
    assert (inputs["events"], inputs["rejected"], inputs["lines"]) == (2, 1, 3)


@pytest.mark.parametrize("kind", ["combined", "haproxy"])
def test_a_plain_log_is_no_table(tmp_path: Path, kind: str) -> None:
    """Commas in its lines stand between no cells."""
    forwarded = [f"198.51.100.1, {text}" if kind == "combined" else text for text in texts(kind)]
    check(tmp_path / "a.log", "\n".join(forwarded), kind)
