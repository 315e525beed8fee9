"""`auditor inspect`: images in, what other formats and the shown size would save in bytes, measured."""

import json
import os
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.commands.app import App
from auditor.commands.options import INCOMPLETE, OK, TEXT, Config, Log, TextOrJson, converted, opened, say, settings_of
from auditor.model.errors import ConfigError
from auditor.model.measurements import Measured, document, load
from auditor.model.settings import Limit
from auditor.model.words import plural
from auditor.system.terminal import plain

if TYPE_CHECKING:
    from auditor.inspect.run import Inspected

app = App()
SHOWN = 20
"""Refused images that are named on the terminal; the file names all of them."""


@app.command(
    examples=(
        "auditor inspect pictures/ --placement product_card --output measured.json",
        "auditor inspect --urls access.log --shown 400x300@2",
        "auditor audit usage/ --measured measured.json",
    ),
)
def inspect(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH", help="Images, folders, cache folders of the client, or addresses.", show_default=False
        ),
    ] = None,
    urls: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="A list or log of addresses, or JSON Lines with `url`; repeatable; or -."),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template",
            "-t",
            metavar="NAME",
            help="The template whose limit in auditor.toml says how large it is shown.",
        ),
    ] = None,
    placement: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where it is shown, if the list does not say.")
    ] = None,
    shown: Annotated[
        str | None, typer.Option(metavar="SIZE", help="How large it is shown in CSS px: 400, 400x300 or 400x300@2.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the measurements to this file; those in it are not repeated."
        ),
    ] = None,
    output_format: Annotated[TextOrJson, typer.Option("--format", "-f", help="How to write the summary.")] = TEXT,
    sample: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Measure N of the images, spread evenly.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(metavar="N", min=0, max=64, help="Images at the same time; 0 is one per processor.")
    ] = 0,
    allow_network: Annotated[
        list[str] | None,
        typer.Option(metavar="NETWORK", help="A network of your own that may be fetched from, e.g. 10.1.0.0/16."),
    ] = None,
    max_refused: Annotated[
        float,
        typer.Option(metavar="PERCENT", min=0, max=100, help="Exit 3 if a larger share of the images is refused."),
    ] = 5.0,
    config: Config = None,
) -> None:
    """Measure images, and the bytes that other formats and sizes would save."""
    from auditor.analysis.placements import limit_for
    from auditor.inspect.pictures import Skipped, wanted
    from auditor.inspect.run import Inspection
    from auditor.system.clock import present
    from auditor.system.network import Fetcher, Guard, network
    from auditor.system.progress import Progress

    if not paths and not urls:
        raise ConfigError("nothing to inspect: name images, folders or addresses, or a list with --urls")
    settings = settings_of(Log([path for path in paths or [] if "://" not in path], config=config), rules=False)
    fixed = converted("--shown", _shown, shown) if shown else None
    guard = Guard(tuple(converted("--allow-network", network, block) for block in allow_network or []))
    known, earlier = _known(output)

    def limit_of(own_template: str | None, own_placement: str | None) -> Limit | None:
        return fixed or limit_for(settings, own_template or template, own_placement or placement)

    with ExitStack() as stack:
        fetcher = stack.enter_context(Fetcher(guard))
        progress = stack.enter_context(Progress(unit="items"))
        skipped = Skipped()
        tasks = list(wanted(paths or [], urls or [], fetcher.get, skipped, say))
        if sample is not None and sample < len(tasks):
            tasks = [tasks[place * len(tasks) // sample] for place in range(sample)]
        result = Inspection(limit_of, known).run(tasks, jobs or os.cpu_count() or 1, progress)
    if skipped.lines:
        say(f"{plural(skipped.lines, 'line')} without an address; the first is {skipped.first}")
    pictures = {**known, **result.pictures}.values()
    now = present(lambda: datetime.now(UTC)).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    found = document(pictures, result.refused, result.method or earlier, now)
    if output is not None:
        with opened(output) as file:
            _write(found, file)
    if output_format is TextOrJson.json:
        _write(found, sys.stdout)
    else:
        _summary(result)
    raise typer.Exit(INCOMPLETE if len(result.refused) * 100 > max_refused * len(tasks) else OK)


def _known(output: Path | None) -> tuple[dict[str, Any], Any]:
    """Images by digest, and the method, of the file that would be written again."""
    if output is None or not output.is_file():
        return {}, {}
    pictures, method = load(output)
    return {picture.digest: picture for picture in pictures}, method


def _write(found: dict[str, Any], file: Any) -> None:
    json.dump(found, file, indent=1, ensure_ascii=True, allow_nan=False)
    file.write("\n")


def _shown(text: str) -> Limit:
    match = re.fullmatch(r"(\d{1,5})?(?:x(\d{1,5}))?(?:@(\d{1,2}(?:\.\d{1,2})?))?", text)
    sides = [Decimal(side) if side else None for side in match.groups()] if match else [None, None, None]
    if not any(sides[:2]) or any(side == 0 for side in sides):
        raise ValueError(f"= {text!r} is not a size; write 400, 400x300, x300 or 400x300@2")
    return Limit(sides[0], sides[1], sides[2] or Decimal(1), "--shown")


def _summary(result: "Inspected") -> None:
    """A row a format that was delivered, a column a format that was tried."""
    from auditor.reports.terminal.console import console_of, table_of

    console = console_of(sys.stdout)
    pictures = sorted(result.pictures.values(), key=lambda picture: picture.digest)
    console.print(
        f"{plural(len(pictures), 'image')}, {plural(sum(one.bytes for one in pictures), 'byte')}; "
        f"{result.known:,} known before, {result.copies:,} with the bytes of another, {len(result.refused):,} refused"
    )
    tried = ("webp", "avif", "jpeg", "png")
    columns = ("Delivered", "Images", "Bytes", *(f"as {name}" for name in tried), "Best", "Right-sized")
    table = table_of(*columns, left=["Delivered"])
    for name in sorted({picture.format for picture in pictures}):
        own = [picture for picture in pictures if picture.format == name]
        table.add_row(
            name, f"{len(own):,}", f"{sum(one.bytes for one in own):,}",
            *(_sum(own, partial(_sizes, name=to)) for to in tried),
            _sum(own, _sizes),
            _sum(own, lambda one: [t.bytes for t in one.right_sized if t.format == one.format]),
            _sum(own, lambda one: [t.bytes for t in (*one.trials, *one.right_sized)]),
        )  # fmt: skip
    console.print(table)
    gains = [(picture.bytes - best.bytes, picture, best) for picture in pictures if (best := picture.best)]
    for gain, picture, best in sorted(gains, key=lambda one: (-one[0], one[1].digest))[:5]:
        how = "lossless" if best.lossless else f"quality {best.quality}, SSIM {best.ssim}"
        console.print(f"{gain:>12,} bytes less as {best.format} ({how}): {plain(picture.source)}", soft_wrap=True)
    for bad in result.refused[:SHOWN]:
        say(f"{bad.source}: refused ({bad.reason}): {bad.detail}")
    if len(result.refused) > SHOWN:
        say(f"and {len(result.refused) - SHOWN:,} more; --output names all")


def _sum(pictures: list[Any], sizes: Callable[[Any], list[int]]) -> str:
    """Bytes of all the images, each as it is where nothing is smaller."""
    return f"{sum(min([picture.bytes, *sizes(picture)]) for picture in pictures):,}"


def _sizes(picture: Measured, name: str | None = None) -> list[int]:
    return [trial.bytes for trial in picture.trials if name in (None, trial.format)]
