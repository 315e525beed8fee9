"""Unrendered: the renders whose requests hold a placeholder, as their log tells, their inputs, or their template.

Inputs of usage events are keyed digests. They are compared with the digests of what is left in a field most often, as
far as the key is known here, and with the values themselves, which some other writer may have put there.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlalchemy import ColumnElement, Table, and_, func, select

from auditor.analysis.accounts import Unit
from auditor.analysis.rows import loaded, rows_of
from auditor.engines import Engine
from auditor.model.events import Outcome
from auditor.model.fingerprint import Scope, derive_key
from auditor.model.placeholders import PLACEHOLDERS, placeholder, spellings
from auditor.model.settings import Settings

if TYPE_CHECKING:
    from auditor.analysis.facts import Facts
    from auditor.analysis.walk import Replayed


@dataclass(frozen=True, slots=True)
class Left:
    """The renders of one unit and cycle with one placeholder in one field."""

    unit: int
    cycle: int
    found: str
    renders: int
    credits: Fraction
    spare: Fraction
    """Those credits that no cause of waste has."""

    @property
    def kind(self) -> str:
        """The placeholder."""
        return self.found.partition("\t")[0]

    @property
    def field(self) -> str:
        """Where it stood."""
        return self.found.partition("\t")[2]


def renders_left(facts: "Facts", replayed: "Replayed") -> list[Left]:
    """Of every unit, cycle, placeholder and field."""
    events, left, walked = facts.events, facts.unrendered, replayed.walked.table
    groups = (events.c.unit, events.c.cycle, left.c.found)
    sums = func.count().label("renders"), func.sum(events.c.credits).label("credits")
    spare = func.sum(events.c.credits).filter(replayed.spare(events)).label("spare")
    chosen = select(*groups, *sums, spare).join_from(events, left, left.c.row == events.c.row)
    return rows_of(facts.engine, Left, chosen.outerjoin(walked, walked.c.row == events.c.row).group_by(*groups))


def unrendered(engine: Engine, events: Table, records: Table, units: Sequence[Unit], settings: Settings) -> Table:
    """row, found: `placeholder TAB field` of each render that has one, the surest of the first that tells."""
    told = _in_inputs(engine, events, records, settings)
    kinds = ((code, f"{kind}\ttemplate") for code, unit in enumerate(units) if (kind := placeholder(unit.template)))
    named = loaded(engine, "named", kinds, unit=pa.int32(), found=pa.string())
    tells: list[ColumnElement[str | None]] = [records.c.unrendered, named.c.found]
    joined = events.join(records, records.c.row == events.c.row).outerjoin(named, named.c.unit == events.c.unit)
    if told is not None:
        tells.insert(1, told.c.found)
        joined = joined.outerjoin(told, told.c.row == events.c.row)
    found = func.coalesce(*tells)
    chosen = select(events.c.row, found.label("found")).select_from(joined)
    return engine.store("unrendered", chosen.where(events.c.outcome == Outcome.RENDER, found.is_not(None)))


def _secrets(settings: Settings) -> Iterator[bytes]:
    """What the digests of usage events may be keyed with, as far as this process has it."""
    for name in ("AUDITOR_SECRET", *(client.api_key_env for client in settings.clients.values())):
        if secret := os.environ.get(name):
            yield derive_key(secret)


def _in_inputs(engine: Engine, events: Table, records: Table, settings: Settings) -> Table | None:
    """row, found: the surest placeholder among the inputs of each render; None where no render has inputs."""
    with_inputs = and_(records.c.row == events.c.row, events.c.outcome == Outcome.RENDER, events.c.has_inputs)
    names = select(func.unnest(func.map_keys(records.c.inputs)).label("name")).join(events, with_inputs).distinct()
    fields = [row["name"] for row in engine.run(names).to_pylist()]
    if not fields:
        return None
    text, whole = pa.string(), pa.int32()
    columns = {"field": text, "value": text, "place": whole, "found": text}
    known = loaded(engine, "spellings", _spelled(fields, [*_secrets(settings)]), **columns)
    inputs = select(events.c.row, func.unnest(func.map_keys(records.c.inputs)).label("field"))
    values = func.unnest(func.map_values(records.c.inputs)).label("value")
    each = inputs.add_columns(values).join(records, with_inputs).subquery()
    same = and_(known.c.field == each.c.field, known.c.value == each.c.value)
    surest = func.arg_min(known.c.found, known.c.place).label("found")
    return engine.store("told", select(each.c.row, surest).join(known, same).group_by(each.c.row))


def _spelled(fields: Sequence[str], secrets: Sequence[bytes]) -> Iterator[tuple[str, str, int, str]]:
    """(field, value or its digest, place among all by how sure it is, what is found) of what is left in *fields*."""
    every = [(PLACEHOLDERS.index(kind), field, value) for field in fields for value, kind in spellings(field).items()]
    scopes = [Scope("", "", "", secret) for secret in secrets]
    for place, (rank, field, value) in enumerate(sorted(every)):
        found = f"{PLACEHOLDERS[rank]}\t{field}"
        for known in (value, *(scope.input_digests({"_": value})["_"] for scope in scopes)):
            yield field, known, place, found
