"""The tables that selectables speak of. An engine holds `records`; the others are made from it in this order.

`events` is narrow on purpose: one row an event, names replaced by the codes of `units`, so that audits scan integers.
"""

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Numeric, SmallInteger, String, Table
from sqlalchemy.sql import ColumnElement
from sqlalchemy.types import UserDefinedType


class Wide(UserDefinedType[int]):
    """128-bit integers, for products that 64 bits do not hold."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The name of the type."""
        return "HUGEINT"


metadata = MetaData()
LINE_BITS = 40
"""Of a row of `records`: those of its line; the others number its file."""
CREDITS = Numeric(38, 18)

records = Table(
    "records",
    metadata,
    Column("row", BigInteger),
    Column("id", String),
    Column("ts_us", BigInteger),
    Column("outcome", String),
    Column("provider", String),
    Column("account", String),
    Column("environment", String),
    Column("template", String),
    Column("key", String),
    Column("template_version", String),
    Column("count", BigInteger),
    Column("source", String),
    Column("placement", String),
    Column("format", String),
    Column("width", BigInteger),
    Column("height", BigInteger),
    Column("bytes", BigInteger),
    Column("digest", String),
    Column("duration_us", BigInteger),
    Column("status", BigInteger),
    Column("credits", CREDITS),
    Column("inputs", String),
    Column("error", String),
    Column("retried", Boolean),
    Column("assumed_timezone", Boolean),
    Column("unknown", String),
    Column("assumed", String),
)
"""Every line that was an event or attempt, before duplicates of an id are dropped."""

taken = Table("taken", metadata, *(column._copy() for column in records.columns))
"""`records` and lines of odd times."""

candidates = Table(
    "candidates",
    metadata,
    Column("row", BigInteger),
    Column("id", String),
    Column("outcome", String),
    Column("credits", CREDITS),
    Column("ts_us", BigInteger),
    Column("content", BigInteger),
)
"""Records whose id may stand twice; `content` is a hash of all their values."""

losers = Table("losers", metadata, Column("row", BigInteger))
"""Rows of `records` that another record with the same id replaces."""

preferred = Table("preferred", metadata, Column("row", BigInteger))
"""Of records with one id that only their canonical bytes tell apart, the row that counts."""

units = Table(
    "units",
    metadata,
    Column("unit", Integer),
    Column("provider", String),
    Column("account", String),
    Column("environment", String),
    Column("template", String),
    Column("payer", Integer),
)
"""(provider, account, environment, template) with a dense code; `payer` is the code of (provider, account)."""

cycles = Table(
    "cycles",
    metadata,
    Column("payer", Integer),
    Column("cycle", Integer),
    Column("start_us", BigInteger),
    Column("end_us", BigInteger),
)
"""Billing cycles of each payer, `cycle` counting from 0."""

events = Table(
    "events",
    metadata,
    Column("row", BigInteger),
    Column("id", String),
    Column("ts_us", BigInteger),
    Column("unit", Integer),
    Column("cycle", Integer),
    Column("outcome", String),
    Column("weight", BigInteger),
    Column("credits", CREDITS),
    Column("error", String),
    Column("retried", Boolean),
    Column("key_high", BigInteger),
    Column("key_low", BigInteger),
    Column("digest", BigInteger),
    Column("duration_us", BigInteger),
    Column("placement", String),
    Column("format", String),
    Column("width", BigInteger),
    Column("height", BigInteger),
    Column("bytes", BigInteger),
    Column("has_inputs", Boolean),
    Column("unknown", String),
)
"""One row an event. `key_high` and `key_low` are 124 bits of (provider, account, environment, key), which only
renders and errors have, like `id`; `digest` is 62 bits of the picture's digest, 0 for none; `weight` counts requests.
"""

walked = Table("walked", metadata, Column("row", BigInteger), Column("verdict", SmallInteger))
"""What the walk of `auditor.replay` found of each render."""


offsets = Table(
    "offsets",
    metadata,
    Column("payer", Integer),
    Column("start_us", BigInteger),
    Column("end_us", BigInteger),
    Column("shift_us", BigInteger),
)
"""Spans of each payer's time zone; a time + `shift_us` is local, counted from the day before 0001-01-01."""

limits = Table(
    "limits",
    metadata,
    Column("unit", Integer),
    Column("placement", String),
    Column("max_width", BigInteger),
    Column("max_height", BigInteger),
)
"""How large a picture of a unit is shown at a placement, in thousandths of a device pixel; null does not limit."""


prices = Table("prices", metadata, Column("price", Integer), Column("credits", CREDITS))
"""The credits that renders cost, with a dense code."""
trials = Table(
    "trials",
    metadata,
    Column("digest", String),
    Column("picture", Integer),
    Column("format", String),
    Column("saved", BigInteger),
)
"""What measured pictures, told by the digest of their bytes, would save in another format; `picture` counts them."""


def file_of(rows: Table) -> ColumnElement[int]:
    """The number of the file of each row of `records` or `taken`."""
    return rows.c.row.op(">>")(LINE_BITS)
