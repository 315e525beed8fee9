"""Hashes that stand for long names, so that they are sorted and compared as integers."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Table, case, cast, func, literal


def hashed(*columns: ColumnElement[Any]) -> ColumnElement[int]:
    """62 bits of the columns' hash, as a BIGINT that a later + 1 cannot overflow."""
    return cast(func.hash(*columns).op(">>")(2), BigInteger)


def key_halves(records: Table) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """124 bits of a record's (provider, account, environment, key)."""
    key = (records.c.provider, records.c.account, records.c.environment, records.c.key)
    return hashed(*key), hashed(literal("low"), *key)


def digest_code(records: Table) -> ColumnElement[int]:
    """62 bits of a record's digest, 0 where it has none."""
    return case((records.c.digest.is_(None), 0), else_=hashed(records.c.digest) + 1)
