"""A seeded usage log of any size: JSON Lines of schema version 1, ordered by time over 90 days.

    python benchmarks/generate.py --events 1000000 --out FILE.jsonl [--seed 7]

The same arguments give the same bytes. Beside FILE stands the `auditor.toml` that belongs to it.
A few records more than --events are written: write-ahead attempts and records that came twice.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

START_MS = 1_785_542_400_000
"""2026-08-01T00:00:00Z: two whole cycles and a part of a third fit the window."""
WINDOW_MS = 90 * 86_400_000
CHUNK = 50_000
SKEW = 0.9
EVENTS_PER_KEY = 5

BURST = 0.04
"""Events that ask for the key of the event before, within BURST_MS: what coalescing is for."""
BURST_MS = 2_000
REDRAWN = 0.005
"""Renders whose image differs from the one before, whatever the inputs."""

ACCOUNTS = ("shop", "mail", "blog", "lab")
ACCOUNT_SHARES = (0.60, 0.25, 0.1499, 0.0001)
STAGING = 0.08
TEMPLATES = 300
RARE_TEMPLATES = 10
RARE = 1e-4
VOLATILE_TEMPLATE = 7
KEYS_PER_FAMILY = 20_000
"""The volatile template has one image for so many keys of the log: its keys differ in the volatile field alone."""

SIZES = ((1200, 630), (800, 800), (600, 300), (1080, 1080), (400, 300), (2000, 1050))
PLACEMENTS = ("og_image", "product_card", "email_header", "avatar", "")
FORMATS = ("jpeg", "png", "webp")
CREDITS = ("1", "1", "1", "1", "1", "1", "2", "0.5", "1.25", "1")
FIELDS = ("title", "price", "badge", "photo.url")
ERRORS = (
    '"error":"timeout"',
    '"status":500,"error":"server"',
    '"status":502,"error":"server"',
    '"status":429,"error":"throttled"',
    '"status":402,"error":"quota"',
    '"status":422,"error":"invalid"',
    '"error":"connection","credits":null',
    '"error":"other","credits":0',
)
RETRYABLE = frozenset({0, 1, 2, 3, 6})

CONFIG = """\
timezone = "UTC"
production_environments = ["production", "prod", "live"]
{accounts}
[limits.templates.tpl-003]
width = 600
dpr = 2

[limits.placements.og_image]
width = 1200
height = 630

[limits.placements.product_card]
width = 400

[limits.placements.email_header]
width = 600
height = 300
"""

Words = npt.NDArray[np.uint64]
U64 = np.uint64


@dataclass(frozen=True, slots=True)
class Keys:
    """What each drawn key stands for: it belongs to one account, environment and template."""

    account: list[int]
    staging: list[bool]
    template: list[int]
    width: list[int]
    height: list[int]
    size: list[int]
    format: list[int]
    hex: str
    """64 digits a key."""
    inputs: str
    """64 digits a key: four values of 16."""
    volatile: str
    """16 digits a key."""
    picture: Words


def mix(values: Words, salt: int) -> Words:
    """splitmix64: a bijection, so distinct numbers stay distinct."""
    with np.errstate(over="ignore"):
        x = values + U64(salt * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
        x = (x ^ (x >> U64(30))) * U64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> U64(27))) * U64(0x94D049BB133111EB)
        return x ^ (x >> U64(31))


def unit(values: Words, salt: int) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1)."""
    return (mix(values, salt) >> U64(11)).astype(np.float64) / 2.0**53


def hexes(*columns: Words) -> str:
    """All numbers as hex in one string, 16 digits each, row by row: one conversion for a whole chunk."""
    return np.stack(columns, axis=1).astype(">u8").tobytes().hex()


