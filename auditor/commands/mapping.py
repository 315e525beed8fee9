"""`auditor map` and `auditor formats`: what a log of another kind is, and which of its requests are for images."""

import itertools
import json
import stat
import tomllib
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.app import App
from auditor.commands.options import Config, InputFormat, Log, MaxMemory, Timezone, say, settings_of
from auditor.config import settings_of as parsed
from auditor.model.errors import ConfigError, InputError
from auditor.model.events import BadRecordError
from auditor.model.words import plural
from auditor.reading.decimals import POINT
from auditor.registry import ALSO_CALLED, FORMATS
from auditor.system import memory
from auditor.system.files import replacing
from auditor.system.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.exchanges.exchange import Exchange
    from auditor.exchanges.proposal import ProposedTable
    from auditor.intake.detect import Detected
    from auditor.intake.sources import Source
    from auditor.model.settings import Settings

app = App()
RECORDS = 200_000
"""Of the sample: enough for every kind of address, and read in seconds."""
SHOWN = 10
_WIDTH = 60


@app.command(
    "map",
    examples=(
        "auditor map access.log --output auditor.toml",
        "auditor map access.log.gz --input-format nginx",
    ),
)
def map_log(
    log: Annotated[
        Path, typer.Argument(metavar="LOG", help="An access log, or any log of requests.", show_default=False)
    ],
    input_format: InputFormat = None,
    config: Config = None,
    timezone: Timezone = None,
    max_memory: MaxMemory = memory.DEFAULT,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Add the tables to this auditor.toml, new or not."),
    ] = None,
) -> None:
    """Propose the [sources] tables that tell which requests of a log are for images."""
    from auditor.intake.read import detected_in
    from auditor.intake.sources import discover

    kept = output if output is not None and output.exists() else None
    settings = settings_of(Log([str(log)], config=config or kept), timezone=timezone)
    if output is not None and kept is None:
        # What another file maps is not in this one.
        settings = replace(settings, sources=())
    (source, *others) = discover([str(log)], log.parent, note=say, max_memory=max_memory)
    if others:
        raise InputError(f"{log}: name one log; the tables fit all logs of the same server")
    # Addresses do not depend on how the numbers beside them are written.
    detected = detected_in(source, replace(settings, decimal=settings.decimal or POINT), input_format)
    if detected.lines:
        say(f"{source.label}: {detected}")
    exchanges = _exchanges(source, detected, settings)
    if not exchanges:
        raise InputError(f"{source.label}: holds no request; only logs of requests need a mapping")
    found = Mapping.of(source, exchanges, settings)
    for line in found.text():
        print(line)
    if output is None:
        return
    if not found.names:
        say(f"{output}: nothing to add")
        return
    merge(output, found.toml())
    say(f"{output}: added {', '.join(f'[sources.{name}]' for name in found.names)}; next: auditor audit {log}")


@app.command("formats", examples=["auditor formats"])
def formats() -> None:
    """List the log formats."""
    for name, kind in FORMATS.items():
        also = [alias for alias, called in ALSO_CALLED.items() if called == name]
        print(f"{name:20}{kind.title}" + (f" (or: {', '.join(also)})" if also else ""))


def _exchanges(source: "Source", detected: "Detected", settings: "Settings") -> "list[Exchange]":
    from auditor.exchanges.exchange import Exchange
    from auditor.reading.packed import decompressed

    reader = detected.kind(settings.timezone)
    found = []
    with source.reading() as raw:
        for record in itertools.islice(reader.records(source.path, detected.reader(decompressed(raw))), RECORDS):
            try:
                item = reader.parse(record.data)
            except BadRecordError:
                continue
            if isinstance(item, Exchange):
                found.append(item)
    return found


