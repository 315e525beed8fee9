"""k1: one identity of a request for cache, coalescing and audit (semantics section 2).

The hash is keyed, so that names cannot be guessed from digests, and its parts are length-prefixed, so that no two
different requests are ever the same bytes.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import rfc8785

PREFIX = "k1:"
FOREIGN_PREFIX = "f1:"
"""Of keys that were made from other logs than the client's."""
UNKNOWN_PREFIX = "u1:"
"""Of keys of renders whose inputs are unknown: random, so that no two are equal."""
ADDRESS = ":path"
"""The input that stands for the path of a logged request: it says which image, so it is never noise."""
INPUT_DIGEST_HEX = 16
SHORT = 150
"""Characters of a name that is kept beside its line; PostgreSQL's indexes take 2,704 bytes a row."""
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
        return self.prepare(template, options, template_version).key(canonical(overrides))

    def prepare(
        self, template: str, options: Mapping[str, Any] | None = None, template_version: str | None = None
    ) -> "Prepared":
        """What all requests for one template and one set of options have in common, hashed once."""
        common = (self.provider, self.account, self.environment.lower(), template, template_version or "")
        state = hashlib.blake2b(b"".join(_prefixed(part.encode()) for part in common), key=self.secret, digest_size=32)
        return Prepared(state.copy, _prefixed(canonical(_folded(options or {}))))

    def group(self, template: str) -> str:
        """A keyed digest that all keys of a template share, whatever their version and options."""
        parts = ("group", self.provider, self.account, self.environment.lower(), template)
        message = b"".join(_prefixed(part.encode()) for part in parts)
        return hashlib.blake2b(message, key=self.secret, digest_size=16).hexdigest()

    def input_digests(self, overrides: Mapping[str, Any]) -> dict[str, str]:
        """Field (dot path) -> keyed short digest of its value, for the event's `inputs`."""
        return {
            path: hashlib.blake2b(canonical(value), key=self.secret, digest_size=32).hexdigest()[:INPUT_DIGEST_HEX]
            for path, value in _leaves("", overrides)
        }


@dataclass(frozen=True, slots=True)
class Prepared:
    """The parts of a key on either side of the overrides."""

    start: Callable[[], Any]
    """A new hash that has read what stands before the overrides."""
    options: bytes

    def key(self, overrides: bytes) -> str:
        """The fingerprint of a request with these overrides, canonical bytes."""
        state = self.start()
        state.update(b"%d:%b%b" % (len(overrides), overrides, self.options))
        return PREFIX + str(state.hexdigest())


def _prefixed(part: bytes) -> bytes:
    return b"%d:%b" % (len(part), part)


def derive_key(secret: str) -> bytes:
    """32 bytes from the configured secret, else the API key (HKDF-SHA-256, RFC 5869), equal on all hosts."""
    extracted = hmac.digest(_SALT, secret.encode(), "sha256")
    return hmac.digest(extracted, b"fingerprint\x01", "sha256")


_ORJSON = (
    orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
)  # fmt: skip
_AS_IT_IS = _ORJSON & ~orjson.OPT_SORT_KEYS
_BELOW_PRIVATE_USE = bytes(range(0xEE))
_WHOLE_FLOAT = re.compile(rb"\.0(?!\d)").search


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes: orjson where it is known to agree, the exact implementation otherwise."""
    try:
        text = orjson.dumps(value, option=_ORJSON)
    except (TypeError, ValueError, RecursionError):
        text = b"null"
    if certain(text):
        return text
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, AttributeError, TypeError) as error:
        kind = type(error).__name__  # its text would hold the value
    raise ValueError(
        f"the request has no canonical JSON ({kind}): strings, numbers up to 2^53 - 1, true, false, null, lists and "
        "objects with string keys have one; NaN and infinities do not. Write larger numbers, dates and Decimals as "
        "text, with str()"
    )


_MOST = 2**53 - 1


def is_exact(value: Any) -> bool:
    """Whether a value that was JSON holds only numbers that canonical JSON tells apart: those up to 2^53 - 1.

    Parsers make one number of several larger ones.
    """
    found = [value]
    for each in found:  # which grows; each metered call passes here, and a generator would take four times as long
        kind = type(each)
        if kind is dict:
            found += each.values()
        elif kind is list:
            found += each
        elif (kind is int or kind is float) and not -_MOST <= each <= _MOST:
            return False
    return True


def parsed(text: bytes | str) -> Any:
    """The value of JSON that a key may be made of; `ValueError` for what is not JSON, or not exact."""
    value = orjson.loads(text)
    if not is_exact(value):
        raise ValueError("a number is beyond 2^53 - 1")
    return value


def canonical_record(line: bytes) -> bytes:
    """RFC 8785 bytes of a line that is a record; those beyond its number range fall back to sorted JSON.

    A line that is not JSON is as canonical as it can be.
    """
    try:
        value = json.loads(line)
    except ValueError:
        return line
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def spelling(value: Any) -> bytes | None:
    """The value as JSON in the order that it has; None for what has none. Two values may share one, see `certain`."""
    try:
        return orjson.dumps(value, option=_AS_IT_IS)
    except (TypeError, ValueError, RecursionError):
        return None


def certain(spelled: bytes) -> bool:
    """Whether all values of this spelling have the same canonical form, orjson's, so that it may stand for them.

    They may not for whole floats, exponents, null (which may be a NaN), and characters from U+E000 on, whose order as
    keys differs between UTF-8 and UTF-16. One byte is looked for before two, since that is a tenth of the time.
    """
    return not (
        (b"+" in spelled and b"e+" in spelled)
        or (b"-" in spelled and b"e-" in spelled)
        or b"null" in spelled
        or (b".0" in spelled and _WHOLE_FLOAT(spelled) is not None)
        or (not spelled.isascii() and bool(spelled.translate(None, _BELOW_PRIVATE_USE)))
    )


def short(name: str) -> str:
    """A name of any length as one that an index takes, and a different one for each."""
    if len(name) <= SHORT:
        return name
    return f"{name[:100]}…{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}"


def _folded(options: Mapping[str, Any]) -> dict[str, Any]:
    present = {name: value for name, value in options.items() if value is not None}
    if present.get("format") == "jpg":
        present["format"] = "jpeg"
    return present


def _leaves(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [leaf for name in value for leaf in _leaves(f"{prefix}.{name}" if prefix else str(name), value[name])]
    return [(prefix, value)] if prefix else []
