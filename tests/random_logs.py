"""Random logs that crowd every edge: few names, equal times, exact limits, damage, zones, edits, bursts."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.bruteforce import NOW

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Chatham")
DAMAGE = (
    b"{",
    b"nonsense",
    b"[1]",
    b"3",
    b'{"v":2}',
    b'{"v":1}',
    b'{"v":1,"id":"\xff"}',
    b'{"v":1,"v":1}',
    b'{"a":NaN}',
    b'{"v":1,"id":"x",}',
    b'{"v":true,"id":"x"}',
    b'"text"',
    b"null",
    b'{"v":1,"id":"nul\x00"}',
)
BROKEN = (
    {"credits": -1},
    {"width": 0},
    {"height": 1.5},
    {"bytes": -1},
    {"id": ""},
    {"id": "x" * 201},
    {"template": 5},
    {"digest": "sha256:zz"},
    {"inputs": {"a": 1}},
    {"format": "bmp"},
    {"error": "odd"},
    {"outcome": "miss"},
    {"ts": "2026-02-30T00:00:00Z"},
    {"ts": "yesterday"},
    {"ts": "9999-12-31T23:59:59Z"},
    {"ts": "0001-01-01T00:00:00Z"},
    {"duration_ms": "5"},
    {"status": True},
    {"account": None},
    {"retried": "yes"},
    {"source": "cron"},
    {"key": ""},
)


EDGE = timedelta(microseconds=1)
OLDEST, NEWEST = datetime(2000, 1, 2, tzinfo=UTC), NOW + timedelta(hours=48)
FAR = (
    OLDEST, OLDEST - EDGE, NEWEST, NEWEST + EDGE,
    *(datetime(year, month, 3, 5, tzinfo=UTC)
      for year, month in ((1970, 1), (2, 5), (2000, 2), (2013, 12), (2025, 1), (2025, 7), (2025, 9), (2099, 1), (9998, 5))),
)  # fmt: skip
"""Times around those that no clock shows, and far from all others."""


class Logs:
    """One random log and its configuration."""

    def __init__(self, seed: int, size: int) -> None:
        self.rng = random.Random(seed)
        self.size = size
        self.span = self.rng.choice(
            [timedelta(minutes=3), timedelta(hours=40), timedelta(days=12), timedelta(days=130)]
        )
        self.start = datetime(2026, self.rng.choice([1, 2, 3, 10]), self.rng.choice([1, 14, 28]), tzinfo=UTC)
        self.keys = self.rng.choice([3, 12, 60])
        self.moments: list[datetime] = []
        self.version = 0
        self.far = self.rng.choice([0.0, 0.0, 0.004, 0.02])
        """How often a clock was wrong by years."""
        self.odd = self.rng.choice([0.0, 0.02, 0.03, 0.04])
        """How often the field `rare` does show: each time in two pairs: around the limit of 95 %."""

    def config(self) -> dict[str, Any]:
        """A configuration of any kind."""
        rng = self.rng
        config: dict[str, Any] = {"timezone": rng.choice(ZONES), "accounts": {}, "limits": {}, "plans": {"imejis": {}}}
        if rng.random() < 0.3:
            config["production_environments"] = ["Production", "qa"]
        names = ["Free", "Basic", "Pro"]
        if rng.random() < 0.5:
            config["plans"]["imejis"]["Flex"] = {
                "price": "3.10",
                "included": rng.choice([0, 20, 80]),
                "overage": "0.013",
            }
            config["plans"]["imejis"]["Tiny"] = {"price": "0.50", "included": rng.choice([30, 300])}
            names += ["Flex", "Tiny"]
        for account in ("main", "shop", "b"):
            if rng.random() < 0.7:
                config["accounts"][account] = {
                    "provider": rng.choice(["imejis", "imejis", "imejis", "other"]),
                    "anchor_day": rng.choice([1, 15, 29, 31]),
                    "timezone": rng.choice(ZONES),
                }
                if config["accounts"][account]["provider"] == "imejis" and rng.random() < 0.8:
                    config["accounts"][account]["plan"] = rng.choice(names)
        if rng.random() < 0.6:
            config["limits"] = {
                "templates": {"t1": {"width": 300}},
                "placements": {"card": {"width": 400, "height": 410}},
            }
        return config

    def moment(self) -> datetime:
        """A time; often one that stood before, or one that is just a day or a duration after it."""
        rng = self.rng
        if rng.random() < self.far:
            return rng.choice(FAR)
        if self.moments and rng.random() < 0.5:
            steps = (
                timedelta(0),
                timedelta(milliseconds=1500),
                timedelta(days=1),
                timedelta(days=1, milliseconds=1500),
                timedelta(microseconds=1),
                timedelta(milliseconds=1499, microseconds=999),
            )
            return rng.choice(self.moments[-20:]) + rng.choice(steps)
        self.moments.append(self.start + self.span * rng.random())
        return self.moments[-1]

    def written(self, ts: datetime) -> str:
        """The time in one of the ways that clients write it."""
        kind = self.rng.random()
        if kind < 0.1:
            return ts.replace(tzinfo=None).isoformat()
        if kind < 0.2:
            return ts.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
        if kind < 0.25 and ts.second == 0:
            return (ts - timedelta(seconds=1)).isoformat().replace(":59", ":60").replace("+00:00", "Z")
        if kind < 0.3:
            return ts.isoformat(timespec="microseconds").replace("+00:00", "789Z")
        return ts.isoformat().replace("+00:00", "Z")

    def event(self, n: int) -> dict[str, Any]:
        """One event."""
        rng = self.rng
        key = rng.randrange(self.keys)
        template = f"t{key % 3}"
        outcome = rng.choices(["render", "hit", "coalesced", "error", "refused", "attempt"], [60, 12, 5, 10, 4, 6])[0]
        if rng.random() < 0.003:
            self.version += 1
        ts = self.moment()
        event: dict[str, Any] = {
            "v": 1,
            "id": f"e{n}",
            "ts": self.written(ts),
            "outcome": outcome,
            "provider": "imejis",
            "account": ("main", "main", "shop", "b")[key % 4],
            "environment": ("production", "PROD", "Staging", "qa")[0 if rng.random() < 0.7 else rng.randrange(4)],
            "template": template,
            "key": f"k1:{key}",
        }
        self.sizes(event, key)
        if outcome == "render":
            self.picture(event, key, n)
        if outcome == "hit" and rng.random() < 0.3:
            event["count"] = rng.choice([1, 2, 7, 3.0])
        if outcome == "error":
            event |= rng.choice(
                [
                    {},
                    {"status": 429, "error": "quota"},
                    {"status": 502, "error": "server"},
                    {"error": "timeout"},
                    {"status": 404, "error": "not_found"},
                    {"credits": 1},
                ]
            )
            if rng.random() < 0.4:
                event["retried"] = rng.random() < 0.8
        if rng.random() < 0.15:
            event["credits"] = rng.choice([0, 0.5, 2, None, 1.25, 1e-3])
        if rng.random() < 0.1:
            event["unknown_field"] = {"deep": [1, None]}
        return event

    def sizes(self, event: dict[str, Any], key: int) -> None:
        """What the image measures, sometimes."""
        rng = self.rng
        if rng.random() < 0.8:
            event |= {
                "width": rng.choice([300, 600, 1200, 1600]),
                "height": rng.choice([150, 300, 630.0, 1200]),
                "bytes": rng.randrange(200_000),
            }
        if rng.random() < 0.7:
            event["placement"] = ("og_image", "card", "nowhere")[key % 3]
        if rng.random() < 0.8:
            event["format"] = rng.choice(["png", "jpg", "jpeg", "svg", "pdf"])

    def picture(self, event: dict[str, Any], key: int, n: int) -> None:
        """Inputs and digest of a render: `noise` never shows, `rare` hardly ever, `title` always."""
        rng = self.rng
        if rng.random() < 0.8:
            event["duration_ms"] = rng.choice([0, 1500, 1500, 0.5, 700.25])
        if rng.random() < 0.85:
            inputs = {"title": f"{key % 5}"}
            shown = f"{event['template']}/{key % 5}/{self.version}"
            if key % 3 != 1:
                inputs["noise"] = str(n % 7)
            if key % 3 == 2:
                inputs["rare"] = str(n % 5)
                shown += "/odd" if rng.random() < self.odd else ""
            event["inputs"] = inputs
            if rng.random() < 0.5:
                event["key"] += f"/{n % 7}"
            event["digest"] = "sha256:" + f"{random.Random(shown).getrandbits(256):064x}"
            if rng.random() < 0.05:
                del event["digest"]

    def lines(self) -> Iterator[bytes]:
        """The lines of the log, in order."""
        rng = self.rng
        for n in range(self.size):
            event = self.event(n)
            if rng.random() < 0.03:
                event |= rng.choice(BROKEN)
            line = json.dumps(event, separators=rng.choice([(",", ":"), (", ", ": ")]), ensure_ascii=rng.random() < 0.5)
            yield line.encode()
            for twin in self.twins(event):
                yield json.dumps(twin).encode()
            if rng.random() < 0.04:
                yield rng.choice(DAMAGE)
            if rng.random() < 0.02:
                yield rng.choice([b"", b"  ", b"\r"])

    def twins(self, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Other records with the same id."""
        rng = self.rng
        if rng.random() < 0.12:
            yield {name: event[name] for name in event if name not in ("count", "retried")} | {"outcome": "attempt"}
        if rng.random() < 0.04:
            yield dict(event)
        if rng.random() < 0.05:
            yield {**event, "credits": rng.choice([0, 1, 3, None])}
        if rng.random() < 0.03:
            yield {**event, "bytes": rng.randrange(10**6), "width": 77}
        if rng.random() < 0.02:
            yield {name: event[name] for name in event if name not in ("count", "retried")} | {"outcome": "error"}


