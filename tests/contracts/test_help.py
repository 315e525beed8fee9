"""What every command says of itself, and that all of them say it alike."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from auditor.cli import GROUPS, app


def commands(found: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group below one, with its words."""
    yield path, found
    for name, each in getattr(found, "commands", {}).items():
        yield from commands(each, *path, name)


ALL = dict(commands(typer.main.get_command(app)))


def page(path: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch, option: str = "--help") -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = CliRunner().invoke(app, [*path, option], prog_name="auditor")
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("path", ALL, ids=" ".join)
@pytest.mark.parametrize("columns", [40, 41, 60, 80, 200])
def test_help_fits_the_terminal(path: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wider or ends in blanks; only examples, which are lines to copy, are never broken."""
    words, _, examples = page(path, columns, monkeypatch).partition("  Examples:\n")
    for line in words.splitlines():
        assert len(line) <= min(columns, 80), line
        assert line == line.rstrip(), line
    for line in examples.splitlines():
        assert line == line.rstrip()
        assert re.match(r"    (auditor \S|\S.* auditor \S)", line), line


@pytest.mark.parametrize(
    "path", [path for path, each in ALL.items() if not hasattr(each, "commands") or not path], ids=" ".join
)
def test_help_ends_with_examples_of_the_command(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    _, found, examples = page(path, 80, monkeypatch).partition("  Examples:\n")
    assert found and f"auditor {' '.join(path)}".rstrip() in examples


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_h_is_help(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert page(path, 80, monkeypatch, "-h") == page(path, 80, monkeypatch)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_shows_no_types_of_python(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a value is, is said in words of the user."""
    assert not re.search(r"<(list|str|int|float|path|tuple)\b", page(path, 80, monkeypatch))


def test_every_command_is_in_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(ALL[()].commands)
    shown = page((), 80, monkeypatch)
    assert [line[:-1] for line in re.findall(r"^[A-Z].*:$", shown, re.MULTILINE)] == ["Options", *GROUPS]


def test_a_short_option_means_the_same_everywhere() -> None:
    """And an option that has one in a command has it in all."""
    longs, shorts = defaultdict(set), defaultdict(set)
    for each in ALL.values():
        for option in each.params:
            long = [name for name in option.opts if name.startswith("--")]
            short = [name for name in option.opts if re.fullmatch(r"-[a-zA-Z]", name)]
            for name in long:
                longs[name].add((*short,))
            for name in short:
                shorts[name].add((*long,))
    assert {name: found for name, found in shorts.items() if len(found) > 1} == {}
    assert {name: found for name, found in longs.items() if len(found) > 1} == {}


def test_the_version_names_engine_and_python() -> None:
    done = CliRunner().invoke(app, ["-V"])
    assert done.output == CliRunner().invoke(app, ["--version"]).output
    assert re.fullmatch(r"auditor \S+ \(DuckDB \d+\.\d+\.\d+\S*, Python 3\.\d+\.\d+\S*\)\n", done.output)


@pytest.mark.service
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(shell: str) -> None:
    """The script that a shell evaluates, and what the command answers it."""
    script = CliRunner().invoke(app, [], prog_name="auditor", env={"_AUDITOR_COMPLETE": f"source_{shell}"}).output
    assert f"_AUDITOR_COMPLETE=complete_{shell}" in script
    asked = {
        "bash": lambda words, at: {"COMP_WORDS": words, "COMP_CWORD": str(at)},
        "zsh": lambda words, _: {"_TYPER_COMPLETE_ARGS": words},
        "fish": lambda words, _: {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    for words, at, answer in [
        ("auditor au", 1, "audit"), ("auditor audit --tim", 2, "--timezone"), ("auditor explain dup", 2, "duplicate-renders"),
        ("auditor audit --rule ali", 3, "aliases"), ("auditor map --input-format ng", 3, "nginx-json"),
        ("auditor plan --provider h", 3, "hcti"),
    ]:  # fmt: skip
        environment = {"_AUDITOR_COMPLETE": f"complete_{shell}", **asked(words, at)}
        done = CliRunner().invoke(app, [], prog_name="auditor", env=environment)
        assert answer in done.output, words
