"""The other rival: the audits of `script_orjson.py` in pandas, whole columns at a time.

    python benchmarks/script_pandas.py FILE.jsonl

The log is held in memory. Only the walks are loops. A line that is not an event ends the run: columns know no
rejected lines. The configuration is that of `generate.py`.
"""

import json
import re
import sys
from fractions import Fraction
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
from script_orjson import (
    AMBIGUOUS,
    CURRENT,
    DAY,
    ERRORS,
    FORMATS,
    OUTCOMES,
    PLACEMENT_LIMITS,
    PLANS,
    PRODUCTION,
    SCALE,
    SMALLEST,
    TEMPLATE_LIMITS,
    TTL,
    month_start,
    number,
)

UNIT = ["provider", "account", "environment", "template"]
REQUIRED = ["id", "ts", "outcome", *UNIT, "key"]
SCHEMA = pa.schema(
    [("v", pa.int64())]
    + [(name, pa.string()) for name in (*REQUIRED, "placement", "format", "digest", "error")]
    + [(name, pa.int64()) for name in ("count", "width", "height", "bytes", "status")]
    + [(name, pa.float64()) for name in ("duration_ms", "credits")]
    + [("retried", pa.bool_()), ("inputs", pa.struct([]))]
)
NULL_CREDITS = re.compile(rb'"credits"\s*:\s*null')
NEEDED, CONCURRENT, REPEAT, IDENTICAL = 0, 1, 2, 3
CAUSES = ("staging", "concurrent", "repeat", "volatile")


def load(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """(the records, the input columns by field). An explicit `"credits": null` is told from none by a second look."""
    table = pj.read_json(
        path,
        read_options=pj.ReadOptions(block_size=1 << 25),
        parse_options=pj.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="infer"),
    )
    inputs = table["inputs"].combine_chunks()
    fields = {inputs.type[i].name: inputs.field(i) for i in range(inputs.type.num_fields)}
    codes = {name: pd.factorize(pd.Series(column))[0] for name, column in fields.items()}
    given = pc.is_valid(inputs).to_numpy(zero_copy_only=False)
    frame = table.select([name for name in SCHEMA.names if name != "inputs"]).to_pandas()
    frame["has_inputs"] = given
    with path.open("rb") as file:
        frame["null_credits"] = [NULL_CREDITS.search(line) is not None for line in file if line.strip()]
    for name, code in codes.items():
        frame[f"inputs.{name}"] = code
    return frame, codes


def check(frame: pd.DataFrame) -> None:
    """End the run at the first column that holds what an event may not hold."""
    good = {
        "v": frame.v.eq(1).all(),
        "required": frame[REQUIRED].notna().all(axis=None) and frame[REQUIRED].ne("").all(axis=None),
        "id": frame.id.str.len().le(200).all(),
        "outcome": frame.outcome.isin(OUTCOMES).all(),
        "format": frame.format.dropna().isin(FORMATS | {"jpg"}).all(),
        "error": frame.error.dropna().isin(ERRORS).all(),
        "digest": frame.digest.dropna().str.fullmatch(r"sha256:[0-9a-fA-F]{64}").all(),
        "count": frame["count"].dropna().ge(1).all() and frame.outcome[frame["count"].gt(1)].eq("hit").all(),
        "sizes": frame[["width", "height"]].min().dropna().ge(1).all(),
        "below 0": frame[["bytes", "status", "duration_ms", "credits"]].min().dropna().ge(0).all(),
        "retried": frame.outcome[frame.retried.eq(True)].eq("error").all(),  # noqa: FBT003
    }
    bad = [name for name, passed in good.items() if not passed]
    if bad:
        raise SystemExit(f"not events: {', '.join(bad)}")


