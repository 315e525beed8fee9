"""Reading logs for the commands that ask what if: options in, an examined log out."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from auditor.commands.logs import logs
from auditor.commands.options import say, window
from auditor.model.errors import ConfigError, InputError
from auditor.model.settings import Settings
from auditor.system import memory

if TYPE_CHECKING:
    from auditor.analysis.bills import Bill
    from auditor.pipeline import Examined


@contextmanager
def examined(
    paths: list[str] | None,
    ledger: str | None,
    settings: Settings,
    since: str | None = None,
    until: str | None = None,
    no_cache: bool = False,
    input_format: str | None = None,
    max_memory: int = memory.DEFAULT,
) -> "Iterator[Examined]":
    """The log of some paths, or of a ledger, replayed and billed; its engine is open inside."""
    from auditor import pipeline

    start, end = window(since, until, settings.timezone)
    options = pipeline.Options(
        since=start,
        until=end,
        cache=not no_cache,
        note=say,
        input_format=input_format,
    )
    with (
        logs(paths, ledger, max_memory) as (sources, progress),
        pipeline.examine(sources, settings, options, progress) as log,
    ):
        progress.done()
        yield log


KNOWN = 10
"""Names that a sentence lists."""


def missing(option: str, wanted: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """A sentence for each of the *wanted* names of an option that no event has."""
    there = sorted(set(known))
    more = f" and {len(there) - KNOWN:,} more" if len(there) > KNOWN else ""
    for name in sorted(set(wanted) - set(there)):
        yield f"--{option} {name!r}: no event has it; {option}s are {', '.join(there[:KNOWN])}{more}"


def accounts(log: "Examined", names: list[str] | None) -> "list[Bill]":
    """The bills of the accounts of these names, or of all. `InputError` for a name that no event has."""
    if log.inputs.events:
        for sentence in missing("account", names or [], (bill.payer.account for bill in log.bills)):
            raise InputError(sentence)
    return [bill for bill in log.bills if not names or bill.payer.account in names]


def only_account(log: "Examined", name: str | None) -> "Bill":
    """The bill of the account of this name, or of the only one."""
    found = accounts(log, [name] if name else None)
    if len(found) != 1:
        where = ", ".join(f"{bill.payer.provider}/{bill.payer.account}" for bill in found) or "none"
        raise ConfigError(f"name one account with --account; the log has {where}")
    return found[0]
