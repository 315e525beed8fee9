"""Volatile inputs: fields that change the key of a render but not its image (semantics section 5).

One `RenderSample` holds the renders of one unit that carry `inputs`, ordered by (time, id). Which inputs remain when
fields are left out is told by 128-bit sums of random numbers, one for each (field, value).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from auditor.model.fingerprint import ADDRESS
from auditor.replay.walk import COMPILE_FROM, DUPLICATES, judge, prepared

MIN_PAIRS = 3
SHARE = Fraction(95, 100)
MIN_APART = 20
MOST_ALIKE = Fraction(5, 100)
"""Sizes are evidence only where they tell other images apart: of so many pairs at most this share has one size."""

Ints = npt.NDArray[np.int64]
Sums = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class RenderSample:
    """Renders of one unit: arrays of one length, and sparse (render, field, value) triples."""

    row: Ints
    ts: Ints
    duration: Ints
    digest: Ints
    shape_numbers: Sums
    """Two random numbers for each (format, width, height), (2, renders)."""
    verdict: Ints
    credit: Callable[[int], Fraction]
    """Known credits of the render at a position; asked for few of them."""
    at: Ints
    """Of each triple the position of its render."""
    field: Ints
    numbers: Sums
    """Two random numbers for each (field, value), (2, triples): the same for the same pair. An absent field adds 0."""
    fields: Sequence[str]
    by_size: bool = False
    """Whether `digest` holds sizes, since the unit has no digests: weaker evidence."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Whether sizes tell images apart at all: neighbors whose remaining inputs differ (semantics section 11)."""

    pairs: int
    alike: int
    """Those of equal size."""

    def shows(self, pairs: int, most: Fraction) -> bool:
        """Whether there are so many pairs, and no larger share of them is of equal size."""
        return self.pairs >= pairs and self.alike <= most * self.pairs


@dataclass(frozen=True, slots=True)
class Pairs:
    """What neighbors that differ only in the left-out fields say."""

    pairs: int
    agreeing: int
    example_agreeing: tuple[int, int] | None
    """Rows of a pair with equal images."""
    example_differing: tuple[int, int] | None
    apart: Apart | None = None
    """Where sizes were compared."""

    @property
    def passes(self) -> bool:
        """Whether the fields may be called volatile."""
        agree = self.pairs >= MIN_PAIRS and Fraction(self.agreeing, self.pairs) >= SHARE
        return agree and (self.apart is None or self.apart.shows(MIN_APART, MOST_ALIKE))


@dataclass(frozen=True, slots=True)
class Volatile:
    """The volatile fields of a unit, and what leaving them all out would have saved."""

    fields: tuple[tuple[str, Pairs], ...]
    """The field that saves most stands first: the saving is booked on it."""
    saved: tuple[tuple[Fraction, Ints], ...]
    """For each merged group: credits saved, positions of its renders that become duplicates, in order."""


def random_numbers(codes: Ints, seed: int) -> Sums:
    """Two random 64-bit numbers for each code, (2, len(codes)): the same for the same code and seed, in every run.

    What is added up needs seeds of its own: were the numbers of shapes those of inputs, then small and `a` would sum
    up to what large and `b` do.
    """
    most = int(codes.max(initial=-1)) + 1
    return np.random.default_rng(seed).integers(0, 2**64, (2, most), np.uint64)[:, codes]


def find(sample: RenderSample, ttl_us: int) -> Volatile | None:
    """The volatile fields of a sample, None if there are none."""
    each = {field: _pairs(sample, [field]) for field, name in enumerate(sample.fields) if name != ADDRESS}
    passing = {field: pairs for field, pairs in each.items() if pairs.passes}
    if not passing:
        return None
    savings = {field: _savings(sample, [field], ttl_us) for field in passing}
    alone = {field: sum((credits for credits, _ in saved), Fraction(0)) for field, saved in savings.items()}
    by_saving = sorted(passing, key=lambda field: (-alone[field], sample.fields[field]))
    if len(passing) > 1 and _pairs(sample, list(passing)).passes:
        saved = _savings(sample, list(passing), ttl_us)
    else:
        by_saving = by_saving[:1]
        saved = savings[by_saving[0]]
    return Volatile(tuple((sample.fields[field], passing[field]) for field in by_saving), tuple(saved))