def prepare(frame: pd.DataFrame) -> int:
    """Times, credits and codes as columns; how many times had no offset."""
    assumed = int((~frame.ts.str.contains(r"(?:[Zz]|[+-]\d\d:\d\d)$")).sum())
    moments = pd.to_datetime(frame.ts, utc=True, format="ISO8601").dt.as_unit("us")
    frame["ts"] = moments.astype("int64")
    frame["cycle"] = moments.dt.year * 12 + moments.dt.month - 1
    frame["environment"] = frame.environment.str.lower()
    frame["format"] = frame.format.replace("jpg", "jpeg")
    frame["count"] = frame["count"].fillna(1).astype("int64")
    frame["retried"] = frame.retried.eq(True)  # noqa: FBT003
    frame["duration"] = np.rint(frame.duration_ms.fillna(0) * 1000).astype("int64")
    frame["digest"] = pd.factorize(frame.digest.str.lower())[0] + 1
    credits = np.rint(frame.credits.fillna(0) * SCALE).astype("int64")
    if not np.array_equal(credits / SCALE, frame.credits.fillna(0)):
        raise SystemExit("credits with more digits than a float holds are beyond this script")
    error = frame.outcome.eq("error")
    default = frame.credits.isna() & ~frame.null_credits
    unknown = frame.null_credits | (default & error & (frame.status.isna() | frame.status.isin(AMBIGUOUS)))
    frame["unknown"] = unknown | frame.outcome.eq("attempt")
    frame["credits"] = np.where(default & frame.outcome.eq("render"), SCALE, credits)
    frame.loc[frame.unknown, "credits"] = 0
    return assumed


def dedupe(frame: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, int, int]:
    """(events, superseded attempts, duplicates)."""
    attempt = frame.outcome.eq("attempt")
    superseded = attempt & frame.id.isin(frame.id[~attempt])
    kept = frame[~superseded]
    doubtful = kept.id.duplicated(keep=False)
    best = kept[doubtful].assign(
        other=lambda rows: rows.outcome.ne("render"),
        known=lambda rows: np.where(rows.unknown, 1, -rows.credits),
        canonical=canonical(path, (~superseded).to_numpy(), doubtful.to_numpy()),
    )
    best = best.sort_values(["id", "other", "known", "ts", "canonical"]).drop_duplicates("id")
    events = pd.concat([kept[~doubtful], best[kept.columns]]).sort_index()
    return events, int(superseded.sum()), len(kept) - len(events)


def canonical(path: Path, kept: Any, doubtful: Any) -> list[bytes]:
    """The canonical bytes of the few records that share an id."""
    with path.open("rb") as file:
        chosen = compress(compress((line for line in file if line.strip()), kept), doubtful)
        return [orjson.dumps(orjson.loads(line), option=orjson.OPT_SORT_KEYS) for line in chosen]


