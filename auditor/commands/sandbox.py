"""`auditor sandbox`: serve until interrupted; the address goes to stdout, the rest to stderr."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress

from auditor.errors import ConfigError
from auditor.providers.imejis import IMEJIS
from auditor.sandbox.billing import DEFAULT_KEY
from auditor.sandbox.server import Sandbox


def run_sandbox(
    port: int, plan: str, latency: float, per_second: float | None, faults: Sequence[str], designs: Sequence[str]
) -> None:
    """Serve until Ctrl-C; then say what was billed."""
    plans = {each.name.lower(): each for each in IMEJIS.plans}
    if plan.lower() not in plans:
        raise ConfigError(f"--plan {plan!r} is unknown; plans are {', '.join(each.name for each in IMEJIS.plans)}")
    try:
        sandbox = Sandbox(
            port=port,
            included=int(plans[plan.lower()].included),
            latency=latency,
            per_second=per_second,
            faults={name: float(share) for name, share in (_pair(each, "--fault") for each in faults)},
            designs={name: _size(size) for name, size in (_pair(each, "--design") for each in designs)},
        )
    except ValueError as error:
        raise ConfigError(f"--fault: {error}") from None

    def ready() -> None:
        print(sandbox.url, flush=True)
        print(
            f"auditor: sandbox on {plans[plan.lower()].name}, API key {DEFAULT_KEY!r}; invoice at "
            f"{sandbox.origin}/sandbox/invoice; Ctrl-C ends it",
            file=sys.stderr,
        )

    with suppress(KeyboardInterrupt):
        asyncio.run(sandbox.serve(ready))
    print(f"auditor: {sandbox.billing.invoice()['credits']:,} credits were billed", file=sys.stderr)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise ConfigError(f"{option} {text!r}: write NAME=VALUE")
    return name, value


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and 0 < int(width) <= 8000 and 0 < int(height) <= 8000):
        raise ConfigError(f"--design: {text!r} is no size; write 1200x630")
    return int(width), int(height)
