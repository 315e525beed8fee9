"""Tables of the ledger. An event is its line; the columns beside it are what deciding and pruning need."""

from decimal import Decimal
from typing import Any

from sqlalchemy import DDL, BigInteger, Column, Dialect, Index, Integer, LargeBinary, MetaData, Table, Text, event
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


class Whole(TypeDecorator[int]):
    """A whole number of any size as text: sums of what a line may say do not stay inside 64 bits."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        """To the database."""
        del dialect
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        """From it."""
        del dialect
        return None if value is None else int(value)


class Name(TypeDecorator[str]):
    """Any text of an event. PostgreSQL takes no NUL: there it is written as two other characters, and read back."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """To the database."""
        return value if value is None or dialect.name != "postgresql" else without_nul(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """From it."""
        return value if value is None or dialect.name != "postgresql" else with_nul(value)


def without_nul(text: str) -> str:
    """As PostgreSQL takes it."""
    if "\uffff" in text:
        text = text.replace("\uffff", "\uffff1")
    return text.replace("\0", "\uffff0") if "\0" in text else text


def with_nul(text: str) -> str:
    """What `without_nul` was given."""
    return text.replace("\uffff0", "\0").replace("\uffff1", "\uffff") if "\uffff" in text else text


def _name(name: str) -> "Column[str]":
    return Column(name, Name, primary_key=True)


facts = Table("ledger", metadata, _name("name"), Column("value", Text, nullable=False))
"""Version of the schema, prune horizon, heartbeat, default time zone."""

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

set_aside = Table(
    "set_aside", metadata,
    Column("host", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
)  # fmt: skip
"""Files that cannot be read to their end, since when, and when that was last so (`auditor.ledger.setaside`)."""

inputs = Table("inputs", metadata, _name("name"), Column("count", BigInteger, nullable=False))
"""lines = events + superseded + duplicates + rejected (+ set_aside: not booked, + late: before the prune horizon)."""

_SUMS = ("requests", "retries", "calls", "bytes", "duplicates")


def _sums() -> list["Column[Any]"]:
    counts = [Column(name, Whole, nullable=False) for name in (*_SUMS, "uncertain")]
    return [*counts, Column("credits", Exact, nullable=False)]


_WHERE = ("provider", "account", "environment", "outcome", "format")

rollups = Table(
    "rollups", metadata, Column("bucket_us", BigInteger, primary_key=True), *map(_name, _WHERE), *_sums()
)  # fmt: skip
"""Exact sums by quarter of an hour; they outlive pruned events."""

days = Table(
    "days", metadata, _name("provider"), _name("account"), Column("day_us", BigInteger, primary_key=True),
    _name("outcome"), Column("requests", Text, nullable=False), Column("credits", Text, nullable=False),
)  # fmt: skip
"""The rollups once more, a row for an account's day in UTC (`auditor.ledger.days`)."""

totals = Table("totals", metadata, *map(_name, _WHERE), Column("created_us", BigInteger, nullable=False), *_sums())
"""All time, for counters: a scrape reads these, and neither history nor further accounts make it longer (see `names`).

They do not fall, see `corrections`. `created_us` is when the ledger first added to them.
"""

corrections = Table("corrections", metadata, _name("provider"), _name("account"), _name("sum"),
                    Column("amount", Exact, nullable=False))  # fmt: skip
"""By how much totals are above the exact sums, since a counter must not fall."""

periods = Table(
    "periods", metadata, _name("provider"), _name("account"), _name("environment"),
    Column("start_us", BigInteger, primary_key=True), Column("end_us", BigInteger, nullable=False), *_sums(),
)  # fmt: skip
"""Exact sums by billing cycle. Two cycles of one account cannot overlap: the database refuses that."""
_OVERLAP = """EXISTS (
    SELECT 1 FROM periods AS other
    WHERE other.provider = NEW.provider AND other.account = NEW.account
      AND other.start_us < NEW.end_us AND other.end_us > NEW.start_us
      AND NOT (other.start_us = NEW.start_us AND other.end_us = NEW.end_us)
)"""
_REFUSE = "BEGIN SELECT RAISE(ABORT, 'billing periods overlap'); END"
_TRIGGERS = (
    ("sqlite", f"CREATE TRIGGER periods_new BEFORE INSERT ON periods WHEN {_OVERLAP} {_REFUSE}"),
    ("sqlite", f"CREATE TRIGGER periods_changed BEFORE UPDATE ON periods WHEN {_OVERLAP} {_REFUSE}"),
    (
        "postgresql",
        "CREATE OR REPLACE FUNCTION periods_apart() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {_OVERLAP} THEN RAISE exclusion_violation USING MESSAGE = 'billing periods overlap'; END IF; "
        "RETURN NEW; END $$",
    ),
    (
        "postgresql",
        "CREATE TRIGGER periods_apart BEFORE INSERT OR UPDATE ON periods FOR EACH ROW EXECUTE FUNCTION periods_apart()",
    ),
)
for _dialect, _trigger in _TRIGGERS:
    event.listen(periods, "after_create", DDL(_trigger).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]

accounts = Table(
    "accounts", metadata, _name("provider"), _name("account"), Column("anchor_day", Integer, nullable=False),
    Column("timezone", Text, nullable=False), Column("plans", Text),
)  # fmt: skip
"""How the cycles in `periods` are cut, and the plans as JSON, null if they were never said (`auditor.ledger.state`)."""

conflicts = Table(
    "conflicts", metadata, _name("source"), _name("provider"), _name("account"),
    Column("difference", Text, nullable=False), Column("seen_us", BigInteger, nullable=False),
)  # fmt: skip
"""Where a process's own auditor.toml contradicts `accounts`, as JSON (`auditor.ledger.configure`), and when that was
last so."""

sources = Table(
    "sources", metadata, _name("name"),
    Column("seen_us", BigInteger, nullable=False), Column("told_us", BigInteger, nullable=False),
)  # fmt: skip
"""When each source could last be looked at, and when a process last said that it follows it."""

names = Table("names", metadata, _name("kind"), _name("provider"), _name("name"))
"""Providers, accounts and environments that have rows of their own in `totals`, `periods` and `paid`."""

folded = Table("folded", metadata, _name("kind"), Column("digest", BigInteger, primary_key=True, autoincrement=False))
"""Those that are in the rows of `other`."""

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
