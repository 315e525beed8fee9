"""Configure: an auditor.toml that is named as the ledger's becomes its state; other files are compared with it."""

import json
import platform
from collections.abc import Mapping
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, select

from auditor.ledger.names import Names
from auditor.ledger.rows import put
from auditor.ledger.schema import accounts, conflicts, facts
from auditor.ledger.state import ZONE, Payer, State, account_of, plans_text, says, state_of
from auditor.ledger.upkeep import recut, tell_apart
from auditor.model.errors import ConfigError
from auditor.model.settings import Settings

RECENT_US = 86_400 * 10**6
"""A conflict that no process has reported for so long is over: a job that runs once a day may still have it."""


def configure(connection: Connection, settings: Settings, where: str, *, replacing: bool = False) -> bool:
    """Make what a file says the ledger's own; whether that changed anything.

    `ConfigError` where it contradicts what the ledger has, unless *replacing*. Accounts that the file does not name
    stay.
    """
    state = state_of(connection)
    differences = state.differences(settings, added=False)
    wrong = [text for payer, text in differences.items() if payer == ("", "") or payer in state.accounts]
    if wrong and not replacing:
        raise ConfigError(
            f"{where} contradicts the ledger: {'; '.join(wrong)}; correct the file, or change the ledger with --replace"
        )
    new = dict(state.accounts)
    for name, account in settings.accounts.items():
        payer = (account.provider, name)
        known = state.accounts.get(payer)
        new[payer] = account
        if known is not None and not says(account):  # a file without a plan takes none away
            new[payer] = replace(known, anchor_day=account.anchor_day, timezone=account.timezone)
    changed = State(settings.timezone, new)
    put(connection, facts, [(ZONE, settings.timezone.key)])
    rows = [(*payer, each.anchor_day, each.timezone.key, plans_text(each)) for payer, each in new.items()]
    put(connection, accounts, rows)
    names = Names(connection)
    cut_again = _cuts(state) != _cuts(changed)
    if tell_apart(connection, names, new, settings.production) or cut_again:
        recut(connection, changed, names)
    names.save()
    return not state.told or cut_again or new != state.accounts


def _cuts(state: State) -> tuple[str, dict[Payer, tuple[int, str]]]:
    default = (1, state.timezone.key)
    cuts = {payer: (each.anchor_day, each.timezone.key) for payer, each in state.accounts.items()}
    return state.timezone.key, {payer: cut for payer, cut in cuts.items() if cut != default}


def source_of(where: Path | None) -> str:
    """What a process and its auditor.toml are called in `conflicts`."""
    return f"{platform.node()}:{where.resolve() if where else ''}".encode(errors="replace").decode()


def report(
    connection: Connection, source: str, settings: Settings, differences: Mapping[Payer, str], now_us: int
) -> None:
    """Note what a source says otherwise than the ledger, or that it agrees again."""
    own = conflicts.c.source == source
    old = connection.execute(select(conflicts.c.provider, conflicts.c.account).where(own))
    if {(row.provider, row.account) for row in old} - set(differences):
        connection.execute(delete(conflicts).where(own))
    said = {payer: {"difference": text, "says": _said(settings, payer)} for payer, text in differences.items()}
    put(connection, conflicts, [(source, *payer, json.dumps(each), now_us) for payer, each in said.items()])


def reported(connection: Connection, now_us: int) -> dict[tuple[str, Payer], str]:
    """The differences by source and account that are not over: the ledger may have become what a source says."""
    state = state_of(connection)
    rows = connection.execute(select(conflicts).where(conflicts.c.seen_us > now_us - RECENT_US))
    payers = {(row.source, (row.provider, row.account)): row.difference for row in rows}
    differences = {key: _difference(state, key[1], noted) for key, noted in payers.items()}
    return {key: text for key, text in differences.items() if text}


def _said(settings: Settings, payer: Payer) -> list[int | str | None]:
    """What `_difference` compares again."""
    if payer == ("", ""):
        return [settings.timezone.key]
    account = settings.accounts[payer[1]]
    return [account.anchor_day, account.timezone.key, plans_text(account)]


def _difference(state: State, payer: Payer, noted: str) -> str:
    """What a source that was noted so says otherwise than the ledger now; empty if they agree."""
    words = noted
    try:
        words, said = itemgetter("difference", "says")(json.loads(noted))
        if payer == ("", ""):
            return state.zone_difference(ZoneInfo(*said))
        anchor_day, zone, plans = said
        return state.difference(payer, account_of(payer[0], anchor_day, ZoneInfo(zone), plans))
    except (KeyError, TypeError, ValueError):  # the words alone, of an earlier program; a zone that this host lacks
        return words
