"""Tables of the ledger. An event is its line; the columns beside it are what deciding and pruning need."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlalchemy import DDL, BigInteger, Column, Dialect, Index, Integer, LargeBinary, MetaData, Table, Text, event
from sqlalchemy.types import TypeDecorator, TypeEngine

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


def _names(*names: str) -> list["Column[Any]"]:
    return [Column(name, NAME, primary_key=True) for name in names]


def _columns(**kinds: TypeEngine[Any] | type[TypeEngine[Any]]) -> list["Column[Any]"]:
    return [Column(name, kind, nullable=False) for name, kind in kinds.items()]


def _key(name: str, kind: type[TypeEngine[Any]]) -> "Column[Any]":
    return Column(name, kind, primary_key=True)


facts = Table("ledger", metadata, *_names("name"), *_columns(value=Text))
"""Version of the schema, prune horizon, heartbeat, default time zone."""

_counted = _columns(ts_us=BigInteger, attempts=Integer, finals=Integer, line=LargeBinary)
events = Table("events", metadata, *_names("id"), *_counted, Index("events_by_time", "ts_us"))
"""One row an id: the record that counts, and how many there were."""

_begins = Column("first_line", Text, nullable=False, index=True)
_rest = _columns(path=Text, position=BigInteger, before=Text, lines=BigInteger)
files = Table("files", metadata, _key("number", Integer), _begins, *_rest)
"""Checkpoints: a file is known by the digest of its first line and of what stands before the position."""

_said = _columns(path=Text, line=BigInteger, reason=Text, detail=Text, excerpt=Text)
rejections = Table("rejections", metadata, _key("number", Integer), *_said)

_where = [_key("host", Text), _key("path", Text)]
_since = _columns(reason=Text, since_us=BigInteger, seen_us=BigInteger)
set_aside = Table("set_aside", metadata, *_where, *_since)
"""Files that cannot be read to their end, since when, and when that was last so (`auditor.ledger.sources`)."""

inputs = Table("inputs", metadata, *_names("name"), *_columns(count=BigInteger))
"""lines = events + superseded + duplicates + rejected (+ set_aside: not booked, + late: before the prune horizon)."""

_WHERE = ("provider", "account", "environment", "outcome", "format")
_COUNTS = ("requests", "retries", "calls", "bytes", "duplicates", "uncertain")


def _sums() -> list["Column[Any]"]:
    return _columns(**dict.fromkeys(_COUNTS, WHOLE), credits=EXACT)


rollups = Table("rollups", metadata, _key("bucket_us", BigInteger), *_names(*_WHERE), *_sums())
"""Exact sums by quarter of an hour; they outlive pruned events."""

_day = [*_names("provider", "account"), _key("day_us", BigInteger), *_names("outcome")]
days = Table("days", metadata, *_day, *_columns(requests=Text, credits=Text))
"""The rollups once more, a row for an account's day in UTC (`auditor.ledger.scrape`)."""

totals = Table("totals", metadata, *_names(*_WHERE), *_columns(created_us=BigInteger), *_sums())
"""All time, for counters: a scrape reads these, and neither history nor further accounts make it longer (see `names`).

They do not fall, see `corrections`. `created_us` is when the ledger first added to them.
"""

corrections = Table("corrections", metadata, *_names("provider", "account", "sum"), *_columns(amount=EXACT))
"""By how much totals are above the exact sums, since a counter must not fall."""

_cycle = [*_names("provider", "account", "environment"), _key("start_us", BigInteger), *_columns(end_us=BigInteger)]
periods = Table("periods", metadata, *_cycle, *_sums())
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

_cut = [*_names("provider", "account"), *_columns(anchor_day=Integer, timezone=Text)]
accounts = Table("accounts", metadata, *_cut, Column("plans", Text))
"""How the cycles in `periods` are cut, and the plans as JSON, null if they were never said (`auditor.ledger.state`)."""

_differs = [*_names("source", "provider", "account"), *_columns(difference=Text, seen_us=BigInteger)]
conflicts = Table("conflicts", metadata, *_differs)
"""Where a process's own auditor.toml contradicts `accounts`, as JSON (`auditor.ledger.upkeep`), and when that was
last so."""

sources = Table("sources", metadata, *_names("name"), *_columns(seen_us=BigInteger, told_us=BigInteger))
"""When each source could last be looked at, and when a process last said that it follows it."""

names = Table("names", metadata, *_names("kind", "provider", "name"))
"""Providers, accounts and environments that have rows of their own in `totals`, `periods` and `paid`."""

_digest = Column("digest", BigInteger, primary_key=True, autoincrement=False)
folded = Table("folded", metadata, *_names("kind"), _digest)
"""Those that are in the rows of `other`."""

paid = Table("paid", metadata, *_names("provider", "account", "environment"), *_columns(ts_us=BigInteger))
"""When the last credit was spent."""

_picture = [*_names("provider", "account", "environment", "key"), *_columns(done_us=BigInteger)]
pictures = Table("pictures", metadata, *_picture, Column("digest", Text))
"""The picture that each key has had since when, to tell a paid duplicate as it comes."""
