"""auditor.toml -> frozen `Settings`; whatever is unknown or impossible is an error with the file and the key."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from auditor.config import plugins, sections, values
from auditor.config.formats import own_format
from auditor.intake.sources import stays_in
from auditor.model.errors import ConfigError
from auditor.model.settings import PRODUCTION, BytePrices, Settings
from auditor.registry import PROVIDERS
from auditor.system.terminal import say

FILE_NAME = "auditor.toml"
MAX_SIZE = 1 << 20
"""Bytes of the largest auditor.toml."""
MOST_DOTS = 256
"""On one line: a key of many thousand parts would take hours."""
OWNERS = ("delivery", "client", "usage", "plugins")
"""Tables that name secrets, addresses, paths and code. Data must not choose them: only the owner's file counts."""


def find(paths: Sequence[Path]) -> Path | None:
    """The auditor.toml in an audited folder, else beside an audited file, else the user's own.

    A link that leads out of its folder is none: who may write into the folder would choose what is read.
    """
    for path in [*paths, *(path.parent for path in paths)]:
        candidate = path / FILE_NAME
        if path.is_dir() and candidate.is_file() and (path.resolve() == Path.cwd() or stays_in(path, candidate)):
            return candidate
    return own()


def own() -> Path | None:
    """The auditor.toml in the working directory, else in the nearest of its parents up to the one with `.git`.

    Outside of a repository no parent is looked into. Nor is the file of another user used there, but root's: any user
    may put one, and a `.git`, into a folder such as /tmp.
    """
    folders = [Path.cwd(), *Path.cwd().parents]
    top = next((depth for depth, folder in enumerate(folders) if (folder / ".git").exists()), 0)
    for depth in range(top + 1):
        candidate = Path(*[".."] * depth, FILE_NAME)
        if not candidate.is_file():
            continue
        if depth == 0 or candidate.stat().st_uid in (os.geteuid(), 0):
            return candidate
        say(f"{candidate} belongs to another user and is not used; to use it: --config {candidate}")
    return None


def found(
    paths: Sequence[Path], timezone: ZoneInfo | None = None, *, rules: bool = True
) -> tuple[Settings, Path | None, list[str]]:
    """The settings for some audited paths, the file that was used, and what of it does not count.

    The user's `own` file says all. One that came with the data tells what the data means: its `OWNERS` tables are not
    used, those of the user's own file are; nor does it turn off a rule.
    """
    path, mine = find(paths), own()
    if path is None or (mine is not None and path.resolve() == mine.resolve()):
        return load(path, timezone, rules=rules, plugged=rules), path, []
    table = _read(path)
    ignored = [f"[{name}]" for name in OWNERS if table.pop(name, None) is not None]
    audits = table.get("rules")
    for name, rule in audits.items() if isinstance(audits, dict) else ():
        if isinstance(rule, dict) and rule.get("enabled") is False:
            del rule["enabled"]
            ignored.append(f"rules.{name}.enabled")
    # First: the data's rules may be its plug-ins'.
    owned = None if mine is None else load(mine, timezone, rules=rules, plugged=rules)
    settings = settings_of(table, str(path), timezone, rules=rules)
    if owned is not None:
        settings = replace(settings, clients=owned.clients, usage=owned.usage, deliveries=owned.deliveries)
    return settings, path, ignored


def load(path: Path | None, timezone: ZoneInfo | None = None, *, rules: bool = True, plugged: bool = False) -> Settings:
    """The settings of a file, or the defaults; *timezone* replaces its own, also for accounts that name none.

    Without *rules*, the options of single rules are left alone: reading them imports what audits need. With *plugged*,
    the plug-ins that the file allows are imported: only for what runs rules, and of a file that its user chose.
    """
    table, where = ({}, "the defaults") if path is None else (_read(path), str(path))
    return settings_of(table, where, timezone, rules=rules, plugged=plugged)


def _read(path: Path) -> dict[str, Any]:
    """A file as TOML; `ConfigError` where it is none, or larger or deeper than a configuration."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
        if len(data) > MAX_SIZE:
            raise ConfigError(f"{path}: is larger than {MAX_SIZE >> 20} MiB, as no configuration is; name another file")
        text = data.decode()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name another file with --config") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MOST_DOTS:
            raise ConfigError(f"{path}: line {number} has more than {MOST_DOTS} dots; write it on several lines")
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply; no setting has lists or tables in so many others") from None
    except ValueError as error:  # a number of more digits than Python takes
        raise ConfigError(f"{path}: holds a value that cannot be read ({error})") from None


def settings_of(
    table: Mapping[str, Any], where: str, timezone: ZoneInfo | None = None, *, rules: bool = True, plugged: bool = False
) -> Settings:
    """The settings that a parsed file stands for; *where* names it in errors, *timezone* replaces its default zone."""
    root = sections.CheckedTable(table, where, "")
    named_zone = root.take("timezone", values.zone, ZoneInfo("UTC"))
    default_zone = timezone or named_zone
    production = root.take("production_environments", values.names, PRODUCTION)
    catalogue = {name: {plan.name: plan for plan in provider.plans} for name, provider in PROVIDERS.items()}
    for provider, plans in root.tables("plans"):
        for name, plan in plans.each(partial(sections.plan, provider)).items():
            catalogue.setdefault(provider, {})[name] = plan
    accounts = root.each(partial(sections.account, default_zone, catalogue), "accounts")
    limits = root.table("limits")
    templates = limits.each(sections.limit, "templates")
    placements = limits.all_of(limits.each(sections.limit, "placements"))
    costs = root.table("prices")
    prices = costs.all_of(costs.read(BytePrices))
    allowed = root.table("plugins")
    plugins.allow(allowed.all_of(allowed.take("allow", values.texts, ())), load=plugged)
    found = Settings(
        timezone=default_zone,
        production=production,
        accounts=accounts,
        catalogue={name: tuple(plans.values()) for name, plans in catalogue.items()},
        terms={name: provider.terms for name, provider in PROVIDERS.items()},
        template_limits=templates,
        placement_limits=placements,
        prices=prices,
        **sections.rules(root.tables("rules"), own=rules),
        clients={name.lower(): client for name, client in root.each(sections.client, "client").items()},
        sources=tuple(root.each(partial(sections.source, accounts), "sources").values()),
        log_formats=root.each(own_format, "formats"),
        usage=root.each(partial(sections.usage, accounts), "usage"),
        deliveries=root.each(sections.delivery, "delivery"),
        decimal=root.take("decimal", partial(values.word, (",", ".")), None),
        ids=root.take("ids", partial(values.word, ("keep", "rows")), None),
    )
    return root.all_of(found)


def example() -> str:
    """An auditor.toml with every setting explained."""
    return resources.files("auditor").joinpath("auditor.example.toml").read_text(encoding="utf-8")
