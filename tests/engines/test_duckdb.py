"""DuckDB's silent lies, each ruled out."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Numeric, func, literal, select

from auditor.engines.duckdb import IN_MEMORY, STREAM_ROWS, DuckDB


@pytest.fixture(params=[IN_MEMORY, IN_MEMORY + 1])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DuckDB]:
    """An empty engine, in memory and in a file."""
    made = DuckDB(tmp_path, request.param)
    assert any(tmp_path.iterdir()) == (request.param > IN_MEMORY)
    yield made
    made.close()


def test_whole_numbers_divide_to_whole_numbers(engine: DuckDB) -> None:
    """7 // 2 is 3, not 3.5."""
    assert engine.run(select((literal(7) // literal(2)).label("x"))).to_pylist() == [{"x": 3}]


def test_credits_are_summed_exactly(engine: DuckDB) -> None:
    """Ten times 0.1 is 1, with 18 decimals kept."""
    value = literal(Decimal("0.1"), Numeric(38, 18))
    rows = engine.load("rows", pa.table({"row": pa.array(range(10))}))
    found = engine.run(select(func.sum(value).label("x")).select_from(rows)).to_pylist()
    assert Decimal(found[0]["x"]) == 1


def test_an_ordered_stream_is_in_order(engine: DuckDB) -> None:
    """Over several batches, and though the rows went in backwards."""
    rows = 2 * STREAM_ROWS + 5
    table = engine.load("rows", pa.table({"row": pa.array(range(rows, 0, -1))}))
    last = 0
    for batch in engine.sorted_stream(select(table.c.row).order_by(table.c.row)):
        for value in (batch.column("row")[0].as_py(), batch.column("row")[-1].as_py()):
            assert value > last or last == 0
            last = value
    assert last == rows


def test_values_are_parameters(engine: DuckDB) -> None:
    """Quotes and lists of values are data, never SQL."""
    text = "x'; DROP TABLE limits_1; --"
    limits = engine.load(
        "limits",
        pa.table(
            {
                "unit": pa.array([1, 2], pa.int32()),
                "placement": [text, "b"],
                "max_width": pa.array([1, 2]),
                "max_height": pa.array([1, 2]),
            }
        ),
    )
    found = engine.run(select(limits.c.unit).where(limits.c.placement.in_([text, "c"]))).to_pylist()
    assert found == [{"unit": 1}]


def test_every_table_has_a_name_of_its_own(engine: DuckDB) -> None:
    """A second one of the same kind replaces nothing."""
    one, two = (engine.load("rows", pa.table({"row": pa.array([value])})) for value in (1, 2))
    kept = engine.store("rows", select(one.c.row.label("row")))
    shown = engine.view("rows", select(two))
    assert [engine.run(select(table.c.row)).to_pylist()[0]["row"] for table in (one, two, kept, shown)] == [1, 2, 1, 2]
