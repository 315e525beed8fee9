"""duplicate-renders: an image was paid for that a cache or coalescing would have served.

What it does
    Walks the renders of each key in time. A render that starts while the one before is still running is a
    *concurrent* duplicate; one that comes within the TTL after it is a *repeat* duplicate. A render whose
    image changed, or that comes after the TTL, was needed.

Why it matters
    The provider bills every call, also for an image that you already have.

Example
    08:00:00  render  og-card  key k1:77…  1 credit    needed
    08:00:01  render  og-card  key k1:77…  1 credit    concurrent (the first one took 1.8 s)
    09:30:00  render  og-card  key k1:77…  1 credit    repeat (24 h have not passed)

How to fix
    Put a cache in front of the calls, and let simultaneous identical calls share one (coalescing).
    `expired_identical` in the evidence counts renders after the TTL that gave the same image:
    with many of them, a longer TTL saves more.

Options

"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Annotated

from auditor.analysis.again import Repeated, most_repeated
from auditor.analysis.case import Case, Rule
from auditor.analysis.rows import grouped
from auditor.fixes.render_once import render_once
from auditor.model.findings import Confidence, Finding, Mended, severity_of
from auditor.model.fingerprint import FOREIGN_PREFIX
from auditor.model.numbers import number
from auditor.model.options import Option
from auditor.model.settings import TTL
from auditor.model.waste import Cause
from auditor.model.words import credits_word, plural
from auditor.replay.walk import DUPLICATES, Verdict

TOP_KEYS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """`[rules.duplicate-renders]`."""

    ttl: Annotated[timedelta, Option("how long a stored image may be served; also --ttl", setting="ttl")] = TTL


class DuplicateRenders(Rule):
    """One finding for each account, environment and template with a duplicate render."""

    id = "duplicate-renders"
    causes = (Cause.CONCURRENT, Cause.REPEAT)
    Options = Options
    summary = "an image was rendered again that a cache or coalescing would have served"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Free and staging renders are shown too, with the credits that the waterfall left to this rule."""
        by_unit = grouped(case.replayed.verdicts, lambda row: row.unit)
        doubled = {unit: rows for unit, rows in by_unit.items() if any(row.verdict in DUPLICATES for row in rows)}
        top = most_repeated(case.facts, case.replayed.walked, TOP_KEYS) if doubled else []
        # A key made from a log does not tell a reader which request it is; the log does.
        requests = case.requests([each.row for each in top if each.key.startswith(FOREIGN_PREFIX)])
        keys = grouped(top, lambda each: each.unit)
        for unit, own in doubled.items():
            counts: Counter[int] = Counter()
            for row in own:
                counts[row.verdict] += row.renders
            concurrent, repeat = (counts[verdict] for verdict in DUPLICATES)
            saved = case.replayed.waste.by_cycle([unit], self.causes)
            credits = sum(saved.values(), Fraction(0))
            first, paid = keys[unit][0], sum((row.credits for row in own if row.verdict in DUPLICATES), Fraction(0))
            evidence = {
                "renders": counts.total(),
                "concurrent": concurrent,
                "repeat": repeat,
                "duplicate_credits": number(paid),
                "expired_identical": counts[Verdict.EXPIRED_IDENTICAL],
                "ttl_seconds": number(Fraction(case.replayed.walked.ttl_us, 10**6)),
                "top_keys": [_named(each, requests) for each in keys[unit]],
                **({"duplicate_bytes": first.sent} if first.row in requests else {}),
            }
            yield Finding(
                rule=self.id,
                severity=severity_of(credits, case.credits),
                confidence=Confidence.HIGH,
                subject=case.facts.units[unit].names,
                message=f"{concurrent + repeat:,} of {plural(counts.total(), 'render')} "
                f"{'was a duplicate' if concurrent + repeat == 1 else 'were duplicates'}, the image already cached or "
                f"being rendered: {credits_word(credits)}" + _most_often(first, requests),
                advice=_advice(concurrent, repeat, unit in case.replayed.staging),
                credits=credits,
                payer=case.payer_of(unit),
                saved=saved,
                mended=Mended(case.facts.units[unit].template, "is cached", "are cached"),
                snippet=render_once(case, unit, first.key),
                evidence=evidence,
            )


def _advice(concurrent: int, repeat: int, staging: bool) -> str:
    fixes = []
    if repeat:
        fixes.append("serve repeats from a cache")
    if concurrent:
        fixes.append("let simultaneous identical calls wait for the first (coalescing)")
    note = "; its credits are counted under staging-credits" if staging else ""
    return " and ".join(fixes).capitalize() + note


def _most_often(first: Repeated, requests: Mapping[int, str]) -> str:
    """Bytes that were sent again and the request that was repeated most, where the log tells it."""
    if first.row not in requests:
        return ""
    sent = f", {plural(first.sent, 'byte')}" if first.sent else ""
    return f"{sent}; most often {requests[first.row]} ({plural(first.duplicates, 'time')})"


def _named(each: Repeated, requests: Mapping[int, str]) -> dict[str, object]:
    """A key with its duplicates, and its request where the log tells it."""
    request = {"request": requests[each.row], "bytes": each.bytes} if each.row in requests else {}
    return {"key": each.key, "duplicates": each.duplicates, **request}
