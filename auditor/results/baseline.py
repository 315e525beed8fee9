"""The baseline: findings that were looked at and accepted, each with a reason and a last day.

    [[accept]]
    rule = "RULE"
    subject = { account = "main", environment = "staging" }
    reason = "end-to-end tests of the relaunch"
    until = 2026-12-31

An entry accepts the findings of its rule whose subject agrees with every name that it gives. What is accepted is not
shown among the findings and does not trip --fail-on, but stays counted: in the waste, the bills and `suppressed`.
"""

import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from auditor.model.errors import ConfigError
from auditor.model.findings import Accepted, Finding, Suppressed
from auditor.model.names import available
from auditor.registry import RULES

_KEYS = {"rule", "subject", "reason", "until"}


def load(path: Path) -> tuple[Accepted, ...]:
    """The entries of a file; `ConfigError` names the file, the entry and the fix."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name another file with --baseline") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None
    entries = table.pop("accept", [])
    if table or not isinstance(entries, list):
        raise ConfigError(f"{path}: {min(table, default='accept')} is unknown; write [[accept]] tables")
    return tuple(_entry(entry, f"{path}: accept[{place}]") for place, entry in enumerate(entries))


def _entry(entry: Any, where: str) -> Accepted:
    if not isinstance(entry, dict) or entry.keys() != _KEYS:
        wrong = ", ".join(sorted(_KEYS ^ set(entry))) if isinstance(entry, dict) else "the entry"
        raise ConfigError(f"{where}: {wrong} is missing or unknown; write rule, subject, reason and until")
    subject, until = entry["subject"], entry["until"]
    if entry["rule"] not in RULES:
        raise ConfigError(f"{where}: rule = {entry['rule']!r} is unknown; {available(entry['rule'], RULES)}")
    if not isinstance(subject, dict) or not subject or not all(isinstance(name, str) for name in subject.values()):
        raise ConfigError(f'{where}: subject is not a table of names, like {{ account = "main", template = "og" }}')
    if not isinstance(entry["reason"], str) or not entry["reason"].strip():
        raise ConfigError(f"{where}: reason is empty; say why the finding is accepted")
    if type(until) is not date:
        raise ConfigError(f"{where}: until = {until!s} is not a date; write until = 2026-12-31, without quotes")
    return Accepted(entry["rule"], dict(subject), entry["reason"].strip(), until)


def split(
    findings: Sequence[Finding], accepted: Sequence[Accepted], today: date
) -> tuple[list[Finding], list[Suppressed]]:
    """(findings that count, those that an entry accepts today), each in their order."""
    alive = [entry for entry in accepted if today <= entry.until]
    kept, suppressed = [], []
    for finding in findings:
        entry = next((entry for entry in alive if entry.accepts(finding)), None)
        if entry is None:
            kept.append(finding)
        else:
            suppressed.append(Suppressed(finding, entry))
    return kept, suppressed


def complaints(accepted: Sequence[Accepted] | None, suppressed: Sequence[Suppressed] | None, today: date) -> list[str]:
    """What is to be tidied up in the file: entries that ran out, and entries that nothing is found for."""
    used = [one.accepted for one in suppressed or ()]
    said = []
    for entry in accepted or ():
        name = f"{entry.rule} {' '.join(entry.subject.values())}"
        if today > entry.until:
            said.append(f"the baseline's {name} ran out on {entry.until}: look again, then renew or remove it")
        elif entry not in used:
            said.append(f"the baseline's {name} accepts nothing any more: remove it")
    return said