def coded(*columns: Any) -> Any:
    """One dense code for the combinations of several columns; an absent value is a value."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        part = pd.factorize(column)[0].astype(np.int64) + 1
        code = pd.factorize(code * (int(part.max(initial=0)) + 1) + part)[0].astype(np.int64)
    return code


def walk(group: Any, ts: Any, done: Any, digest: Any) -> Any:
    """What each render was, of renders sorted by group, time and id."""
    verdicts, current, end, seen = [], None, 0, 0
    for key, at, until, picture in zip(group.tolist(), ts.tolist(), done.tolist(), digest.tolist(), strict=True):
        if key == current:
            if at < end:
                verdicts.append(CONCURRENT)
                continue
            if at < end + TTL and not (picture and seen and picture != seen):
                verdicts.append(REPEAT)
                continue
            verdicts.append(IDENTICAL if at >= end + TTL and picture and picture == seen else NEEDED)
        else:
            verdicts.append(NEEDED)
        current, end, seen = key, until, picture
    return np.array(verdicts, np.int8)


def duplicate(verdict: Any) -> Any:
    """Which verdicts are duplicates."""
    return (verdict == CONCURRENT) | (verdict == REPEAT)


def passing(renders: pd.DataFrame, fields: list[str], left_out: list[str]) -> Any:
    """Units for which *left_out* passes; *renders* are in (ts, id) order."""
    used = renders[~duplicate(renders.verdict) & renders.digest.gt(0)]
    rest = coded(used.unit, used.shape_code, *(used[name] for name in fields if name not in left_out))
    gone = coded(*(used[name] for name in left_out))
    order = np.argsort(rest, kind="stable")
    before, after = order[:-1], order[1:]
    pair = (rest[before] == rest[after]) & (gone[before] != gone[after])
    before, after = before[pair], after[pair]
    unit, digest = used.unit.to_numpy(), used.digest.to_numpy()
    size = int(unit.max(initial=0)) + 1
    pairs = np.bincount(unit[before], minlength=size)
    agreeing = np.bincount(unit[before], weights=digest[before] == digest[after], minlength=size).astype(np.int64)
    return np.flatnonzero((pairs >= 3) & (agreeing * 100 >= 95 * pairs))


def savings(renders: pd.DataFrame, fields: list[str], left_out: list[str]) -> list[tuple[int, Any]]:
    """(credits, credits of the newly duplicate renders) of each merged group of one unit."""
    group = coded(renders.shape_code, *(renders[name] for name in fields if name not in left_out))
    order = np.argsort(group, kind="stable")
    group, own = group[order], renders.iloc[order]
    now = duplicate(walk(group, own.ts, own.ts + own.duration, own.digest))
    true, credits = duplicate(own.verdict.to_numpy()), own.credits.to_numpy()
    found = []
    for members in np.split(np.arange(len(group)), np.flatnonzero(np.diff(group)) + 1):
        saved = int(credits[members[now[members]]].sum()) - int(credits[members[true[members]]].sum())
        if saved > 0:
            found.append((saved, credits[members[now[members] & ~true[members]]]))
    return found


def volatile(renders: pd.DataFrame, fields: list[str]) -> tuple[int, int]:
    """(fields reported, credits wasted) over all units."""
    own = renders[renders.has_inputs].sort_values(["ts", "id"])
    passed: dict[int, list[str]] = {}
    for name in sorted(fields):
        for unit in passing(own, fields, [name]):
            passed.setdefault(int(unit), []).append(name)
    reported = wasted = 0
    for unit, names in passed.items():
        part = own[own.unit == unit]
        if len(names) > 1 and len(passing(part, fields, names)):
            chosen, count = savings(part, fields, names), len(names)
        else:
            each = [(savings(part, fields, [name]), name) for name in names]
            chosen, count = min(each, key=lambda item: (-sum(saved for saved, _ in item[0]), item[1]))[0], 1
        reported += count
        if part.environment.iloc[0] in PRODUCTION:
            # Given out in order until used up: never more than the newly duplicate renders cost.
            wasted += sum(min(saved, int(credits.sum())) for saved, credits in chosen)
    return reported, wasted


def needless(pictures: pd.DataFrame) -> Any:
    """Wasted bytes of each image, 0 below the smallest that counts."""
    none = (None, None)
    pairs = [
        TEMPLATE_LIMITS.get(template) or PLACEMENT_LIMITS.get(placement) or none
        for template, placement in zip(pictures.template, pictures.placement, strict=True)
    ]
    limit = pd.DataFrame(pairs, columns=["w", "h"], dtype="float64", index=pictures.index)
    usable = pictures[["width", "height", "bytes"]].notna().all(axis=1) & limit.w.notna()
    usable &= ~pictures.format.isin(["svg", "pdf"])
    width, height, size = (pictures[name].where(usable, 1).astype("int64") for name in ("width", "height", "bytes"))
    shown, across = limit.w.where(usable, 1).astype("int64"), limit.h.fillna(1 << 31).astype("int64")
    by_height = across * width < shown * height
    shown, actual = shown.where(~by_height, across), width.where(~by_height, height)
    if (2.0 * size * actual * actual).max() > 2**62:
        raise SystemExit("images beyond 64 bits are beyond this script")
    square = actual * actual
    lost = (2 * size * (square - shown * shown) + square) // (2 * square)
    return lost.where(usable & (actual > shown) & (lost >= SMALLEST), 0)


def oversized(events: pd.DataFrame, renders: pd.DataFrame) -> tuple[int, int, int]:
    """(findings, stored bytes in vain, delivered bytes in vain)."""
    columns = ["provider", "template", "placement", "format", "width", "height", "bytes"]
    delivered = events[events.outcome.isin(["hit", "coalesced", "render"])]
    pictures = delivered.groupby(columns, dropna=False, sort=False)["count"].sum().reset_index()
    stored = renders.drop_duplicates("group", keep="last")[columns]
    lost, kept = needless(pictures), needless(stored)
    names = ["provider", "template", "placement"]
    found = pd.concat([pictures.loc[lost > 0, names], stored.loc[kept > 0, names]]).drop_duplicates()
    return len(found), int(kept.sum()), int((lost * pictures["count"]).sum())


def retina(renders: pd.DataFrame, fields: list[str]) -> int:
    """Templates whose inputs were rendered at two sizes of one shape."""
    own = renders[renders.has_inputs & renders.width.notna() & renders.height.notna()]
    own = own.assign(given=coded(*(own[name] for name in fields))) if fields else own.iloc[:0].assign(given=0)
    sizes = own[["unit", "provider", "template", "given", "width", "height"]].drop_duplicates()
    sizes = sizes[sizes.duplicated(["unit", "given"], keep=False)]
    pairs = sizes.merge(sizes, on=["unit", "given"], suffixes=("", "_large"))
    apart = (pairs.width * pairs.height_large - pairs.width_large * pairs.height).abs()
    fits = (2 * pairs.width_large >= 3 * pairs.width) & (100 * apart <= pairs.width_large * pairs.height)
    return len(pairs.loc[fits, ["provider", "template"]].drop_duplicates())


def bills(events: pd.DataFrame) -> tuple[int, int, dict[str, Any]]:
    """(accounts on the wrong plan, accounts with low-volume templates, the cycles)."""
    need = events.unknown | events.outcome.eq("refused") | (events.error.eq("quota") & ~events.retried)
    events = events.assign(demand=events.credits + np.where(need, SCALE, 0))
    mismatch = low = 0
    shown = {}
    for (_, account), own in events.groupby(["provider", "account"]):
        sums = own.groupby("cycle")[["credits", "demand"]].sum()
        sums = sums.reindex(range(int(own.cycle.min()), int(own.cycle.max()) + 1), fill_value=0)
        first, last = int(own.ts.min()), int(own.ts.max())
        complete = [c for c in sums.index if first <= month_start(c) + DAY and last >= month_start(c + 1) - DAY]
        shown[account] = {
            "credits": [number(int(value)) for value in sums.credits],
            "demand": [number(int(value)) for value in sums.demand],
            "complete": len(complete),
        }
        needs = [Fraction(int(value)) for value in sums.demand]
        if not complete:
            start, end = month_start(sums.index[-1]), month_start(sums.index[-1] + 1)
            needs[-1] *= Fraction(end - start, max(last - max(start, first), 1))
        fitting = [plan for plan in PLANS if all(value <= plan[2] * SCALE for value in needs)]
        best = min(fitting, key=lambda plan: (plan[1], -plan[2], plan[0]), default=None)
        mismatch += best is None or best[0] != CURRENT
        low += fits_free(own[own.cycle.isin(complete)])
    return mismatch, low, shown


def fits_free(own: pd.DataFrame) -> bool:
    """Whether some templates, smallest first, fit the free plan in every complete cycle."""
    table = own.groupby(["template", "cycle"]).credits.sum().unstack(fill_value=0)
    totals = table.sum(axis=1)
    totals = totals[totals > 0]
    return len(totals) > 0 and bool((table.loc[totals.idxmin()] <= PLANS[0][2] * SCALE).all())


def replay(renders: pd.DataFrame, fields: list[str]) -> dict[str, Any]:
    """Waste, and what the walk found."""
    renders["verdict"] = walk(renders.group, renders.ts, renders.ts + renders.duration, renders.digest)
    staging = ~renders.environment.isin(PRODUCTION)
    waste = {"staging": int(renders.credits[staging].sum())}
    for cause, verdict in (("concurrent", CONCURRENT), ("repeat", REPEAT)):
        waste[cause] = int(renders.credits[~staging & (renders.verdict == verdict)].sum())
    reported, waste["volatile"] = volatile(renders, fields)
    billed = renders[staging & (renders.credits > 0)]
    return {
        "waste": waste,
        "volatile": reported,
        "duplicated": int(renders.unit[duplicate(renders.verdict)].nunique()),
        "staging": len(billed[UNIT[:3]].drop_duplicates()),
        "evidence": {
            "renders": len(renders),
            **{
                name: int((renders.verdict == verdict).sum())
                for name, verdict in (("concurrent", CONCURRENT), ("repeat", REPEAT), ("expired_identical", IDENTICAL))
            },
        },
    }


def totals_of(events: pd.DataFrame) -> dict[str, Any]:
    """Section 8's totals."""
    count = events.groupby("outcome")["count"].sum()
    of = {name: int(count.get(name, 0)) for name in OUTCOMES}
    retries = int(events.retried.sum())
    errors = of["error"] - retries
    misses = of["coalesced"] + of["render"] + errors + of["refused"]
    requests = of["hit"] + misses
    delivered = events[events.outcome.isin(["hit", "coalesced", "render"])]
    return {
        "requests": requests,
        "hits": of["hit"],
        "misses": misses,
        "coalesced": of["coalesced"],
        "renders": of["render"],
        "errors": errors,
        "refused": of["refused"],
        "retries": retries,
        "unresolved": of["attempt"],
        "credits": number(int(events.credits.sum())),
        "credits_uncertain": int(events.unknown.sum()),
        "bytes": int((delivered.bytes.fillna(0).astype("int64") * delivered["count"]).sum()),
        "hit_ratio": float(round(Fraction(of["hit"], requests), 6)) if requests else None,
    }


