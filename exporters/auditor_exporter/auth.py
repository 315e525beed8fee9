"""Basic authentication, at a bounded cost and fair to users who know a password.

bcrypt is slow on purpose, so verdicts are kept, and found one at a time: neither a busy scraper nor one who guesses
passwords takes more than one core, and a known scraper never waits. Addresses take turns. Of one address, a password
that was sent before is checked first, since scrapers repeat theirs and guesses differ; then the newest, since in a
flood those that have waited for long belong to the flood. After some wrong guesses an address is answered later and
later, drop by drop, so that the flood's clients are kept waiting and a right password that was never seen gets its
turn.
"""

import asyncio
import base64
import math
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b

import bcrypt

KEPT = 100
"""Verdicts of either kind. Wrong guesses push out wrong guesses, never a right password."""
FREE = 3
"""Wrong guesses of an address that are answered at once; the next one waits a second, each after it twice as long."""
LONGEST = 60
"""Seconds that the answer to a wrong guess waits at most."""
MOST = FREE + 10.0
"""Wrong guesses of an address that are counted."""
FORGIVEN = 2.0
"""Seconds in which a wrong guess is forgiven."""
ADDRESSES = 1000
"""Addresses whose wrong guesses are counted."""
SEEN = 20_000
"""Newest credentials that are recognized when they are sent again."""


@dataclass(slots=True, eq=False)
class _Guess:
    token: bytes
    password: bytes
    hashed: bytes
    user_exists: bool
    again: bool
    """Whether it was sent before."""
    verdict: asyncio.Future[bool]


def credentials_of(header: str) -> tuple[str, str] | None:
    """(user, password) of an `Authorization` header; None if it has none."""
    scheme, _, credentials = header.partition(" ")
    try:
        user, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if scheme.lower() == "basic" and colon else None


def user_of(header: str) -> str:
    """The user of an `Authorization` header; empty if it has none."""
    return (credentials_of(header) or ("", ""))[0]


class Verdicts:
    """Who may in. *check* compares a password with a hash; it is called in a thread. *pause* waits for seconds."""

    def __init__(
        self, check: Callable[[bytes, bytes], bool] = bcrypt.checkpw,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep, steady: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._check, self._pause, self._steady = check, pause, steady
        self._key = os.urandom(32)
        self._kept: dict[bool, dict[bytes, None]] = {True: {}, False: {}}
        self._lines: dict[str, list[_Guess]] = {}
        """Guesses that wait, by address; the address whose turn it is first."""
        self._seen: dict[bytes, None] = {}
        self._working: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "passwords")
        self._wrong: dict[str, tuple[float, float]] = {}
        """(wrong guesses that are not forgiven, when that was) by address."""

    async def allows(
        self, users: Mapping[str, bytes], header: str, peer: str = "", late: Callable[[], object] = lambda: None
    ) -> bool:
        """Whether the `Authorization` header, which *peer* sent, is that of one of *users*.

        *late* is called once a second while a refusal is kept back.
        """
        found = credentials_of(header)
        if found is None:
            return False
        user, password = found
        # An unknown user's password is compared with a known hash: it takes as long as a wrong one.
        hashed = users.get(user) or next(iter(users.values()))
        token = self._token(user.encode(), hashed, password.encode())
        verdict = self._known(token)
        if verdict is None:
            future = asyncio.get_running_loop().create_future()
            guess = _Guess(token, password.encode(), hashed, user in users, token in self._seen, future)
            self._seen[token] = None
            if len(self._seen) > SEEN:
                del self._seen[next(iter(self._seen))]
            verdict = await self._found(peer, guess)
        if not verdict:
            for _ in range(self._penalty(peer)):
                late()
                await self._pause(1)
        return verdict

    def _known(self, token: bytes) -> bool | None:
        return next((verdict for verdict, kept in self._kept.items() if token in kept), None)

    async def _found(self, peer: str, guess: _Guess) -> bool:
        self._lines.setdefault(peer, []).append(guess)
        if self._working is None or self._working.done():
            self._working = asyncio.get_running_loop().create_task(self._work())
        try:
            return await guess.verdict
        except asyncio.CancelledError:  # hung up
            line = self._lines.get(peer, [])
            if guess in line:
                line.remove(guess)
                if not line:
                    del self._lines[peer]
            raise

    async def _work(self) -> None:
        """Find verdicts until no request waits."""
        while self._lines:
            peer = next(iter(self._lines))
            line = self._lines.pop(peer)
            guess = next((each for each in reversed(line) if each.again), line[-1])
            line.remove(guess)
            if line:
                self._lines[peer] = line  # after the others
            verdict = self._known(guess.token)
            if verdict is None:
                verdict = await asyncio.get_running_loop().run_in_executor(self._thread, self._judge, guess)
                kept = self._kept[verdict]
                kept[guess.token] = None
                if len(kept) > KEPT:
                    del kept[next(iter(kept))]
            if not guess.verdict.done():
                guess.verdict.set_result(verdict)

    def _penalty(self, peer: str) -> int:
        """Whole seconds that the answer to one more wrong guess of *peer* waits."""
        now = self._steady()
        count, when = self._wrong.pop(peer, (0.0, now))
        count = max(0.0, count - (now - when) / FORGIVEN) + 1
        self._wrong[peer] = (min(count, MOST), now)
        if len(self._wrong) > ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        return min(1 << math.ceil(count) - FREE - 1, LONGEST) if count > FREE else 0

    def _token(self, *parts: bytes) -> bytes:
        text = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return blake2b(text, key=self._key, digest_size=32).digest()

    def _judge(self, guess: _Guess) -> bool:
        try:
            return self._check(guess.password, guess.hashed) and guess.user_exists
        except ValueError:  # (longer than bcrypt reads)
            return False
