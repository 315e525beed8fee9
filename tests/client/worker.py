"""A worker of the invoice test: many mixed requests, then what its own metrics say. Run as a program."""

import asyncio
import json
import os
import random
import sys
from collections import Counter

from prometheus_client import CollectorRegistry

from auditor import Memory, Redis, Renderer, Tiered
from auditor.model.errors import RenderError

CONCURRENCY = 8


async def main(url: str, redis: str, spool: str, mix: str, requests: int, seed: int) -> None:
    """Say `at N` on the way, so that the parent can kill at a place."""
    rng = random.Random(seed)
    registry = CollectorRegistry()
    renderer = Renderer(
        api_key="sandbox", base_url=url, cache=Tiered(Memory(), Redis(redis, lease_seconds=1.0)), events=spool,
        timeout=1.0, registry=registry, tries=2,
    )  # fmt: skip
    seen: Counter[str] = Counter()
    numbers = iter(range(requests))

    async def caller() -> None:
        for number in numbers:
            # A few popular images, many rare ones, and some that change at every call.
            hot, rare, new = f"hot-{rng.randrange(20)}", f"rare-{rng.randrange(3000)}", f"new-{seed}-{number}"
            which = rng.choice([hot] * 6 + [rare, new] if mix == "mixed" else [hot, new, new, new])
            try:
                picture = await renderer.arender("dot", {"which": which}, format="png")
                seen[picture.outcome] += 1
            except RenderError as error:
                seen[type(error).__name__] += 1
            if number % 250 == 0:
                print(f"at {number}", flush=True)

    await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
    await renderer.aclose()

    def total(name: str) -> dict[str, float]:
        sums: Counter[str] = Counter()
        for metric in registry.collect():
            for sample in metric.samples:
                if sample.name == f"imgrender_client_{name}":
                    sums[sample.labels.get("result", "all")] += int(sample.value)
        return dict(sums)

    names = (
        "requests_total",
        "credits_used_total",
        "credits_uncertain_total",
        "api_requests_total",
        "events_dropped_total",
    )
    print(json.dumps({"pid": os.getpid(), "seen": seen, **{name: total(name) for name in names}}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5], *map(int, sys.argv[5:7])))
