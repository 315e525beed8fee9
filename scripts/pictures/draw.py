"""Pictures of the dashboards: the history of the query tests, a real Prometheus, Grafana's own components.

Needs node and npm; everything else is installed here (some 500 MB in node_modules, which is left out of the tree).
"""

import http.server
import io
import json
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from PIL import Image

from tests.grafana.history import END, STEP
from tests.grafana.prometheus import past
from tests.services import ROOT, need

HERE = Path(__file__).parent
SHOWN = {
    "overview": datetime(2026, 8, 30, tzinfo=UTC), "traffic": datetime(2026, 9, 3, 12, tzinfo=UTC),
    "findings": datetime(2026, 8, 30, tzinfo=UTC),
}  # fmt: skip
"""From when on: the start of a cycle, the incident and the deploy are in the picture."""
WIDTHS = (1280, 400)
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
        picture = {
            "name": path[1:], "from": SHOWN[path[1:]].timestamp() * 1000, "to": END.timestamp() * 1000, "scrape": STEP,
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
    """The picture with 256 colours, which loses nothing that an eye would see here."""
    out = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            out, "PNG", optimize=True
        )
    return out.getvalue()


def main() -> None:
    """Draw all dashboards at all widths."""
    need("chromium", "chromium")
    install()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pictures-")))
        server, _ = stack.enter_context(past())
        site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, server.url))
        threading.Thread(target=site.serve_forever, daemon=True).start()
        stack.callback(site.shutdown)
        wanted = [f"{name}:{width}" for name in SHOWN for width in WIDTHS]
        address = f"http://127.0.0.1:{site.server_port}"
        subprocess.run(["node", "draw.mjs", address, str(folder), *wanted], cwd=HERE, check=True)
        for name in wanted:
            target = ROOT / "docs" / "pictures" / f"{name.replace(':', '-')}.png"
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(small(folder / target.name))
            print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
