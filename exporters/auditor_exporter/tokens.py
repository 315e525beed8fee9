"""Bearer tokens of `--web.ingest-tokens`: one a line, read again when the file is another."""

import hmac
import re
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from auditor.model.errors import ConfigError
from auditor.system.files import FileStamp

LEAST = 16
"""Characters of a token: a shorter one can be guessed."""
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_MAX_FILE = 1 << 20


def read_tokens(path: Path, say: Callable[[str], object]) -> tuple[bytes, ...]:
    """Digests of a file's tokens; `ConfigError` names the line that is wrong, never what stands in it."""
    try:
        with path.open("rb") as file:
            mode, data = path.stat().st_mode, file.read(_MAX_FILE)
        lines = data.decode().splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; write one token a line") from None
    found = []
    for number, line in enumerate(lines, 1):
        token = line.strip()
        if not token or token.startswith("#"):
            continue
        if not _TOKEN.fullmatch(token):
            raise ConfigError(f"{path} line {number}: is not a bearer token; make one with: openssl rand -hex 32")
        if len(token) < LEAST:
            raise ConfigError(f"{path} line {number}: the token is shorter than {LEAST} characters; use a longer one")
        found.append(sha256(token.encode()).digest())
    if not found:
        raise ConfigError(f"{path}: holds no token; write one a line, as `openssl rand -hex 32` makes it")
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        say(f"{path}: every user of this machine can read the tokens; restrict it: chmod o= {path}")
    return tuple(found)


class Tokens:
    """The tokens in force; a file that cannot be used leaves the last ones so, and is complained about."""

    def __init__(self, path: Path | None, say: Callable[[str], object] = lambda _: None) -> None:
        self._path, self._say = path, say
        self._seen = self._stamp()
        self._digests = () if path is None else read_tokens(path, say)

    def __bool__(self) -> bool:
        return self._path is not None

    def _stamp(self) -> FileStamp | None:
        try:
            return None if self._path is None else FileStamp.of(self._path.stat())
        except OSError:
            return None

    def identity(self, header: str) -> str | None:
        """A name for the sender of this `Authorization` header, which tells nothing of its token; None if unknown."""
        if self._path is not None and (stamp := self._stamp()) != self._seen:
            self._seen = stamp
            try:
                self._digests = read_tokens(self._path, self._say)
            except ConfigError as error:
                self._say(f"{error}; the tokens before it stay in force")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        given, known = sha256(token.strip().encode(errors="surrogateescape")).digest(), None
        for number, digest in enumerate(self._digests):
            if hmac.compare_digest(given, digest):
                known = f"token {number + 1}"
        return known
