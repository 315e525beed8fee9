"""Objects of a store (S3, Google Cloud Storage, Azure) as inputs: listed, and read in ranges, by way of obstore.

Credentials and endpoint come from the environment alone. What obstore says of an error may hold either, so no message
repeats it.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from auditor.model.errors import ConfigError, InputError, MissingExtraError

_ADDRESS = re.compile(r"(s3|gs|az)://([^/]+)(?:/(.*))?", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
BLOCK = 4 << 20
"""Bytes that are asked for at once, and held."""
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


class StoreError(InputError):
    """An object store does not give *what* was asked for; the *reason* is a sentence that holds no secret."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def __str__(self) -> str:
        """Both in one sentence."""
        return f"{self.what}: {self.reason}"


def is_address(text: str) -> bool:
    """Whether an argument is an address, and no path."""
    return _SCHEME.match(text) is not None


class Objects:
    """What lies under an address: `s3://bucket/prefix`, `gs://…` or `az://…`, or the one object of that name.

    Keys stand in an address as they are, without escapes. `ConfigError` for another address, `MissingExtraError`
    without obstore.
    """

    def __init__(self, address: str) -> None:
        found = _ADDRESS.fullmatch(address)
        if found is None or "@" in found[2]:
            raise ConfigError(
                "an address is s3://bucket/prefix, gs://bucket/prefix or az://container/prefix; credentials come from "
                "the environment alone"
            )
        self.address = address
        self.scheme, self.bucket, self._prefix = found[1], found[2], (found[3] or "").rstrip("/")
        if find_spec("obstore") is None:
            raise MissingExtraError(f"{self.scheme}://…", "objectstore", "obstore")
        from obstore.store import from_url

        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        options: Any = {"allow_http": self.scheme == "s3" and endpoint.startswith("http://")}
        retries: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}
        with self.told():
            self.store: Any = from_url(f"{self.scheme}://{self.bucket}", client_options=options, retry_config=retries)
        self._block: tuple[object, bytes] = (None, b"")

    def __iter__(self) -> Iterator["StoredObject"]:
        """Each object that holds something, in the store's order. `StoreError` where they cannot be listed."""
        if self._prefix and (single := self._single()) is not None:
            yield single
        with self.told():
            pages = iter(self.store.list(self._prefix or None))
        while True:
            with self.told():
                page = next(pages, None)
            if page is None:
                return
            yield from (self._object(found) for found in page if found["size"])

    def _single(self) -> "StoredObject | None":
        try:
            with self.told():
                found = self.store.head(self._prefix)
        except _GoneError:
            return None
        return self._object(found) if found["size"] else None

    def _object(self, found: Any) -> "StoredObject":
        tag = found["e_tag"] or found["last_modified"].isoformat()
        return StoredObject(self, found["path"], found["size"], tag, found["e_tag"])

    def block(self, wanted: "StoredObject", number: int) -> bytes:
        """One block of an object, of the version that was listed; the last one is held, for who opens it again."""
        asked = (wanted.key, wanted.tag, number)
        if self._block[0] != asked:
            begin = number * BLOCK
            options = {"range": (begin, min(begin + BLOCK, wanted.size)), "if_match": wanted.match}
            with self.told(str(wanted)):
                self._block = (asked, bytes(self.store.get(wanted.key, options=options).bytes()))
        return self._block[1]

    @contextmanager
    def told(self, what: str = "") -> Iterator[None]:
        """Say in a sentence what failed."""
        try:
            yield
        except Exception as error:
            kind = _GoneError if isinstance(error, FileNotFoundError) else StoreError
            raise kind(what or self.address, self._reason(error, what)) from None

    def _reason(self, error: Exception, what: str) -> str:
        """In our own words: the library's may hold a signed address."""
        name, text = type(error).__name__, str(error)
        credentials = f"credentials come from the environment ({_CREDENTIALS[self.scheme]})"
        reasons = {
            "NoSuchBucket": f"there is no bucket {self.bucket!r}; check its name and the region",
            "PreconditionError": "it was replaced while it was read; run it again",
            "NotFoundError": "it was deleted before it was read" if what else "there is no such bucket or object",
            "PermissionDeniedError": f"access denied; {credentials}, and have to allow to list the bucket and read it",
            "InvalidPathError": "the name of an object below it has an empty part (//), a part of dots or a control "
            "character, which cannot be read; rename that object, or name a prefix beside it",
            "169.254.": f"there are no credentials; {credentials}",
            "Account must be": f"there are no credentials; {credentials}",
        }
        reasons["UnauthenticatedError"] = reasons["PermissionDeniedError"]
        found = (reason for word, reason in reasons.items() if word == name or (not word.isalpha() and word in text))
        if "NoSuchBucket" in text:
            return reasons["NoSuchBucket"]
        return next(found, f"the store does not answer ({name}); check the network, the region and AWS_ENDPOINT_URL")


class _GoneError(StoreError):
    """There is no such object."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object, as it was when it was listed."""

    objects: Objects = field(repr=False, compare=False)
    key: str
    size: int
    """In bytes."""
    tag: str
    """What changes when it is written again."""
    match: str | None = None
    """Its ETag, where the store has one: another version is not read in its place."""

    def __str__(self) -> str:
        return f"{self.objects.scheme}://{self.objects.bucket}/{self.key}"

    @property
    def stamp(self) -> str:
        """What is the same until it is written again."""
        return f"{self.size} {self.tag}"

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """Its bytes, `BLOCK` of them in memory. Reading raises `StoreError`."""
        assert mode == "rb"
        return io.BufferedReader(_Raw(self))


class _Raw(io.RawIOBase):
    """The bytes of an object."""

    def __init__(self, stored: StoredObject) -> None:
        super().__init__()
        self._object, self._position = stored, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where it is."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go there; nothing is read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._object.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Some bytes of one block, none at the end."""
        if self._position >= self._object.size:
            return 0
        number, start = divmod(self._position, BLOCK)
        some = self._object.objects.block(self._object, number)[start : start + len(buffer)]
        buffer[: len(some)] = some
        self._position += len(some)
        return len(some)
