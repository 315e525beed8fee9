"""Redis: entries that all processes and hosts of an account share, and the lease that lets one of them call.

The lease is a key with a token that lives for *lease_seconds* and is renewed while the render lasts; only its own token
renews or releases it. A holder that dies lets it run out. A late writer does no harm: an entry is checked by digest.
"""

import asyncio
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from auditor.caches import Entry, Slot, decode, encode
from auditor.model.errors import ConfigError, MissingExtraError

_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class Redis:
    """A Redis server by URL, `redis://[user:password@]host:6379/0`; *timeout* is for one command, in seconds."""

    name = "redis"

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "render-auditor:",
        lease_seconds: float = 3.0,
        timeout: float = 0.25,
        max_connections: int = 64,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if find_spec("redis") is None:
            raise MissingExtraError("the Redis cache", "redis", "redis")
        self._url = url
        self._prefix = prefix
        self._clock = clock
        self._client: Any = None
        self._direct: Any = None
        self._connections = max_connections
        self.lease_seconds = lease_seconds
        self.timeout = timeout
        if not (lease_seconds > 0 and timeout > 0 and max_connections >= 1):
            raise ConfigError("lease_seconds and timeout of Redis are above 0 seconds, max_connections is 1 or more")
        try:  # now, when no request waits: loading the package takes longer than the timeout of a command
            self._connected()
            self._reached()
        except (ValueError, TypeError) as error:  # (whose text may hold the password)
            raise ConfigError(
                f"the address of Redis cannot be read ({type(error).__name__}); write redis://host:6379/0"
            ) from None

    def __repr__(self) -> str:
        return f"Redis(prefix={self._prefix!r})"  # the URL may hold a password

    @classmethod
    def from_url(cls, url: str, clock: Callable[[], float] = time.time) -> "Redis":
        """`redis://`, `rediss://` (TLS) and `unix://`."""
        return cls(url, clock=clock)

    def peek(self, slot: Slot) -> Entry | None:
        """One GET, in the calling thread: for callers that wait anyway."""
        # By hand, here and below: what the client does around a command, which is not used, costs more than our check.
        # Held to the end: a child that is forked meanwhile would let go of it, and wait for a lock of this thread.
        pool = self._reached()
        connection = pool.get_connection()
        try:
            connection.send_command("GET", self._entry(slot))
            data = connection.read_response()
        except BaseException:  # an answer that is still to come is not to be taken for that of the next command
            connection.disconnect()
            raise
        finally:
            pool.release(connection)
        return None if data is None else decode(slot, data)

    async def get(self, slot: Slot) -> Entry | None:
        """One GET."""
        client = self._connected()  # held, as above
        pool = client.connection_pool
        connection = await pool.get_connection()
        try:
            await connection.send_command("GET", self._entry(slot))
            data = await connection.read_response()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
        return None if data is None else decode(slot, data)

    async def put(self, slot: Slot, entry: Entry) -> None:
        """One SET that ends when the entry does."""
        left = int((entry.ends - self._clock()) * 1000)
        if left > 0:
            await self._connected().set(self._entry(slot), encode(slot, entry), px=left)

    async def purge(self, group: str) -> int:
        """SCAN and UNLINK, in steps, so that the server goes on serving others."""
        return await self._unlink(f"{self._prefix}{group}:*")

    async def delete(self, key: str) -> int:
        """As `purge`: the key does not tell its group."""
        return await self._unlink(f"{self._prefix}*:{key}")

    async def _unlink(self, pattern: str) -> int:
        client, leases = self._connected(), f"{self._prefix}lease:".encode()
        cursor, gone = 0, 0
        while True:
            async with asyncio.timeout(self.timeout):
                cursor, names = await client.scan(cursor, match=pattern, count=500)
            names = [name for name in names if not name.startswith(leases)]
            if names:
                async with asyncio.timeout(self.timeout):
                    gone += await client.unlink(*names)
            if cursor == 0:
                return gone

    async def acquire(self, slot: Slot, token: str, seconds: float | None = None) -> bool:
        """SET NX PX."""
        life = self.lease_seconds if seconds is None else seconds
        return bool(await self._connected().set(self._lease(slot), token, nx=True, px=int(life * 1000)))

    async def renew(self, slot: Slot, token: str) -> bool:
        """Longer, if it is still ours."""
        life = int(self.lease_seconds * 1000)
        return bool(await self._connected().eval(_RENEW, 1, self._lease(slot), token, life))

    async def release(self, slot: Slot, token: str) -> None:
        """Gone, if it is still ours."""
        await self._connected().eval(_RELEASE, 1, self._lease(slot), token)

    async def look(self, slot: Slot) -> tuple[Entry | None, bool]:
        """One MGET of both keys."""
        data, holder = await self._connected().mget(self._entry(slot), self._lease(slot))
        return (None if data is None else decode(slot, data)), holder is not None

    async def ping(self) -> None:
        """Raises if the server does not answer; idle connections are dropped, since it may have restarted."""
        client = self._connected()
        await client.connection_pool.disconnect(inuse_connections=False)
        await client.ping()

    async def close(self) -> None:
        """Close the connections."""
        client, direct = self._client, self._direct
        self._client = self._direct = None
        if client is not None:
            await client.aclose()
        if direct is not None:
            direct.disconnect()

    def forked(self) -> None:
        """The parent's connections stay the parent's."""
        self._client = self._direct = None

    def _entry(self, slot: Slot) -> str:
        return f"{self._prefix}{slot.group}:{slot.key}"

    def _lease(self, slot: Slot) -> str:
        return f"{self._prefix}lease:{slot.key}"

    def _reached(self) -> Any:
        """The connections of threads."""
        if self._direct is None:
            from redis import ConnectionPool
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            self._direct = ConnectionPool.from_url(
                self._url, retry=Retry(NoBackoff(), 0), socket_timeout=self.timeout, socket_connect_timeout=self.timeout
            )
        return self._direct

    def _connected(self) -> Any:
        """The client for the background loop."""
        if self._client is None:
            from redis.asyncio import BlockingConnectionPool
            from redis.asyncio import Redis as Client
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            # No retries: a breaker stands in front, and a render must not wait for them. Nor a timeout a step: who
            # asks limits the whole operation, and three more timers would take a third of a hit.
            pool = BlockingConnectionPool.from_url(
                self._url,
                max_connections=self._connections,
                timeout=None,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=None,
                socket_connect_timeout=self.timeout,
            )
            self._client = Client.from_pool(pool)
        return self._client