def shop(seed: int) -> tuple[dict[str, bytes], dict[str, Any]]:
    """A log of months whose accounts are on plans about as large as what they use, so that fixes change bills."""
    logs = Logs(seed, 700)
    logs.span, logs.far, logs.keys = timedelta(days=logs.rng.choice([9, 40, 130])), 0.0, logs.rng.choice([2, 6, 9])
    config, files = logs.config(), {"usage.jsonl": b"\n".join(logs.lines()) + b"\n"}
    sizes = (5, 8, 12, 18, 27, 40, 60, 90, 135, 200, 300, 900)
    config["plans"]["imejis"] = {
        f"P{size}": {"price": f"{3 + 2 * place}.99", "included": size}
        | ({"overage": "0.13"} if logs.rng.random() < 0.1 else {})
        for place, size in enumerate(sizes)
    }
    for account in ("main", "shop", "b"):
        config["accounts"][account] = {"provider": "imejis", "plan": logs.rng.choice(["P90", "P135", "P200", "P300"])}
    return files, config


def generate(seed: int, size: int) -> tuple[dict[str, bytes], dict[str, Any]]:
    """(file name -> JSON Lines, configuration) of a seed."""
    logs = Logs(seed, size)
    config = logs.config()
    lines = list(logs.lines())
    if seed % 2:
        logs.rng.shuffle(lines)
    parts = logs.rng.choice([1, 2, 3])
    end = logs.rng.choice([b"\n", b"\r\n"])
    return {f"part{n}.jsonl": end.join(lines[n::parts]) + end for n in range(parts)}, config


