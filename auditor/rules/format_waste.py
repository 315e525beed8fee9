"""format-waste: pictures are delivered in a format that takes more bytes than another one for the same looks.

What it does
    Speaks only of pictures that `auditor inspect` measured (`--measured FILE`), which the digest of their bytes ties to
    the events: nothing is estimated and nothing is carried over to other pictures. Of each template and placement it
    names the one format that saves most over all of them, at the delivered size and at equal visual quality (SSIM;
    docs/inspect.md says how). Pictures that save less than 4096 bytes are left out, and so are animated ones.

Why it matters
    Bytes are stored, sent and waited for with every view. The same picture as WebP or AVIF often takes a fraction.

Example
    product_card: 120 pictures as png, 300,000 bytes each; as webp at quality 85 they look the same with 52,000

How to fix
    Ask the provider for that format, or convert the picture where it is stored. The evidence says how many of the
    pictures keep every pixel (lossless), how many are transparent, and how many are drawings of at most 256 colours.
    Link previews, mail and uploads (the built-in placements) get advice for JPEG and PNG alone.
    What right-sizing would save is measured beside it, as `right_sized`; the two overlap and do not add up.

Options

"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa
from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, literal, select

from auditor.analysis.case import Case, Rule
from auditor.analysis.facts import frame_of
from auditor.analysis.images import SMALLEST, last_renders, price_of_bytes
from auditor.analysis.placements import COMPATIBLE, PLACEMENTS
from auditor.engines.tables import Wide, events, records, trials
from auditor.model.events import DELIVERED
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.measurements import Measured, Trial
from auditor.model.options import Option
from auditor.model.words import plural

FORMATS = ("webp", "avif", "jpeg", "png")


@dataclass(frozen=True, slots=True)
class Options:
    """`[rules.format-waste]`."""

    formats: Annotated[tuple[str, ...], Option("what you can deliver", choices=FORMATS, called="format to advise")] = (
        FORMATS
    )


class FormatWaste(Rule):
    """One finding for each template and placement with measured pictures that another format makes smaller."""

    id = "format-waste"
    Options = Options
    summary = "pictures take more bytes than another format needs for the same looks (measured)"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Bytes of a finding are the delivered ones."""
        if not case.measured:
            return
        _load(case)
        sums = case.facts.paid_by(_sums(case))
        whole = case.facts.delivered_bytes
        for (provider, template, placement), group in sums.groupby(["provider", "template", "placement"], sort=True):
            allowed = set(case.facts.settings.options_of(self.id, Options).formats)
            if placement in PLACEMENTS:
                allowed &= COMPATIBLE
            totals = {
                str(name): int(sum(rows.delivered))
                for name, rows in group[group.format.isin(allowed)].groupby("format")
            }
            if not totals:
                continue
            best = min(totals, key=lambda name: (-totals[name], name))
            chosen = group[group.format == best]
            pictures = [case.measured[place] for place in sorted({int(p) for ps in chosen.pictures for p in ps})]
            lost, stored = totals[best], int(sum(chosen.stored))
            requests = int(sum(chosen.requests))
            found = {picture.digest: _trial(picture, best) for picture in pictures}
            subject = {"provider": str(provider), "template": str(template)}
            yield Finding(
                rule=self.id,
                severity=severity_of(lost, whole),
                confidence=Confidence.HIGH if all(trial.lossless for trial in found.values()) else Confidence.MEDIUM,
                subject=subject | ({"placement": str(placement)} if placement else {}),
                message=f"{plural(requests, 'request')} delivered {_names(pictures)} where {best} looks the same with "
                f"{lost:,} bytes less, measured on {plural(len(pictures), 'picture')}",
                advice=_advice(best, list(found.values())),
                bytes=lost,
                money=price_of_bytes(
                    case, {int(who): int(sum(own.stored)) for who, own in chosen.groupby("payer")}, lost
                ),
                evidence={
                    "stored_wasted_bytes": stored,
                    "delivered_wasted_bytes": lost,
                    "pictures": len(pictures),
                    "requests": requests,
                    "format": best,
                    "lossless": sum(trial.lossless for trial in found.values()),
                    "transparent": sum(picture.alpha for picture in pictures),
                    "drawings": sum(picture.flat for picture in pictures),
                    "saved_by_format": totals,
                    "right_sized": _right_sized(pictures, best),
                    "largest": _largest(pictures, found),
                },
            )


