"""The logs that a command was given, and how reading them went."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.commands.options import INCOMPLETE, OK, Log, ReadingLimits, say
from auditor.commands.window import window
from auditor.model.errors import ConfigError, InputError
from auditor.model.names import available
from auditor.model.settings import Settings
from auditor.model.words import plural

if TYPE_CHECKING:
    from auditor.analysis.bills import Bill
    from auditor.intake.sources import Source
    from auditor.pipeline import Examined, Options
    from auditor.results.inputs import Inputs
    from auditor.system.progress import Progress


@contextmanager
def logs(log: Log, limits: ReadingLimits) -> "Iterator[tuple[list[Source], Progress]]":
    """What is to be read, and a display of how far it is; what had to be written out for it is there as long.

    `ConfigError` where nothing is named.
    """
    if not log.paths and log.ledger is None:
        raise ConfigError("nothing to read: name files, folders or globs, - for standard input, or --ledger")
    from auditor.intake.sources import Source, discover
    from auditor.system.progress import Progress

    with tempfile.TemporaryDirectory(prefix="auditor-") as scratch, Progress() as progress:
        sources = discover(log.paths or [], Path(scratch), note=say, max_memory=limits.max_memory)
        if log.ledger is not None:
            from auditor.ledger.database import Ledger

            exported = Path(scratch) / "ledger.jsonl"
            with Ledger(log.ledger, reader=True) as opened:
                opened.export(exported)
                sources.append(Source(opened.name, exported, cacheable=False))
        yield sources, progress


def choices(
    settings: Settings, limits: ReadingLimits, since: str | None = None, until: str | None = None, **more: Any
) -> "Options":
    """What the options choose, for the pipeline."""
    from auditor.pipeline import Options

    start, end = window(since, until, settings.timezone)
    return Options(since=start, until=end, cache=not limits.no_cache, note=say, **more)


@contextmanager
def examined(log: Log, limits: ReadingLimits, settings: Settings, options: "Options") -> "Iterator[Examined]":
    """The log of some paths, or of a ledger, replayed and billed; its engine is open inside."""
    from auditor.pipeline import examine

    with logs(log, limits) as (sources, progress), examine(sources, settings, options, progress) as found:
        progress.done()
        yield found


KNOWN = 10
"""Names that a sentence lists."""


def _listed(names: list[str]) -> str:
    """The first `KNOWN` of the names, and how many more there are."""
    more = f" and {len(names) - KNOWN:,} more" if len(names) > KNOWN else ""
    return ", ".join(names[:KNOWN]) + more


def missing(option: str, wanted: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """A sentence for each of the *wanted* names of an option that no event has."""
    there = sorted(set(known))
    for name in sorted(set(wanted) - set(there)):
        yield f"--{option} {name!r}: no event has it; {available(name, there, KNOWN)}"


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
        where = _listed([f"{bill.payer.provider}/{bill.payer.account}" for bill in found]) or "none"
        raise ConfigError(f"name one account with --account; the log has {where}")
    return found[0]


def intake_code(inputs: "Inputs", limits: ReadingLimits) -> int:
    """`INCOMPLETE` where an input could not be read whole or holds no event that counts, else `OK`.

    What went wrong is said on stderr.
    """
    counted = inputs.events or any(file.loaded_images for file in inputs.files)
    code = OK if counted or limits.allow_empty else INCOMPLETE
    nothing = inputs.lines > 0 and inputs.rejected == inputs.lines
    if not counted:
        say(_empty(inputs) + (f": {_rejected(inputs)}" if nothing else ""))
    cut = [file for file in inputs.files if file.truncated]
    if cut:
        code = INCOMPLETE
        if not nothing:
            for file in cut[:KNOWN]:
                say(f"{file.path} is cut off or damaged; before the cut, {plural(file.lines, 'line')} counted")
            if len(cut) > KNOWN:
                say(f"and {plural(len(cut) - KNOWN, 'more file')} cut off or damaged; the JSON report names each")
    if inputs.rejected:
        if not nothing:
            say(_rejected(inputs))
        most = Fraction(str(limits.max_rejected))  # 0.57 % as written, not its float
        if inputs.rejected * 100 > most * inputs.lines:
            code = INCOMPLETE
    return code


def _rejected(inputs: "Inputs") -> str:
    """How many lines were rejected, why, and the first of them."""
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in inputs.reasons.items())
    first = inputs.rejections[0]
    were = "line was" if inputs.lines == 1 else "lines was" if inputs.rejected == 1 else "lines were"
    return (
        f"{inputs.rejected:,} of {inputs.lines:,} {were} rejected ({reasons}); "
        f"the first is {first.path} line {first.line}: {first.detail}"
    )


def _empty(inputs: "Inputs") -> str:
    """Why no event was counted."""
    from auditor.reports.shared.words import filtered_words

    if not inputs.lines:
        return "no event was counted: the input holds no line; is it the right file?"
    if inputs.rejected == inputs.lines:
        cut = _listed([file.path for file in inputs.files if file.truncated])
        return "no event was counted" + (f" before the cut or damage of {cut}" if cut else "")
    if why := filtered_words(inputs.filtered_reasons):
        also = '; redirects = "hit" or "render" in a [sources] table counts redirects' if "redirect" in why else ""
        return f"no event was counted: {why}{also}"
    if any(file.other_requests for file in inputs.files):
        return (
            "no event was counted: none of the requests is a known provider's, or of a [sources] table; propose one "
            "with: auditor map LOG"
        )
    return "no event was counted" + ("; --since and --until leave none" if inputs.filtered else "")
