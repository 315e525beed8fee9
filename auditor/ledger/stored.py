"""Object stores into the ledger: each object under an address is read once, and again when it was written again."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from auditor.feed.sources import textual
from auditor.feed.taken import NO_MEMORY, Ingested
from auditor.intake.objects import Objects, StoredObject, StoreError
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.piece import of_the_data
from auditor.ledger.rows import find, put
from auditor.ledger.schema import objects as read_objects
from auditor.model.fingerprint import short

LIST_EVERY = 30.0
"""Seconds between two listings, which cost money."""
PAGE = 500
"""Objects that are looked up at once."""


class Stored:
    """The objects under one address.

    *stopping* says when to leave the rest for another time.
    """

    def __init__(
        self, ingest: Ingest, ledger: Ledger, objects: Objects, stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._ingest, self._ledger, self._objects = ingest, ledger, objects
        self._stopping, self._clock = stopping, clock
        self._listed: float | None = None
        self._unread: list[tuple[str, str]] = []
        self._seen: dict[str, str] = {}
        """Stamps of objects that cannot be read to their end: they are tried again when they change."""
        self.count = 0
        """Objects that the last listing had."""

    def due(self, done: Ingested) -> None:
        """Look, if the last time is long enough ago; what could not be read stays so until then."""
        now = self._clock()
        if self._listed is None or now - self._listed >= LIST_EVERY:
            self._listed = now
            self.look(done)
        else:
            done.unread += self._unread

    def look(self, done: Ingested) -> None:
        """Read all that is new. What the store does not give is in `done.unread`."""
        self._unread, self.count = [], 0
        gone = set(self._seen)
        try:
            for page in _pages(iter(self._objects)):
                self.count += len(page)
                gone -= {_name(each) for each in page}
                if not self._page(page, done):
                    return
            for name in gone:
                del self._seen[name]
                self._ingest.look_again(name)
        except StoreError as error:
            self._unread.append((error.what, error.reason))
        finally:
            done.unread += self._unread

    def _page(self, page: Sequence[StoredObject], done: Ingested) -> bool:
        """Those of some objects that are new; whether to go on."""
        with self._ledger.read() as connection:
            known: dict[str, str] = dict(find(connection, read_objects, [(short(_name(each)),) for each in page]))
        read: list[tuple[str, str]] = []
        try:
            for each in page:
                if self._stopping():
                    return False
                if each.stamp not in (known.get(short(_name(each))), self._seen.get(_name(each))):
                    read += [(short(_name(each)), each.stamp)] if self._read(each, done) else []
        finally:
            if read:
                with self._ledger.write() as connection:
                    put(connection, read_objects, read)
        return True

    def _read(self, stored: StoredObject, done: Ingested) -> bool:
        """Whether an object was read to its end."""
        name = _name(stored)
        try:
            while (tail := self._ingest.read_on(stored, name, done, whole=True)) is None:
                pass
        except (StoreError, MemoryError) as error:
            self._unread.append((str(stored), error.reason if isinstance(error, StoreError) else NO_MEMORY))
            return False
        except Exception as error:
            if not (isinstance(error, OSError) or of_the_data(error)):
                raise
            done.failed.append((str(stored), type(error).__name__))
            self._seen[name] = stored.stamp
            self._ingest.put_aside(name, type(error).__name__)
            return False
        if tail.damage:
            self._seen[name] = stored.stamp
        else:
            self._seen.pop(name, None)
        self._ingest.look_again(name, tail.damage)
        return not tail.damage


def _pages(objects: Iterator[StoredObject]) -> Iterator[list[StoredObject]]:
    while page := list(islice(objects, PAGE)):
        yield page


def _name(stored: StoredObject) -> str:
    """As every database takes it."""
    return textual(str(stored)).replace("\0", "\\0")
