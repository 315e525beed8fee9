"""k1: one identity of a request for cache, coalescing and audit (semantics section 2).

The hash is keyed, so that nobody can guess names from digests, and its parts are length-prefixed, so that no two
different requests are ever the same bytes.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import rfc8785

PREFIX = "k1:"
INPUT_DIGEST_HEX = 16
_SALT = b"render-auditor/k1"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose request it is: two scopes never share a key."""

    provider: str
    account: str
    environment: str
    secret: bytes = field(repr=False)
    """What `derive_key` gave; never shown."""

    def key(
        self,
        template: str,
        overrides: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        template_version: str | None = None,
    ) -> str:
        """The fingerprint of one request. `ValueError` for what has no canonical JSON."""
        parts = (
            self.provider.encode(),
            self.account.encode(),
            self.environment.lower().encode(),
            template.encode(),
            (template_version or "").encode(),
            canonical(overrides),
            canonical(_folded(options or {})),
        )
        message = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return PREFIX + hashlib.blake2b(message, key=self.secret, digest_size=32).hexdigest()

    def input_digests(self, overrides: Mapping[str, Any]) -> dict[str, str]:
        """Field (dot path) -> keyed short digest of its value, for the event's `inputs`."""
        return {path: self._digest(canonical(value)) for path, value in _leaves("", overrides)}

    def _digest(self, value: bytes) -> str:
        return hashlib.blake2b(value, key=self.secret, digest_size=32).hexdigest()[:INPUT_DIGEST_HEX]


def derive_key(secret: str) -> bytes:
    """32 bytes from the configured secret, else the API key (HKDF-SHA-256, RFC 5869), equal on all hosts."""
    extracted = hmac.digest(_SALT, secret.encode(), "sha256")
    return hmac.digest(extracted, b"fingerprint\x01", "sha256")


_ORJSON = (
    orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
)  # fmt: skip
# Where orjson's text may differ from RFC 8785: whole floats, exponents, null (may be NaN), and characters from
# U+E000 on, whose order as keys differs between UTF-8 and UTF-16.
_DOUBTFUL = re.compile(rb"\.0(?!\d)|\d[eE]|null|[\xee-\xf4]").search


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes: orjson where it is known to agree, the exact implementation otherwise."""
    try:
        text = orjson.dumps(value, option=_ORJSON)
    except (TypeError, ValueError, RecursionError):
        text = b"null"
    if _DOUBTFUL(text) is None:
        return text
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, AttributeError, TypeError) as error:
        raise ValueError(f"the request has no canonical JSON: {error}") from None


def _folded(options: Mapping[str, Any]) -> dict[str, Any]:
    present = {name: value for name, value in options.items() if value is not None}
    if present.get("format") == "jpg":
        present["format"] = "jpeg"
    return present


def _leaves(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [leaf for name in value for leaf in _leaves(f"{prefix}.{name}" if prefix else str(name), value[name])]
    return [(prefix, value)] if prefix else []
