"""What taking events into a ledger costs, and that a scrape does not grow with history.

    python benchmarks/ledger.py --events 100000 --history 10000000 [--postgres postgresql://…]

Ingest runs against the cheapest way to get the same file into a database (DuckDB's `CREATE TABLE AS`, which neither
knows an id twice nor keeps a sum) and the naive one (a loop of ORM objects that asks for each id). The collection is
what an uncached scrape does, on a ledger of 10,000 events and one of --history: a million of those are ingested, and
their rows copied within the database, each time 100 days earlier. With --postgres, a new database, the wall time of one
writer is compared with SQLite's. Machines are noisy: read the ratios.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot
from sqlalchemy import create_engine, delete, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from auditor.config import settings_of
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.schema import days, events, metadata
from auditor.ledger.scrape import Names, fill_days
from auditor.ledger.state import state_of
from auditor.ledger.upkeep import recut

HERE = Path(__file__).parent
FOLDER = HERE.parent / ".bench" / "ledger"
FEW, MOST = 10_000, 1_000_000
"""Events that are ingested for a history."""
DUCKDB, POSTGRES = 0.18, 0.7
"""The bars: DuckDB's CPU by ours, and SQLite's wall time by PostgreSQL's."""
ACCOUNTS = ("shop", "mail", "blog", "lab")
"""Of the generated events: a scrape grows with names, and the smaller ledger may lack the rarest one."""
SETTINGS = settings_of(
    {"accounts": {name: {"provider": "imejis", "plan": "Pro"} for name in ACCOUNTS}}, "the benchmark"
)


class Base(DeclarativeBase):
    """Tables of the naive way."""


class Event(Base):
    """An event as one writes it down first."""

    __tablename__ = "events"
    id: Mapped[str] = mapped_column(primary_key=True)
    ts: Mapped[datetime]
    outcome: Mapped[str]
    account: Mapped[str]
    line: Mapped[str]


def log_of(count: int) -> Path:
    """A generated log, kept for the next time."""
    path = FOLDER / f"usage-{count}.jsonl"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        generate = [sys.executable, str(HERE / "generate.py"), "--events", str(count), "--out", str(path)]
        subprocess.run(generate, check=True)
    return path


def ingest(log: Path, target: Path | str) -> int:
    """The product."""
    with Ledger(target) as ledger:
        Ingest(ledger, SETTINGS).run([log])
        with ledger.read() as connection:
            return int(connection.execute(select(func.count()).select_from(events)).scalar_one())


def duckdb_table(log: Path, target: Path) -> int:
    """The file as it is, in a table."""
    import duckdb

    with duckdb.connect(str(target)) as connection:
        connection.execute("CREATE TABLE events AS SELECT * FROM read_json(?, format='newline_delimited')", [str(log)])
        return int(connection.execute("SELECT count(DISTINCT id) FROM events").fetchall()[0][0])


def orm_loop(log: Path, target: Path) -> int:
    """What one writes first: an object a line, asked for by its id, committed now and then."""
    engine = create_engine(f"sqlite:///{target}")
    Base.metadata.create_all(engine)
    with Session(engine) as session, log.open() as file:
        for number, line in enumerate(file):
            found = json.loads(line)
            known = session.get(Event, found["id"])
            if known is None:
                ts = datetime.fromisoformat(found["ts"])
                session.add(Event(id=found["id"], ts=ts, outcome=found["outcome"], account=found["account"], line=line))
            elif known.outcome == "attempt":
                known.outcome, known.line = found["outcome"], line
            if number % 1000 == 999:
                session.commit()
        session.commit()
        return int(session.execute(select(func.count()).select_from(Event)).scalar_one())


def measured(work: Callable[[Path, Path], int], log: Path) -> tuple[float, int]:
    """(CPU seconds, events that are there then)."""
    target = FOLDER / f"{work.__name__}.db"
    remove(target)
    started = time.process_time()
    found = work(log, target)
    cpu = time.process_time() - started
    remove(target)
    return cpu, found


def walls(log: Path, url: str) -> tuple[float, float]:
    """Seconds of one writer into SQLite and into PostgreSQL."""
    found = []
    target = FOLDER / "wall.db"
    for where in (target, url):
        remove(target)
        started = time.perf_counter()
        ingest(log, where)
        found.append(time.perf_counter() - started)
        remove(target)
    return found[0], found[1]


