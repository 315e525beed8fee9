"""One page load of a small shop, as Chrome and Firefox save it; writes the same bytes every time.

The hero image is far too large, kept for a minute, and fetched a second time by a script. Of the cards one is fine and
used twice, one is heavy and says nothing of caches, one must not be stored. The logo is kept for a day.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATE = "Tue, 01 Sep 2026 06:00:00 GMT"
YEAR = {"Cache-Control": "public, max-age=31536000, immutable"}
SHOWN = {"Sec-CH-Width": "1200"}

# path, status, bytes, headers of the answer, headers of the request, fields of Chrome's entry
LOADED: list[tuple[str, int, int, Mapping[str, str], Mapping[str, str], Mapping[str, Any]]] = [
    ("/img/hero/1-2400x1600.png", 200, 1_400_000, {"Cache-Control": "max-age=60", "X-Cache": "MISS"}, SHOWN, {}),
    ("/img/card/1-800x600.webp", 200, 60_000, YEAR, {"Sec-CH-Width": "800"}, {}),
    ("/img/card/2-800x600.jpg", 200, 250_000, {"Last-Modified": DATE}, {}, {}),
    ("/img/card/3-800x600.png", 200, 40_000, {"Cache-Control": "no-store"}, {}, {}),
    ("/img/card/1-800x600.webp", 200, 60_000, YEAR, {}, {"_fromCache": "memory"}),
    ("/img/logo/1.svg", 200, 5_000, {"Expires": "Wed, 02 Sep 2026 06:00:00 GMT"}, {}, {}),
    ("/img/pixel/1-1x1.gif", 200, 43, {"Cache-Control": "no-store"}, {}, {}),
    ("/img/card/3-800x600.png", 304, 0, {}, {}, {}),
    ("/img/hero/1-2400x1600.png", 200, 1_400_000, {"Cache-Control": "max-age=60", "X-Cache": "HIT"}, SHOWN, {}),
    ("/app.js", 200, 90_000, {"Cache-Control": "no-cache"}, {}, {}),
]
TYPES = {"png": "image/png", "webp": "image/webp", "jpg": "image/jpeg", "svg": "image/svg+xml", "gif": "image/gif",
         "js": "text/javascript"}  # fmt: skip


def listed(headers: Mapping[str, str]) -> list[dict[str, str]]:
    """Headers as HAR has them."""
    return [{"name": name, "value": value} for name, value in headers.items()]


def entries(*, chrome: bool) -> list[dict[str, Any]]:
    """The entries of the page load; Firefox sends no Sec-CH-Width and names its cache in another way."""
    found = []
    for second, (path, status, size, answer, asked, more) in enumerate(LOADED):
        cached = bool(more)
        told = {"Content-Type": TYPES[path.rpartition(".")[2]], "Date": DATE, **answer}
        transferred = 0 if cached else size + 300
        response = {
            "status": status,
            "statusText": "",
            "httpVersion": "HTTP/2",
            "cookies": [],
            "headers": listed(told),
            "content": {"size": size, "mimeType": told["Content-Type"]},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1 if chrome or cached else transferred,
        }
        found.append(
            {
                "pageref": "page_1",
                "startedDateTime": f"2026-09-01T06:00:{second:02}.000Z",
                "time": 20.5,
                "request": {
                    "method": "GET",
                    "url": f"https://shop.example{path}",
                    "httpVersion": "HTTP/2",
                    "cookies": [],
                    "headers": listed(asked if chrome else {}),
                    "queryString": [],
                    "headersSize": -1,
                    "bodySize": 0,
                },
                "response": response | ({"_transferSize": transferred} if chrome else {}),
                "cache": {"afterRequest": None} if cached and not chrome else {},
                "timings": {"blocked": 0, "dns": -1, "connect": -1, "send": 0, "wait": 20.5, "receive": 0},
                **(more if chrome else {}),
            }
        )
    return found


def main() -> None:
    """Write both files beside this one."""
    for name, creator in (("chrome", "WebInspector"), ("firefox", "Firefox")):
        log = {
            "version": "1.2",
            "creator": {"name": creator, "version": "1"},
            "pages": [
                {
                    "startedDateTime": "2026-09-01T06:00:00.000Z",
                    "id": "page_1",
                    "title": "Shop",
                    "pageTimings": {"onContentLoad": 900, "onLoad": 9500},
                }
            ],
            "entries": entries(chrome=name == "chrome"),
        }
        (HERE / f"{name}.har").write_text(json.dumps({"log": log}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
