"""`auditor config init` and `auditor config check`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from auditor.commands.app import App
from auditor.config import example, load
from auditor.model.errors import ConfigError

app = App(name="config", no_args_is_help=True, help="Write and check auditor.toml.")


@app.command("init", examples=["auditor config init", "auditor config init services/images/auditor.toml"])
def config_init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("auditor.toml"),
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


@app.command("check", examples=["auditor config check"])
def config_check(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to check.")] = Path("auditor.toml"),
) -> None:
    """Check an auditor.toml and say what it sets."""
    settings = load(path, plugged=True)
    print(
        f"{path}: valid; {len(settings.accounts)} accounts, "
        f"{len(settings.template_limits) + len(settings.placement_limits)} limits, cycles in {settings.timezone}"
    )
