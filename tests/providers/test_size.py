"""The size of an image is that which imagesize tells, also where it is not asked."""

import io

import imagesize
import pytest

from auditor.model.provider import size_of

HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"


def png(width: int, height: int) -> bytes:
    """The beginning of one."""
    return HEAD + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x06\0\0\0" + bytes(40)


@pytest.mark.parametrize("size", [(1, 1), (1200, 630), (2**31, 7), (2**32 - 1, 2**32 - 1), (0, 9), (9, 0), (0, 0)])
def test_the_size_of_a_png(size: tuple[int, int]) -> None:
    """Whole, and cut at any byte."""
    whole = png(*size)
    assert size_of(whole) == (size if all(size) else (None, None))
    for end in range(len(whole)):
        width, height = imagesize.get(io.BytesIO(whole[:end]))
        assert size_of(whole[:end]) == ((width, height) if width > 0 and height > 0 else (None, None))


@pytest.mark.parametrize("at", range(len(HEAD)))
def test_what_only_looks_like_a_png(at: int) -> None:
    """One byte of its head is another."""
    damaged = bytearray(png(1200, 630))
    damaged[at] ^= 0x20
    width, height = imagesize.get(io.BytesIO(damaged))
    assert size_of(bytes(damaged)) == ((width, height) if width > 0 and height > 0 else (None, None))
