"""`auditor config init` and `auditor config check`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from auditor.config import example, load
from auditor.model.errors import ConfigError

app = typer.Typer(name="config", no_args_is_help=True, help="Write and check auditor.toml.", rich_markup_mode=None)


@app.command("init")
def config_init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("auditor.toml"),
) -> None:
    """Write an auditor.toml with every setting explained."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(example())
    except FileExistsError:
        raise ConfigError(f"{path} exists; name another path or move it away") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
    print(f"{path} written; check it with: auditor config check {path}", file=sys.stderr)


@app.command("check")
def config_check(
    path: Annotated[Path, typer.Argument(help="The file to check.")] = Path("auditor.toml"),
) -> None:
    """Check an auditor.toml and say what it sets."""
    settings = load(path, plugged=True)
    print(
        f"{path}: valid; {len(settings.accounts)} accounts, "
        f"{len(settings.template_limits) + len(settings.placement_limits)} limits, cycles in {settings.timezone}"
    )