def describe(key: npt.NDArray[np.int64], keys: int, seed: int) -> Keys:
    """The attributes of drawn keys, all of them functions of the key's number."""
    number = key.astype(U64)
    # Every tenth key is its neighbor's image at twice the size (retina-variants).
    twin = key % 10 == 1
    content = np.where(twin, key - 1, key).astype(U64)
    salt = seed * 1000
    share = unit(content, salt + 1)
    account = np.searchsorted(np.cumsum(ACCOUNT_SHARES), share * sum(ACCOUNT_SHARES), side="right")
    account = np.minimum(account, len(ACCOUNTS) - 1)
    staging = unit(content, salt + 2) < STAGING
    pick = unit(content, salt + 3)
    common = TEMPLATES - RARE_TEMPLATES
    template = np.minimum((pick**1.5 * common).astype(np.int64), common - 1)
    rare = unit(content, salt + 4) < RARE
    template = np.where(rare, common + (pick * RARE_TEMPLATES).astype(np.int64), template)

    volatile = template == VOLATILE_TEMPLATE
    families = max(1, keys // KEYS_PER_FAMILY)
    content = np.where(volatile, mix(content, salt + 5) % U64(families), content)
    owner = (account * 2 + staging).astype(U64) * U64(TEMPLATES) + template.astype(U64)
    picture = mix(content * U64(8 * TEMPLATES) + owner, salt + 6)
    scale = np.where(twin, 2, 1)
    sides = np.array(SIZES)[template % len(SIZES)] * scale[:, None]
    weight = 0.03 + 0.2 * unit(picture, salt + 7)
    size = (sides[:, 0] * sides[:, 1] * weight).astype(np.int64) + 900
    kind = np.where(volatile, 0, (unit(picture, salt + 8) * len(FORMATS)).astype(np.int64))
    values = (picture, content % U64(997), content % U64(23), picture)
    return Keys(
        account=account.tolist(),
        staging=staging.tolist(),
        template=template.tolist(),
        width=sides[:, 0].tolist(),
        height=sides[:, 1].tolist(),
        size=size.tolist(),
        format=kind.tolist(),
        hex=hexes(*(mix(number, salt + 20 + part) for part in range(4))),
        inputs=hexes(*(mix(value, salt + 30 + part) for part, value in enumerate(values))),
        volatile=hexes(mix(number, salt + 40)),
        picture=picture * U64(2) + twin,
    )


def draw(events: int, seed: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """(milliseconds since 1970, number of the key) of the events, chunk by chunk."""
    rng = np.random.default_rng(seed)
    keys = max(10, events // EVENTS_PER_KEY)
    shares = np.cumsum(np.arange(1, keys + 1, dtype=np.float64) ** -SKEW)
    pause = (WINDOW_MS / events - BURST * BURST_MS / 2) / (1 - BURST)
    clock, last = float(START_MS), 0
    for start in range(0, events, CHUNK):
        count = min(CHUNK, events - start)
        key = np.searchsorted(shares, rng.random(count) * shares[-1], side="right").astype(np.int64)
        burst = rng.random(count) < BURST
        source = np.maximum.accumulate(np.where(burst, -1, np.arange(count)))
        key = np.where(source < 0, last, key[source])
        gaps = np.where(burst, rng.random(count) * BURST_MS, rng.exponential(max(pause, 1.0), count))
        moments = clock + np.cumsum(gaps)
        clock, last = float(moments[-1]), int(key[-1])
        yield moments.astype(np.int64), key


def lines(events: int, seed: int) -> Iterator[str]:
    """The records, one string a chunk."""
    rng = np.random.default_rng(seed + 1)
    first = 0
    for moments, key in draw(events, seed):
        described = describe(key, max(10, events // EVENTS_PER_KEY), seed)
        numbers = np.arange(first, first + len(key), dtype=U64)
        first += len(key)
        yield "".join(_chunk(moments, described, mix(numbers, seed), rng))


def _chunk(moments: npt.NDArray[np.int64], keys: Keys, numbers: Words, rng: np.random.Generator) -> Iterator[str]:
    count = len(moments)
    stamps = np.datetime_as_string(moments.astype("datetime64[ms]"), unit="ms").tolist()
    ids, clocks = hexes(numbers), moments.tolist()
    luck, chance = rng.random(count).tolist(), rng.random(count).tolist()
    tenths = (2_000 + rng.lognormal(8.6, 0.7, count)).astype(np.int64).tolist()
    edited = (np.array(keys.template) % 10 == 0) & (moments > START_MS + WINDOW_MS // 2)
    redrawn = np.where(rng.random(count) < REDRAWN, rng.integers(1, 1 << 40, count), 0)
    picture = keys.picture * U64(3) + edited.astype(U64) + (redrawn.astype(U64) << U64(8))
    digests = hexes(*(mix(picture, 50 + part) for part in range(4)))
    for i in range(count):
        yield _record(i, stamps[i], clocks[i], ids, luck[i], chance[i], tenths[i], digests, keys)


def _record(
    i: int, stamp: str, clock: int, ids: str, luck: float, chance: float, tenths: int, digests: str, keys: Keys
) -> str:
    """One event, with the records of the same id that go before or after it."""
    moment, serial = f"{clock:012x}", ids[16 * i : 16 * i + 16]
    template = keys.template[i]
    identity = f"{moment[:8]}-{moment[8:]}-7{serial[:3]}-a{serial[3:6]}-{serial[6:]}00"
    head = f'{{"v":1,"id":"{identity}","ts":"{stamp}Z","outcome":'
    tail = (
        f',"provider":"imejis","account":"{ACCOUNTS[keys.account[i]]}",'
        f'"environment":"{"staging" if keys.staging[i] else "production"}","template":"tpl-{template:03d}",'
        f'"key":"k1:{keys.hex[64 * i : 64 * i + 64]}"'
    )
    if luck < 0.90:
        placement = PLACEMENTS[template % len(PLACEMENTS)]
        shown = (f',"placement":"{placement}"' if placement else "") + (
            f',"format":"{FORMATS[keys.format[i]]}","width":{keys.width[i]},"height":{keys.height[i]},'
            f'"bytes":{keys.size[i]}'
        )
        if luck < 0.60:
            many = f',"count":{2 + int(chance * 900)}' if chance < 0.02 else ""
            return f'{head}"hit"{tail}{many}{shown}}}\n'
        rest = (
            f'{tail}{shown},"digest":"sha256:{digests[64 * i : 64 * i + 64]}","duration_ms":{tenths / 10},'
            f'"status":200,"credits":{CREDITS[template % len(CREDITS)]},"inputs":{{{_inputs(i, template, keys)}}}}}\n'
        )
        return _render(head, tail, rest, chance)
    if luck < 0.974:
        return f'{head}"coalesced"{tail},"bytes":{keys.size[i]},"duration_ms":{tenths / 20}}}\n'
    if luck < 0.994:
        kind = int(chance * len(ERRORS))
        retried = ',"retried":true' if kind in RETRYABLE and tenths % 2 else ""
        return f'{head}"error"{tail},{ERRORS[kind]},"duration_ms":{tenths / 10}{retried}}}\n'
    return f'{head}"refused"{tail}}}\n' if luck < 0.999 else f'{head}"attempt"{tail}}}\n'


def _render(head: str, tail: str, rest: str, chance: float) -> str:
    """A render; some with their attempt before, some written twice, some after an error of the same id."""
    line = f'{head}"render"{rest}'
    if chance < 0.02:
        return f'{head}"attempt"{tail}}}\n{line}'
    if chance < 0.022:
        return line + line
    if chance < 0.0225:
        return f'{head}"error"{tail},"error":"timeout"}}\n{line}'
    return line


def _inputs(i: int, template: int, keys: Keys) -> str:
    values = [keys.inputs[64 * i + 16 * part : 64 * i + 16 * part + 16] for part in range(3 + template % 2)]
    fields = ",".join(f'"{name}":"{value}"' for name, value in zip(FIELDS, values, strict=False))
    return f'{fields},"cache_bust":"{keys.volatile[16 * i : 16 * i + 16]}"' if template == VOLATILE_TEMPLATE else fields


def config() -> str:
    """The auditor.toml that belongs to the log."""
    accounts = "".join(f'\n[accounts.{name}]\nprovider = "imejis"\nplan = "Pro"\n' for name in ACCOUNTS)
    return CONFIG.format(accounts=accounts)


def write(path: Path, events: int, seed: int) -> None:
    """The log and its configuration; the log takes its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name("auditor.toml").write_text(config(), encoding="utf-8")
    part = path.with_name(path.name + ".part")
    with part.open("wb", buffering=1 << 22) as out:
        for text in lines(events, seed):
            out.write(text.encode())
    part.replace(path)


def main() -> None:
    """Command line."""
    parser: Any = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    write(options.out, options.events, options.seed)


if __name__ == "__main__":
    main()
