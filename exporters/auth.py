"""Basic authentication, at a bounded cost.

bcrypt is slow on purpose, so verdicts are kept, and found one at a time: neither a busy scraper nor one who guesses
passwords takes more than one core, and whoever is known already never waits.
"""

import asyncio
import base64
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

import bcrypt

KEPT = 100
"""Verdicts of either kind. Wrong guesses push out wrong guesses, never a right password."""
WAITING = 16
"""Guesses that may wait for their verdict; further ones are turned away unread."""


class BusyError(Exception):
    """Too many wait."""


class Verdicts:
    """Who may in. *check* compares a password with a hash; it is called in a thread."""

    def __init__(self, check: Callable[[bytes, bytes], bool] = bcrypt.checkpw) -> None:
        self._check = check
        self._key = os.urandom(32)
        self._kept: dict[bool, dict[bytes, None]] = {True: {}, False: {}}
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "passwords")

    async def allows(self, users: Mapping[str, bytes], header: str) -> bool:
        """Whether the `Authorization` header is that of one of *users*; `BusyError` if that cannot be found out now."""
        scheme, _, credentials = header.partition(" ")
        try:
            user, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            return False
        if scheme.lower() != "basic" or not colon:
            return False
        # Nobody's password is compared with somebody's hash: it takes as long as a wrong one.
        hashed = users.get(user) or next(iter(users.values()))
        token = self._token(user.encode(), hashed, password.encode())
        for verdict, kept in self._kept.items():
            if token in kept:
                return verdict
        if self._waiting >= WAITING:
            raise BusyError
        self._waiting += 1
        try:
            same = await asyncio.get_running_loop().run_in_executor(self._thread, self._same, password.encode(), hashed)
        finally:
            self._waiting -= 1
        verdict = same and user in users
        kept = self._kept[verdict]
        kept[token] = None
        if len(kept) > KEPT:
            del kept[next(iter(kept))]
        return verdict

    def _token(self, *parts: bytes) -> bytes:
        text = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return blake2b(text, key=self._key, digest_size=32).digest()

    def _same(self, password: bytes, hashed: bytes) -> bool:
        try:
            return self._check(password, hashed)
        except ValueError:  # (longer than bcrypt reads)
            return False
