"""Rules, alerts and runbooks as files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from auditor.model.errors import ConfigError
from auditor_exporter.alert_rules import Parameters, recording
from auditor_exporter.alerts import alerting, runbook


class _Dumper(yaml.SafeDumper):
    """Expressions of several lines as blocks, as people write them."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def parameters_of(settings: Sequence[str]) -> Parameters:
    """From `NAME=VALUE`s; `ConfigError` names what is unknown."""
    known = {field.name: field.type for field in fields(Parameters)}
    chosen: dict[str, Any] = {}
    for setting in settings:
        name, found, value = setting.partition("=")
        if not found or name not in known:
            raise ConfigError(f"--set {setting!r}: write NAME=VALUE, names are {', '.join(known)}")
        kind = type(getattr(Parameters(), name))
        try:
            chosen[name] = kind(value)
        except ValueError:
            raise ConfigError(f"--set {setting!r}: {value!r} is no {kind.__name__}") from None
    return replace(Parameters(), **chosen)


def contents(parameters: Parameters) -> Iterator[tuple[str, str]]:
    """(path in the folder, text) of each file."""
    for name, document in (
        ("rules/imgrender.yml", recording(parameters)),
        ("alerts/imgrender.yml", alerting(parameters)),
    ):
        yield name, yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)
    yield "runbooks/README.md", runbook()


def write_all(folder: Path, parameters: Parameters) -> Iterable[Path]:
    """Write them; the paths that were written."""
    written = []
    for name, text in contents(parameters):
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
        written.append(path)
    return written
