"""UUIDv7 (RFC 9562): unique over hosts, processes and forks, and sorted by time."""

import os
from collections.abc import Callable
from itertools import count

_RANDOM_BITS = 74


class Ids:
    """Ids of one process: a random start of 74 bits that counts up (RFC 9562, 6.2, method 2).

    Counting costs a tenth of asking the system for new randomness each time, and two ids of one process never collide.
    """

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self.forked()

    def forked(self) -> None:
        """A new start, or the child would count on from where the parent is."""
        start = int.from_bytes(self._random(10)) & ((1 << (_RANDOM_BITS - 1)) - 1)
        self._next = count(start, 1 + int.from_bytes(self._random(3))).__next__

    def __call__(self, wall_ns: int) -> str:
        """An id for this moment."""
        tail = self._next() & ((1 << _RANDOM_BITS) - 1)
        text = f"{wall_ns // 1_000_000:012x}7{tail >> 62:03x}{0x8000000000000000 | (tail & 0x3FFFFFFFFFFFFFFF):016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


NEW_ID = Ids()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=NEW_ID.forked)
