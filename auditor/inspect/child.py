"""The limited process that opens images: no network, no files, bounded memory and processor time.

It reads jobs from standard input (a length, a JSON head, the image's bytes) and writes one JSON line each. Once the
encoders are loaded it may open no descriptor any more, so that it has neither sockets nor files, whatever an image
makes a decoder do.
"""

import io
import json
import resource
import sys
import warnings
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError, features

from auditor.inspect.quality import LADDER, MEAN, TILE, trials
from auditor.model.measurements import shrunk

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
MEMORY = 1 << 30
CPU_SECONDS = 30
"""For one image."""
PIXELS = 40_000_000
"""Of one image, all frames together."""
TRIED = ("webp", "avif", "jpeg")
MODES = {"1": "RGB", "L": "RGB", "LA": "RGBA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBA": "RGBA"}


def limit() -> None:
    """Give up memory, files, sockets and core dumps for good."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with suppress(ValueError, OSError):  # macOS does not know this one
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def allow_time(seconds: int = CPU_SECONDS) -> None:
    """So many seconds of processor time from now on, then the system ends the process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def answer(head: dict[str, Any], data: bytes) -> dict[str, Any]:
    """What `measure` finds, or `{refused, detail}`; never an exception."""
    try:
        return measure(data, head.get("limit"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return {"refused": "too_many_pixels", "detail": f"more than {PIXELS:,} pixels"}
    except MemoryError:
        return {"refused": "out_of_memory", "detail": f"needs more than {MEMORY >> 20} MiB"}
    except UnidentifiedImageError:
        return {"refused": "damaged", "detail": "the head is not an image's"}
    except Exception as error:  # decoders raise whatever they like
        return {"refused": "damaged", "detail": f"cannot be decoded ({type(error).__name__})"}


def measure(data: bytes, limit: dict[str, float | None] | None) -> dict[str, Any]:
    """Format, size and trials; *limit* is the size it is shown at, in device px."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        name, frames = str(opened.format).lower(), getattr(opened, "n_frames", 1)
        if opened.width * opened.height * frames > PIXELS:
            raise Image.DecompressionBombError
        opened.load()
        facts: dict[str, Any] = {"format": name, "frames": frames}
        turned = ImageOps.exif_transpose(opened)
        facts |= {"width": turned.width, "height": turned.height}
        if frames > 1:
            return facts | _untried("it is animated")
        mode = "RGBA" if turned.has_transparency_data else MODES.get(turned.mode)
        if mode is None:
            return facts | _untried(f"its pixels are {turned.mode}")
        plain = turned.convert(mode)
    alpha = mode == "RGBA" and plain.getchannel("A").getextrema()[0] != 255
    if not alpha:
        plain = plain.convert("RGB")
    if turned.info.get("icc_profile"):
        plain.info["icc_profile"] = turned.info["icc_profile"]
    # In the order of the tuple, the image's own format among them.
    formats = [*TRIED, *({name} - {*TRIED, "gif"})]
    facts |= {"alpha": alpha, "flat": plain.getcolors(256) is not None, "note": None}
    facts |= {"trials": trials(plain, formats, alpha), "shown": None, "right_sized": []}
    size = shrunk(plain.size, limit or {})
    if size != plain.size:
        smaller = plain.resize(size, Image.Resampling.LANCZOS)
        facts |= {"shown": size, "right_sized": trials(smaller, formats, alpha)}
    return facts


def _untried(why: str) -> dict[str, Any]:
    return {"alpha": False, "flat": False, "trials": [], "shown": None, "right_sized": [],
            "note": f"not tried in other formats: {why}"}  # fmt: skip


def warm_up() -> None:
    """Load every codec and library while files can still be opened."""
    Image.MAX_IMAGE_PIXELS = PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    ground = Image.linear_gradient("L").resize((64, 64))
    for mode in ("RGB", "RGBA"):
        small = ground.convert(mode)
        for name in FORMATS:
            if (name, mode) != ("JPEG", "RGBA"):
                out = io.BytesIO()
                small.save(out, name)
                answer({}, out.getvalue())


def method() -> dict[str, Any]:
    """What was measured with, for the file."""
    return {
        "metric": "SSIM, Gaussian window (Wang et al. 2004), least of luma and half-size chroma",
        "mean": MEAN,
        "worst_tile": TILE,
        "scikit_image": version("scikit-image"),
        "pillow": version("pillow"),
        "encoders": {name: features.version(name) for name in ("jpg", "webp", "avif")},
        "qualities": list(LADDER),
    }


def main() -> None:
    """Say what is measured with, then measure until standard input ends."""
    jobs, out = sys.stdin.buffer, sys.stdout.buffer
    warm_up()
    said = method()
    limit()
    while True:
        out.write(json.dumps(said).encode() + b"\n")
        out.flush()
        head = jobs.read(8)
        if not head:
            return
        length, size = int.from_bytes(head[:4]), int.from_bytes(head[4:])
        asked, data = json.loads(jobs.read(length)), jobs.read(size)
        allow_time()
        said = answer(asked, data)


if __name__ == "__main__":
    main()
