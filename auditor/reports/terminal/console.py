"""The console and the table that every text for a terminal is written with."""

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Words

from auditor.system.terminal import is_terminal

WIDTH = 100
"""Columns where the output is no terminal, so that files look the same everywhere."""
NARROWEST = 80
"""Columns below which a terminal breaks the lines itself: tables would break the figures, 24.9 above 9."""


def console_of(out: TextIO) -> Console:
    """A console that writes the same everywhere but on a terminal."""
    terminal = is_terminal(out)
    console = Console(
        file=out, width=None if terminal else WIDTH, highlight=False, markup=False, emoji=False, force_terminal=terminal
    )
    console.width = max(console.width, NARROWEST)
    return console


def table_of(*columns: str, left: Sequence[str] = ()) -> Table:
    """A plain table; columns are numbers but for those named in *left*."""
    table = Table(show_header=any(columns), box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        table.add_column(name, justify="left" if name in left else "right", overflow="fold")
    return table


def inset(console: Console, what: Table | str | Words, left: int = 2, above: int = 0, below: int = 0) -> None:
    """Print something with its left edge moved in, also where its lines are broken."""
    console.print(Padding(Words(what) if isinstance(what, str) else what, (above, 0, below, left), expand=False))
