"""Section 11 of the semantics page read slowly: logs of other kinds, one request at a time.

It reads the shapes that `tests.foreign_logs` writes, and shares nothing with the product but the words.
"""

import base64
import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from tests.bruteforce import Audit, Event, grouped, instant

MICRO = timedelta(microseconds=1)
UNITS = {"s": Fraction(1), "ms": Fraction(1, 10**3), "us": Fraction(1, 10**6), "ns": Fraction(1, 10**9)}
NAMED = {"duration_ms": "ms", "elapsed_ms": "ms", "responseTimeMs": "ms", "elapsed_seconds": "s", "har": "ms"}
"""Durations whose unit a name, or the vendor of a named format, tells."""
UNNAMED = ("duration", "elapsed", "latency")
WORDS = {"HIT": "hit", "STALE": "hit", "collapsed": "coalesced", "MISS": "render", "EXPIRED": "render"}
PROVIDER_HOST = "render.imejis.io"
DAMAGED = None
FINAL = {"done": "render", "completed": "render", "failed": "error"}
STAGES = ("pending", "queued")
Request = dict[str, Any]


class AskedError(Exception):
    """The page has the command ask here."""


def combined(data: bytes, _: ZoneInfo) -> Iterator[Request | None]:
    """Access lines; what stands behind the user agent is in `behind`."""
    shape = re.compile(r'\S+ - - \[([^\]]+)\] "(\S+) (\S+) HTTP/1.1" (\d+) (\S+) "-" "agent"(.*)')
    for line in data.decode().splitlines():
        found = shape.fullmatch(line)
        if found is None:
            yield DAMAGED
            continue
        yield {
            "end": datetime.strptime(found[1], "%d/%b/%Y:%H:%M:%S %z").astimezone(UTC),
            "method": found[2],
            "target": found[3],
            "status": int(found[4]),
            "bytes": None if found[5] == "-" else int(found[5]),
            "behind": found[6].strip().strip('"'),
        }


def ended(text: str, zone: ZoneInfo) -> Request:
    """A time in the zone that it names, else in that of the configuration."""
    end, assumed = instant(text, zone)
    return {"end": end, "assumed": assumed}


def table(data: bytes, zone: ZoneInfo) -> Iterator[Request | None]:
    """A CSV of requests or of a provider's renders, by the names of its columns."""
    rows = list(csv.reader(io.StringIO(data.decode())))
    for row in rows[1:]:
        if len(row) != len(rows[0]):
            yield DAMAGED
            continue
        cells = {name: value for name, value in zip(rows[0], row, strict=True) if value}
        if "template" in rows[0]:
            yield {
                "export": cells,
                "environment": cells.get("environment"),
                "no_inputs": "modifications" not in rows[0],
            }
            continue
        yield {
            **ended(cells["time"], zone),
            "method": cells["method"],
            "host": cells.get("host"),
            "target": cells["url"],
            "status": int(cells["status"]) if "status" in cells else None,
            "type": cells.get("content_type"),
            "bytes": int(cells["bytes"]) if "bytes" in cells else None,
            "word": cells.get("cache_status"),
            "environment": cells.get("env"),
            "took": next(((name, Decimal(cells[name])) for name in (*NAMED, *UNNAMED) if name in cells), None),
        }


def json_lines(data: bytes, zone: ZoneInfo) -> Iterator[Request | None]:
    """What programs write of their calls; other lines of theirs are requests without an address."""
    for line in data.splitlines():
        try:
            said = json.loads(line, parse_float=Decimal)
        except ValueError:
            yield DAMAGED
            continue
        if "url" not in said:
            yield {}
            continue
        body = said.get("request_body")
        yield {
            **ended(said["timestamp"], zone),
            "method": said["method"],
            "target": said["url"],
            "status": said.get("status_code"),
            "type": said.get("content_type"),
            "bytes": said.get("bytes"),
            "word": said.get("cache_status"),
            "failure": said.get("error"),
            "environment": next((said[name] for name in ("Environment", "env", "stage") if name in said), None),
            "body": None if body is None else json.dumps(body).encode(),
            "took": next(((name, said[name]) for name in (*NAMED, *UNNAMED) if name in said), None),
        }


