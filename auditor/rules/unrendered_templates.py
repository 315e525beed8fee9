"""unrendered-templates: an image was rendered with a placeholder where a value should be.

What it does
    Looks in the path, the parameters and the body of each render, percent-encoded or not, for `{{…}}`, `${…}` and
    `[object Object]`, and for a whole value or whole part of the path that is `undefined`, `NaN` or `null`. Longer
    words (`banana`, `undefined-error`), other spellings (`Null`), the null of JSON and code are none: scripts, styles,
    `<pre>`, `<code>` and comments of an HTML value.

Why it matters
    The image shows `Hello {{name}}`, or was made without its data: it is useless, and it was paid for.

Example
    /cards/og/undefined.png                    1 credit
    /cards/og/7.png?title=%7B%7Btitle%7D%7D    1 credit

How to fix
    Look for where the field gets its value, and do not send the request while there is none.
    Usage events hold digests in place of values: they are compared with those of these words, and of `{{title}}`,
    `{{ title }}` and `${title}` in a field `title`, where AUDITOR_SECRET, or the API key of `[client.NAME]`, is that of
    the client. Where it is not known, only the template is looked at.
    The confidence is high for brackets, medium for `undefined` and `NaN`, low for `null`, which may be meant. Credits
    that another cause of waste has are counted there: no credit stands in two findings.

Options

"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from auditor.analysis.case import Case, Rule
from auditor.analysis.rows import grouped
from auditor.analysis.unrendered import Left, renders_left
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.fingerprint import ADDRESS
from auditor.model.numbers import number
from auditor.model.placeholders import BODY
from auditor.model.words import credits_word, plural

MOST = 20
"""Templates with a finding of their own."""
_CONFIDENCE = {"undefined": Confidence.MEDIUM, "NaN": Confidence.MEDIUM, "null": Confidence.LOW}


class UnrenderedTemplates(Rule):
    """One finding for each account, environment, template and placeholder; one for all templates beyond the first."""

    id = "unrendered-templates"
    summary = "an image was rendered with a placeholder in place of a value"

    def findings(self, case: Case) -> Iterable[Finding]:
        """A render with several counts for the surest of them."""
        units = case.facts.units

        def place(row: Left) -> tuple[int, str, str]:
            return units[row.unit].payer, units[row.unit].environment, row.kind

        for (payer, environment, kind), rows in grouped(renders_left(case.facts, case.replayed), place).items():
            owner = {**case.facts.payers[payer].names, "environment": environment}
            ordered = sorted(grouped(rows, lambda row: units[row.unit].template).items(), key=_most_first)
            for template, own in ordered[:MOST]:
                yield _finding(case, payer, kind, own, {**owner, "template": template})
            if others := ordered[MOST:]:
                yield _finding(case, payer, kind, [row for _, own in others for row in own], owner, len(others))


def _most_first(of: tuple[str, Sequence[Left]]) -> tuple[Fraction, int, str]:
    """By credits, renders and name."""
    template, rows = of
    return -_sum(row.spare for row in rows), -sum(row.renders for row in rows), template


def _finding(
    case: Case, payer: int, kind: str, rows: Sequence[Left], subject: Mapping[str, str], others: int = 0
) -> Finding:
    """Of one template, or of so many *others* together."""
    fields = {name: sum(row.renders for row in own) for name, own in grouped(rows, lambda row: row.field).items()}
    saved = {cycle: _sum(row.spare for row in own) for cycle, own in grouped(rows, lambda row: row.cycle).items()}
    credits, renders = _sum(saved.values()), sum(fields.values())
    most = min(fields, key=lambda name: (-fields[name], name))
    of_others = f" of {plural(others, 'other template')}" if others else ""
    return Finding(
        rule=UnrenderedTemplates.id,
        severity=severity_of(credits, case.credits),
        confidence=_CONFIDENCE.get(kind, Confidence.HIGH),
        subject={**subject, "placeholder": kind},
        message=f"`{kind}` stood in {_place(most)} of {plural(renders, 'render')}{of_others}: {credits_word(credits)}",
        advice="Fill in the value before the call, and do not render while there is none",
        credits=credits,
        payer=payer,
        saved=saved,
        evidence={
            "renders": renders,
            "credits_paid": number(_sum(row.credits for row in rows)),
            "fields": fields,
            **({"templates": others} if others else {}),
        },
    )


def _sum(credits: Iterable[Fraction]) -> Fraction:
    return sum(credits, Fraction(0))


def _place(field: str) -> str:
    """A field for people."""
    return {ADDRESS: "the path", BODY: "the body"}.get(field, f"`{field}`")