def failures(events: pd.DataFrame, renders: pd.DataFrame) -> tuple[int, int]:
    """(accounts and errors, tries that may have been billed and whose key was rendered later)."""
    failed = events[events.outcome.eq("error")].assign(error=lambda rows: rows.error.fillna("other"))
    tries = failed[failed.retried & (failed.unknown | (failed.credits > 0))]
    last = renders.groupby("group").ts.max()
    ghosts = tries.group.map(last).ge(tries.ts)
    return len(failed[["provider", "account", "error"]].drop_duplicates()), int(ghosts.sum())


def report(path: Path) -> dict[str, Any]:
    """The same numbers as the product's report."""
    frame, codes = load(path)
    fields = [f"inputs.{name}" for name in codes]
    check(frame)
    assumed = prepare(frame)
    events, superseded, duplicates = dedupe(frame, path)
    lines = len(frame)
    del frame
    events["group"] = coded(*(events[name] for name in (*UNIT[:3], "key")))
    events["unit"] = coded(*(events[name] for name in UNIT))
    events["placement"] = events.placement.fillna("")
    renders = events[events.outcome.eq("render")].sort_values(["group", "ts", "id"])
    renders["shape_code"] = coded(renders.format, renders.width, renders.height)
    walked = replay(renders, fields)
    oversize, stored, delivered = oversized(events, renders)
    mismatch, low, cycles = bills(events)
    failed, ghosts = failures(events, renders)
    return {
        "inputs": {
            "lines": lines,
            "events": len(events),
            "superseded": superseded,
            "duplicates": duplicates,
            "filtered": 0,
            "rejected": 0,
            "assumed_timezone": assumed,
        },
        "totals": totals_of(events),
        "waste": {cause: number(walked["waste"][cause]) for cause in CAUSES}
        | {"total": number(sum(walked["waste"].values()))},
        "findings": {
            "duplicate-renders": walked["duplicated"],
            "failed-calls": failed,
            "low-volume-templates": low,
            "oversized-outputs": oversize,
            "plan-mismatch": mismatch,
            "retina-variants": retina(renders, fields),
            "staging-credits": walked["staging"],
            "volatile-inputs": walked["volatile"],
        },
        "evidence": {
            **walked["evidence"],
            "stored_wasted_bytes": stored,
            "delivered_wasted_bytes": delivered,
            "retry_ghosts": ghosts,
            "cycles": cycles,
        },
    }


def main() -> None:
    """Command line."""
    json.dump(report(Path(sys.argv[1])), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
