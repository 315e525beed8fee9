"""Reading logs for the commands that ask what if: options in, an examined log out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from auditor.commands.logs import logs
from auditor.commands.options import time_of
from auditor.errors import ConfigError
from auditor.settings import Settings

if TYPE_CHECKING:
    from auditor.billing import Bill
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
) -> "Iterator[Examined]":
    """The log of some paths, or of a ledger, replayed and billed; its engine is open inside."""
    from auditor import pipeline

    options = pipeline.Options(
        since=time_of("--since", since, settings.timezone),
        until=time_of("--until", until, settings.timezone),
        cache=not no_cache,
        input_format=input_format,
    )
    with logs(paths, ledger) as (sources, progress), pipeline.examine(sources, settings, options, progress) as log:
        progress.done()
        yield log


def accounts(log: "Examined", names: list[str] | None) -> "list[Bill]":
    """The bills of the accounts of these names, or of all."""
    known = [bill.payer.account for bill in log.bills]
    for name in names or [] if log.inputs.events else []:
        if name not in known:
            raise ConfigError(f"--account {name!r} is not in the log; accounts are {', '.join(known) or 'none'}")
    return [bill for bill in log.bills if not names or bill.payer.account in names]


def only_account(log: "Examined", name: str | None) -> "Bill":
    """The bill of the account of this name, or of the only one."""
    found = accounts(log, [name] if name else None)
    if len(found) != 1:
        where = ", ".join(f"{bill.payer.provider}/{bill.payer.account}" for bill in found) or "none"
        raise ConfigError(f"name one account with --account; the log has {where}")
    return found[0]
