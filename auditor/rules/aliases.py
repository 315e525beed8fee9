"""aliases: one image was rendered under different requests.

What it does
    Looks for renders of one account and environment that have equal digests but different keys, and counts those that
    come within the TTL after the image was rendered under another key. Nothing is ever merged: the requests
    stay apart in all other figures.

Why it matters
    Two addresses of one image are two cache entries and two renders for one result.

Example
    08:00  /cards/og/7.png        digest sha256:77…   1 credit
    08:05  /en/cards/og/7.png     digest sha256:77…   1 credit, for the very same image
    Access logs have no digests: images of one template, format, width, height and size in bytes count as one, if sizes
    tell other images apart as for volatile-inputs, and if sizes a few bytes apart are so rare that at most 5 % of
    the equal ones are chance. The confidence is low, medium from 100 pairs and 1 % on.

How to fix
    Ask for an image by one address: redirect the others, or bring parameters into one spelling and order. Where many
    requests show one image, look at it: it may be an error page or a default image.
    A single field that makes all the difference is reported by volatile-inputs, which keeps its credits, and so do
    duplicate-renders, staging-credits and unrendered-templates: no credit stands in two findings. The credits are
    beyond the report's waste, which has no cause for them.

Options

"""

from collections.abc import Iterable
from fractions import Fraction

from auditor.analysis.case import Case, Rule
from auditor.analysis.rows import grouped
from auditor.analysis.same_images import same_images
from auditor.analysis.size_evidence import telling_sizes
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.fingerprint import FOREIGN_PREFIX
from auditor.model.words import credits_word, plural
from auditor.replay.volatile import Apart

TOP_IMAGES = 3


class Aliases(Rule):
    """One finding for each account, environment and template."""

    id = "aliases"
    summary = "one image was rendered under different requests"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Free and staging renders are shown too, without the credits that other causes have."""
        sizes = telling_sizes(case.facts, case.replayed.walked)
        found, images = same_images(case.facts, case.replayed, sizes, TOP_IMAGES)
        top = grouped(images, lambda image: image.unit)
        keys = case.facts.records.values("key", [row for each in images for row in (each.first, each.other)])
        # A key made from a log does not tell a reader which request it is; the log does.
        requests = case.requests([row for row, key in keys.items() if key.startswith(FOREIGN_PREFIX)])
        for unit, cycles in grouped(found, lambda row: row.unit).items():
            renders, saved = sum(row.renders for row in cycles), {row.cycle: row.credits for row in cycles}
            credits, apart, count = sum(saved.values(), Fraction(0)), sizes.get(unit), top[unit][0].images
            yield Finding(
                rule=self.id,
                severity=severity_of(credits, case.credits),
                confidence=_confidence(apart),
                subject=case.facts.units[unit].names,
                message=f"{plural(renders, 'render')} of {plural(count, 'image')} had been rendered under another "
                f"request{' (by size)' if apart else ''}: {credits_word(credits)}",
                advice="Ask for each image by one address with one spelling of its parameters",
                credits=credits,
                payer=case.payer_of(unit),
                saved=saved,
                evidence={
                    "renders": renders,
                    "images": count,
                    "top_images": [
                        {
                            "renders": image.renders,
                            "keys": image.names,
                            "examples": [requests.get(row, keys[row]) for row in (image.first, image.other)],
                        }
                        for image in top[unit]
                    ],
                    **_sizes(apart),
                },
            )


def _confidence(apart: Apart | None) -> Confidence:
    """Digests are sure; sizes rest on how well they tell other images apart."""
    if apart is None:
        return Confidence.HIGH
    return Confidence.MEDIUM if apart.shows(100, Fraction(1, 100)) else Confidence.LOW


def _sizes(apart: Apart | None) -> dict[str, int | str]:
    """What is said where sizes stand for digests."""
    if apart is None:
        return {}
    return {"compared": "sizes", "other_pairs": apart.pairs, "other_pairs_of_equal_size": apart.alike}
