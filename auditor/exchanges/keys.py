"""Keys of exchanges: of what was asked for, or of one exchange alone."""

import hashlib
from collections.abc import Sequence

from auditor.exchanges.mapped import Mapped
from auditor.model.fingerprint import FOREIGN_PREFIX


def own_key(mapped: Mapped, identity: str) -> str:
    """The key of an exchange: its request's, or one that no other exchange has."""
    return mapped.key or key_of(mapped.provider, identity)


def key_of(provider: str, identity: str) -> str:
    """A key that no event of another identity has."""
    return digest_of([provider, identity])


def digest_of(parts: Sequence[str | bytes]) -> str:
    """`f1:` and SHA-256 of the length-prefixed parts."""
    data = [part if isinstance(part, bytes) else part.encode(errors="backslashreplace") for part in parts]
    return FOREIGN_PREFIX + hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in data)).hexdigest()
