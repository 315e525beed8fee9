"""`auditor prerender`: items in, a progress bar on a terminal, a line of counts, every failure with its reason."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor import config as configuration
from auditor.commands.app import App, completing
from auditor.commands.options import Config
from auditor.model.errors import InputError, MissingExtraError
from auditor.model.names import available
from auditor.model.settings import ClientSettings
from auditor.system.terminal import plain, say

if TYPE_CHECKING:
    from auditor.client.batch import BatchReport, Item

from auditor.registry import PROVIDERS

app = App()
OK, FAILED, STOPPED = 0, 1, 3
SHOWN = 20
"""Failures that are named; all of them are counted."""
_FIELDS = {"template", "overrides", "options", "template_version", "placement"}


@app.command(
    examples=(
        "auditor prerender items.jsonl --environment production",
        "auditor prerender items.jsonl --base-url http://127.0.0.1:19780/v1 --cache file:///var/cache/renders",
    ),
)
def prerender(
    items: Annotated[
        str,
        typer.Argument(
            metavar="ITEMS",
            help='JSON Lines: {"template": "og", "overrides": {…}, "options": {"format": "png"}}; or -.',
        ),
    ],
    environment: Annotated[
        str, typer.Option("--environment", "-e", metavar="NAME", help="The [client.NAME] of auditor.toml to use.")
    ] = "production",
    config: Config = None,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            "-p",
            metavar="NAME",
            autocompletion=completing(PROVIDERS),
            help="The provider, without auditor.toml.",
        ),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", "-a", metavar="NAME", help="The alias of the account in the events.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="The environment variable that holds the API key.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another address of the API, such as the sandbox's.")
    ] = None,
    cache: Annotated[
        str | None, typer.Option(metavar="CACHE", help="Where images are kept: a folder, file://, s3://, redis://.")
    ] = None,
    events: Annotated[str | None, typer.Option(metavar="FOLDER", help="The folder of usage events.")] = None,
    concurrency: Annotated[int, typer.Option(metavar="N", min=1, max=256, help="Renders at the same time.")] = 8,
    per_second: Annotated[
        float | None, typer.Option(metavar="N", min=0.01, help="Renders a second; else what the plans allow.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(metavar="CREDITS", min=0, help="Stop at this many credits in the billing cycle.")
    ] = None,
) -> None:
    """Render the images that are not cached yet, ahead of time.

    Interrupted, the same command goes on where it was.
    """
    from auditor.client.connect import renderer

    chosen: dict[str, Any] = {
        "provider": provider, "account": account, "api_key_env": api_key_env, "base_url": base_url, "cache": cache,
        "events": events, "budget": budget,
    }  # fmt: skip
    batch = list(read(items))
    where = config or configuration.own()
    if where is not None:
        say(f"settings from {where}")
    settings = configuration.load(where, rules=False)
    default = ClientSettings("imejis", "default", "IMEJIS_API_KEY", cache=".renders", events="usage")
    client = settings.clients.get(environment.lower(), default)
    client = replace(client, **{name: value for name, value in chosen.items() if value is not None})
    with ExitStack() as stack:
        render = stack.enter_context(renderer(environment, client, settings, {}))
        show = _bar(stack, len(batch))
        try:
            report = render.prerender(batch, concurrency=concurrency, per_second=per_second, progress=show)
        except KeyboardInterrupt:
            print("auditor: interrupted; run the same command again to go on", file=sys.stderr)
            raise
    raise typer.Exit(_said(report, len(batch)))


def read(source: str) -> Iterator["Item"]:
    """The items of a file; `InputError` names the line that is none."""
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror}); check the path") from None
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield _item(line, f"{source} line {number}")


def _item(line: bytes, where: str) -> "Item":
    import orjson

    from auditor.client.batch import Item

    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{where}: is not JSON ({error.msg}); write one object a line") from None
    if not isinstance(found, dict) or not isinstance(found.get("template"), str):
        raise InputError(f'{where}: an object with a "template" is needed')
    if unknown := found.keys() - _FIELDS:
        raise InputError(f"{where}: unknown field {min(unknown)!r}; {available(min(unknown), sorted(_FIELDS))}")
    for name in ("overrides", "options"):
        if not isinstance(found.setdefault(name, {}), dict):
            raise InputError(f"{where}: {name} is not an object")
    return Item(**found)


def _bar(stack: ExitStack, total: int) -> Any:
    try:
        from auditor.system.progress import Progress
    except ModuleNotFoundError as error:
        raise MissingExtraError("auditor prerender", "sandbox", str(error.name)) from None
    progress = stack.enter_context(Progress(unit="items"))
    return lambda report: progress("rendering", report.done, total)


def _said(report: "BatchReport", total: int) -> int:
    untried = total - report.done
    print(f"{report.rendered:,} rendered, {report.present:,} already there, {len(report.failed):,} failed", end="")
    print(f", {untried:,} not tried" if untried else "")
    for place, template, reason in report.failed[:SHOWN]:
        print(f"auditor: item {place + 1} ({plain(template)}): {plain(reason)}", file=sys.stderr)
    if len(report.failed) > SHOWN:
        print(f"auditor: and {len(report.failed) - SHOWN:,} more failures", file=sys.stderr)
    if report.stopped is not None:
        print(f"auditor: stopped: {plain(report.stopped)}", file=sys.stderr)
        return STOPPED
    return FAILED if report.failed else OK
