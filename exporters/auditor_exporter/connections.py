"""The server's connections: so few that descriptors remain for scrapes and the ledger, however often clients connect.

Connections are counted when they are accepted, before TLS. Where there are too many, one of the address that holds the
most makes room: the one that has been idle for the longest time, else the one whose refusal has been kept back for the
longest time, else the oldest. Refusals that are kept back stay, since who is dropped comes again at once with another
guess; but they leave a quarter of the room to others.
"""

import asyncio
import errno
import resource
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

RESERVED = 120
"""Descriptors for the ledger, the files that are followed, and the rest of the process."""
MOST = 512
"""Connections, however many descriptors there are."""
FEWEST = 8
GRACE = 0.1
"""Seconds that each connection has to say something, or to shake hands, before others may take its place."""
QUIET = 600.0
"""Seconds in which the log says once that connections are dropped."""


def room(descriptors: int) -> int:
    """How many connections there may be in a process that may open so many files."""
    return max(FEWEST, min(MOST, descriptors - RESERVED))


def peer_of(address: str) -> str:
    """Whom an address belongs to: an IPv4 address, or the /64 of an IPv6 one, which a machine has to itself."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)


@dataclass(eq=False, slots=True)
class Held:
    """A connection, and the protocol that answers on it."""

    connection: socket.socket
    peer: str
    protocol: asyncio.BaseProtocol
    since: float = 0.0
    """When it was accepted, or last began or ended a request."""
    busy: int = 0
    """Requests that are being answered."""
    late: bool = False
    """Whether its refusal is kept back."""
    task: asyncio.Task[None] | None = None
    """Which connects it: with TLS, the handshake."""


class Connections:
    """Those of one server. *say* is told when some are dropped, now and then."""

    def __init__(
        self, tls: ssl.SSLContext | None, patience: float, say: Callable[[str], object] = lambda _: None,
        most: int | None = None, steady: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._tls, self._patience, self._say, self._steady = tls, patience, say, steady
        self.most = most or room(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self.of_one = max(1, self.most * 3 // 4)
        """Connections that one address may hold."""
        self._held: dict[asyncio.BaseProtocol, Held] = {}
        """The one that waits for the longest time first."""
        self._told: float | None = None
        self.dropped = 0

    def open(self) -> list[Held]:
        """Those that have a descriptor, the one that waits for the longest time first."""
        self._held = {protocol: held for protocol, held in self._held.items() if held.connection.fileno() >= 0}
        return list(self._held.values())

    def begins(self, protocol: asyncio.BaseProtocol) -> Held | None:
        """A request is answered from now on; None if its connection is gone."""
        held = self._held.get(protocol)
        if held is not None:
            held.busy += 1
            self._newest(held)
        return held

    def ends(self, held: Held) -> None:
        """It was answered: the connection may be dropped for others."""
        held.busy -= 1
        if held.protocol in self._held:
            self._newest(held)

    def _newest(self, held: Held) -> None:
        held.since = self._steady()
        self._held.pop(held.protocol, None)
        self._held[held.protocol] = held

    async def accept(self, listener: socket.socket, make: Callable[[], asyncio.BaseProtocol]) -> None:
        """Take connections in until cancelled; *make* makes what answers on one."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)  # noqa: FBT003
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno != errno.ECONNABORTED:  # no descriptors or no memory: others have taken them
                    for held in self.open()[:1]:
                        self._drop(held, error.strerror or "accept fails")
                    await asyncio.sleep(0.1)
                continue
            peer = peer_of(address[0])
            victim = self._victim(peer)
            if victim is not None:  # in a storm of new ones, those that wait in the kernel go on waiting
                await asyncio.sleep(victim.since + GRACE - self._steady())
            self.take(connection, peer, make())
            await asyncio.sleep(0)  # those that are held are heard between two that come

    def take(self, connection: socket.socket, peer: str, protocol: asyncio.BaseProtocol) -> None:
        """Hold a connection, and drop another if those are too many."""
        victim = self._victim(peer)
        if victim is not None:
            self._drop(victim, "there are too many")
        held = Held(connection, peer, protocol)
        self._newest(held)
        held.task = asyncio.get_running_loop().create_task(self._connect(held))

    def _victim(self, peer: str) -> Held | None:
        """Which one goes if another of *peer* comes."""
        opened = self.open()
        counts = Counter(held.peer for held in opened)
        if counts[peer] < self.of_one:
            if len(opened) < self.most:
                return None
            peer = counts.most_common(1)[0][0]
        of_it = [held for held in opened if held.peer == peer]
        late = [held for held in of_it if held.late]
        idle = [] if len(late) > self.of_one * 3 // 4 else [held for held in of_it if not held.busy]
        return [*idle, *late, *of_it][0]

    async def _connect(self, held: Held) -> None:
        patience = self._patience if self._tls else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: held.protocol, held.connection, ssl=self._tls, ssl_handshake_timeout=patience
            )
        except (OSError, asyncio.CancelledError):  # (an SSLError is one; a client may hang up in the handshake)
            held.connection.close()

    def _drop(self, victim: Held, why: str) -> None:
        del self._held[victim.protocol]
        transport = getattr(victim.protocol, "transport", None)  # (aiohttp's protocols keep theirs)
        if transport is not None:
            transport.abort()
        elif victim.task is not None:
            victim.task.cancel()
        self.dropped += 1
        now = self._steady()
        if self._told is None or now - self._told >= QUIET:
            self._told = now
            self._say(
                f"connections are dropped, the longest idle first ({why}); {self.most} may be open, {self.of_one} of "
                "one address, and more if the process may open more files"
            )

    async def close(self) -> None:
        """Drop those that still shake hands; the others are the protocol's to close."""
        tasks = [held.task for held in self.open() if held.task is not None and not held.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def listeners(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at all addresses of *host*; `OSError` if there is none."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    wrong = OSError(errno.EADDRNOTAVAIL, "it has no address")
    with ExitStack() as opened:
        listening = []
        for family, where in dict.fromkeys((each[0], each[4]) for each in found):
            try:
                listening.append(opened.enter_context(socket.create_server(where[:2], family=family, backlog=1024)))
            except OSError as error:
                wrong = error
                if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):  # (a machine without IPv6)
                    break
        if not listening or wrong.errno == errno.EADDRINUSE:
            raise wrong
        opened.pop_all()
    return listening
