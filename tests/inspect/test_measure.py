"""What is measured is true: sizes exact, savings of real bytes, nothing lossy that is not called so."""

import io
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from PIL import Image

from auditor.inspect import quality
from auditor.inspect.worker import Worker
from tests.inspect.pictures import animation, drawing, photo, png, saved


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with closing(Worker()) as started:
        yield started


def alpha() -> Image.Image:
    picture = photo().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def opaque() -> Image.Image:
    return photo().convert("RGBA")


TURNED = Image.Exif()
TURNED[0x0112] = 6  # a quarter turn to the right


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (saved(photo(240, 160), "PNG"), {"format": "png", "width": 240, "height": 160, "alpha": False, "frames": 1}),
        (saved(photo(241, 163), "JPEG", quality=95), {"format": "jpeg", "width": 241, "height": 163}),
        (saved(photo(), "WEBP"), {"format": "webp", "width": 240, "height": 160, "flat": False}),
        (saved(photo(), "AVIF"), {"format": "avif", "width": 240, "height": 160}),
        (saved(drawing().quantize(32), "PNG"), {"format": "png", "flat": True, "alpha": False}),
        (saved(drawing().quantize(32), "GIF"), {"format": "gif", "frames": 1, "flat": True}),
        (saved(alpha(), "PNG"), {"format": "png", "alpha": True}),
        (saved(opaque(), "PNG"), {"format": "png", "alpha": False}),
        (saved(photo(), "JPEG", exif=TURNED), {"format": "jpeg", "width": 160, "height": 240}),
        (saved(photo().convert("L"), "PNG"), {"format": "png", "alpha": False}),
        (saved(photo().convert("1"), "PNG"), {"format": "png", "flat": True}),
        (saved(photo().convert("CMYK"), "JPEG"), {"format": "jpeg", "note": "not tried in other formats: its pixels are CMYK"}),
        (saved(Image.new("I;16", (50, 40), 3000), "PNG"), {"width": 50, "height": 40, "trials": []}),
        (animation(5, 64), {"format": "gif", "frames": 5, "trials": [], "note": "not tried in other formats: it is animated"}),
    ],
    ids=lambda value: value.get("note", str(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_facts_are_those_of_the_picture(worker: Worker, data: bytes, facts: dict[str, Any]) -> None:
    """Format, size as shown, transparency, colors, frames; what is not tried says why."""
    found = worker.measure(data, None)
    assert {name: found[name] for name in facts} == facts


@pytest.mark.parametrize("limit", [None, {"width": 120.0, "height": None}])
def test_trials_are_real_encodings(worker: Worker, limit: dict[str, float | None] | None) -> None:
    """The bytes of a trial are those that the encoder gives for that quality, and they look the same."""
    picture = photo()
    found = worker.measure(saved(picture, "PNG"), limit)
    if limit:
        assert found["shown"] == [120, 80]
        picture = picture.resize((120, 80), Image.Resampling.LANCZOS)
    trials = {trial["format"]: trial for trial in found["right_sized" if limit else "trials"]}
    assert set(trials) == {"webp", "avif", "jpeg", "png"}
    assert trials["png"]["lossless"] and trials["png"]["ssim"] == 1.0
    for name, options in (("jpeg", {"optimize": True, "progressive": True}), ("webp", {"method": 4})):
        trial = trials[name]
        assert not trial["lossless"]
        data = saved(picture, name, quality=trial["quality"], **options)
        assert len(data) == trial["bytes"]
        mean, worst = quality.similarity(picture, Image.open(io.BytesIO(data)).convert("RGB"))
        assert mean >= quality.MEAN and worst >= quality.TILE
        lower = [step for step in quality.LADDER if step < trial["quality"]][-1:]
        for step in lower:
            worse = Image.open(io.BytesIO(saved(picture, name, quality=step, **options))).convert("RGB")
            mean, worst = quality.similarity(picture, worse)
            assert mean < quality.MEAN or worst < quality.TILE


def test_the_shown_size_keeps_the_aspect_and_never_enlarges(worker: Worker) -> None:
    """The smaller of the two ratios; sizes are at least a pixel."""
    data = saved(drawing(240, 160), "PNG")
    assert worker.measure(data, {"width": 120.0, "height": 40.0})["shown"] == [60, 40]
    assert worker.measure(data, {"width": 5000.0, "height": None})["shown"] is None
    assert worker.measure(saved(drawing(240, 40), "PNG"), {"width": 3.0, "height": None})["shown"] == [3, 1]


def test_transparent_pictures_are_never_advised_as_jpeg(worker: Worker) -> None:
    """It has no transparency; an opaque alpha channel is none."""
    assert "jpeg" not in {trial["format"] for trial in worker.measure(saved(alpha(), "PNG"), None)["trials"]}
    assert "jpeg" in {trial["format"] for trial in worker.measure(saved(opaque(), "PNG"), None)["trials"]}


def test_a_lossless_trial_keeps_every_pixel() -> None:
    """Drawings are smallest so, and it is called so."""
    picture = drawing()
    (trial,) = quality.trials(picture, ["webp"], alpha=False)
    assert trial["lossless"] is True
    again = Image.open(io.BytesIO(saved(picture, "WEBP", lossless=True, quality=80, method=4))).convert("RGB")
    assert again.tobytes() == picture.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("place", [(0, 0), (1800, 900), (1936, 960), (900, 512), (900, 505)])
def test_one_blurred_word_is_seen_on_a_large_plain_picture(place: tuple[int, int]) -> None:
    """The mean hides it, the worst tile does not; also at the seams of bands and at the edges."""
    from PIL import ImageFilter

    picture = Image.new("RGB", (2000, 1024), (240, 240, 240))
    picture.paste(drawing(64, 64), place)
    blurred = picture.copy()
    box = (place[0], place[1], place[0] + 64, place[1] + 64)
    blurred.paste(picture.crop(box).filter(ImageFilter.GaussianBlur(4)), box)
    mean, worst = quality.similarity(picture, blurred)
    assert mean > quality.MEAN
    assert worst < quality.TILE
    assert quality.similarity(picture, picture) == (1.0, 1.0)


def test_similarity_is_that_of_the_library_whatever_the_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cutting into bands changes no digit that matters."""
    one = photo(200, 300)
    other = Image.open(io.BytesIO(saved(one, "JPEG", quality=40))).convert("RGB")
    whole = quality.similarity(one, other)
    monkeypatch.setattr(quality, "BAND", 64)
    banded = quality.similarity(one, other)
    assert whole[0] == pytest.approx(banded[0], abs=1e-5)
    assert whole[0] < 0.99


def test_lost_colors_are_seen() -> None:
    """Luma alone would call a red and a green of equal brightness the same."""
    from PIL import ImageDraw

    one = Image.new("RGB", (128, 128), (150, 75, 75))
    ImageDraw.Draw(one).rectangle((32, 32, 96, 96), fill=(75, 112, 75))
    grey = one.convert("L").convert("RGB")
    assert quality.similarity(one, grey)[1] < quality.TILE


def test_hidden_colors_below_transparency_do_not_count() -> None:
    """What nobody sees may differ; over black and over white everything visible is compared."""
    one = alpha()
    one.paste((255, 0, 0, 0), (0, 0, 100, 100))
    other = one.copy()
    other.paste((0, 0, 255, 0), (0, 0, 100, 100))
    assert quality.similarity(one, other) == (1.0, 1.0)
    white, clear = Image.new("RGBA", (64, 64), "white"), Image.new("RGBA", (64, 64), (255, 255, 255, 0))
    assert quality.similarity(white, clear)[0] < 0.5


def test_a_tiny_picture_is_the_same_or_not(worker: Worker) -> None:
    """The window does not fit; only lossless encodings pass."""
    found = worker.measure(saved(photo(12, 9), "PNG"), None)
    assert {trial["format"] for trial in found["trials"]} == {"webp", "png"}
    assert all(trial["lossless"] for trial in found["trials"])


def test_the_method_is_told(worker: Worker) -> None:
    """Metric, bars, and every library with its version."""
    worker.measure(png(1, 1), None)
    assert worker.method["mean"] == quality.MEAN
    assert {"jpg", "webp", "avif"} == set(worker.method["encoders"])
