"""Which names have rows of their own in what a scrape reads.

Whoever writes usage chooses the names in it, and a hundred thousand of them would make every scrape slow. The first of
each kind and the configured ones are told apart in `totals`, `periods` and `paid`; the others are added up as `other`,
and counted. `rollups` and `events` have them all.
"""

from collections.abc import Iterable
from hashlib import blake2b

from sqlalchemy import Connection, select

from auditor.ledger.rows import put
from auditor.ledger.schema import folded, names
from auditor.model.metrics import OTHER

CAPS = {"provider": 20, "account": 50, "environment": 20}
"""Names that come first; accounts with their provider."""

Shown = tuple[str, str, str]
"""(provider, account, environment)."""


class Names:
    """Those that the ledger has; `save` adds the ones that were met since."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, set[tuple[str, str]]] = {kind: set() for kind in CAPS}
        for row in connection.execute(select(names)):
            self._known[row.kind].add((row.provider, row.name))
        self._new: list[tuple[str, str, str]] = []
        self._folded: set[tuple[str, int]] = set()
        self._shown: dict[Shown, Shown] = {}

    def shown(self, provider: str, account: str, environment: str) -> Shown:
        """What those three are called in what a scrape reads."""
        place = (provider, account, environment)
        found = self._shown.get(place)
        if found is None:
            told = self._kept("provider", "", provider)
            found = self._shown[place] = (
                provider if told else OTHER,
                account if self._kept("account", provider, account, room=told) else OTHER,
                environment if self._kept("environment", "", environment) else OTHER,
            )
        return found

    def has(self, kind: str, provider: str, name: str) -> bool:
        """Whether it has rows of its own."""
        return (provider, name) in self._known[kind]

    def keep(self, kind: str, known: Iterable[tuple[str, str]]) -> bool:
        """Tell those (provider, name) apart from now on, however many there are; whether that is new of any."""
        new = [pair for pair in known if pair not in self._known[kind]]
        self._known[kind].update(new)
        self._new += [(kind, *pair) for pair in new]
        self._shown.clear()
        return bool(new)

    def save(self) -> None:
        """In the transaction of the sums."""
        put(self._connection, names, self._new)
        put(self._connection, folded, sorted(self._folded))
        self._new, self._folded = [], set()

    def _kept(self, kind: str, provider: str, name: str, *, room: bool = True) -> bool:
        known = self._known[kind]
        if (provider, name) not in known and room and len(known) < CAPS[kind]:
            known.add((provider, name))
            self._new.append((kind, provider, name))
        if (provider, name) in known:
            return True
        digest = blake2b(f"{len(provider)}:{provider}{name}".encode(), digest_size=8).digest()
        self._folded.add((kind, int.from_bytes(digest, signed=True)))
        return False
