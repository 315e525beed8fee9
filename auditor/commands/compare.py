"""`auditor compare self-hosted`: when self-hosting would cost less than the provider."""

from fractions import Fraction
from typing import Annotated

import typer

from auditor.commands.app import App, completing
from auditor.commands.options import TEXT, Config, Log, Output, TextOrJson, converted, plans_of, say, settings_of, show
from auditor.config.values import money
from auditor.registry import PROVIDERS

app = App()
compare = App(no_args_is_help=True, help="Compare the provider with self-hosting.")
app.add_typer(compare, name="compare")


@compare.callback()
def _group() -> None:
    """Compare the provider with self-hosting."""


@compare.command(
    "self-hosted",
    examples=(
        "auditor compare self-hosted",
        "auditor compare self-hosted --calls 40000 --provider hcti",
        "auditor compare self-hosted --maintenance 2-3 --hourly 80 --redis 0 --format json",
    ),
)
def self_hosted(
    calls: Annotated[int | None, typer.Option(metavar="N", min=1, help="Your calls a month, to be marked.")] = None,
    provider: Annotated[
        str, typer.Option("--provider", "-p", metavar="NAME", autocompletion=completing(PROVIDERS), help="Whose plans.")
    ] = "imejis",
    server: Annotated[str | None, typer.Option(metavar="MONEY", help="A month of a server: 30, or 20-40.")] = None,
    maintenance: Annotated[
        str | None, typer.Option(metavar="HOURS", help="Hours of upkeep a month: 6, or 4-8.")
    ] = None,
    hourly: Annotated[str | None, typer.Option(metavar="MONEY", help="What an hour of it costs.")] = None,
    monitoring: Annotated[
        str | None, typer.Option(metavar="MONEY", help="A month of monitoring: 15, or 10-20.")
    ] = None,
    redis: Annotated[
        str | None, typer.Option(metavar="MONEY", help="A month of a cache, needed on either side: 5-10.")
    ] = None,
    config: Config = None,
    output_format: Annotated[TextOrJson, typer.Option("--format", "-f", help="How to write the comparison.")] = TEXT,
    output: Output = None,
) -> None:
    """Compare self-hosting with the provider: dated assumptions that you can override, and the break-even."""
    from auditor.reports.terminal import selfhosted as text
    from auditor.results.selfhosted import ASSUMPTIONS, CURRENCY, compared

    plans = plans_of(settings_of(Log(config=config)), provider)
    assumptions = dict(ASSUMPTIONS)
    given = {"server": server, "maintenance": maintenance, "hourly": hourly, "monitoring": monitoring, "redis": redis}
    for name, figure in given.items():
        if figure is not None:
            assumptions[name] = assumptions[name].replaced(*converted(f"--{name}", span, figure))
    if plans and plans[0].currency != CURRENCY and any(each.checked for each in assumptions.values()):
        say(f"figures of the cost guide are in {CURRENCY} and are taken as {plans[0].currency}: name your own instead")
    show(compared(provider, assumptions, plans, calls), text.write, output_format, output)


def span(text: str) -> tuple[Fraction, Fraction]:
    """A figure, or a range of two; `ValueError` says what is allowed."""
    low, dash, high = text.partition("-")
    try:
        ends = Fraction(money(low)), Fraction(money(high if dash else low))
    except ValueError:
        raise ValueError(f"= {text!r} is not a figure and no range; write 30 or 20-40") from None
    if ends[0] > ends[1]:
        raise ValueError(f"= {text!r} runs backwards; write the smaller figure first")
    return ends
