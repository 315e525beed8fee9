"""An image that is rendered once: from a cache, by a key without the fields that never change it."""

from auditor.analysis.accounts import Unit
from auditor.analysis.case import Case
from auditor.fixes import client, nginx
from auditor.model.findings import Snippet
from auditor.model.fingerprint import FOREIGN_PREFIX
from auditor.model.settings import Settings, SourceTable

_LONGEST = 365 * 86_400
"""Seconds that stand for no expiry."""


def render_once(case: Case, unit: int, key: str) -> Snippet | None:
    """The fix for repeats and volatile fields of a unit, one of whose renders has this *key*.

    A server in front of the endpoint whose log it is; else the client, for all templates of the environment.
    """
    units, settings = case.facts.units, case.facts.settings
    of = units[unit]
    seconds = min(max(settings.ttl_us // 10**6, 1), _LONGEST)
    left_out = {
        units[code].template: {name for name, _ in volatile.fields}
        for code, volatile in case.replayed.volatile.items()
        if (units[code].payer, units[code].environment) == (of.payer, of.environment)
    }
    source = _source(settings, of) if key.startswith(FOREIGN_PREFIX) else None
    if source is None:
        return client.cached(of, seconds, left_out)
    return nginx.cached(of, source, seconds, left_out.get(of.template, ()))


def _source(settings: Settings, unit: Unit) -> SourceTable | None:
    """The endpoint of the user's own whose requests a unit's are; None for calls to a provider."""

    def names(table: SourceTable) -> bool:
        told = "(?P<template>" in " ".join([table.path or "", table.host or "", *table.query.values()])
        return told or unit.template == (table.template or table.name)

    fitting = (each for each in settings.sources if each.path is not None and each.provider == unit.provider)
    return next((each for each in fitting if names(each)), None)
