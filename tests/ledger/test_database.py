"""A ledger's file is its user's alone, and a password is shown nowhere, however it is written."""

import os
import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from auditor.ledger.database import Ledger, LedgerError
from auditor.model.errors import ConfigError
from tests.conftest import command, event, lines
from tests.ledger.conftest import feed
from tests.services import PostgresServer

SECRET = "s3cretW0rd"
ADDRESSES = [
    f"postgresql://127.0.0.1:1/x?password={SECRET}&user=u",
    f"postgresql://127.0.0.1:1/x?user=u&PassWord={SECRET}",
    f"postgresql://127.0.0.1:1/x?sslpassword={SECRET}&sslkey=/nowhere&sslmode=require",
    f"postgresql://u:{SECRET}@127.0.0.1:1/x",
    f"postgresql://u:p%40{SECRET}%2F@127.0.0.1:1/x",
    f"postgresql://u:p@ss:{SECRET}/@127.0.0.1:1/x",
    f"postgresql://u:p@{SECRET}@127.0.0.1:1/x",
    f"postgresql://u:p@{SECRET}/x@127.0.0.1:1/x",
    f"postgresql://u:{SECRET}/x",
    f"postgresql://u:p:{SECRET}@127.0.0.1:1/x",
    f"postgresql://u:p/{SECRET}@127.0.0.1:1/x",
    f"postgresql://u:p?{SECRET}@127.0.0.1:1/x",
    f"postgresql://u:p#{SECRET}@127.0.0.1:1/x",
    f"postgresql://u:{SECRET}@127.0.0.1:notaport/x",
    f"postgresql://u:{SECRET}@127.0.0.1:1/x?nosuchoption=1",
    f"postgres://u:{SECRET}@127.0.0.1:1/x",
    f"mysql://u:{SECRET}@127.0.0.1:1/x",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_address_shows_its_password(address: str) -> None:
    """One sentence, without it and without a traceback; neither part of it."""
    with pytest.raises(ConfigError) as caught:
        Ledger(address)
    assert SECRET not in str(caught.value) and caught.value.__cause__ is None
    if address in ADDRESSES[::5]:
        done = command("audit", "--ledger", address)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 2 and SECRET not in said and "Traceback" not in said


def test_nor_does_the_database_once_it_is_open(postgres: PostgresServer) -> None:
    """Its own words are told, without what was connected with and without the values of a statement."""
    address = postgres.database().replace("s3cret", SECRET)
    with Ledger(address) as ledger:
        for statement in ("SELECT 1/0", f"SELECT '{SECRET}'::int", "SELECT * FROM nothing"):
            with pytest.raises(LedgerError) as caught, ledger.read() as connection:
                connection.execute(text(statement))
            assert SECRET not in str(caught.value) and "the database fails (" in str(caught.value)
        with pytest.raises(LedgerError) as caught, ledger.read() as connection:
            connection.execute(text("SELECT CAST(:value AS int)"), {"value": "a value"})
        assert "parameters" not in str(caught.value)


@pytest.mark.parametrize("mask", [0o022, 0o000, 0o077])
def test_a_ledger_is_its_user_s_alone(mask: int, tmp_path: Path) -> None:
    """With what SQLite writes beside it; who opened it to a group keeps that."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines([event("a")]))
    before = os.umask(mask)
    try:
        with Ledger(tmp_path / "deep" / "l.db") as ledger:
            feed(ledger, log)
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep").iterdir()}
        assert modes == dict.fromkeys(("l.db", "l.db-wal", "l.db-shm"), 0o600)
        (tmp_path / "deep" / "l.db").chmod(0o640)
        with Ledger(f"sqlite:///{tmp_path}/deep/l.db") as ledger:
            feed(ledger, log)
        assert stat.S_IMODE((tmp_path / "deep" / "l.db").stat().st_mode) == 0o640
    finally:
        os.umask(before)
