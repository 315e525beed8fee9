"""Images that depend on what was asked for: equal requests give equal bytes, any other override gives others."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont

DEFAULT_SIZE = (1200, 630)
_SAVE: Mapping[str, dict[str, Any]] = {
    "png": {"compress_level": 1}, "jpeg": {}, "webp": {"quality": 85, "method": 0}, "pdf": {},
}  # fmt: skip
MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "pdf": "application/pdf"}


@lru_cache(maxsize=512)
def draw(
    design: str, canonical: bytes, texts: tuple[str, ...], picture_format: str, quality: int, size: tuple[int, int]
) -> bytes:
    """The image's bytes; *canonical* is what makes it differ, *texts* are what it shows."""
    seed = hashlib.sha256(design.encode() + b"\0" + canonical).digest()
    width, height = size
    image = Image.new("RGB", size, (seed[0] // 2 + 110, seed[1] // 2 + 110, seed[2] // 2 + 110))
    brush = ImageDraw.Draw(image)
    step = max(1, width // 32)
    for place, value in enumerate(seed):
        brush.rectangle((place * step, height - height * value // 1024, (place + 1) * step - 1, height), (value,) * 3)
    if height >= 64:
        font = ImageFont.load_default(max(12, height // 14))
        for line, text in enumerate((design, *texts[:6])):
            shown = text[:80].encode("latin-1", "replace").decode("latin-1")
            brush.text((width // 20, height // 12 + line * height // 9), shown, fill=(20, 20, 30), font=font)
    out = io.BytesIO()
    asked = {"quality": quality} if picture_format == "jpeg" else {}
    image.save(out, picture_format.upper(), **_SAVE[picture_format] | asked)
    return out.getvalue()


def texts_of(overrides: Any) -> Iterator[str]:
    """Strings that a person would expect to see."""
    if isinstance(overrides, str):
        yield overrides
    elif isinstance(overrides, Mapping):
        for name, value in overrides.items():
            if isinstance(value, Mapping) or name == "text" or name.endswith(".text"):
                yield from texts_of(value)
