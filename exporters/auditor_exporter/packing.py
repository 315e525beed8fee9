"""gzip, for whoever asks for it; what many ask for is packed once."""

import gzip
import re

_Q = re.compile(r"\s*;\s*q\s*=\s*0(\.0*)?\s*$", re.IGNORECASE)
KEPT = 12


def wanted(accept: str) -> bool:
    """Whether an `Accept-Encoding` header takes gzip."""
    codings = {}
    for part in accept.split(","):
        name = part.partition(";")[0].strip().lower()
        codings[name] = not _Q.search(part[len(part.partition(";")[0]) :])
    return codings.get("gzip", codings.get("x-gzip", codings.get("*", False)))


class Packed:
    """Packs bodies, and keeps the newest ones packed."""

    def __init__(self) -> None:
        self._kept: dict[bytes, bytes] = {}

    def at_hand(self, body: bytes) -> bytes | None:
        """What was packed already."""
        return self._kept.get(body)

    def pack(self, body: bytes) -> bytes:
        """Packed; some 10 ms for a MiB."""
        packed = self._kept[body] = gzip.compress(body, 5, mtime=0)
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return packed
