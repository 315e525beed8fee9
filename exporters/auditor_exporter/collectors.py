"""What is collected: of a ledger, of a report, of providers; once, or as long as a server runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from auditor import config as configuration
from auditor.feed.follow import Follow
from auditor.feed.taken import Ingested
from auditor.intake.objects import Objects, is_address
from auditor.intake.sources import absent, present
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.receive import Receiver
from auditor.ledger.stored import Stored
from auditor.ledger.upkeep import configure
from auditor.model.errors import InputError
from auditor.model.settings import Settings
from auditor_exporter.findings import FindingsCollector
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.reload import Down
from auditor_exporter.snapshot import Collects, Snapshot, build_info, reason
from auditor_exporter.usage import UsageCollector

LEDGER = "auditor.db"
Say = Callable[[str], object]


@contextmanager
def once(where: Path | None, ledger: str | None, findings: Path | None) -> Iterator[Snapshot]:
    """For a cron job, by the auditor.toml at *where*: what fails is a sample in it, and an `InputError` at the end.

    With *findings* and without a *ledger*, the report's alone.
    """
    settings, said = configuration.load(where), list[str]()
    with ExitStack() as stack:
        collectors: list[Collects] = []
        if ledger is not None or findings is None:
            try:
                opened = stack.enter_context(Ledger(ledger or LEDGER, reader=True))
                collectors.append(LedgerCollector(opened, settings, where))
            except Exception as error:  # (the last file or push would go on saying that all is well)
                collectors.append(Down(error))
            for usage in _usage(settings):
                usage.refresh()
                collectors.append(usage)
        snapshot = Snapshot([*collectors, *findings_of(settings, findings)], say=said.append)
        snapshot.more = [build_info()] if collectors else []
        yield snapshot
    if said:
        raise InputError("; ".join(said))


@contextmanager
def running(
    settings: Settings, where: Path | None, ledger: str, findings: Path | None, follow: list[str], every: float,
    say: Say, *, owner: bool = False, replacing: bool = False, receives: bool = False,
) -> Iterator[Snapshot]:  # fmt: skip
    """For a server: *follow* is ingested every so many seconds, and providers are asked, while it runs.

    The settings of an *owner* become the ledger's, *replacing* also where they contradict it. One that *receives* books
    what is sent to it.
    """
    stopping = threading.Event()
    with Ledger(ledger, reader=not (follow or owner or receives)) as opened:
        if owner:
            with opened.write() as connection:
                configure(connection, settings, str(where), replacing=replacing)
        usage = _usage(settings)
        threads = [threading.Thread(target=each.until, args=(stopping,), daemon=True) for each in usage]
        if follow:
            ingest = Ingest(opened, settings, where=where, tell=say)
            stores = [Stored(ingest, opened, Objects(each), stopping.is_set) for each in filter(is_address, follow)]
            also = [store.due for store in stores]
            follower = Follow(ingest, lambda: present(follow), lambda: absent(follow), follow, also)
            threads.append(threading.Thread(target=_follow, args=(follower, stopping, every, say), daemon=True))
        for thread in threads:
            thread.start()
        try:
            shown: list[Collects] = [LedgerCollector(opened, settings, where), *usage]
            snapshot = Snapshot([*shown, *findings_of(settings, findings)], say=say)
            snapshot.receiver = Receiver(opened, settings) if receives else None
            yield snapshot
        finally:
            stopping.set()
            for thread in threads:
                thread.join(30)


def findings_of(settings: Settings, report: Path | None) -> list[FindingsCollector]:
    """The collector of a report, if there is one."""
    return [] if report is None else [FindingsCollector(report, settings)]


def _usage(settings: Settings) -> list[UsageCollector]:
    return [UsageCollector(settings)] if settings.usage else []


def _follow(follower: Follow, stopping: threading.Event, every: float, say: Say) -> None:
    """Says once why ingesting fails, and once that it works again."""
    failing = ""

    def tell(done: Ingested) -> None:
        nonlocal failing
        if failing:
            failing = ""
            say("ingest works again")
        for complaint in done.complaints():
            say(complaint)

    def failed(error: Exception) -> None:
        nonlocal failing
        if (why := reason(error)) != failing:
            failing = why
            say(f"ingest fails ({why}); it is tried again every {every:g} s")

    follower.until(stopping, every, tell, failed)
