"""Sums in limbs of 64 bits."""

from fractions import Fraction

import numpy as np
import pytest

from auditor.replay.sums import BASE, CREDITS, STALE, WIDTH, carry, limbs, read


@pytest.mark.parametrize("kind", [list, np.array])
def test_carrying_keeps_the_sum_and_makes_room(kind: type) -> None:
    """As many additions as one likes, if each batch is carried: 64 bits alone would have run over."""
    row = kind([0] * WIDTH)
    for _ in range(40):
        for limb in (CREDITS, CREDITS + 1, STALE):
            row[limb] += 9 * 10**17
        carry(row)
        assert max(row[CREDITS], row[CREDITS + 1], row[STALE]) < BASE
    found = read(row)
    assert found.credits == Fraction(40 * 9 * 10**17 * (1 + BASE), 10**19)
    assert found.stale == 40 * 9 * 10**17


def test_credits_have_nineteen_decimals_and_no_more() -> None:
    """Eighteen of the log, and the half of a median."""
    assert limbs([Fraction(1, 10**19), Fraction(10**12)]) == [1, 0, 0, 0, 0, 10**7]
    with pytest.raises(ValueError, match="no multiple"):
        limbs([Fraction(1, 3)])
