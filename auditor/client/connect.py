"""A renderer as auditor.toml describes it for an environment: staging cannot reach the paid account by mistake."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auditor import config as configuration
from auditor.client.budget import Budget
from auditor.client.renderer import Renderer
from auditor.model.errors import ConfigError
from auditor.model.settings import ClientSettings, Settings


def connect(environment: str, *, config: str | Path | None = None, **options: Any) -> Renderer:
    """The renderer of `[client.ENVIRONMENT]`; *options* are those of `Renderer` and win.

    Without *config*, auditor.toml in the working directory is read, or that of its repository. `ConfigError` if there
    is no such table, or if the environment variable that it names is not set.
    """
    path = Path(config) if config is not None else configuration.own()
    settings = configuration.load(path, rules=False)
    found = settings.clients.get(environment.lower())
    if found is None:
        raise ConfigError(
            f"{path or configuration.FILE_NAME}: there is no [client.{environment}]; add it, or name another"
        )
    return renderer(environment, found, settings, options)


def renderer(environment: str, client: ClientSettings, settings: Settings, options: Mapping[str, Any]) -> Renderer:
    """The renderer of these settings."""
    account = settings.account(client.provider, client.account)
    chosen: dict[str, Any] = {
        "account": client.account, "environment": environment, "base_url": client.base_url,
        "production": environment.lower() in settings.production,
    }  # fmt: skip
    if client.cache is not None:
        chosen["cache"] = client.cache
    if client.events is not None and "events" not in options:
        chosen |= {
            "events": client.events, "spool_mode": client.spool_mode, "spool_group": client.spool_group,
            "spool": client.spool,
        }  # fmt: skip
    if client.budget is not None:
        chosen["budget"] = Budget(client.budget, anchor_day=account.anchor_day, timezone=str(account.timezone))
    if "api_key" not in options:
        chosen["api_key"] = os.environ.get(client.api_key_env, "")
        if not chosen["api_key"]:
            raise ConfigError(f"the environment variable {client.api_key_env} holds no API key; set it")
    return Renderer(client.provider, **{**chosen, **options})
