"""For cron jobs that are not scraped: to a Pushgateway, or as a file for node_exporter's textfile collector.

What is pushed takes the place of the group's last push. The file is whole or not at all, and readable by its user.
"""

import http.client
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from prometheus_client.exposition import basic_auth_handler, push_to_gateway

from auditor.model.errors import ConfigError, InputError
from auditor.system.files import replacing
from auditor_exporter.snapshot import Snapshot

TIMEOUT = 30.0


def grouping_of(pairs: Sequence[str]) -> Mapping[str, str]:
    """From `NAME=VALUE`s."""
    grouping = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found or not name.isidentifier() or not name.isascii() or name == "job":
            raise ConfigError(
                f"--group {pair!r}: write NAME=VALUE, as instance=web-1; the job has an option of its own"
            )
        grouping[name] = value
    return grouping


def push(snapshot: Snapshot, url: str, job: str, grouping: Mapping[str, str], timeout: float = TIMEOUT) -> None:
    """PUT to the group of *job* and *grouping*; *url* may carry a user and a password, which are never shown."""
    address, where = _address(url)
    user, password = (part and unquote(part) for part in (address.username, address.password))
    handler = partial(basic_auth_handler, username=user, password=password)
    try:
        push_to_gateway(where, job, snapshot.registry(), dict(grouping), timeout, handler)
    except OSError as error:
        status = getattr(error, "code", None)  # (of an HTTPError)
        reason = getattr(error, "reason", None)
        why = f"it answers {status}" if status else getattr(reason, "strerror", None) or error.strerror or "no answer"
        raise InputError(f"{where}: the metrics cannot be pushed ({why}); is it a Pushgateway?") from None
    except (http.client.HTTPException, ValueError):
        raise InputError(f"{where}: the metrics cannot be pushed (this is not HTTP); is it a Pushgateway?") from None


def _address(url: str) -> tuple[SplitResult, str]:
    """The address in parts, and as it may be shown and is asked: without user and password."""
    try:
        address = urlsplit(url)
        port = f":{address.port}" if address.port else ""
    except ValueError:
        address, port = SplitResult("", "", "", "", ""), ""
    if address.scheme not in ("http", "https") or not address.hostname or address.query or address.fragment:
        raise ConfigError("the address of a Pushgateway is http://HOST:PORT or https://HOST:PORT, with a path at most")
    host = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
    return address, f"{address.scheme}://{host}{port}{address.path.rstrip('/')}"


def write(snapshot: Snapshot, path: Path) -> None:
    """Write the exposition aside and rename it."""
    if path.suffix != ".prom":
        raise ConfigError(f"{path}: node_exporter reads files that end in .prom; name it so")
    body, _ = snapshot.exposition()
    try:
        with replacing(path, 0o644) as file:
            file.write(body)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