def _load(case: Case) -> None:
    """The table `trials`: every format that makes a picture smaller by enough."""
    rows = [
        {"digest": picture.digest, "picture": place, "format": trial.format, "saved": picture.bytes - trial.bytes}
        for place, picture in enumerate(case.measured)
        for trial in picture.trials
        if picture.bytes - trial.bytes >= SMALLEST
    ]
    case.facts.engine.load("trials", pa.Table.from_pylist(rows, schema=_TRIALS))


_TRIALS = pa.schema([("digest", pa.string()), ("picture", pa.int32()), ("format", pa.string()), ("saved", pa.int64())])


def _sums(case: Case) -> Any:
    """unit, placement, format: requests, delivered and stored bytes that it saves, and which pictures."""
    delivered = _rows(events.c.weight, delivered=True).where(
        events.c.outcome.in_([str(outcome) for outcome in DELIVERED])
    )
    stored = _rows(cast(literal(0), BigInteger), delivered=False).where(events.c.row.in_(last_renders()))
    one = delivered.union_all(stored).subquery()
    groups = (one.c.unit, one.c.placement, one.c.format)
    return frame_of(
        case.facts.engine.run(
            select(
                *groups,
                func.sum(one.c.times).label("requests"),
                func.sum(cast(one.c.saved, Wide) * one.c.times).label("delivered"),
                func.sum(one.c.kept).label("stored"),
                func.list_sort(func.list_distinct(func.array_agg(one.c.picture))).label("pictures"),
            ).group_by(*groups)
        )
    )


def _rows(times: ColumnElement[Any], *, delivered: bool) -> Select[Any]:
    kept = literal(0) if delivered else trials.c.saved
    return (
        select(
            events.c.unit,
            func.coalesce(events.c.placement, "").label("placement"),
            trials.c.format,
            trials.c.picture,
            trials.c.saved,
            times.label("times"),
            cast(kept, BigInteger).label("kept"),
        )
        .join(records, records.c.row == events.c.row)
        .join(trials, trials.c.digest == records.c.digest)
    )


def _trial(picture: Measured, name: str) -> Trial:
    (trial,) = [trial for trial in picture.trials if trial.format == name]
    return trial


def _names(pictures: Collection[Measured]) -> str:
    return " and ".join(sorted({picture.format for picture in pictures}))


def _advice(name: str, found: Collection[Trial]) -> str:
    qualities = sorted({trial.quality for trial in found if trial.quality is not None})
    if not qualities:
        return f"Deliver {name}, lossless: every pixel stays"
    spread = f"{qualities[0]}" if len(qualities) == 1 else f"{qualities[0]} to {qualities[-1]}"
    kept = sum(trial.lossless for trial in found)
    return f"Deliver {name} at quality {spread} (lossy, equal by SSIM)" + (
        f"; {kept:,} of the pictures are smallest lossless" if kept else ""
    )


def _right_sized(pictures: Iterable[Measured], name: str) -> Mapping[str, int] | None:
    """Of pictures whose shown size is known: bytes now, and at that size in their own and in the best format."""
    sized = [picture for picture in pictures if picture.right_sized]
    if not sized:
        return None

    def smallest(picture: Measured, names: Collection[str]) -> int:
        return min([picture.bytes, *(trial.bytes for trial in picture.right_sized if trial.format in names)])

    return {
        "pictures": len(sized),
        "bytes": sum(picture.bytes for picture in sized),
        "bytes_at_shown_size": sum(smallest(picture, {picture.format}) for picture in sized),
        "bytes_at_shown_size_as_best_format": sum(smallest(picture, {name}) for picture in sized),
    }


def _largest(pictures: Iterable[Measured], found: Mapping[str, Trial]) -> dict[str, Any]:
    picture = max(pictures, key=lambda one: (one.bytes - found[one.digest].bytes, one.digest))
    trial = found[picture.digest]
    return {
        "digest": picture.digest,
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.bytes,
        "bytes_then": trial.bytes,
        "lossless": trial.lossless,
        "quality": trial.quality,
        "ssim": trial.ssim,
    }
