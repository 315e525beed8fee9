"""`auditor rules` and `auditor explain`."""

import sys
from typing import Annotated

import typer

from auditor.commands.app import App, completing
from auditor.model.errors import ConfigError
from auditor.model.names import available
from auditor.model.options import manual
from auditor.registry import RULES

app = App()


@app.command(examples=["auditor rules"])
def rules() -> None:
    """List the rules."""
    for name, entry in RULES.items():
        print(f"{name:22} {entry.summary}")


@app.command(examples=[f"auditor explain {next(iter(RULES))}"])
def explain(
    rule: Annotated[
        str,
        typer.Argument(
            metavar="RULE", autocompletion=completing(RULES), help="The name of a rule; `auditor rules` lists them."
        ),
    ],
) -> None:
    """Print the manual page of a rule."""
    if rule not in RULES:
        raise ConfigError(f"unknown rule {rule!r}; {available(rule, RULES)}")
    print(manual_page(rule))


def manual_page(rule: str) -> str:
    """What the rule's file says of it, with its options as they are declared."""
    entry = RULES[rule]
    page = (sys.modules[entry.__module__].__doc__ or "").strip()
    return page + "".join(f"\n    {line}" for line in manual(rule, entry.Options))
