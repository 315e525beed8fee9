"""`auditor prerender`: items in, a progress bar on a terminal, a line of counts, every failure with its reason."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from auditor import config as configuration
from auditor.client.batch import BatchReport, Item
from auditor.connect import renderer
from auditor.errors import InputError, MissingExtraError
from auditor.settings import ClientSettings
from auditor.terminal import plain

OK, FAILED, STOPPED = 0, 1, 3
SHOWN = 20
"""Failures that are named; all of them are counted."""
_FIELDS = {"template", "overrides", "options", "template_version", "placement"}


def run_prerender(
    source: str,
    *,
    environment: str,
    config: Path | None,
    chosen: Mapping[str, Any],
    concurrency: int,
    per_second: float | None,
) -> int:
    """0 if every item is there now, 1 if some failed, 3 if the batch stopped before its end."""
    items = list(read(source))
    settings = configuration.load(config or configuration.find([]))
    default = ClientSettings("imejis", "default", "IMEJIS_API_KEY", cache=".renders", events="usage")
    client = settings.clients.get(environment.lower(), default)
    client = replace(client, **{name: value for name, value in chosen.items() if value is not None})
    with ExitStack() as stack:
        render = stack.enter_context(renderer(environment, client, settings, {}))
        show = _bar(stack, len(items))
        try:
            report = render.prerender(items, concurrency=concurrency, per_second=per_second, progress=show)
        except KeyboardInterrupt:
            print("auditor: interrupted; run the same command again to go on", file=sys.stderr)
            raise
    return _said(report, len(items))


def read(source: str) -> Iterator[Item]:
    """The items of a file; `InputError` names the line that is none."""
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror}); check the path") from None
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield _item(line, f"{source} line {number}")


def _item(line: bytes, where: str) -> Item:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{where}: is not JSON ({error.msg}); write one object a line") from None
    if not isinstance(found, dict) or not isinstance(found.get("template"), str):
        raise InputError(f'{where}: an object with a "template" is needed')
    if unknown := found.keys() - _FIELDS:
        raise InputError(f"{where}: {min(unknown)!r} is unknown; fields are {', '.join(sorted(_FIELDS))}")
    for name in ("overrides", "options"):
        if not isinstance(found.setdefault(name, {}), dict):
            raise InputError(f"{where}: {name} is not an object")
    return Item(**found)


def _bar(stack: ExitStack, total: int) -> Any:
    try:
        from auditor.progress import Progress
    except ModuleNotFoundError as error:
        raise MissingExtraError("auditor prerender", "sandbox", str(error.name)) from None
    progress = stack.enter_context(Progress(unit="items"))
    return lambda report: progress("rendering", report.done, total)


def _said(report: BatchReport, total: int) -> int:
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
