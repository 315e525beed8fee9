"""Equal visual quality, and the smallest encoding that keeps it. Runs in the limited child only.

Two images look the same where their structural similarity (SSIM with the Gaussian window of Wang et al. 2004, by
scikit-image) is at least MEAN on the whole and at least TILE in every tile of 64 px: a mean alone lets a blurred word
pass on a large plain background. It is taken of the luma, and, since eyes see colors more coarsely, of both chroma
planes at half the size; the least of the three counts. Transparent images are compared over black and over white.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

MEAN, TILE = 0.98, 0.94
SIDE = 64
BAND = 512
"""Rows that are compared at a time, so that memory does not grow with the image."""
MARGIN = 8
"""Rows that the window reaches beyond its pixel, and a few more."""
LADDER = (50, 60, 70, 78, 85, 90, 95)
"""Qualities that are tried; the encoders' own scales, which do not compare with each other."""

_SAVE: dict[str, Callable[[int], dict[str, Any]]] = {
    "jpeg": lambda quality: {"quality": quality, "optimize": True, "progressive": True},
    "webp": lambda quality: {"quality": quality, "method": 4},
    "avif": lambda quality: {"quality": quality, "speed": 6, "max_threads": 1},
}
_LOSSLESS: dict[str, dict[str, Any]] = {
    "png": {"optimize": True},
    "webp": {"lossless": True, "quality": 80, "method": 4, "exact": False},
}


def trials(picture: Image.Image, formats: Sequence[str], alpha: bool) -> list[dict[str, Any]]:
    """The smallest encoding in each format that looks the same; formats that cannot are left out.

    *image* is RGB or RGBA with 8 bits a channel.
    """
    found = []
    for name in formats:
        if name == "jpeg" and alpha:
            continue
        kept = [_lossy(picture, name)] if name in _SAVE else []
        if name in _LOSSLESS:
            size = len(_encoded(picture, name, _LOSSLESS[name]))
            kept.insert(0, {"format": name, "bytes": size, "lossless": True, "quality": None, "ssim": 1.0})
        found.append(min(filter(None, kept), key=lambda trial: int(trial["bytes"]), default=None))
    return [trial for trial in found if trial is not None]


def _lossy(picture: Image.Image, name: str) -> dict[str, Any] | None:
    """By bisection over the ladder: similarity grows with quality."""
    low, high, best = 0, len(LADDER), None
    while low < high:
        middle = (low + high) // 2
        data = _encoded(picture, name, _SAVE[name](LADDER[middle]))
        with Image.open(io.BytesIO(data)) as again:
            mean, worst = similarity(picture, again.convert(picture.mode))
        if mean >= MEAN and worst >= TILE:
            best = {"format": name, "bytes": len(data), "lossless": False, "quality": LADDER[middle],
                    "ssim": round(mean, 4)}  # fmt: skip
            high = middle
        else:
            low = middle + 1
    return best


def _encoded(picture: Image.Image, name: str, options: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    profile = picture.info.get("icc_profile")
    picture.save(out, name.upper(), **options, **({"icc_profile": profile} if profile else {}))
    return out.getvalue()


def similarity(one: Image.Image, other: Image.Image) -> tuple[float, float]:
    """(mean, worst tile) of SSIM, the lesser over black and over white where there is transparency."""
    if one.mode != "RGBA":
        return _similarity(one, other)
    pairs = [_similarity(_over(one, shade), _over(other, shade)) for shade in (0, 255)]
    return min(mean for mean, _ in pairs), min(worst for _, worst in pairs)


def _over(picture: Image.Image, shade: int) -> Image.Image:
    ground = Image.new("RGBA", picture.size, (shade, shade, shade, 255))
    return Image.alpha_composite(ground, picture).convert("RGB")


def _similarity(one: Image.Image, other: Image.Image) -> tuple[float, float]:
    if min(one.size) < 4 * MARGIN:
        # Hardly larger than the window: only the same will do.
        same = 1.0 if one.tobytes() == other.tobytes() else 0.0
        return same, same
    pairs = zip(one.convert("YCbCr").split(), other.convert("YCbCr").split(), (1, 2, 2), strict=True)
    planes = [_plane(first.reduce(factor), second.reduce(factor)) for first, second, factor in pairs]
    return min(mean for mean, _ in planes), min(worst for _, worst in planes)


def _plane(one: Image.Image, other: Image.Image) -> tuple[float, float]:
    width, height = one.size
    total, worst = 0.0, 1.0
    for top in range(0, height, BAND):
        end = min(height, top + BAND)
        above, below = max(0, min(top, height - 2 * MARGIN) - MARGIN), min(height, end + MARGIN)
        box = (0, above, width, below)
        _, ssim = structural_similarity(  # type: ignore[no-untyped-call]
            np.asarray(one.crop(box), dtype=np.float32), np.asarray(other.crop(box), dtype=np.float32),
            data_range=255.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True,
        )  # fmt: skip
        here = ssim[top - above : end - above]
        total += float(here.sum(dtype=np.float64))
        for row in np.array_split(here, max(1, round(here.shape[0] / SIDE))):
            for tile in np.array_split(row, max(1, round(width / SIDE)), axis=1):
                worst = min(worst, float(tile.mean()))
    return total / (width * height), worst
