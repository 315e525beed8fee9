"""Rules, alerts and runbooks as files."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from auditor.model.errors import ConfigError
from auditor.registry import RULES
from auditor_exporter.alerts import Parameters, source

RuleFormat = Literal["prometheus", "prometheusrule"]
"""Rule files of Prometheus, or the resource of the Prometheus Operator."""


class _Dumper(yaml.SafeDumper):
    """Expressions of several lines as blocks, as people write them."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None),
)


def parameters_of(settings: Sequence[str]) -> Parameters:
    """From `NAME=VALUE`s; `ConfigError` names what is unknown."""
    known = asdict(Parameters())
    chosen: dict[str, Any] = {}
    for setting in settings:
        name, found, value = setting.partition("=")
        if not found or name not in known:
            raise ConfigError(f"--set {setting!r}: write NAME=VALUE, names are {', '.join(known)}")
        kind = type(known[name])
        try:
            chosen[name] = kind(value)
        except ValueError:
            raise ConfigError(f"--set {setting!r}: {value!r} is no {kind.__name__}") from None
        if re.search(r'["\\\x00-\x1f]', value):
            raise ConfigError(f"--set {setting!r}: leave out quotes, backslashes and control characters")
    return replace(Parameters(), **chosen)


def recording(parameters: Parameters) -> Mapping[str, Any]:
    """The file of recording rules."""
    made = source()
    rules = [{"record": rule.record, "expr": made.filled(rule.expr, parameters, rule)} for rule in made.records]
    return {"groups": [{"name": "imgrender.rules", "rules": rules}]}


def alerting(parameters: Parameters) -> Mapping[str, Any]:
    """The file of alerts."""
    made = source()
    rules = [
        {
            "alert": alert.alert,
            "expr": made.filled(alert.expr, parameters),
            **({"for": made.filled(alert.lasts, parameters)} if alert.lasts else {}),
            **({"keep_firing_for": made.filled(alert.keep_firing_for, parameters)} if alert.keep_firing_for else {}),
            "labels": {"severity": alert.severity},
            "annotations": {
                "summary": alert.summary,
                "description": alert.description,
                "runbook_url": f"{parameters.runbooks}#{alert.alert.lower()}",
            },
        }
        for alert in made.alerts
    ]
    return {"groups": [{"name": "imgrender.alerts", "rules": rules}]}


def runbook() -> str:
    """Sections of alerts (what each means, its cause, what to do) and of rules (how to fix what each finds)."""
    parts = ["# Runbooks", "", "Written by `auditor-exporter alerts`, from the same source as the alerts."]
    for alert in source().alerts:
        parts += [
            # GitHub's own anchors are in lower case; dashboards know the name as the alert has it.
            "", f'<a id="{alert.alert}"></a>', "", f"## {alert.alert}", "", f"{alert.summary} ({alert.severity})", "",
            f"**Means.** {alert.meaning}", "", f"**Cause.** {alert.cause}", "", f"**Do.** {alert.do}",
        ]  # fmt: skip
    parts += ["", "# Findings", "", "What the audit's rules find, and how to fix it; `auditor explain RULE` has more."]
    for name, rule in RULES.items():
        page = sys.modules[rule.__module__].__doc__ or ""
        what = page.partition("\n")[0].removeprefix(f"{name}: ")
        fix = page.partition("\nHow to fix\n")[2].partition("\n\nOptions\n")[0]
        parts += ["", f"## {name}", "", what[:1].upper() + what[1:], "", f"**Do.** {' '.join(fix.split())}"]
    return "\n".join(parts) + "\n"


def resource(parameters: Parameters) -> Mapping[str, Any]:
    """Both as the `PrometheusRule` that the Prometheus Operator takes."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "render-auditor", "labels": {"app.kubernetes.io/name": "render-auditor"}},
        "spec": {"groups": [*recording(parameters)["groups"], *alerting(parameters)["groups"]]},
    }


def contents(parameters: Parameters, form: RuleFormat = "prometheus") -> Iterator[tuple[str, str]]:
    """(path in the folder, text) of each file."""
    documents = {"rules/imgrender.yml": recording, "alerts/imgrender.yml": alerting}
    for name, made in documents.items() if form == "prometheus" else (("prometheusrule.yaml", resource),):
        yield name, yaml.dump(made(parameters), Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)
    yield "runbooks/README.md", runbook()


def write_all(folder: Path, parameters: Parameters, form: RuleFormat = "prometheus") -> Iterable[Path]:
    """Write them; the paths that were written."""
    written = []
    for name, text in contents(parameters, form):
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
        written.append(path)
    return written
