"""Random logs of other kinds, written the ways that servers, programs, browsers and providers write them."""

import base64
import csv
import io
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.random_logs import FAR, generate

HOST = "https://render.imejis.io"
TYPES = (
    "image/png", "image/webp", "image/png", "image/png", "IMAGE/WebP; q=1", "application/pdf", "text/html; charset=utf-8",
    "application/json", "application/octet-stream", "binary/octet-stream", "x-unknown", "-", "",
)  # fmt: skip
SCALES = (0.0004, 0.001, 0.3, 40, 120, 120.0001, 600, 8000, 120000.0001, 300000, 20000000, 30000000000)
"""Medians of durations: one unit makes a likely time of some, several or none of others."""
Call = dict[str, Any]


class ForeignLogs:
    """One random configuration, and files of requests that crowd the edges of section 11."""

    def __init__(self, seed: int, size: int) -> None:
        self.rng = rng = random.Random(f"foreign {seed}")
        self.size = rng.randrange(size // 4, size)
        self.start = datetime(2026, rng.choice([1, 2, 9]), rng.choice([1, 3, 27]), tzinfo=UTC)
        self.span = rng.choice([timedelta(minutes=20), timedelta(days=4), timedelta(days=11), timedelta(days=70)])
        self.mood = rng.choice(["well", "well", "well", "redirects", "pages", "parts"])
        """What most answers are."""
        self.keys = rng.choice([3, 9, 40])
        self.plain = rng.random() < 0.4
        """Whether nothing is cached, and all is production."""
        self.noise = rng.choice([0.6, 1.0] if self.plain else [0.0, 0.3])
        """How often an address has a part that changes nothing."""
        self.moments: list[datetime] = []

    def config(self) -> dict[str, Any]:
        """Tables for an endpoint of the user's own, for one more, and for the calls to a provider."""
        rng = self.rng
        shop: dict[str, Any] = {
            "path": r"/img/(?P<template>[a-z]+)/[0-9]+(?:-(?P<width>[0-9]+)x(?P<height>[0-9]+))?[.](?P<format>png|webp)",
            "provider": "imejis",
            "account": "shop",
        }
        for name, values in {
            "redirects": ["render", "hit"], "uncached": ["hit", "render"], "environment": ["Staging", "qa"], "ignore": [["cb"]],
            "duration_unit": ["s", "ms", "us"],
        }.items():  # fmt: skip
            if rng.random() < 0.25:
                shop[name] = rng.choice(values)
        calls = {"provider": "imejis", "account": "api"} | rng.choice(
            [{}, {}, {"environment": "test"}, {"duration_unit": "ms"}]
        )
        config: dict[str, Any] = {"sources": {"shop": shop, "og": {"path": "/og", "methods": ["GET"]}, "calls": calls}}
        config["accounts"] = {
            name: {"provider": "imejis", "plan": rng.choice(["Free", "Basic", "Pro"])}
            for name in ("shop", "api", "x")
            if rng.random() < 0.6
        }
        if config["accounts"]:  # beside configured accounts, that of a source has to be one
            for name in ("shop", "api"):
                config["accounts"].setdefault(name, {"provider": "imejis"})
        config["timezone"] = rng.choice(["UTC", "Asia/Kolkata"])
        return config

    def moment(self, whole: bool) -> datetime:
        """A time; often one that stood before, or a day after it."""
        rng = self.rng
        if rng.random() < 0.01:
            return rng.choice([at for at in FAR if 1000 < at.year < 9000])
        if self.moments and rng.random() < 0.4:
            return rng.choice(self.moments[-12:]) + rng.choice([timedelta(0), timedelta(seconds=1), timedelta(days=1)])
        at = self.start + self.span * rng.random()
        self.moments.append(at.replace(microsecond=0 if whole else at.microsecond // 1000 * 1000))
        return self.moments[-1]

    def call(self, whole: bool) -> Call:
        """One request."""
        rng = self.rng
        key = rng.randrange(self.keys)
        kind = rng.choices(["shop", "og", "calls", "else"], [6, 2, 4, 1])[0]
        noise = f"&cb={rng.randrange(10**6)}" if rng.random() < self.noise else ""
        shape = rng.choice(["", "", "-300x200"])
        target = {
            "shop": f"/img/{('card', 'og')[key % 2]}/{key}{shape}.{('png', 'webp')[key % 2]}?a={key % 3}&b=x%20{key}{noise}",
            "og": f"/og?t={key}{noise}",
            "calls": f"/v1/{('card', 'hero')[key % 2]}?title={key}&line={key % 2}{noise}",
            "else": rng.choice(["/cart", "/img/9", "/v2/card", "/og/x"]),
        }[kind]
        path, _, query = target.partition("?")
        target = path + "?" * bool(query) + "&".join(rng.sample(parts := query.split("&"), len(parts)))
        method = rng.choices(["GET", "POST", "HEAD"], [12, 2, 1])[0]
        body = {"title": str(key), "line": str(key % 2)} if rng.random() < 0.7 else None
        usual = {"redirects": (302, 307, 200, 304), "parts": (206, 200), "pages": (200,), "well": (200,)}[self.mood]
        status = (
            rng.choice(usual)
            if rng.random() < 0.8
            else rng.choice((200, 201, 204, 206, 302, 304, 404, 429, 500, 502, 504, 499, 0))
        )
        words = ["MISS", ""] if self.plain else ["HIT", "MISS", "EXPIRED", "STALE", "collapsed", "-", ""]
        return {
            "kind": kind,
            "at": self.moment(whole),
            "host": HOST
            if kind == "calls"
            else rng.choice(["https://a.example", "https://a.example", "https://b.example"]),
            "target": target,
            "method": method,
            "body": body if method == "POST" else None,
            "status": status,
            "type": "text/html" if self.mood == "pages" and rng.random() < 0.7 else rng.choice(TYPES),
            "bytes": rng.choice(
                [None, 500 + 7 * key, 500 + 7 * key, 500 + 7 * key, 500 + 7 * key, rng.randrange(9000)]
            ),
            "word": rng.choice(words),
            "environment": "" if self.plain else rng.choice(["", "", "", "production", "Staging", "LIVE"]),
            "failure": rng.choice(["net::ERR_BLOCKED_BY_CLIENT", "net::ERR_TIMED_OUT", "connection reset"]),
            "key": key,
        }

    def combined(self) -> bytes:
        """Access lines, with nothing, a verdict or something else behind the user agent."""
        rng = self.rng
        style = rng.choice(["", " {}", ' "{}"', " cs={}"])
        odd = rng.choice([0.0, 0.0, 0.05, 0.12, 0.4])
        lines = []
        for _ in range(min(self.size, 200)):
            call = self.call(whole=True)
            word = f"q{rng.randrange(99)}z" if rng.random() < odd else call["word"] or "-"
            size = "-" if call["bytes"] is None else call["bytes"]
            lines.append(
                f'1.2.3.4 - - [{call["at"]:%d/%b/%Y:%H:%M:%S} +0000] "{call["method"]} {call["target"]} HTTP/1.1" '
                f'{call["status"]:03} {size} "-" "agent"{style.format(word)}'
            )
            if rng.random() < 0.02:
                lines.append("damaged")
        return "\n".join(lines).encode() + b"\n"

    def written(self, at: datetime) -> str:
        """The time with or without its zone."""
        return (at.replace(tzinfo=None) if self.rng.random() < 0.1 else at).isoformat()

    def duration(self, scale: float) -> float:
        """A duration around *scale*, now and then none."""
        return 0 if self.rng.random() < 0.05 else round(scale * self.rng.choice([0.5, 1, 1, 1, 2, 30]), 4)

    def table(self) -> bytes:
        """CSV of requests."""
        rng = self.rng
        field = rng.choice(["duration_ms", "elapsed_seconds", "duration", "elapsed", "latency", "latency", None])
        scale = rng.choice(SCALES)
        names = ["time", "method", "host", "url", "status", "bytes", "content_type", "cache_status", "env"]
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow([*names, *([field] if field else [])])
        for _ in range(self.size):
            call = self.call(whole=False)
            took = [f"{self.duration(scale):.4f}"] if field else []
            rows.writerow([
                self.written(call["at"]), call["method"], call["host"].partition("://")[2], call["target"], call["status"],
                "" if call["bytes"] is None else call["bytes"], call["type"], call["word"], call["environment"], *took,
            ])  # fmt: skip
            if rng.random() < 0.02:
                rows.writerow(["damaged"])
        return out.getvalue().encode()

    def json_lines(self) -> bytes:
        """What a program logs of its calls, among other things."""
        rng = self.rng
        field, scale = (
            rng.choice(["elapsed_ms", "responseTimeMs", "duration", "elapsed", "latency", "latency", None]),
            rng.choice(SCALES),
        )
        lines = []
        for _ in range(self.size):
            call = self.call(whole=False)
            said: Call = {
                "timestamp": self.written(call["at"]), "event": "call", "method": call["method"], "url": call["host"] + call["target"]
            }  # fmt: skip
            if call["status"]:
                said["status_code"] = call["status"]
            else:
                said["error"] = call["failure"]
            if field:
                said[field] = self.duration(scale)
            for name, value in {"content_type": call["type"], "bytes": call["bytes"], rng.choice(["env", "stage", "Environment"]): call["environment"],
                                "cache_status": call["word"].strip("-"), "request_body": call["body"]}.items():  # fmt: skip
                if value:
                    said[name] = value
            lines.append(json.dumps(said))
            if rng.random() < 0.03:
                lines.append(rng.choice(['{"event": "started", "timestamp": "2026-09-01T08:00:00Z"}', '{"cut": ']))
        return "\n".join(lines).encode() + b"\n"

    def har(self) -> bytes:
        """A browser's log, now and then with the contents."""
        rng = self.rng
        entries = []
        contents, edits = rng.choice([0.0, 0.3, 1.0, 1.0, 1.0]), rng.choice([0.0, 0.0, 0.05])
        for _ in range(self.size):
            call = self.call(whole=False)
            request = {"method": call["method"], "url": call["host"] + call["target"], "headers": []}
            if call["body"] is not None:
                request["postData"] = {"mimeType": "application/json", "text": json.dumps(call["body"])}
            content = {"size": call["bytes"] or 0, "mimeType": call["type"]}
            if rng.random() < contents and call["status"] in (200, 201):
                text = f"{call['key']} {rng.random() < edits}".encode()
                content |= {"size": len(text), "text": base64.b64encode(text).decode(), "encoding": "base64"}
            word = call["word"].strip("-")
            answer: Call = {
                "status": call["status"],
                "content": content,
                "headers": [{"name": "x-cache", "value": word}] if word else [],
            }
            if not call["status"]:
                answer["_error"] = call["failure"]
            entries.append(
                {
                    "startedDateTime": call["at"].isoformat(),
                    "time": self.duration(600),
                    "request": request,
                    "response": answer,
                }
            )
        return json.dumps({"log": {"version": "1.2", "creator": {}, "entries": entries}}).encode()

    def export(self) -> bytes:
        """A provider's list of its renders."""
        rng = self.rng
        names = ["template", "created_at", "status", "credits"]
        names += [name for name in ("id", "modifications", "workspace", "environment") if rng.random() < 0.7]
        stages, often = rng.random() < 0.5, rng.choice([0.0, 0.003, 0.02, 0.3])
        out = io.StringIO()
        rows = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
        rows.writeheader()
        before: list[Call] = []
        for n in range(self.size):
            call = self.call(whole=False)
            row = {
                "template": ("card", "og")[call["key"] % 2], "created_at": (call["at"] + timedelta(milliseconds=n)).isoformat(),
                "status": rng.choices(["completed", "failed", "pending"], [12, 2, stages])[0], "credits": rng.choice([1, 1, 1, 2]),
                "id": n, "modifications": json.dumps({"title": str(call["key"]), "at": str(n % 5)}),
                "workspace": rng.choice(["x", "y"]), "environment": rng.choice(["production", "staging"]),
            }  # fmt: skip
            if row["status"] == "failed":
                row["credits"] = rng.choice([0, 0, 1])
            if before and rng.random() < often:
                row["id"] = rng.choice(before)["id"]
            rows.writerow(row)
            if rng.random() < 0.03:
                rows.writerow(row)
            before.append(row)
        return out.getvalue().encode()


WRITERS: dict[str, Callable[[ForeignLogs], bytes]] = {
    "access.log": ForeignLogs.combined,
    "requests.csv": ForeignLogs.table,
    "calls.ndjson": ForeignLogs.json_lines,
    "pages.har": ForeignLogs.har,
    "imejis-renders.csv": ForeignLogs.export,
}


def foreign(seed: int, size: int) -> tuple[dict[str, bytes], dict[str, Any]]:
    """(file name -> log, configuration) of a seed: one or two logs, now and then a copy of one, or our own beside them."""
    logs = ForeignLogs(seed, size)
    rng = logs.rng
    config = logs.config()
    names = rng.sample(sorted(WRITERS), rng.choice([1, 1, 2]))
    files = {name: WRITERS[name](logs) for name in names}
    if rng.random() < 0.2:
        files[names[0].replace(".", "-copy.")] = files[names[0]]
    if rng.random() < 0.2:
        files["own.jsonl"] = generate(seed, 60)[0]["part0.jsonl"]
    return files, config
