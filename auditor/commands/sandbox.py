"""`auditor sandbox`: serve until interrupted; the address goes to stdout, the rest to stderr."""

import asyncio
import sys
from contextlib import suppress
from typing import Annotated

import typer

from auditor.commands.app import App
from auditor.model.errors import ConfigError
from auditor.model.names import available

app = App()


@app.command(
    examples=(
        "auditor sandbox",
        "auditor sandbox --plan Free --latency 1.2 --fault 500=0.02 --fault hang=0.01",
    ),
)
def sandbox(
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="The port on 127.0.0.1; 0 takes a free one.")
    ] = 19780,
    plan: Annotated[
        str, typer.Option(metavar="PLAN", help="The plan of the key `sandbox`: Free, Basic or Pro.")
    ] = "Pro",
    latency: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Median time of a render.")] = 0.3,
    per_second: Annotated[
        float | None, typer.Option(metavar="N", min=0.01, help="Throttle beyond N calls a second.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHARE", help="500, 502, 503, 429, hang, close, billed-hang, billed-close or drip; repeatable."
        ),
    ] = None,
    design: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=WIDTHxHEIGHT", help="A design and its size; with one, other designs do not exist; repeatable."
        ),
    ] = None,
) -> None:
    """Serve a stand-in for the Imejis API on this machine, with faults and an invoice."""
    from auditor.providers.imejis import IMEJIS
    from auditor.sandbox.billing import DEFAULT_KEY
    from auditor.sandbox.server import Sandbox

    plans = {each.name.lower(): each for each in IMEJIS.plans}
    if plan.lower() not in plans:
        raise ConfigError(f"--plan: unknown plan {plan!r}; {available(plan, [each.name for each in IMEJIS.plans])}")
    try:
        sandbox = Sandbox(
            port=port,
            included=int(plans[plan.lower()].included),
            latency=latency,
            per_second=per_second,
            faults={name: float(share) for name, share in (_pair(each, "--fault") for each in fault or [])},
            designs={name: _size(size) for name, size in (_pair(each, "--design") for each in design or [])},
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
        raise ConfigError(f"--design: {text!r} is not a size; write 1200x630")
    return int(width), int(height)
