"""unrendered-templates: an image was rendered with a placeholder where a value should be.

What it does
    Looks in the path, the parameters and the body of each render, percent-encoded or not, for `{{…}}`, `${…}` and
    `[object Object]`, and for a whole value or whole part of the path that is `undefined`, `NaN` or `null`. Longer
    words (`banana`, `undefined-error`), other spellings (`Null`), the null of JSON and code in scripts are none.

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

from collections.abc import Iterable
from fractions import Fraction

from auditor.analysis.case import Case, Rule
from auditor.analysis.rows import grouped
from auditor.analysis.unrendered import renders_left
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.fingerprint import ADDRESS
from auditor.model.numbers import number
from auditor.model.placeholders import BODY
from auditor.model.words import credits_word, plural

_CONFIDENCE = {"undefined": Confidence.MEDIUM, "NaN": Confidence.MEDIUM, "null": Confidence.LOW}


class UnrenderedTemplates(Rule):
    """One finding for each account, environment, template and placeholder."""

    id = "unrendered-templates"
    summary = "an image was rendered with a placeholder in place of a value"

    def findings(self, case: Case) -> Iterable[Finding]:
        """A render with several counts for the surest of them."""
        for (unit, kind), rows in grouped(
            renders_left(case.facts, case.replayed), lambda row: (row.unit, row.kind)
        ).items():
            fields = {
                name: sum(row.renders for row in own) for name, own in grouped(rows, lambda row: row.field).items()
            }
            saved = {
                cycle: _sum(row.spare for row in own) for cycle, own in grouped(rows, lambda row: row.cycle).items()
            }
            credits, renders = _sum(saved.values()), sum(fields.values())
            most = min(fields, key=lambda name: (-fields[name], name))
            yield Finding(
                rule=self.id,
                severity=severity_of(credits, case.credits),
                confidence=_CONFIDENCE.get(kind, Confidence.HIGH),
                subject={**case.facts.units[unit].names, "placeholder": kind},
                message=f"`{kind}` stood in {_place(most)} of {plural(renders, 'render')}: {credits_word(credits)}",
                advice="Fill in the value before the call, and do not render while there is none",
                credits=credits,
                payer=case.payer_of(unit),
                saved=saved,
                evidence={
                    "renders": renders,
                    "credits_paid": number(_sum(row.credits for row in rows)),
                    "fields": fields,
                },
            )


def _sum(credits: Iterable[Fraction]) -> Fraction:
    return sum(credits, Fraction(0))


def _place(field: str) -> str:
    """A field for people."""
    return {ADDRESS: "the path", BODY: "the body"}.get(field, f"`{field}`")
