"""The quarter of a small shop, July to September 2026, with every kind of waste planted.

The shop renders share cards, product cards and mail headers through one provider. Its account `main` is on Pro, far
too large once the waste is gone; `marketing` is on Pro though Basic would hold it; `sandbox` is on Free. A cache
arrives on 1 August, so July has no hits. `python sample_logs/generate.py` writes the same bytes every time.
"""

import gzip
import hashlib
import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
START, END = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
CACHE_ARRIVES = datetime(2026, 8, 1, tzinfo=UTC)
EDIT = datetime(2026, 8, 17, 9, tzinfo=UTC)
"""When the share card got its new look: same keys, new pictures."""
Event = dict[str, Any]


def digest(*parts: object, size: int = 32) -> str:
    """A stable stand-in for the digests that the client writes."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=size).hexdigest()


class Shop:
    """The shop's traffic as events, from one seeded source of chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.serial = 0

    def event(self, ts: datetime, outcome: str, template: str, key: object, **fields: Any) -> Event:
        """One event of account main in production, unless *fields* say otherwise."""
        self.serial += 1
        milliseconds = int(ts.timestamp() * 1000)
        identity = f"{milliseconds:012x}"
        scope = (fields.get("account", "main"), fields.get("environment", "production"), template, key)
        return {
            "v": 1,
            "id": f"{identity[:8]}-{identity[8:]}-7{self.serial % 4096:03x}-8000-{self.serial:012x}",
            "ts": ts.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "outcome": outcome,
            "provider": "imejis",
            "account": "main",
            "environment": "production",
            "template": template,
            "key": "k1:" + digest(*scope),
            **fields,
        }

    def render(self, ts: datetime, template: str, key: object, picture: object, **fields: Any) -> list[Event]:
        """A render with its write-ahead record."""
        done = self.event(
            ts,
            "render",
            template,
            key,
            status=200,
            duration_ms=self.chance.randint(600, 2400),
            digest="sha256:" + hashlib.sha256(f"{template}/{picture}".encode()).hexdigest(),
            **fields,
        )
        if self.chance.random() < 0.1:
            names = ("v", "id", "ts", "provider", "account", "environment", "template", "key")
            return [{**{name: done[name] for name in names}, "outcome": "attempt"}, done]
        return [done]

    def moments(self, a_day: float, start: datetime = START, end: datetime = END) -> Iterator[datetime]:
        """Times with the shop's rhythm: quiet nights, busy evenings, half the traffic at weekends."""
        day = start
        while day < end:
            expected = a_day * (0.5 if day.weekday() >= 5 else 1.2)
            for _ in range(int(expected) + (self.chance.random() < expected % 1)):
                yield day + timedelta(
                    seconds=min(86_399, max(0, self.chance.gauss(15.5, 4) * 3600)),
                    milliseconds=self.chance.randint(0, 999),
                )
            day += timedelta(days=1)

    def share_cards(self) -> Iterator[Event]:
        """og-card: popular articles, repeats without a cache, bursts when a link is shared, one edit."""
        size = {"format": "png", "width": 1200, "height": 630, "placement": "og_image"}
        last: dict[int, datetime] = {}
        for ts in sorted(self.moments(150)):
            article = int(self.chance.paretovariate(1.15)) % 80
            weight = 40_000 + article * 31
            inputs = {"title": digest("title", article, size=8), "author": digest("author", article % 9, size=8)}
            fresh = article in last and ts - last[article] < timedelta(hours=24)
            if ts >= CACHE_ARRIVES and fresh and self.chance.random() < 0.95:
                count = {"count": self.chance.randint(2, 6)} if self.chance.random() < 0.15 else {}
                yield self.event(ts, "hit", "og-card", article, bytes=weight, **size, **count)
                continue
            last[article] = ts
            picture = (article, ts >= EDIT)
            yield from self.render(ts, "og-card", article, picture, bytes=weight, inputs=inputs, **size)
            if self.chance.random() < 0.06:
                for n in range(self.chance.randint(1, 4)):
                    moment = ts + timedelta(milliseconds=80 * (n + 1))
                    if ts < CACHE_ARRIVES:
                        yield from self.render(moment, "og-card", article, picture, bytes=weight, inputs=inputs, **size)
                    else:
                        yield self.event(moment, "coalesced", "og-card", article, bytes=weight, **size)

    def product_cards(self) -> Iterator[Event]:
        """product-card: shown 400 px wide, delivered with 1600; `rendered_at` makes every key new."""
        size = {"format": "jpeg", "width": 1600, "height": 1200, "placement": "product_card"}
        for ts in self.moments(24):
            product = int(self.chance.paretovariate(1.0)) % 40
            inputs = {"product": digest("product", product, size=8), "rendered_at": digest(ts, size=8)}
            yield from self.render(
                ts, "product-card", (product, ts), product, inputs=inputs, bytes=260_000 + product * 997, **size
            )

    def mail_headers(self) -> Iterator[Event]:
        """mail-header: a campaign every second Tuesday; one that went wrong asked for each header five times.

        In August ten headlines were never filled in, which a script of the shop logged as they were.
        """
        day = START + timedelta(days=6, hours=7)
        while day < END:
            for n in range(60):
                ts = day + timedelta(seconds=n * 2)
                empty = day.month == 8 and day.day < 15 and n >= 50
                inputs = {"headline": "{{headline}}" if empty else digest("mail", day, n, size=8)}
                times = 5 if day.month == 9 and n < 40 else 1
                for again in range(times):
                    yield from self.render(
                        ts + timedelta(milliseconds=again * 100),
                        "mail-header",
                        (day, n),
                        "empty" if empty else (day, n),
                        inputs=inputs,
                        bytes=52_000,
                        format="png",
                        width=600,
                        height=300,
                        placement="email_header",
                        source="batch",
                    )
            day += timedelta(days=14)

    def avatars(self) -> Iterator[Event]:
        """badge: the same picture at 1x and 2x, each for a credit."""
        for n, ts in enumerate(self.moments(1.5)):
            inputs = {"name": digest("badge", n, size=8)}
            for scale in (1, 2):
                yield from self.render(
                    ts + timedelta(seconds=3 * scale),
                    "badge",
                    (n, scale),
                    (n, scale),
                    inputs=inputs,
                    format="webp",
                    width=300 * scale,
                    height=200 * scale,
                    bytes=9_000 * scale * scale,
                )

    def rare(self) -> Iterator[Event]:
        """Three templates that nobody would miss on the paid plan; each thank-you has two addresses."""
        for template, a_day in (("thank-you", 0.6), ("press-kit", 0.4), ("invoice-stamp", 0.3)):
            for n, ts in enumerate(self.moments(a_day)):
                picture = n // 2 if template == "thank-you" else n
                yield from self.render(ts, template, n, picture, format="png", width=800, height=400, bytes=30_000)

    def staging(self) -> Iterator[Event]:
        """Nightly end-to-end tests and previews on the paid account."""
        for ts in self.moments(14):
            n = self.chance.randint(0, 10**6)
            yield from self.render(
                ts,
                "og-card",
                n,
                n,
                environment="staging",
                format="png",
                width=1200,
                height=630,
                bytes=41_000,
                placement="og_image",
            )
        for ts in self.moments(2):
            n = self.chance.randint(0, 10**6)
            yield from self.render(
                ts, "product-card", n, n, environment="Preview", format="jpeg", width=400, height=300, bytes=30_000
            )

    def marketing(self) -> Iterator[Event]:
        """Account marketing: 500 to 700 banners a month, with a cache buster among the inputs."""
        for ts in self.moments(21):
            banner = self.chance.randint(0, 4000)
            inputs = {"slogan": digest("banner", banner, size=8), "cb": digest(ts, "cb", size=8)}
            yield from self.render(
                ts,
                "banner",
                (banner, ts),
                banner,
                account="marketing",
                inputs=inputs,
                format="png",
                width=970,
                height=250,
                bytes=88_000,
            )

    def sandbox(self) -> Iterator[Event]:
        """Account sandbox on the free plan: at the end of August it is used up."""
        for ts in self.moments(2.4):
            n = self.chance.randint(0, 60)
            yield from self.render(
                ts,
                "og-card",
                n,
                n,
                account="sandbox",
                environment="development",
                format="png",
                width=1200,
                height=630,
                bytes=40_000,
            )
        for n in range(12):
            ts = datetime(2026, 8, 30, 11, tzinfo=UTC) + timedelta(minutes=3 * n)
            yield self.event(
                ts,
                "error",
                "og-card",
                ("q", n),
                account="sandbox",
                environment="development",
                error="quota",
                status=429,
            )
        for n in range(6):
            ts = datetime(2026, 8, 30, 14, tzinfo=UTC) + timedelta(minutes=5 * n)
            yield self.event(ts, "refused", "og-card", ("r", n), account="sandbox", environment="development")

    def failures(self) -> Iterator[Event]:
        """Time-outs that were tried again, throttling, a wrong key, calls that a crash left open."""
        for n, ts in enumerate(self.moments(0.5)):
            yield self.event(ts, "error", "og-card", ("slow", n), error="timeout", retried=True, duration_ms=30_000)
            yield from self.render(
                ts + timedelta(seconds=31),
                "og-card",
                ("slow", n),
                ("slow", n),
                bytes=44_000,
                format="png",
                width=1200,
                height=630,
            )
        for n, ts in enumerate(self.moments(0.3)):
            yield self.event(ts, "error", "og-card", ("busy", n), error="throttled", status=429, retried=n % 2 == 0)
        for n in range(9):
            ts = datetime(2026, 7, 9, 8, n, tzinfo=UTC)
            yield self.event(ts, "error", "banner", ("auth", n), account="marketing", error="auth", status=401)
        for n in range(5):
            yield self.event(datetime(2026, 9, 3, 16, 20, n, tzinfo=UTC), "attempt", "product-card", ("crash", n))

    def events(self) -> list[Event]:
        """Everything, in time."""
        found = [
            event
            for source in (
                self.share_cards,
                self.product_cards,
                self.mail_headers,
                self.avatars,
                self.rare,
                self.staging,
                self.marketing,
                self.sandbox,
                self.failures,
            )
            for event in source()
        ]
        return sorted(found, key=lambda event: (str(event["ts"]), str(event["id"]), event["outcome"] != "attempt"))