@dataclass(frozen=True, slots=True)
class Mapping:
    """What is proposed for a log, as TOML with what it does as comments."""

    source: "Source"
    exchanges: "Sequence[Exchange]"
    settings: "Settings"
    """With the proposed tables behind those that there are."""
    tables: "Sequence[ProposedTable]"
    """Those that map a request which nothing maps yet."""
    owners: "Sequence[str]"
    """Providers whose calls are in the log and on no account."""

    @classmethod
    def of(cls, source: "Source", exchanges: "Sequence[Exchange]", settings: "Settings") -> "Mapping":
        """Tables that map again what is mapped are left out, so that a second look at a log proposes nothing."""
        from auditor.exchanges.mapper import Mapper
        from auditor.exchanges.proposal import OWN, propose

        taken = {table.name for table in settings.sources}
        accounts = list(settings.accounts.items())
        payer = (accounts[0][1].provider, accounts[0][0]) if len(accounts) == 1 else (OWN[0], "") if accounts else OWN
        mapper = Mapper(settings, source.label)
        asked = [(each, mapper.request(each.method, each.host, each.target, each.body)) for each in exchanges]
        left, tables = [each for each, mapped in asked if mapped is None], []
        for table in propose(exchanges, payer, taken):
            proposed = parsed(tomllib.loads("\n".join(table.lines)), "the proposal").sources
            more = replace(settings, sources=(*settings.sources, *proposed))
            mapper = Mapper(more, source.label)
            still = [each for each in left if mapper.request(each.method, each.host, each.target, each.body) is None]
            if len(still) < len(left):
                settings, left = more, still
                tables.append(table)
        owned = {table.provider for table in settings.sources if table.path is None}
        calls = Counter(mapped.provider for _, mapped in asked if mapped is not None and not mapped.typed)
        alone = Counter(account.provider for account in settings.accounts.values())
        owners = [name for name in calls if name not in owned and alone[name] != 1 and name not in taken]
        return cls(source, exchanges, settings, tables, owners)

    @property
    def names(self) -> list[str]:
        """Of the tables."""
        return [*self.owners, *(table.name for table in self.tables)]

    def toml(self) -> "list[str]":
        """The tables, with what each is for."""
        lines: list[str] = []
        for name in self.owners:
            lines += ["", *_owner(name, self.settings)]
        for table in self.tables:
            lines += ["", *self._notes(table), *table.lines]
        return lines

    def text(self) -> "list[str]":
        """The whole proposal, with ten lines as they are mapped."""
        from auditor.exchanges.mapped import LeftOut
        from auditor.exchanges.mapper import Mapper
        from auditor.exchanges.proposal import frequent

        mapper = Mapper(self.settings, self.source.label)
        found = [(exchange, mapper.event(exchange, f"{exchange.ts_us}")) for exchange in self.exchanges]
        events = [(exchange, item[0]) for exchange, item in found if item is not None and not isinstance(item, LeftOut)]
        filtered = Counter(item.why.value for _, item in found if isinstance(item, LeftOut))
        keys = len({event.key for _, event in events})
        head = [
            f"# {plural(len(self.exchanges), 'request')} of {plain(self.source.label)}: {len(events):,} for images, "
            f"{keys:,} of them different." + "".join(f" {count:,} filtered: {why}." for why, count in filtered.items()),
        ]
        if self.tables:
            head.append("# Every parameter is in the key: `ignore` one only if you know that it changes no image.")
        elif self.owners or events:
            head.append("# The requests for images are known by what is configured and by the providers' addresses.")
        else:
            head += [
                "# No request looks like one for an image. These are the most frequent paths: put those that are",
                "# images into auditor.toml, without the `# ` before their lines.",
            ]
            for table in frequent(self.exchanges, [each.name for each in self.settings.sources]):
                head += ["", *self._notes(table), *(f"# {line}" for line in table.lines)]
        by_template = Counter(event.template for _, event in events)
        largest = ", ".join(f"{plain(name)} {count:,}" for name, count in by_template.most_common(8))
        shown = events[:: max(1, len(events) // SHOWN)][:SHOWN]
        tail = ["", f"# Templates: {largest}", "#", "# Ten lines mapped:"] if events else []
        for exchange, event in shown:
            size = f"{event.width or '?'}x{event.height or '?'} {event.format or '?'}"
            became = f"{event.outcome} {plain(event.template)} {size} {event.environment} {event.key[:11]}"
            tail.append(f"#   {_short(exchange.target)} -> {became}")
        return [*head, *self.toml(), *tail]

    def _notes(self, table: "ProposedTable") -> "list[str]":
        group = table.group
        where = _short(group.shown).rstrip()
        notes = [f"# {plural(group.requests, 'request')} for {where}"]
        if group.others:
            notes.append(f"#   {group.others:,} of them are no images by their media type: they will be filtered")
        for name, values in sorted(group.values.items())[:12]:
            notes.append(f"#   ?{plain(name)}= on {values.total():,} of them, {plural(len(values), 'value')}")
        return notes


def _owner(provider: str, settings: "Settings") -> "list[str]":
    """Whose the calls are that a provider's address tells."""
    plans = ", ".join(plan.name for plan in settings.catalogue.get(provider, ()))
    accounts = [name for name, account in settings.accounts.items() if account.provider == provider] or ["main"]
    one_of = f", one of {', '.join(accounts)}" if len(accounts) > 1 else ""
    lines = [
        f"# Calls to {provider} need no path: this says whose they are.",
        f"[sources.{provider}]",
        f'provider = "{provider}"',
        f"account = {json.dumps(accounts[0])}   # who is billed{plain(one_of)}",
    ]
    if accounts[0] in settings.accounts:
        return lines
    return [
        *lines,
        "",
        f"# Bills and plan advice need the plan: {plans}." if plans else f"# Prices of {provider} are unknown.",
        "# [accounts.main]",
        f'# provider = "{provider}"',
        '# plan = "…"',
    ]


def merge(path: Path, lines: "Sequence[str]") -> None:
    """Put tables behind what a configuration holds, which stays as it is. Written whole or not at all."""
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        text += ("" if text.endswith("\n") or not text else "\n") + "\n".join(lines if text else lines[1:]) + "\n"
        parsed(tomllib.loads(text, parse_float=Decimal), str(path))
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
        with replacing(path.resolve(), mode) as file:
            file.write(text.encode())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: the tables cannot be added ({error}); write [sources.NAME] tables there") from None
    except OSError as error:
        raise ConfigError(f"--output {path}: cannot be written ({error.strerror})") from None


def _short(target: str) -> str:
    """An address for print: without secrets, and not longer than a line."""
    from auditor.reading.secrets import redact

    text = plain(redact(target.encode(errors="replace")).decode(errors="replace"))
    return f"{text[: _WIDTH - 1]}…" if len(text) > _WIDTH else text.ljust(_WIDTH)
