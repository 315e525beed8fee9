"""How commands show their help: with examples one a line, on terminals of 40 columns upward."""

import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

F = TypeVar("F", bound=Callable[..., Any])
_WIDEST = 80
_ARGUMENT_TYPE = re.compile(r"^([A-Z]+) <.*>$")
"""What Typer writes behind the name of an argument: types of Python."""
_LINE_END = re.compile(r"[ \t]+$", re.MULTILINE)


def completing(names: Iterable[str]) -> Callable[[str], list[str]]:
    """What a shell completes a value with."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


class _Context(typer.Context):
    def make_formatter(self) -> Any:
        """As wide as the terminal, where Click has at least 50 columns; words keep room beside long options."""
        formatter: Any = super().make_formatter()
        columns = min(shutil.get_terminal_size().columns, _WIDEST)
        formatter.width = columns - 2
        rows_of, written = formatter.write_dl, formatter.getvalue
        formatter.write_dl = lambda rows: rows_of(
            [(_ARGUMENT_TYPE.sub(r"\1", name), words) for name, words in rows], col_max=min(30, columns // 3)
        )
        formatter.getvalue = lambda: _LINE_END.sub("", written())
        return formatter


class Command(TyperCommand):
    """One command."""

    context_class = _Context


class CommandGroup(TyperGroup):
    """A command that has commands."""

    context_class = _Context
    headings: ClassVar[Mapping[str, Sequence[str]]] = {}
    """The headings of the help, and the commands below each; one heading for all where there are none."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Whole sentences, in one column."""
        del ctx
        width = max(map(len, self.commands))
        for heading, names in (self.headings or {"Commands": tuple(self.commands)}).items():
            with formatter.section(heading):
                words = {name: self.commands[name].get_short_help_str(200).removesuffix(".") for name in names}
                formatter.write_dl([(name.ljust(width), words[name]) for name in names])


class App(typer.Typer):
    """The commands of a file, or all of them."""

    def __init__(self, *, cls: type[CommandGroup] = CommandGroup, examples: Sequence[str] = (), **given: Any) -> None:
        super().__init__(cls=cls, rich_markup_mode=None, epilog=_page_end(examples), **given)

    def command(self, name: str | None = None, *, examples: Sequence[str] = (), **given: Any) -> Callable[[F], F]:
        """Typer's, with *examples*, each a line to copy."""
        return super().command(name, cls=Command, epilog=_page_end(examples), **given)


def _page_end(examples: Sequence[str]) -> str | None:
    # Click leaves the lines of a paragraph behind \b alone.
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in examples)]) if examples else None
