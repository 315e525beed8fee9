"""Sender: requests to a receiver, repeated for as long as that may help, at the pace that the receiver asks for."""

import gzip
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson
from msgspec import convert

from auditor.feed.address import Address
from auditor.feed.tail import Mark
from auditor.feed.wire import EVENTS, MARKS, NDJSON, SOURCES, Part, Taken, marks_from
from auditor.model.errors import ConfigError, InputError
from auditor.version import __version__

T = TypeVar("T")
FIRST, LONGEST = 0.5, 60.0
"""Seconds before a request is sent again: at first, and at most. Twice as long each time, less a random part."""
TIMEOUT = httpx.Timeout(90.0, connect=10.0)
"""A receiver may wait a minute for the ledger's other writers."""
_MOST_RETRY_AFTER = 3600.0
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class UndeliveredError(InputError):
    """What was not sent stays where it is, and goes with the next run."""

    exit_code = 4


class RefusedByReceiverError(InputError):
    """The receiver refuses a request, and would again."""


class OtherMarksError(Exception):
    """The receiver has the file up to another position; its marks of the files that begin alike."""

    def __init__(self, marks: Mapping[int, Mark]) -> None:
        super().__init__()
        self.marks = marks


class Sender:
    """Speaks to one receiver. *patience* is how long a request is repeated in seconds, None for as long as it takes.

    *wait* sleeps and says whether to give up; *say* hears once that the receiver cannot be reached, and that it can
    again. *ca* is a file of certificates to trust instead of the system's.
    """

    def __init__(
        self, address: Address, *, ca: Path | None = None, patience: float | None = None,
        wait: Callable[[float], bool] | None = None, steady: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random, say: Callable[[str], object] = lambda _: None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:  # fmt: skip
        self._address, self._patience, self._steady, self._chance = address, patience, steady, chance
        self._wait, self._say = wait or threading.Event().wait, say
        headers = {"User-Agent": f"render-auditor/{__version__}"}
        if address.token:
            headers["Authorization"] = f"Bearer {address.token}"
        auth = httpx.BasicAuth(*address.auth) if address.auth else None
        self._client = httpx.Client(
            base_url=address.base, headers=headers, auth=auth, timeout=TIMEOUT, verify=_trusted(ca),
            transport=transport, follow_redirects=False, trust_env=False,
        )  # fmt: skip
        self._failing = ""

    def marks(self, first_line: str) -> Mapping[int, Mark]:
        """How far the receiver has the files that begin so."""
        return self._ask(_marks, "GET", MARKS, params={"first_line": first_line})

    def send(self, lines: bytes, part: Part) -> Taken:
        """Send a part of a file, and what became of it; `OtherMarksError` if the receiver has it elsewhere."""
        headers = {"Content-Type": NDJSON, "Content-Encoding": "gzip"}
        packed = gzip.compress(lines, 5, mtime=0)
        return self._ask(
            lambda found: convert(found, Taken), "POST", EVENTS, params=part.query(), content=packed, headers=headers
        )

    def see(self, sources: Mapping[str, bool]) -> None:
        """Tell which sources could be looked at."""
        headers = {"Content-Type": "application/json"}
        self._ask(lambda found: found, "POST", SOURCES, content=orjson.dumps({"sources": sources}), headers=headers)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, read: Callable[[Any], T], method: str, path: str, **options: Any) -> T:
        """What is *read* in the answer to a request, which is sent again while that may help."""
        began, pause = self._steady(), FIRST
        while True:
            why, after = "", 0.0
            try:
                answer = self._client.request(method, path, **options)
            except httpx.HTTPError as error:
                # The kind alone: what lower layers say may repeat an address.
                why = f"no answer ({type(error).__name__})"
            else:
                if answer.status_code not in _AGAIN:
                    found = self._answered(answer, read)
                    self._tell("")
                    return found
                why, after = f"it answers {answer.status_code}", _seconds(answer.headers.get("Retry-After", ""))
            self._tell(why)
            seconds = max(after, pause * (1 - self._chance() / 2))
            pause = min(2 * pause, LONGEST)
            late = self._patience is not None and self._steady() + seconds - began > self._patience
            if late or self._wait(seconds):
                raise UndeliveredError(f"{self._address.shown}: {why}; what was not sent stays in its files")

    def _tell(self, why: str) -> None:
        if why and not self._failing:
            self._say(f"{self._address.shown}: {why}; it is tried again")
        elif self._failing and not why:
            self._say(f"{self._address.shown}: it answers again")
        self._failing = why

    def _answered(self, answer: httpx.Response, read: Callable[[Any], T]) -> T:
        status, where = answer.status_code, self._address.shown
        try:
            found = answer.json()
            if status == 200 and isinstance(found, dict):
                return read(found)
            if status == 409:
                raise OtherMarksError(_marks(found))
        except (ValueError, LookupError, TypeError):
            found = None
        if status in (401, 403):
            raise ConfigError(f"{where}: it refuses this sender ({status}); check the password or token")
        if status in (404, 405):
            raise ConfigError(f"{where}: it takes no usage ({status}); start the exporter with --web.ingest")
        if status == 413:
            raise RefusedByReceiverError(f"{where}: it refuses the size of a request (413); raise the proxy's limit")
        detail = found.get("detail") if isinstance(found, dict) and status == 400 else None
        why = f": {str(detail)[:200]}" if detail else "; is it an exporter?"
        raise RefusedByReceiverError(f"{where}: it answers {status}{why}")


def _marks(found: Any) -> dict[int, Mark]:
    return marks_from(found["marks"])


def _seconds(header: str) -> float:
    """Of a `Retry-After` header; 0 for a date, which depends on clocks."""
    return min(float(header), _MOST_RETRY_AFTER) if header.isascii() and header.isdigit() else 0.0


def _trusted(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # (an SSLError is one)
        why = error.strerror if error.strerror and not isinstance(error, ssl.SSLError) else "it holds no certificates"
        raise ConfigError(f"{ca}: cannot be used as a CA ({why})") from None
