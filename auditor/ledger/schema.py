"""Tables of the ledger. An event is its line; the columns beside it are what deciding and pruning need."""

from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Column, Dialect, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator

metadata = MetaData()
BUCKET_US = 15 * 60 * 1_000_000
"""A quarter of an hour in UTC: cycles of every time zone begin at one (hours could not rebuild one in Kolkata)."""


class Exact(TypeDecorator[Decimal]):
    """A decimal as text: no database rounds it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """To the database."""
        del dialect
        return None if value is None else f"{value:f}"

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """From it."""
        del dialect
        return None if value is None else Decimal(value)


class Name(TypeDecorator[str]):
    """Any text of an event. PostgreSQL takes no NUL: there it is written as two other characters, and read back."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """To the database."""
        if value is None or dialect.name != "postgresql":
            return value
        return value.replace("\uffff", "\uffff1").replace("\0", "\uffff0")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """From it."""
        if value is None or dialect.name != "postgresql":
            return value
        return value.replace("\uffff0", "\0").replace("\uffff1", "\uffff")


def _name(name: str) -> "Column[str]":
    return Column(name, Name, primary_key=True)


facts = Table("ledger", metadata, _name("name"), Column("value", Text, nullable=False))
"""Version of the schema, prune horizon."""

events = Table(
    "events", metadata,
    _name("id"),
    Column("ts_us", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("finals", Integer, nullable=False),
    Column("line", LargeBinary, nullable=False),
    Index("events_by_time", "ts_us"),
)  # fmt: skip
"""One row an id: the record that counts, and how many there were."""

files = Table(
    "files", metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("first_line", Text, nullable=False, index=True),
    Column("path", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("before", Text, nullable=False),
    Column("lines", BigInteger, nullable=False),
)  # fmt: skip
"""Checkpoints: a file is known by the digest of its first line and of what stands before the position."""

rejections = Table(
    "rejections", metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("path", Text, nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("excerpt", Text, nullable=False),
)  # fmt: skip

inputs = Table("inputs", metadata, _name("name"), Column("count", BigInteger, nullable=False))
"""lines = events + superseded + duplicates + rejected (+ late: before the prune horizon)."""

_SUMS = ("requests", "retries", "calls", "bytes", "duplicates")


def _sums() -> list["Column[Any]"]:
    counts = [Column(name, BigInteger, nullable=False) for name in (*_SUMS, "uncertain")]
    return [*counts, Column("credits", Exact, nullable=False)]


_WHERE = ("provider", "account", "environment", "outcome", "format")

rollups = Table(
    "rollups", metadata, Column("bucket_us", BigInteger, primary_key=True), *map(_name, _WHERE), *_sums()
)  # fmt: skip
"""Exact sums by quarter of an hour; they outlive pruned events."""

totals = Table("totals", metadata, *map(_name, _WHERE), *_sums())
"""Since ever, for counters: a scrape reads these and never grows with history. They do not fall, see `corrections`."""

corrections = Table("corrections", metadata, _name("provider"), _name("account"), _name("sum"),
                    Column("amount", Exact, nullable=False))  # fmt: skip
"""By how much totals are above the exact sums, since a counter must not fall."""

periods = Table(
    "periods", metadata, _name("provider"), _name("account"), _name("environment"),
    Column("start_us", BigInteger, primary_key=True), Column("end_us", BigInteger, nullable=False), *_sums(),
)  # fmt: skip
"""Exact sums by billing cycle."""

accounts = Table(
    "accounts", metadata, _name("provider"), _name("account"), Column("anchor_day", Integer, nullable=False),
    Column("timezone", Text, nullable=False),
)  # fmt: skip
"""How the cycles in `periods` were cut; another setting cuts them anew from the rollups."""

paid = Table(
    "paid", metadata, _name("provider"), _name("account"), _name("environment"),
    Column("ts_us", BigInteger, nullable=False),
)  # fmt: skip
"""When the last credit was spent."""

pictures = Table(
    "pictures", metadata, _name("provider"), _name("account"), _name("environment"), _name("key"),
    Column("done_us", BigInteger, nullable=False), Column("digest", Text),
)  # fmt: skip
"""The picture that each key has had since when, to tell a paid duplicate as it comes."""
