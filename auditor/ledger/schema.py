"""Tables of the ledger. An event is its line; the columns beside it are what deciding and pruning need."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlalchemy import DDL, BigInteger, Column, Dialect, Index, Integer, LargeBinary, MetaData, Table, Text, event
from sqlalchemy.types import TypeDecorator, TypeEngine

from auditor.ledger.record import Place, Sums

metadata = MetaData()
BUCKET_US = 15 * 60 * 1_000_000
"""A quarter of an hour in UTC: cycles of every time zone begin at one (hours could not rebuild one in Kolkata)."""


def without_nul(text: str) -> str:
    """As PostgreSQL takes it."""
    if "\uffff" in text:
        text = text.replace("\uffff", "\uffff1")
    return text.replace("\0", "\uffff0") if "\0" in text else text


def with_nul(text: str) -> str:
    """What `without_nul` was given."""
    return text.replace("\uffff0", "\0").replace("\uffff1", "\uffff") if "\uffff" in text else text


class Written(TypeDecorator[Any]):
    """A value that stands in the database as a text: *out* writes it, and *back* reads it.

    It is only so in the database of a name, where one is given; the others take it as it is.
    """

    impl = Text
    cache_ok = True

    def __init__(self, out: Callable[[Any], str], back: Callable[[str], Any], only: str = "") -> None:
        super().__init__()
        self.out, self.back, self.only = out, back, only

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """To the database."""
        return value if value is None or self.only not in ("", dialect.name) else self.out(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """From it."""
        return value if value is None or self.only not in ("", dialect.name) else self.back(value)


EXACT = Written("{:f}".format, Decimal)
"""A decimal as text: no database rounds it."""
WHOLE = Written(str, int)
"""A whole number of any size as text: sums of what a line may say do not stay inside 64 bits."""
NAME = Written(without_nul, with_nul, "postgresql")
"""Any text of an event. PostgreSQL takes no NUL: there it is written as two other characters, and read back."""


def _table(name: str, *keys: "str | Column[Any]", **columns: TypeEngine[Any] | type[TypeEngine[Any]]) -> Table:
    """A table with no null in these: its keys are names where no column is given, and *columns* have their types."""
    first = [Column(key, NAME, primary_key=True) if isinstance(key, str) else key for key in keys]
    return Table(name, metadata, *first, *(Column(each, kind, nullable=False) for each, kind in columns.items()))


def _key(name: str, kind: type[TypeEngine[Any]]) -> "Column[Any]":
    return Column(name, kind, primary_key=True)


facts = _table("ledger", "name", value=Text)
"""Version of the schema, prune horizon, heartbeat, default time zone."""

events = _table("events", "id", ts_us=BigInteger, attempts=Integer, finals=Integer, line=LargeBinary)
"""One row an id: the record that counts, and how many there were."""
Index("events_by_time", events.c.ts_us)

_begins = Column("first_line", Text, nullable=False, index=True)
files = _table("files", _key("number", Integer), _begins, path=Text, position=BigInteger, before=Text, lines=BigInteger)
"""Checkpoints: a file is known by the digest of its first line and of what stands before the position."""

objects = _table("objects", "name", stamp=Text)
"""Objects of stores that were read to their end, and what tells whether they were written again since."""

rejections = _table(
    "rejections", _key("number", Integer), path=Text, line=BigInteger, reason=Text, detail=Text, excerpt=Text
)

set_aside = _table(
    "set_aside", _key("host", Text), _key("path", Text), reason=Text, since_us=BigInteger, seen_us=BigInteger
)
"""Files that cannot be read to their end, since when, and when that was last so (`auditor.ledger.sources`)."""

inputs = _table("inputs", "name", count=BigInteger)
"""lines = events + superseded + duplicates + rejected (+ set_aside: not booked, + late: before the prune horizon)."""

_SUMS = {name: EXACT if name == "credits" else WHOLE for name in Sums._fields}
rollups = _table("rollups", _key("bucket_us", BigInteger), *Place._fields, **_SUMS)
"""Exact sums by quarter of an hour; they outlive pruned events."""

days = _table("days", "provider", "account", _key("day_us", BigInteger), "outcome", requests=Text, credits=Text)
"""The rollups once more, a row for an account's day in UTC (`auditor.ledger.scrape`)."""

totals = _table("totals", *Place._fields, created_us=BigInteger, **_SUMS)
"""All time, for counters: a scrape reads these, and neither history nor further accounts make it longer (see `names`).

They do not fall, see `corrections`. `created_us` is when the ledger first added to them.
"""

corrections = _table("corrections", "provider", "account", "sum", amount=EXACT)
"""By how much totals are above the exact sums, since a counter must not fall."""

periods = _table("periods", *Place._fields[:3], _key("start_us", BigInteger), end_us=BigInteger, **_SUMS)
"""Exact sums by billing cycle. Two cycles of one account cannot overlap: the database refuses that."""
_OVERLAP = """EXISTS (
    SELECT 1 FROM periods AS other
    WHERE other.provider = NEW.provider AND other.account = NEW.account
      AND other.start_us < NEW.end_us AND other.end_us > NEW.start_us
      AND NOT (other.start_us = NEW.start_us AND other.end_us = NEW.end_us)
)"""
_REFUSE = f"WHEN {_OVERLAP} BEGIN SELECT RAISE(ABORT, 'billing periods overlap'); END"
_FUNCTION = f"""CREATE OR REPLACE FUNCTION periods_apart() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF {_OVERLAP} THEN RAISE exclusion_violation USING MESSAGE = 'billing periods overlap'; END IF; RETURN NEW; END $$"""
_EACH = "INSERT OR UPDATE ON periods FOR EACH ROW EXECUTE FUNCTION periods_apart()"
for _dialect, _trigger in (
    ("sqlite", f"CREATE TRIGGER periods_new BEFORE INSERT ON periods {_REFUSE}"),
    ("sqlite", f"CREATE TRIGGER periods_changed BEFORE UPDATE ON periods {_REFUSE}"),
    ("postgresql", _FUNCTION),
    ("postgresql", f"CREATE TRIGGER periods_apart BEFORE {_EACH}"),
):
    event.listen(periods, "after_create", DDL(_trigger).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]

accounts = _table("accounts", "provider", "account", anchor_day=Integer, timezone=Text)
"""How the cycles in `periods` are cut, and the plans as JSON, null if they were never said (`auditor.ledger.state`)."""
accounts.append_column(Column("plans", Text))

conflicts = _table("conflicts", "source", "provider", "account", difference=Text, seen_us=BigInteger)
"""Where a process's own auditor.toml contradicts `accounts`, as JSON (`auditor.ledger.upkeep`), and when that was
last so."""

sources = _table("sources", "name", seen_us=BigInteger, told_us=BigInteger)
"""When each source could last be looked at, and when a process last said that it follows it."""

names = _table("names", "kind", "provider", "name")
"""Providers, accounts and environments that have rows of their own in `totals`, `periods` and `paid`."""

folded = _table("folded", "kind", Column("digest", BigInteger, primary_key=True, autoincrement=False))
"""Those that are in the rows of `other`."""

paid = _table("paid", *Place._fields[:3], ts_us=BigInteger)
"""When the last credit was spent."""

pictures = _table("pictures", *Place._fields[:3], "key", done_us=BigInteger)
"""The image that each key has had since when, to tell a paid duplicate as it comes."""
pictures.append_column(Column("digest", Text))
