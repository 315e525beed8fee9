"""Foreign ids that repeat: where they do not name one request each (semantics section 11.5).

A file whose rows share their ids with rows of other times, in it or in another file of the same format, provider and
account, counted its rows. Of a table of finished renders such ids are dropped; elsewhere several records of one request
may be meant, and the user is asked.
"""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, Table, and_, func, or_, select

from auditor.engines import Engine, file_of
from auditor.model.errors import InputError

MOST = 100
"""One row in so many may share its id with a row of another time."""


def repeating(
    engine: Engine,
    taken: Table,
    usual: ColumnElement[bool],
    scopes: Mapping[int, Sequence[str]],
    staged: Collection[int],
    labels: Sequence[str],
) -> list[int]:
    """The files, by their numbers, whose ids are none.

    *usual* chooses the rows of *taken* that may be events. *scopes*: file -> what its records' own ids end with.
    *staged* are files that may have several records of one request. *labels* are the names of all files. Raises
    `InputError` where the user has to say.
    """
    if not any(scopes.values()):
        return []
    file = file_of(taken)
    ends = next(len(suffix) for suffixes in scopes.values() for suffix in suffixes)
    end = func.right(taken.c.id, ends)
    owned = or_(*(and_(file == each, end.in_(found)) for each, found in scopes.items() if found))
    own = select(file.label("file"), func.hash(taken.c.id).label("own"), taken.c.ts_us).where(usual, owned).cte("own")
    shared = (
        select(own.c.own, func.bool_or(own.c.file.in_(sorted(staged))).label("staged"))
        .group_by(own.c.own)
        .having(func.min(own.c.ts_us) != func.max(own.c.ts_us))
        .subquery()
    )
    found = engine.run(
        select(own.c.file, func.count().label("rows"), func.bool_or(shared.c.staged).label("staged"))
        .join_from(own, shared, own.c.own == shared.c.own)
        .group_by(own.c.file)
        .order_by(own.c.file)
    ).to_pylist()
    if not found:
        return []
    files = [row["file"] for row in found]
    counted = select(file.label("file"), func.count().label("rows")).where(usual, file.in_(files)).group_by(file)
    totals = {row["file"]: row["rows"] for row in engine.run(counted).to_pylist()}
    none = [row for row in found if row["rows"] * MOST > totals[row["file"]]]
    for row in none:
        if row["staged"]:
            raise InputError(
                f"{labels[row['file']]}: {row['rows']:,} of {totals[row['file']]:,} rows share an id with a row of "
                "another time; count each id once with --ids keep, or each row with --ids rows"
            )
    return [row["file"] for row in none]