def measured() -> dict[str, Any]:
    """What `auditor inspect` would say of the product cards: photos that WebP and AVIF make smaller."""
    pictures = []
    for product in range(1, 40):
        size = 260_000 + product * 997
        shares = (("webp", 85, 62), ("avif", 78, 48), ("jpeg", 85, 91))
        whole, small = (
            [
                {
                    "format": name,
                    "bytes": size * share // 100 // part,
                    "lossless": False,
                    "quality": quality,
                    "ssim": 0.985,
                }
                for name, quality, share in shares
            ]
            for part in (1, 4)
        )
        pictures.append(
            {
                "source": f"product-card-{product:02d}.jpg",
                "digest": "sha256:" + hashlib.sha256(f"product-card/{product}".encode()).hexdigest(),
                "bytes": size,
                "format": "jpeg",
                "width": 1600,
                "height": 1200,
                "frames": 1,
                "alpha": False,
                "flat": False,
                "trials": whole,
                "shown": [800, 600],
                "right_sized": small,
                "note": None,
            }
        )
    return {
        "schema": "render-auditor/measured/v1",
        "tool_version": "sample",
        "generated_at": "2026-10-01T00:00:00Z",
        "method": {"metric": "made up, like the rest of the shop"},
        "pictures": pictures,
        "refused": [],
    }


