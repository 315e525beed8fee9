"""The web configuration of Prometheus' exporters (`--web.config.file`): TLS, headers, users with bcrypt hashes.

As in exporter-toolkit, the file and the certificates that it names are looked at with every connection, so that renewed
ones need no restart. Here a file that cannot be used leaves the last good one in force, and is complained about.
"""

import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from auditor.model.errors import ConfigError
from auditor.system.files import FileStamp

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1, "TLS11": ssl.TLSVersion.TLSv1_1, "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}  # fmt: skip
_CLIENTS = {
    "NoClientCert": ssl.CERT_NONE, "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}  # fmt: skip
_HEADERS = (
    "Content-Security-Policy", "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options",
    "X-XSS-Protection",
)  # fmt: skip
_HASH = re.compile(r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}")
COST = 10
"""Of a bcrypt hash, up to which a flood of guesses keeps no scrape waiting for 5 seconds."""
_FILES = ("cert_file", "key_file", "client_ca_file")


@dataclass(frozen=True, slots=True)
class WebConfig:
    """One file, read."""

    tls: ssl.SSLContext | None
    users: Mapping[str, bytes]
    """bcrypt hashes; without users everybody may ask."""
    headers: Mapping[str, str]
    files: tuple[Path, ...] = ()
    """Those that it was made of."""

    @property
    def protects(self) -> bool:
        """Whether it may face other machines: encrypted, and only for those who can show who they are."""
        return self.tls is not None and (bool(self.users) or self.tls.verify_mode is ssl.CERT_REQUIRED)


OPEN = WebConfig(None, {}, {})


def read(path: Path) -> WebConfig:
    """The file; `ConfigError` names what is wrong in it. Paths in it are relative to its folder."""
    try:
        document = yaml.safe_load(path.read_bytes()) or {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        raise ConfigError(f"{path}: is not YAML" + (f", line {where.line + 1}" if where else "")) from None
    top = _known(path, "", document, "tls_server_config", "http_server_config", "basic_auth_users")
    server = _known(path, "tls_server_config", top.get("tls_server_config"), *_FILES, "client_auth_type", "min_version",
                    "max_version")  # fmt: skip
    http = _known(path, "http_server_config", top.get("http_server_config"), "headers", "http2")
    headers = _known(path, "http_server_config.headers", http.get("headers"), *_HEADERS)
    users = _known(path, "basic_auth_users", top.get("basic_auth_users"))
    for name, value in users.items():
        if not isinstance(value, str) or not _HASH.fullmatch(value):
            raise ConfigError(
                f"{path}: the password of {name!r} is not a bcrypt hash; make one with `htpasswd -nBC 10 ''`"
            )
    files = {name: path.parent / str(server[name]) for name in _FILES if server.get(name)}
    return WebConfig(
        _context(path, server, files) if server else None,
        {str(name): value.encode() for name, value in users.items()},
        {name: str(value) for name, value in headers.items()},
        (path, *files.values()),
    )


def _known(path: Path, place: str, table: Any, *names: str) -> Mapping[str, Any]:
    if table is None:
        return {}
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {place or 'the file'} is not a table of keys and values")
    for name in table:
        if names and name not in names:
            inside = f" in {place}" if place else ""
            raise ConfigError(f"{path}: {name}{inside} is not supported; there are {', '.join(names)}")
    return table


def _context(path: Path, server: Mapping[str, Any], files: Mapping[str, Path]) -> ssl.SSLContext:
    for name in ("cert_file", "key_file"):
        if name not in files:
            raise ConfigError(f"{path}: tls_server_config has no {name}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _one(path, server, "min_version", "TLS12", _VERSIONS)
    context.maximum_version = _one(path, server, "max_version", "TLS13", _VERSIONS)
    clients = _one(path, server, "client_auth_type", "NoClientCert", _CLIENTS)
    if (clients is not ssl.CERT_NONE) != ("client_ca_file" in files):
        raise ConfigError(f"{path}: client_ca_file and a client_auth_type that verifies belong together")
    try:
        context.load_cert_chain(files["cert_file"], files["key_file"])
        if clients is not ssl.CERT_NONE:
            context.load_verify_locations(files["client_ca_file"])
    except OSError as error:  # (an SSLError is one)
        why = getattr(error, "reason", None) or error.strerror
        raise ConfigError(f"{path}: its certificate, key or CA cannot be used ({why})") from None
    context.verify_mode = clients
    return context


def _one(path: Path, server: Mapping[str, Any], name: str, default: str, choices: Mapping[str, Any]) -> Any:
    value = server.get(name, default)
    if value not in choices:
        raise ConfigError(f"{path}: {name}: {value!r} is not supported; there are {', '.join(choices)}")
    return choices[value]


class Live:
    """The configuration in force: read again when one of its files changed, kept when the new one cannot be used."""

    def __init__(self, path: Path | None, say: Callable[[str], object] = lambda _: None) -> None:
        self._path, self._say = path, say
        self.config = OPEN if path is None else read(path)
        self._say_cost()
        self.exposed = False
        """Whether other machines reach it, so that it must not lose its protection."""
        self._seen = self._stamps()

    def current(self) -> WebConfig:
        """The newest that can be used."""
        stamps = self._stamps()
        if self._path is not None and stamps != self._seen:
            self._seen = stamps
            try:
                found = read(self._path)
                if (found.tls is None) != (self.config.tls is None):
                    raise ConfigError(f"{self._path}: TLS is switched on or off by a restart only")
                if self.exposed and not found.protects:
                    raise ConfigError(f"{self._path}: without users or verified clients it is open to all")
                self.config = found
                self._say_cost()
            except ConfigError as error:
                self._say(f"{error}; the configuration before it stays in force")
            self._seen = self._stamps()
        return self.config

    def _say_cost(self) -> None:
        """Passwords are checked one at a time: with a high cost a few guesses keep a scraper waiting."""
        cost = max((int(hashed.split(b"$")[2]) for hashed in self.config.users.values()), default=0)
        if cost > COST:
            self._say(
                f"{self._path}: a password has a bcrypt cost of {cost}, so that checking it takes {1 << cost - COST:,} "
                f"times as long as with {COST}, and guesses may keep scrapes waiting; "
                f"hash it again: htpasswd -nBC {COST} ''"
            )

    def _stamps(self) -> Mapping[Path, FileStamp]:
        found = {}
        for file in self.config.files:
            with suppress(OSError):
                found[file] = FileStamp.of(file.stat())
        return found

    def tls(self) -> ssl.SSLContext | None:
        """A context for a server whose every connection takes the certificates of its moment."""
        if self.config.tls is None:
            return None
        made = _Renewed(ssl.PROTOCOL_TLS_SERVER)
        made.live = self
        return made


class _Renewed(ssl.SSLContext):
    """asyncio asks it once a connection."""

    live: Live

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        context = self.live.current().tls
        assert context is not None
        return context.wrap_bio(*args, **kwargs)