SOURCES = {"sources": {"shop": {"path": "/img/(?P<template>[^/]+)/(?P<width>[0-9]+)", "provider": "own"}}}
"""What reads the access logs of `access_log`."""


def access_log(seed: int) -> tuple[bytes, bytes]:
    """(combined log, the same as usage events) of renders without digests, whose sizes tell images apart or do not.

    `title` selects the image, `cb` is noise, `rare` shows now and then; how many titles have the size of another one is
    around both limits of the rule, and so is the number of pairs.
    """
    rng = random.Random(seed)
    count = rng.choice([24, 60, 110, 180, 250, 250])
    widths = rng.choice([(100,), (100, 100, 200)])
    titles = [f"t{n}" for n in range(rng.choice([1, 2, 5, 20, 40]))]
    capped = rng.choice([0.0, 0.0, 0.0, 0.1, 0.2, 0.25, 1.0]) * len(titles)
    fields = rng.choice([("cb",), ("cb",), ("cb", "rare"), ()])
    at, log, events = datetime(2026, 9, 1, tzinfo=UTC), [], []
    for n in range(count):
        at += timedelta(seconds=rng.choice([0, 1, 1, 30, 4000]))
        template, title, width = rng.choice(["og", "og", "og", "card"]), rng.choice(titles), rng.choice(widths)
        query = {"title": title} | {name: str(rng.randrange(4 if name == "rare" else 500)) for name in fields}
        size = None if rng.random() < 0.03 else 20 if int(title[1:]) < capped else 1000 + 7 * int(title[1:])
        if "rare" in query and rng.random() < 0.02:
            size = 9999
        words = "&".join(f"{name}={value}" for name, value in query.items())
        log.append(
            f'203.0.113.7 - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET /img/{template}/{width}?{words} HTTP/1.1" 200 '
            f'{"-" if size is None else size} "-" "x"'
        )
        event = {
            "v": 1, "id": f"e{n:05}", "ts": at.isoformat(), "outcome": "render", "provider": "own",
            "account": "default", "environment": "production", "template": template, "key": f"f1:{template}/{width}?{words}",
            "bytes": size, "width": width, "inputs": query,
        }  # fmt: skip
        events.append(json.dumps(event))
    return "\n".join(log).encode() + b"\n", "\n".join(events).encode() + b"\n"
