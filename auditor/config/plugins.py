"""Plug-ins: rules and reports that other packages bring, as entry points. None is imported before its user allows it.

A broken one is a sentence on stderr: it never stops the rules and reports that are built in.
"""

import io
import re
from collections.abc import Iterable
from importlib.metadata import EntryPoints, PackageNotFoundError, distribution, entry_points
from typing import TYPE_CHECKING, Any, TextIO

from auditor.model.findings import Confidence, Finding, Severity
from auditor.model.options import NoOptions, options_of
from auditor.model.waste import Cause
from auditor.registry import REPORTS, RULES, Entries
from auditor.system.terminal import say

if TYPE_CHECKING:
    from auditor.analysis.case import Case
    from auditor.results.audit import Result

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_tried: set[str] = set()


class PluggedRule:
    """A rule of a plug-in, whose failure costs its own findings and nothing else."""

    def __init__(self, plugin: str, name: str, rule: Any) -> None:
        """`TypeError` where *rule* is none of this name."""
        if getattr(rule, "id", None) != name or not isinstance(rule.summary, str) or not callable(rule.findings):
            raise TypeError(name)
        self.id, self.summary, self.Options = name, rule.summary, getattr(rule, "Options", NoOptions)
        list(options_of(self.Options))
        self.__module__ = type(rule).__module__  # whose docstring is the manual page
        self._plugin, self._rule = plugin, rule
        self.causes: tuple[Cause, ...] = ()  # the waterfall has none for it

    def findings(self, case: "Case") -> Iterable[Finding]:
        """What it finds; nothing, and a sentence, where it fails or finds something else than findings."""
        try:
            found = list(self._rule.findings(case))
            for each in found:
                ours = isinstance(each, Finding) and each.rule == self.id
                if not (ours and isinstance(each.severity, Severity) and isinstance(each.confidence, Confidence)):
                    raise TypeError(self.id)
                each.sort_key()
        except Exception as error:
            say(f"plug-in {self._plugin}: rule {self.id} failed ({type(error).__name__}); its findings are left out")
            return []
        return found


class PluggedReport:
    """A report of a plug-in, of which nothing is written where it fails."""

    def __init__(self, plugin: str, name: str, report: Any) -> None:
        """`TypeError` where *report* is none of this name."""
        if getattr(report, "name", None) != name or not callable(report.write):
            raise TypeError(name)
        self.name, self.suffix, self.media_type = name, str(report.suffix), str(report.media_type)
        self.draws_curve = bool(report.draws_curve)
        self._plugin, self._report = plugin, report

    def write(self, result: "Result", out: TextIO) -> None:
        """Write the whole report, or say that it failed."""
        whole = io.StringIO(newline="")
        try:
            self._report.write(result, whole)
        except Exception as error:
            say(f"plug-in {self._plugin}: report {self.name} failed ({type(error).__name__}); nothing of it is written")
            return
        out.write(whole.getvalue())


_KINDS: tuple[tuple[str, str, Entries[Any], Any], ...] = (
    ("render_auditor.rules", "rule", RULES, PluggedRule),
    ("render_auditor.reports", "report", REPORTS, PluggedReport),
)


def reports() -> list[str]:
    """Names of the reports that installed plug-ins bring, allowed or not."""
    found = {entry.name for entry in entry_points(group="render_auditor.reports") if _NAME.fullmatch(entry.name)}
    return sorted(found - REPORTS.keys())


def allow(names: Iterable[str], *, load: bool) -> None:
    """Let packages of these names bring rules and reports; without *load*, only their names are known."""
    for plugin in names:
        try:
            brought = distribution(plugin).entry_points
        except (PackageNotFoundError, ValueError):  # (an empty name is none)
            brought = EntryPoints()
        found = [(*kind, entry) for kind in _KINDS for entry in brought.select(group=kind[0])]
        for _, _, entries, _, entry in found:
            entries.allowed.add(entry.name)
        if not load or plugin in _tried:
            continue
        _tried.add(plugin)
        if not found:
            say(f"plug-in {plugin} brings no rule and no report, or is not installed; install it, or allow it no more")
        for _, word, entries, plugged, entry in found:
            if entry.name in entries or not _NAME.fullmatch(entry.name):
                say(f"plug-in {plugin}: {word} {entry.name!r} is refused: its name is taken or not in kebab-case")
                continue
            try:
                entries.add(entry.name, plugged(plugin, entry.name, entry.load()()))
            except (Exception, SystemExit) as error:
                why = type(error).__name__
                say(f"plug-in {plugin}: {word} {entry.name} cannot be used ({why}); update the package or remove it")
