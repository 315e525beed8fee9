r"""HAR 1.2, as browsers, WebPageTest, chrome-har and proxies save it.

Each entry is a record, numbered in the order of the file. Unlike access logs a HAR file holds what calls carried
(`postData`) and often the images themselves: digest, width and height are then taken from the content. Bytes are
`content.size`, else `bodySize`, else WebPageTest's `_objectSize`. An entry that a browser took from its own cache
(`_fromCache`, nothing transferred, Firefox's `afterRequest`) is a hit, the others are what the answer's headers say
(`Cache-Status`, `X-Cache`). What a call to a provider cost is what the answer's header says (`x-renders-consumed`), if
it has one.
Status 0 is a request without an answer; one that was blocked before it was sent is filtered. Entries before a cut are
read, the rest is rejected. Cookies are not looked at. Entries are read one by one; one of more than 48 MiB ends the
file.

Of what a page loads the file tells more, and some rules are about that alone: `pageref`, the answer's `Cache-Control`,
`Expires` and `Date`, and the width at which the page shows an image, which Chrome sends as `Sec-CH-Width` (formerly
`Width`) to hosts that ask for it with `Accept-CH`. HAR has no field for the shown size: without that header it is
unknown. Sources, looked at on 2026-11-30: "HAR 1.2 Spec" (softwareishard.com), "Sec-CH-Width header" and "Width header"
(MDN), `HAREntry` (Chrome DevTools), `har-builder.js` (Firefox DevTools).
Images that no provider or `[sources]` table knows are no account's renders, and stay filtered requests. A GET that was
answered with 200 and `image/…` is one all the same: the [rules](../rules.md) about what pages load look at such images,
host by host. Whether or not they find something, the reports list what was loaded, by host and format, with the
heaviest images and how many of them have a cache lifetime.
"""

import base64
import hashlib
import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from auditor.exchanges.cache_field import verdict_in
from auditor.exchanges.cost import cost_headers
from auditor.exchanges.exchange import Exchange
from auditor.exchanges.freshness import lifetime
from auditor.exchanges.headers import pairs_of
from auditor.model.events import MAX_SIDE, BadRecordError, Reason
from auditor.model.media import is_picture, media_type_of
from auditor.model.provider import size_of
from auditor.reading.format import Format, Sample
from auditor.reading.har_entries import Document
from auditor.reading.json_lines import integer, json_object, text
from auditor.reading.lines import Line, LineReader
from auditor.reading.names import at, json_in
from auditor.reading.times import micros, moment
from auditor.reading.variables import text_of

_LOG = re.compile(rb'"log"\s*:\s*\{')
_PARTS = re.compile(rb'"(?:creator|pages|entries)"\s*:\s*[\[{]')
_COOKIES = frozenset({"cookie", "set-cookie"})
_FAILURES = ("_error", "_errorText", "_failureText", "_blockedReason", "_errorMessage", "statusText", "comment")
_CACHED = ("_fromCache", "fromCache", "_fromDiskCache", "fromDiskCache", "fromPrefetchCache", "_cached")


class Har(Format):
    """One JSON object with `log.entries`."""

    name = "har"
    title = "HAR 1.2"

    @classmethod
    def detect(cls, sample: Sample) -> float:
        """By how it begins: `log` need not be the first key, and programs log objects of that name, too."""
        found = _LOG.search(sample.data) if sample.data.removeprefix(BOM_UTF8).lstrip()[:1] == b"{" else None
        return 1.0 if found and _PARTS.search(sample.data, found.end()) else 0.0

    def records(self, path: Path, reader: LineReader) -> Iterator[Line]:
        """Its entries, each without what no event needs."""
        del path
        document = Document(reader.chunks())
        for number, entry in enumerate(document.entries(), 1):
            slim = _slim(entry) if isinstance(entry, dict) else entry
            record = slim if isinstance(slim, str) else json.dumps(slim, ensure_ascii=False)
            yield Line(number, record.encode(errors="replace"))
        if document.damage:
            reader.truncated, reader.damage = True, reader.damage or document.damage

    def parse(self, data: bytes) -> Exchange:
        """One entry."""
        entry = json_object(data)
        request, response = entry.get("request"), entry.get("response")
        if not isinstance(request, dict) or not isinstance(response, dict):
            raise BadRecordError(Reason.MISSING_FIELD, "request or response is missing")
        ts_us, assumed = moment(text(entry.get("startedDateTime"), "startedDateTime"), self.zone)
        status = integer(response.get("status"), "response.status") or None
        held = response.get("content")
        content = held if isinstance(held, dict) else {}
        method, cached = text(request.get("method"), "request.method").upper(), _from_cache(entry, response)
        return Exchange(
            ts_us=ts_us,
            method=method,
            target=text(request.get("url"), "request.url"),
            body=_body(request),
            status=status,
            bytes=_size(entry, response, content),
            duration_us=micros(entry.get("time"), 1000),
            cache="hit" if cached else verdict_in("headers", response.get("headers")),
            media_type=text_of(content.get("mimeType")) or text_of(at(response, "headers", "content-type")),
            headers=cost_headers(pairs_of(response.get("headers"))),
            failure=" ".join(
                said for name in _FAILURES for each in (response, entry) if isinstance(said := each.get(name), str)
            ),
            digest=text_of(content.get("_digest")),
            width=integer(content.get("_width"), "width"),
            height=integer(content.get("_height"), "height"),
            page=None if cached else text_of(entry.get("pageref")) or "",
            lifetime_s=lifetime(_headers(response.get("headers")), ts_us) if method == "GET" else None,
            shown_width=_shown(_headers(request.get("headers"))),
            assumed_timezone=assumed,
        )