def har(data: bytes, zone: ZoneInfo) -> Iterator[Request | None]:
    """The entries of a browser's log, which has times of starts, and contents."""
    for entry in json.loads(data, parse_float=Decimal)["log"]["entries"]:
        asked, answer = entry["request"], entry["response"]
        content = answer["content"]
        posted = asked.get("postData")
        yield {
            "start": instant(entry["startedDateTime"], zone)[0],
            "method": asked["method"],
            "target": asked["url"],
            "status": answer["status"],
            "type": content["mimeType"],
            "bytes": content["size"],
            "word": next((h["value"] for h in answer["headers"] if h["name"] == "x-cache"), None),
            "failure": answer.get("_error"),
            "body": None if posted is None else posted["text"].encode(),
            "digest": hashlib.sha256(base64.b64decode(content["text"])).hexdigest() if "text" in content else None,
            "took": ("har", entry["time"]),
        }


READERS = {"log": combined, "csv": table, "ndjson": json_lines, "har": har}


class Foreign(Audit):
    """An audit of logs of any kind."""

    def records(self, files: dict[str, bytes], now: datetime) -> list[Event]:
        """Those of usage logs, and the requests for images of all others."""
        own = {name: data for name, data in files.items() if name.endswith(".jsonl")}
        found = super().records(own, now)
        self.reasons: Counter[str] = Counter()
        self.names: list[str] = []
        self.kept: Counter[tuple[str, str]] = Counter()
        self.dropped: Counter[tuple[str, str]] = Counter()
        for name, data in files.items():
            if name not in own:
                found += self.file(name, data, now)
        return found

    def file(self, name: str, data: bytes, now: datetime) -> list[Event]:
        """The events of one log."""
        kind = name.rpartition(".")[2]
        requests = list(READERS[kind](data, self.zone))
        self.lines += len(requests)
        self.rejected += requests.count(DAMAGED)
        self.names.append(name)
        telling = [(n, r) for n, r in enumerate(requests, 1) if r is not DAMAGED and r]
        self.filtered += len(requests) - requests.count(DAMAGED) - len(telling)
        self.behind([r for _, r in telling if "behind" in r])
        units = self.units([r for _, r in telling])
        digest = hashlib.sha256(data).hexdigest()
        events = []
        for number, request in telling:
            event = self.exported(name, request) if "export" in request else self.requested(request)
            if event is None:
                self.filtered += 1
                continue
            who = event["provider"], event["account"]
            if why := self.left_out(request, event) if "export" not in request else None:
                self.dropped[who] += 1
                self.reasons[why] += 1
                self.filtered += 1
                continue
            self.kept[who] += 1
            event |= {"file": name, "taken": []}
            self.times(request, event, units)
            event |= {"own": event.get("own"), "assumed": request.get("assumed", False)}
            event["place"] = f"{digest}:{number:08}"
            event["canonical"] = b""
            if event["unknown"]:
                event["key"] = event["place"]
            events.append(event)
        self.identify(kind, events)
        usual = [e for e in events if datetime(2000, 1, 2, tzinfo=UTC) <= e["at"] <= now + timedelta(hours=48)]
        self.rejected += len(events) - len(usual)
        self.odd += len(events) - len(usual)
        return usual

    def assumed(self) -> dict[str, dict[str, int]]:
        """File -> what was taken because it does not tell -> events."""
        found = {name: Counter[str]() for name in self.names}
        for e in self.events:
            if "file" in e:
                found[e["file"]].update(e["taken"])
        return {name: dict(counts) for name, counts in found.items()}

    # 11.1

    def units(self, requests: list[Request]) -> dict[str, str | None]:
        """Field -> the unit that its values tell, None where they tell none or several."""
        units: dict[str, str | None] = {}
        for field in UNNAMED:
            values = [r["took"][1] for r in requests if r.get("took") and r["took"][0] == field and r["took"][1] > 0]
            first = sorted(values[:10_000])
            if first:
                median = Fraction(first[(len(first) - 1) // 2])
                fit = [unit for unit, size in UNITS.items() if Fraction(1, 1000) <= median * size <= 120]
                units[field] = fit[0] if len(fit) == 1 else None
        return units

    def times(self, request: Request, event: Event, units: dict[str, str | None]) -> None:
        """Start and end of an event; a start that the log does not have is reckoned back by a known duration."""
        took, lasted = request.get("took"), timedelta(0)
        if took is not None and took[1] is not None:
            field, value = took
            told = NAMED.get(field) or event.pop("duration_unit")
            unit = told or units.get(field)
            if unit is None or Fraction(value) * UNITS[unit] >= 10**9:
                event["taken"] += ["duration_unknown"] * (field not in NAMED)
            else:
                event["taken"] += ["duration_unit"] * (not told)
                lasted = MICRO * round(Fraction(value) * UNITS[unit] * 10**6)
                event["duration_ms"] = Fraction(lasted // MICRO, 1000)
        event["at"] = request["start"] if "start" in request else request["end"] - lasted
        event["done"] = event["at"] + lasted

    # what stands behind a combined line

    def behind(self, requests: list[Request]) -> None:
        """The verdicts or hosts that nearly all lines of a source have behind the user agent."""
        sample = [r for r in requests if self.requested(r) is not None][:200]
        said = [r["behind"].removeprefix("cs=") for r in sample if r["behind"] not in ("", "-", "cs=-")]
        verdicts = sum(text in WORDS for text in said)
        for request in requests:
            text = request["behind"].removeprefix("cs=")
            if said and verdicts * 10 >= len(said) * 9 and text in WORDS:
                request["word"] = text

    # whose request it is

    def requested(self, r: Request) -> Event | None:
        """The event of a request but for its times; None where nothing tells that it is for an image."""
        url = urlsplit(r["target"])
        host = url.hostname or r.get("host")
        pairs = parse_qsl(url.query)
        body = b"" if r.get("body") is None and r["method"] == "GET" else r.get("body")
        if host == PROVIDER_HOST:
            event = self.called(r["method"], url.path, pairs, body)
        else:
            event = self.matched(r["method"], host, url.path, pairs, body)
        if event is None:
            return None
        status, word = r.get("status"), WORDS.get(r.get("word") or "")
        event["environment"] = (event.pop("said", None) or r.get("environment") or "production").lower()
        event["key"] = f"f1:{event['environment']}:{event['key']}"
        if event["unknown"]:
            event.pop("inputs", None)
        media = (r.get("type") or "").partition(";")[0].lower()
        if "format" not in event and (media.startswith("image/") or media == "application/pdf"):
            event["format"] = media.partition("/")[2]
        return event | self.fate(status, word, event) | self.size(r, event)

    def called(self, method: str, path: str, pairs: list[tuple[str, str]], body: bytes | None) -> Event | None:
        """A call at the provider's own address."""
        found = re.fullmatch(r"/v1/([a-z]+)", path)
        if found is None or method not in ("GET", "POST"):
            return None
        table = next((t for t in self.config["sources"].values() if "path" not in t), {})
        inputs = dict(pairs) if method == "GET" else json.loads(body) if body else {}
        return {
            "provider": "imejis",
            "account": table.get("account", "default"),
            "template": found[1],
            "said": table.get("environment"),
            "inputs": {name: str(value) for name, value in inputs.items()},
            "key": json.dumps(["call", found[1], sorted(inputs.items())]),
            "unknown": None if method == "GET" or body is not None else "no_body",
            "api": True,
            "duration_unit": table.get("duration_unit"),
            "uncached": "render",
            "redirects": "error",
        }

    def matched(
        self, method: str, host: str | None, path: str, pairs: list[tuple[str, str]], body: bytes | None
    ) -> Event | None:
        """A request that the first fitting table of the configuration describes."""
        for name, table in self.config["sources"].items():
            fits = re.fullmatch(table["path"], path) if "path" in table else None
            if fits is None or method not in table.get("methods", ("GET", "POST")):
                continue
            groups = {group: value for group, value in fits.groupdict().items() if value is not None}
            pairs = [pair for pair in pairs if pair[0] not in table.get("ignore", ())]
            event = {
                "provider": table.get("provider", "own"),
                "account": table.get("account", "default"),
                "template": groups.get("template") or table.get("template") or name,
                "said": groups.get("environment") or table.get("environment"),
                "inputs": {":path": path, **dict(pairs)},
                "key": json.dumps([name, method, host, path, sorted(pairs), (body or b"").decode()]),
                "unknown": "no_body" if body is None else None,
                "duration_unit": table.get("duration_unit"),
                "uncached": table.get("uncached", "render"),
                "redirects": table.get("redirects"),
            }
            event |= {side: int(groups[side]) for side in ("width", "height") if side in groups}
            return event | ({"format": groups["format"]} if "format" in groups else {})
        return None

    # 11.2

    @staticmethod
    def known_other(r: Request) -> bool:
        """Whether an answer is known to be something else than an image."""
        media = (r.get("type") or "").partition(";")[0].strip().lower()
        known = "/" in media and media not in ("application/octet-stream", "binary/octet-stream")
        return known and not media.startswith("image/") and media != "application/pdf"

    def left_out(self, r: Request, event: Event) -> str | None:
        """Why a line that a source fits is filtered."""
        status = r.get("status") or 0
        if not status and "blocked" in (r.get("failure") or "").lower():
            return "not_sent"
        if 200 <= status < 300 and self.known_other(r) and not event.get("api"):
            return "not_a_picture"
        if status == 206:
            return "partial"
        return "redirect" if 300 <= status < 400 and status != 304 and event["redirects"] is None else None

    @staticmethod
    def fate(status: int | None, word: str | None, event: Event) -> Event:
        """Outcome, credits and kind of error."""
        if status in (None, 0, 499):
            return {
                "outcome": "error",
                "error": "connection",
                "cost": Fraction(0) if word in ("hit", "coalesced") else None,
            }
        if status == 304:
            return {"outcome": "hit", "cost": Fraction(0)}
        if 300 <= status < 400 and event["redirects"] != "error":
            outcome = "hit" if event["redirects"] == "hit" else word or "render"
            return {"outcome": outcome, "cost": Fraction(outcome == "render")}
        if status < 300:
            outcome = word or event["uncached"]
            return {"outcome": outcome, "cost": Fraction(outcome == "render")}
        kinds = {
            302: "other",
            307: "other",
            404: "not_found",
            429: "throttled",
            402: "quota",
            500: "server",
            502: "server",
            504: "timeout",
        }
        doubtful = status in (408, 502, 504, *range(520, 528)) and word not in ("hit", "coalesced")
        return {"outcome": "error", "error": kinds[status], "cost": None if doubtful else Fraction(0)}

    # 11.3

    def size(self, r: Request, event: Event) -> Event:
        """Bytes and digest, of whole answers that may be images."""
        if r.get("status") not in (200, 201) or self.known_other(r):
            return {}
        known = {}
        if r.get("bytes") is not None:
            known["bytes"] = r["bytes"]
        if r.get("digest"):
            known["digest"] = f"sha256:{r['digest']}"
        return known

    # a provider's own list of renders

    def exported(self, name: str, r: Request) -> Event:
        """A row of a provider's export."""
        cells = r["export"]
        stage = cells.get("status", "completed")
        outcome = "attempt" if stage in STAGES else FINAL[stage]
        credits = Fraction(cells["credits"]) if "credits" in cells else Fraction(1) if outcome == "render" else None
        r["end"] = instant(cells["created_at"], self.zone)[0]
        inputs = json.loads(cells.get("modifications", "{}"))
        environment = (r["environment"] or "production").lower()
        event = {
            "provider": name.partition("-")[0],
            "account": cells.get("workspace", "default"),
            "environment": environment,
            "template": cells["template"],
            "outcome": outcome,
            "cost": credits,
            "key": f"f1:{environment}:" + json.dumps([cells["template"], sorted(inputs.items())]),
            "unknown": "no_inputs" if r["no_inputs"] else None,
            "own": cells.get("id"),
        }
        if outcome == "error":
            event["error"] = "other"
        return event if r["no_inputs"] else event | {"inputs": inputs}

    # 11.5

    def identify(self, kind: str, events: list[Event]) -> None:
        """Give each event its id; rows that share one at other times may have none."""
        times = grouped((e for e in events if e["own"]), lambda e: (e["provider"], e["account"], e["own"]))
        shared = sum(len(rows) for rows in times.values() if len({e["at"] for e in rows}) > 1)
        choice = self.config.get("ids")
        if choice is None and shared * 100 > len(events):
            if any(e["outcome"] == "attempt" for e in events):
                raise AskedError
            choice = "rows"
            for e in events:
                e["taken"].append("ids_repeat")
        for e in events:
            own = None if choice == "rows" else e["own"]
            e["id"] = f"{own}@{kind}/{e['provider']}/{e['account']}" if own else e["place"]

    # advice

    def accounts(self) -> dict[tuple[str, str], dict[str, Any]]:
        """No plan advice where most of what an account's sources fit is filtered."""
        found = super().accounts()
        for who, account in found.items():
            if self.dropped[who] > self.kept[who]:
                account |= {"advice": "mostly_filtered", "projected": False}
                account |= {"recommended_plan": None, "recommended_after_fixes": None}
        return found
