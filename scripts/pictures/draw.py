"""Pictures of the dashboards: the history of the query tests, a real Prometheus, Grafana's own components.

Needs node and npm; everything else is installed here (some 500 MB in node_modules, which is left out of the tree).
"""

import http.server
import io
import json
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from tests.grafana.history import FIRST_HOUR, NO_PLAN, ONE_ACCOUNT, WHOLE, Scene
from tests.grafana.processes import STEP
from tests.grafana.prometheus import past
from tests.services import ROOT, need

HERE = Path(__file__).parent


class Drawn(NamedTuple):
    """A dashboard, from when on it is shown, how wide, and of what."""

    board: str
    since: datetime
    widths: tuple[int, ...] = (1280, 400)
    scene: Scene = WHOLE


DRAWN = {
    "overview": Drawn("overview", datetime(2026, 8, 30, tzinfo=UTC)),
    "traffic": Drawn("traffic", datetime(2026, 9, 3, 12, tzinfo=UTC)),
    "findings": Drawn("findings", datetime(2026, 8, 30, tzinfo=UTC)),
    "one-account": Drawn("overview", ONE_ACCOUNT.start, (1280,), ONE_ACCOUNT),
    "no-plan": Drawn("overview", NO_PLAN.start, (1280,), NO_PLAN),
    "first-hour": Drawn("overview", FIRST_HOUR.start, (1280,), FIRST_HOUR),
}
"""By the name of the file: the start of a cycle, the incident and the deploy are in the pictures of the whole."""
PAGE = """<!doctype html><html><head><meta charset="utf-8"><link rel="stylesheet" href="/app.css"><style>
body {{ margin: 0; background: #111217; color: #ccccdc; font-family: Inter, Helvetica, Arial, sans-serif }}
header {{ padding: 12px 8px; display: flex; flex-wrap: wrap; gap: 8px 16px; font-size: 13px }}
header i {{ font-style: normal; background: #22252b; padding: 3px 8px; border-radius: 2px }}
h2 {{ margin: 4px 0; font-size: 16px; font-weight: 500; line-height: 22px; white-space: nowrap }} .silence {{ padding: 16px; color: #8e8e99 }}
</style></head><body><div id="root"></div><script>window.PICTURE={picture};window.process={{env:{{}}}};
window.grafanaBootData={{settings:{{buildInfo:{{version:"0"}},featureToggles:{{}}}},user:{{}},navTree:[]}};
window.__grafana_public_path__="/public/";</script><script type="module" src="/app.js"></script></body></html>"""


class Site(http.server.BaseHTTPRequestHandler):
    """The page, the dashboards, icons, and Prometheus behind /api/."""

    def __init__(self, prometheus: str, *arguments: object) -> None:
        self._prometheus = prometheus
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Any of them."""
        try:
            kind, body = self._answer()
            self.send_response(200)
        except (OSError, KeyError) as error:
            kind, body = (
                "text/plain",
                error.read() if isinstance(error, urllib.error.HTTPError) else str(error).encode(),
            )
            self.send_response(404)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def _answer(self) -> tuple[str, bytes]:
        path = self.path.partition("?")[0]
        if path.startswith("/api/"):
            with urllib.request.urlopen(self._prometheus + self.path) as answer:  # noqa: S310 (our own server)
                return "application/json", answer.read()
        if path in ("/app.js", "/app.css"):
            return "text/javascript" if path.endswith("js") else "text/css", (HERE / f"dist{path}").read_bytes()
        if path.startswith("/dashboards/"):
            return "application/json", (ROOT / "grafana" / path[1:]).read_bytes()
        if path.startswith("/public/"):
            icons = HERE / "node_modules" / "@grafana" / "ui" / "dist" / "public"
            return "image/svg+xml", (icons / path.removeprefix("/public/").removeprefix("build/")).read_bytes()
        drawn = DRAWN[path[1:]]
        picture = {
            "board": drawn.board, "from": drawn.since.timestamp() * 1000, "to": drawn.scene.end.timestamp() * 1000,
            "scrape": STEP,
        }  # fmt: skip
        return "text/html", PAGE.format(picture=json.dumps(picture)).encode()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def install() -> None:
    """Grafana's packages, once (no lock file, which would name a registry); and the schema that its types are."""
    if not (HERE / "node_modules" / "@grafana" / "ui").is_dir():
        print("installing Grafana's packages: some minutes and 500 MB", flush=True)
        options = ["--no-package-lock", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(["npm", "install", *options], cwd=HERE, check=True)
    subprocess.run(["node", "shapes.mjs", str(ROOT / "tests" / "grafana" / "schema.json")], cwd=HERE, check=True)


def small(path: Path) -> bytes:
    """The picture with 256 colors, which loses nothing that an eye would see here."""
    out = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            out, "PNG", optimize=True
        )
    return out.getvalue()


def draw(scene: Scene, wanted: Sequence[str]) -> None:
    """The pictures of one scene, each NAME:WIDTH."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pictures-")))
        server, _ = stack.enter_context(past(scene))
        site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, server.url))
        threading.Thread(target=site.serve_forever, daemon=True).start()
        stack.callback(site.shutdown)
        address = f"http://127.0.0.1:{site.server_port}"
        subprocess.run(["node", "draw.mjs", address, str(folder), *wanted], cwd=HERE, check=True)
        for name in wanted:
            target = ROOT / "docs" / "pictures" / f"{name.replace(':', '-')}.png"
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(small(folder / target.name))
            print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1000} kB")


def main() -> None:
    """Draw all of them, or those that are named."""
    need("chromium", "chromium")
    install()
    chosen = sys.argv[1:] or list(DRAWN)
    for scene in dict.fromkeys(DRAWN[name].scene for name in chosen):
        draw(
            scene, [f"{name}:{width}" for name in chosen if DRAWN[name].scene is scene for width in DRAWN[name].widths]
        )


if __name__ == "__main__":
    main()