def _slim(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as it is parsed: headers by name, and of an image only what is known of it."""
    slim = {name: value for name, value in entry.items() if not isinstance(value, dict | list)}
    for side in ("request", "response"):
        message = entry.get(side)
        if isinstance(message, dict):
            kept = {name: value for name, value in message.items() if not isinstance(value, dict | list)}
            slim[side] = {**kept, "headers": _headers(message.get("headers"))}
    post = at(entry, "request", "postData")
    if isinstance(post, dict):
        slim["request"]["postData"] = post
    content = at(entry, "response", "content")
    if isinstance(content, dict):
        slim["response"]["content"] = _known(content)
    cache, size = entry.get("cache"), at(entry, "response", "bodySize")
    if isinstance(cache, dict) and "afterRequest" in cache and "beforeRequest" not in cache and size in (None, -1, 0):
        # Firefox writes it for what it took from its cache; others for what they put there, and that was transferred.
        slim["_fromCache"] = True
    return slim


def _headers(headers: Any) -> dict[str, str]:
    """Headers by name, of one name joined as HTTP does."""
    found: dict[str, str] = {}
    for name, value in pairs_of(headers):
        if isinstance(name, str) and isinstance(value, str) and name.lower() not in _COOKIES:
            found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
    return found


def _known(content: dict[str, Any]) -> dict[str, Any]:
    """Size and type of the content, and what its bytes tell if they are all there."""
    known: dict[str, Any] = {name: content[name] for name in ("size", "mimeType", "compression") if name in content}
    data = _bytes(content.get("text"), content.get("encoding"))
    if not data:
        return known
    is_one = is_picture(media_type_of(text_of(content.get("mimeType"))))
    if is_one is None and isinstance(json_in(data), dict | list):  # the address of an image, say
        known["mimeType"] = "application/json"
    if len(data) != content.get("size"):
        return known
    known["_digest"] = "sha256:" + hashlib.sha256(data).hexdigest()
    known["_width"], known["_height"] = size_of(data)
    return known


def _bytes(held: Any, encoding: object) -> bytes | None:
    """What stands for a text that is held; None for none, and for what is not the base64 that it should be."""
    with suppress(ValueError):
        if isinstance(held, str) and held:
            return base64.b64decode(held, validate=True) if encoding == "base64" else held.encode()
    return None


def _body(request: dict[str, Any]) -> bytes | None:
    """What a request carried; None where the file does not hold it whole."""
    size, post = request.get("bodySize"), request.get("postData")
    held, parameters = at(post, "text"), at(post, "params")
    if isinstance(held, str) and held:
        data = _bytes(held, at(post, "encoding") or at(post, "_encoding"))
        return None if data is None or (isinstance(size, int) and size > len(data)) else data
    if isinstance(parameters, list) and parameters:
        pairs = [(str(at(each, "name") or ""), str(at(each, "value") or "")) for each in parameters]
        return urlencode(pairs).encode()
    return b"" if size == 0 or request.get("method") in ("GET", "HEAD") else None


def _size(entry: dict[str, Any], response: dict[str, Any], content: dict[str, Any]) -> int | None:
    stated = (content.get("size"), response.get("bodySize"), entry.get("_objectSize"))
    sizes = [size for each in stated if (size := integer(each, "content.size")) is not None]
    return next((size for size in sizes if size > 0), 0 if 0 in sizes else None)


def _shown(headers: dict[str, str]) -> int | None:
    """The width in device pixels at which a browser said that the page shows the image; of several the last."""
    for name in ("sec-ch-width", "width"):
        said = headers.get(name, "").rpartition(",")[2].strip()
        if said.isascii() and said.isdigit() and len(said) < 12 and 1 <= int(said) <= MAX_SIDE:
            return int(said)
    return None


def _from_cache(entry: dict[str, Any], response: dict[str, Any]) -> bool:
    if any(holder.get(name) not in (None, False, "", 0, "0") for holder in (entry, response) for name in _CACHED):
        return True
    return response.get("_transferSize") == 0 and (integer(at(response, "content", "size"), "content.size") or 0) > 0