DAMAGED = (
    b'{"v":1,"id":"cut-off-by-a-crash","ts":"2026-07-14T10:0',
    b"2026-07-14 10:00:01 INFO rotating log",
    b'{"v":1,"id":"no-template","ts":"2026-07-14T10:00:02Z","outcome":"render","provider":"imejis"}',
    b'{"v":2,"id":"from-the-future"}',
    b'["v",1]',
    b'{"v":1,"id":"caf\xe9"}',
    b'{"v":1,"id":"not-a-number","duration_ms":NaN}',
)


def lines(month: int, events: list[Event]) -> Iterator[bytes]:
    """The log of a month: some lines shipped twice, some damaged, one with a key in an address (a made-up one)."""
    for n, source in enumerate(event for event in events if int(event["ts"][5:7]) == month):
        event = dict(source)
        if month == 7 and 400 <= n < 410:
            event["ts"] = source["ts"].removesuffix("Z")  # a host that wrote local times
        if month == 8 and n % 1500 == 7:
            event["url"] = "https://render.imejis.io/v1/og-card?dma-api-key=not-a-real-key-0123456789"
        line = json.dumps(event, separators=(",", ":")).encode()
        yield line
        if month == 9 and 2000 <= n < 2025:
            yield line
        if month == 7 and n % 600 == 300 and n // 600 < len(DAMAGED):
            yield DAMAGED[n // 600]


def main() -> None:
    """Write the three months beside this file."""
    events = Shop(seed=2026).events()
    for month in (7, 8, 9):
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0, filename="") as out:
            for line in lines(month, events):
                out.write(line + b"\n")
        (HERE / f"usage-2026-{month:02d}.jsonl.gz").write_bytes(packed.getvalue())
    (HERE / "format-waste.measured").write_text(json.dumps(measured(), indent=1) + "\n")


if __name__ == "__main__":
    main()
