"""Images for the tests: drawn, photo-like, and hostile ones that are small in bytes and large in everything else."""

import io
import random
import struct
import zlib
from typing import Any

from PIL import Image, ImageDraw, ImageFilter


def photo(width: int = 240, height: int = 160, seed: int = 1) -> Image.Image:
    """Smooth shapes with fine grain, as a camera gives them."""
    chance = random.Random(seed)
    channels = []
    for _ in range(3):
        ground = Image.frombytes("L", (12, 8), chance.randbytes(96)).resize((width, height), Image.Resampling.BICUBIC)
        grain = Image.frombytes("L", (width, height), chance.randbytes(width * height))
        channels.append(Image.blend(ground, grain, 0.08))
    return Image.merge("RGB", channels).filter(ImageFilter.GaussianBlur(0.6))


def drawing(width: int = 240, height: int = 160) -> Image.Image:
    """A card: few colors, sharp edges."""
    picture = Image.new("RGB", (width, height), (20, 60, 120))
    brush = ImageDraw.Draw(picture)
    brush.rectangle((width // 12, height // 8, width // 2, height // 2), fill=(255, 210, 40))
    brush.ellipse((width // 2, height // 5, width * 11 // 12, height * 7 // 8), fill=(200, 30, 60))
    brush.text((width // 10, height // 2 + 2), "Render Auditor", fill="white")
    return picture


def saved(picture: Image.Image, name: str, **options: Any) -> bytes:
    """Its bytes in a format."""
    out = io.BytesIO()
    picture.save(out, name, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, body: bytes = b"", extra: bytes = b"", color: int = 0, depth: int = 8) -> bytes:
    """A PNG of these sizes by its head, with a body that need not be true."""
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def bomb(side: int) -> bytes:
    """A true PNG of side x side pixels, all black: some kilobytes."""
    packer, rows = zlib.compressobj(9), []
    row = b"\0" * (side + 1)
    rows = [packer.compress(row * 1000) for _ in range(side // 1000)]
    return png(side, side, b"".join(rows) + packer.compress(row * (side % 1000)) + packer.flush())


def animation(frames: int, side: int) -> bytes:
    """A GIF with so many frames."""
    pictures = [Image.new("RGB", (side, side), (place % 250, place // 250, 9)) for place in range(frames)]
    return saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=40)


def jpeg_that_says(width: int, height: int) -> bytes:
    """A small JPEG whose head is not true."""
    data = saved(drawing(64, 48), "JPEG")
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]