def remove(database: Path) -> None:
    """With what stands beside it."""
    for old in FOLDER.glob(f"{database.name}*"):
        old.unlink()


def history_of(count: int) -> Ledger:
    """A ledger of so many events, kept for the next time."""
    path = FOLDER / f"history-{count}.db"
    ready = path.with_suffix(".ready")
    if not ready.exists():
        remove(path)
        ingest(log_of(min(count, MOST)), path)
        with Ledger(path) as ledger:
            for copy in range(1, count // MOST):
                earlier(ledger, copy)
            with ledger.write() as connection:
                connection.execute(delete(days))
                fill_days(connection)
                recut(connection, state_of(connection), Names(connection))
        ready.touch()
    return Ledger(path)


def earlier(ledger: Ledger, copy: int) -> None:
    """The newest quarter once more, so many times 100 days before, with ids of their own."""
    moved: dict[str, str | int] = {"copy": f"-{copy}", "by": copy * 100 * 86_400_000_000}
    with ledger.write() as connection:
        for table, values in (
            ("events", {"id": "id || :copy", "ts_us": "ts_us - :by"}),
            ("rollups", {"bucket_us": "bucket_us - :by"}),
        ):
            names = [column.name for column in metadata.tables[table].columns]
            chosen = ", ".join(values.get(name, name) for name in names)
            newest = f"(SELECT * FROM {table} ORDER BY rowid LIMIT (SELECT count(*) / {copy} FROM {table}))"
            query = f"INSERT INTO {table} ({', '.join(names)}) SELECT {chosen} FROM {newest}"
            connection.execute(text(query), {name: moved[name] for name in moved if f":{name}" in query})


def collections(few: Ledger, many: Ledger, rounds: int) -> tuple[float, float]:
    """Median CPU seconds of an uncached collection with its exposition; in turns, so that noise hits both."""
    found: dict[str, list[float]] = {"few": [], "many": []}
    for _ in range(rounds):
        for name, ledger in (("few", few), ("many", many)):
            snapshot = Snapshot([LedgerCollector(ledger, SETTINGS)])
            started = time.process_time()
            body, _ = snapshot.exposition()
            found[name].append(time.process_time() - started)
            assert snapshot.healthy and b"imgrender_credits_used_total" in body
    return statistics.median(found["few"]), statistics.median(found["many"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--history", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--postgres", help="the URL of a new database")
    options = parser.parse_args()
    log = log_of(options.events)
    runs = {work.__name__: measured(work, log) for work in (duckdb_table, ingest, orm_loop)}
    base = runs["ingest"][0]
    print(f"| {options.events:,} events into a new database | CPU s | events a CPU second | CPU ÷ ingest |")
    print("| --- | --- | --- | --- |")
    for name, (cpu, found) in runs.items():
        print(f"| {name.replace('_', ' ')} | {cpu:.2f} | {found / cpu:,.0f} | {cpu / base:.2f} |")
    assert len({found for _, found in runs.values()}) == 1, "they disagree about how many events there are"
    ratio = runs["duckdb_table"][0] / base
    print(f"\n{'met' if ratio >= DUCKDB else 'NOT MET'}  at least {DUCKDB:g} of DuckDB's speed: {ratio:.2f}")
    if options.postgres:
        sqlite, postgres = walls(log, options.postgres)
        ratio = sqlite / postgres
        print(f"\n| {options.events:,} events, one writer | wall s |\n| --- | --- |")
        print(f"| SQLite | {sqlite:.2f} |\n| PostgreSQL | {postgres:.2f} |")
        print(f"\n{'met' if ratio >= POSTGRES else 'NOT MET'}  at least {POSTGRES:g} of SQLite's speed: {ratio:.2f}")
    with history_of(FEW) as few, history_of(options.history) as many:
        small, large = collections(few, many, options.rounds)
    print(f"\n| uncached collection | CPU ms |\n| --- | --- |\n| {FEW:,} events | {small * 1000:.2f} |")
    print(f"| {options.history:,} events | {large * 1000:.2f} |")
    reached = "met" if large <= 1.2 * small else "NOT MET"
    print(f"\n{reached}  equal within 20 %: {large / small:.2f}")


if __name__ == "__main__":
    main()
