"""Take the pictures of docs/pictures/: the HTML report of sample_logs/ in Chromium, wide and narrow, light and dark.

python scripts/report_pictures.py      needs Debian's chromium and the development requirements
"""

import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
EPOCH = "1790812800"
SHOTS = {(1280, "light"): 4750, (1280, "dark"): 1500, (390, "light"): 2600, (390, "dark"): 2600}
"""Width and colors -> how many CSS px from the top."""


def main() -> None:
    """Write docs/pictures/report-WIDTH-COLOURS.webp."""
    subprocess.run([ROOT / "scripts" / "services.sh", "chromium"], check=True)  # noqa: S603 (our own script)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "report.html"
        subprocess.run(  # noqa: S603 (our own command)
            [sys.executable, "-m", "auditor", "audit", "sample_logs", "--format", "html", "--output", str(page)],
            cwd=ROOT, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for (width, colors), height in SHOTS.items():
            tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=colors)
            tab.goto(page.as_uri())
            picture = Image.open(BytesIO(tab.screenshot()))
            path = ROOT / "docs" / "pictures" / f"report-{width}-{colors}.webp"
            picture.save(path, quality=72, method=6)
            print(f"{path.relative_to(ROOT)}: {picture.width} x {picture.height}, {path.stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