def _sums(sample: RenderSample, left_out: Sequence[int]) -> tuple[Sums, Sums]:
    """128-bit sums, (2, renders), of what remains of the inputs and the shape, and of what is left out."""
    out = np.isin(sample.field, left_out)
    remaining, gone = (np.zeros((2, len(sample.row)), np.uint64) for _ in range(2))
    for half in range(2):
        np.add.at(remaining[half], sample.at[~out], sample.numbers[half][~out])
        np.add.at(gone[half], sample.at[out], sample.numbers[half][out])
        remaining[half] += sample.shape_numbers[half]
    return remaining, gone


def _by_group(sums: Sums) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """(order that puts equal sums together and keeps time within them, whether each starts another group)."""
    order = np.argsort(sums[0], kind="stable")
    ordered = sums[:, order]
    starts = np.ones(len(order), np.bool_)
    starts[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    return order, starts


def _neighbours(usable: Ints, same: Sums, other: Sums) -> tuple[Ints, Ints]:
    """Of the *usable* positions those of neighbors in time with equal *same* numbers and different *other* ones."""
    order, starts = _by_group(same[:, usable])
    order = usable[order]
    before, after = order[:-1], order[1:]
    pair = ~starts[1:] & (other[:, before] != other[:, after]).any(axis=0)
    return before[pair], after[pair]


def _pairs(sample: RenderSample, left_out: Sequence[int]) -> Pairs:
    remaining, gone = _sums(sample, left_out)
    usable = np.flatnonzero((sample.digest != 0) & ~np.isin(sample.verdict, DUPLICATES))
    before, after = _neighbours(usable, remaining, gone)
    same = sample.digest[before] == sample.digest[after]
    apart = None
    if sample.by_size:
        one, other = _neighbours(usable, sample.shape_numbers, remaining)
        apart = Apart(len(one), int((sample.digest[one] == sample.digest[other]).sum()))
    return Pairs(
        len(before),
        int(same.sum()),
        _example(sample, before, after, same),
        _example(sample, before, after, ~same),
        apart,
    )


def _example(sample: RenderSample, before: Ints, after: Ints, which: npt.NDArray[np.bool_]) -> tuple[int, int] | None:
    found = np.flatnonzero(which)
    if not len(found):
        return None
    # The earliest pair, so that the example does not hang on the order of groups.
    first = min(found, key=lambda i: (int(before[i]), int(after[i])))
    return int(sample.row[before[first]]), int(sample.row[after[first]])


def _savings(sample: RenderSample, left_out: Sequence[int], ttl_us: int) -> list[tuple[Fraction, Ints]]:
    """(credits, newly duplicate renders in order) of each merged group that saves something."""
    order, starts = _by_group(_sums(sample, left_out)[0])
    step, held = prepared(judge, len(order) >= COMPILE_FROM)
    group, zeros, out = np.cumsum(starts), np.zeros(len(order), np.int64), np.zeros(len(order), np.int8)
    columns = (group, zeros, sample.ts[order], sample.duration[order], sample.digest[order])
    step(*map(held, columns), ttl_us, held([0] * 6), out)
    merged = np.zeros(len(order), np.int64)
    merged[order] = out
    now, true = np.isin(merged, DUPLICATES), np.isin(sample.verdict, DUPLICATES)
    found = []
    for members in np.split(order, np.flatnonzero(starts)[1:]):
        if not now[members].any():
            continue
        saved = sum((sample.credit(int(i)) for i in members if now[i]), Fraction(0)) - sum(
            (sample.credit(int(i)) for i in members if true[i]), Fraction(0)
        )
        if saved > 0:
            found.append((saved, members[now[members] & ~true[members]]))
    return found
