"""Requests to addresses that strangers may have chosen: each is judged when it is connected to, on every hop.

A name is resolved here, the addresses it stands for are judged, and the connection goes to the judged address itself,
so that a name which resolves otherwise a moment later gains nothing. No proxy, netrc or credential of the environment
is read, and no redirect is followed that was not judged again.
"""

import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore
import httpx

from auditor.model.provider import Answer

Network = IPv4Network | IPv6Network
Resolve = Callable[..., list[tuple[Any, ...]]]
REDIRECTS = frozenset({301, 302, 303, 307, 308})

# The IANA registries of special-purpose addresses, and the address at which Azure answers its virtual machines. Of IPv6
# all but 2000::/3, with mapped and NAT64 addresses; Teredo, 6to4 and the like carry an IPv4 address inside.
_NOT_PUBLIC = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2", "8000::/1",
    )
)  # fmt: skip


class FetchError(Exception):
    """What was asked for did not come; *reason* is one word of a closed list, *detail* names no secret."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the public internet."""
    address = ip_address(text.partition("%")[0])
    return not any(address in block for block in _NOT_PUBLIC)


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is the machine itself."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def host_in_header(header: str) -> str:
    """The host of a `Host` header, without its port; `[::1]:80` gives `::1`."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def network(block: str) -> Network:
    """A network by its CIDR name."""
    try:
        return ip_network(block)
    except ValueError as error:
        raise ValueError(f"= {block!r} is not a network ({error}); write one like 10.1.0.0/16") from None


@dataclass(frozen=True, slots=True)
class Guard(httpcore.NetworkBackend):
    """Connects to public addresses and to those of *allowed* networks, and to nothing else."""

    allowed: tuple[Network, ...] = ()
    resolve: Resolve = socket.getaddrinfo
    backend: httpcore.NetworkBackend = field(default_factory=httpcore.SyncBackend)

    def permits(self, address: str) -> bool:
        """Whether it may be connected to."""
        bare = ip_address(address.partition("%")[0])
        return is_public(address) or any(bare in block for block in self.allowed)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first permitted address of *host* that answers."""
        try:
            found = self.resolve(host.rstrip("."), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise FetchError("unknown_name", f"no address is known of {host!r}") from None
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        permitted = [address for address in addresses if self.permits(address)]
        if not permitted:
            raise FetchError("private_address", f"{host!r} is not a public address; --allow-network permits one")
        for address in permitted[:-1]:
            try:
                return self.backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self.backend.connect_tcp(permitted[-1], port, timeout, local_address, socket_options)


class Fetcher:
    """Gets and posts through a guard; an answer costs so many *bytes*, *seconds* and *redirects* at most.

    Connecting, and each read, take *step_seconds* at most.
    """

    def __init__(
        self, guard: Guard | None = None, *, bytes: int = 32 << 20, seconds: float = 30.0, step_seconds: float = 10.0,
        redirects: int = 5, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._bytes, self._seconds, self._step, self._redirects = bytes, seconds, step_seconds, redirects
        self._clock = clock
        self._pool = httpcore.ConnectionPool(network_backend=guard or Guard(), max_connections=16)

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def get(self, address: str) -> bytes:
        """The body of a 200, redirects followed; else a `FetchError`."""
        ends = self._clock() + self._seconds
        url = parsed(address)
        for _ in range(self._redirects + 1):
            answer = self.send("GET", url, {"accept": "image/*"}, b"", ends)
            if answer.status not in REDIRECTS:
                break
            try:
                url = parsed(str(url.join(answer.headers.get("location", ""))))
            except (httpx.InvalidURL, ValueError):
                raise FetchError("address", "a redirect leads to no address") from None
        else:
            raise FetchError("redirects", f"more than {self._redirects} redirects")
        if answer.status != 200:
            raise FetchError("status", f"HTTP {answer.status}")
        return answer.content

    def send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes, ends: float | None = None
    ) -> Answer:
        """One request, no redirect followed."""
        ends = self._clock() + self._seconds if ends is None else ends
        waits = {**dict.fromkeys(("connect", "read", "write"), self._step), "pool": self._seconds}
        given = {"host": url.netloc.decode("ascii"), "accept-encoding": "identity", "user-agent": "render-auditor"}
        if content:
            given["content-length"] = str(len(content))
        try:
            with self._pool.stream(
                method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=list({**given, **headers}.items()),
                content=content,
                extensions={"timeout": waits},
            ) as response:
                found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                return Answer(response.status, found, self._body(response, found, ends))
        except FetchError:
            raise
        except Exception as error:
            # Only the kind is told: messages of lower layers may repeat an address, and signed addresses are secrets.
            raise FetchError("unreachable", f"no answer ({type(error).__name__})") from None

    def _body(self, response: httpcore.Response, headers: Mapping[str, str], ends: float) -> bytes:
        if response.status in REDIRECTS:
            return b""
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise FetchError("encoding", "the answer is compressed though that was declined")
        chunks, size = [], 0
        for chunk in response.iter_stream():
            size += len(chunk)
            if size > self._bytes:
                raise FetchError("too_large", f"more than {self._bytes:,} bytes")
            if self._clock() > ends:
                raise FetchError("out_of_time", f"not whole after {self._seconds:g} seconds")
            chunks.append(chunk)
        return b"".join(chunks)


def parsed(address: str) -> httpx.URL:
    """An http or https address without user or password; else a `FetchError`."""
    if any(char in "\\ " or not char.isprintable() for char in address):
        raise FetchError("address", "the address holds blanks, backslashes or control characters")
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        raise FetchError("address", "the address cannot be parsed") from None
    if url.scheme not in ("http", "https"):
        raise FetchError("scheme", f"{url.scheme[:20] or 'no scheme'} is neither http nor https")
    if not url.host:
        raise FetchError("address", "the address has no host")
    if url.userinfo:
        raise FetchError("address", "the address holds a user or a password")
    return url


def shown(address: str) -> str:
    """An address for people: without user, query and fragment, which may hold secrets."""
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        return "an address that cannot be parsed"
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}{f':{url.port}' if url.port else ''}{url.path}" + ("?…" if url.query else "")
