"""Measured: what `auditor inspect` found of images, as values and as a file that `auditor audit` reads back."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from auditor.model.errors import InputError

SCHEMA = "render-auditor/measured/v1"


@dataclass(frozen=True, slots=True)
class Trial:
    """The image in another format, as small as it gets while it looks the same."""

    format: str
    bytes: int
    lossless: bool
    quality: int | None
    """Of the encoder; None where it is lossless."""
    ssim: float
    """Against the delivered image: mean over its pixels and channels, 1 for the same."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One image."""

    source: str
    digest: str
    """`sha256:…` of the bytes, by which events name it."""
    bytes: int
    format: str
    width: int
    height: int
    """In px, as a browser shows it: turned by its EXIF orientation."""
    frames: int
    alpha: bool
    """Whether some pixel is not opaque."""
    flat: bool
    """At most 256 colors: a drawing rather than a photo."""
    trials: tuple[Trial, ...]
    """At the delivered size."""
    shown: tuple[int, int] | None = None
    """The size it is shown at, in device px, where that is known and smaller."""
    right_sized: tuple[Trial, ...] = ()
    """At the shown size, its own format included."""
    note: str | None = None
    """Why there are no trials."""

    @property
    def best(self) -> Trial | None:
        """The smallest of the trials that is smaller than the image."""
        smaller = [trial for trial in self.trials if trial.bytes < self.bytes]
        return min(smaller, key=lambda trial: (trial.bytes, trial.format), default=None)


@dataclass(frozen=True, slots=True)
class Refused:
    """An image that was not measured, and why, in one word and in a sentence."""

    source: str
    reason: str
    detail: str


def shrunk(size: tuple[int, int], limit: Mapping[str, float | None]) -> tuple[int, int]:
    """Shrunk into the limit with its aspect kept, as semantics section 6 has it."""
    sides = [most / side for most, side in zip((limit.get("width"), limit.get("height")), size, strict=True) if most]
    scale = min([1.0, *sides])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def document(
    pictures: Iterable[Measured], refused: Iterable[Refused], method: Mapping[str, Any], generated_at: str
) -> dict[str, Any]:
    """The file as plain data, in an order that no order of the inputs changes."""
    from auditor.version import __version__

    kept = sorted(pictures, key=lambda picture: (picture.source, picture.digest))
    bad = sorted(refused, key=lambda one: (one.source, one.reason))
    best = {picture.digest: picture.best for picture in kept}
    return {
        "schema": SCHEMA,
        "tool_version": __version__,
        "generated_at": generated_at,
        "method": dict(method),
        "totals": {
            "pictures": len(kept),
            "refused": len(bad),
            "bytes": sum(picture.bytes for picture in kept),
            "smallest_bytes": sum(trial.bytes if trial else 0 for trial in best.values())
            + sum(picture.bytes for picture in kept if best[picture.digest] is None),
        },
        "pictures": [asdict(picture) for picture in kept],
        "refused": [asdict(one) for one in bad],
    }


def load(path: Path) -> tuple[tuple[Measured, ...], Mapping[str, Any]]:
    """The images of a file and the method they were measured with; `InputError` names the file and the place."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); make it with: auditor inspect") from None
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); write it again with: auditor inspect") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise InputError(f"{path}: is not a file of `auditor inspect` ({SCHEMA})")
    pictures = []
    for place, picture in enumerate(found.get("pictures") or ()):
        try:
            pictures.append(measured(picture))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: pictures[{place}] is damaged ({error}); write the file again") from None
    return tuple(pictures), found.get("method") or {}


def measured(found: Mapping[str, Any]) -> Measured:
    """One image of a file, or of a measuring process; `KeyError`, `TypeError` or `ValueError` if it is damaged."""
    trials = tuple(_trial(trial) for trial in found["trials"])
    right_sized = tuple(_trial(trial) for trial in found["right_sized"])
    shown = found["shown"]
    picture = Measured(
        **{**found, "trials": trials, "right_sized": right_sized, "shown": None if shown is None else tuple(shown)}
    )
    for name in ("bytes", "width", "height", "frames"):
        if type(getattr(picture, name)) is not int or getattr(picture, name) < 1:
            raise ValueError(f"{name} is not a whole number above 0")
    for name in ("source", "digest", "format"):
        if type(getattr(picture, name)) is not str:
            raise ValueError(f"{name} is not a text")
    return picture


def _trial(found: Mapping[str, Any]) -> Trial:
    trial = Trial(**found)
    if type(trial.bytes) is not int or trial.bytes < 1 or type(trial.format) is not str:
        raise ValueError("a trial has no bytes")
    return trial
