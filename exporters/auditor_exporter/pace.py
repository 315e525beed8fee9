"""How fast an account spends, by the time of its events: a log that arrives late, or all at once, raises nothing.

All figures come from sums by quarter of an hour, as the ledger keeps them. The forecast repeats the last week: what the
next hours need is what the same hours needed seven days ago, so that nights, weekends and batches are where they
belong. The next 60 hours see a new pace at once: where the last day or the last three spent clearly more than a week
before, the difference goes on. A second week has to agree, since a campaign or a monthly batch does not come every
week. An account that is younger than a week goes on as its whole days did; one younger than a day has no forecast.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, repeat

QUARTERS = 4
"""Buckets in an hour."""
DAY = 24 * QUARTERS
WEEK = 7 * DAY
HISTORY = 2 * WEEK + 3 * DAY
"""Buckets that a pace looks back: two weeks before the last three days."""
SOON = 60 * QUARTERS
"""How far the short forecast looks: two days, and the half day in which a new pace shows."""
WINDOWS: Mapping[str, int] = {"1h": QUARTERS, "6h": 6 * QUARTERS, "12h": 12 * QUARTERS}
_NONE = Decimal(0)
_GROWTH = (DAY, 3 * DAY)
_CLEAR = 1.1
"""Times the week before from which the last days are a new pace, provided that it is more than chance."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Credits of one account. Bucket numbers count quarters of an hour since 1970; *now* is the running one."""

    now: int
    since: int
    """First bucket of the billing period."""
    until: int
    """First bucket of the next one."""
    first: int
    """First bucket in which the account spent anything, if that is in the history, else one before it."""
    sums: Sequence[Decimal]
    """Credits of the history up to and including each of its buckets, after a 0."""

    @classmethod
    def of(cls, spent: Mapping[int, Decimal], now: int, since: int, until: int, first: int | None = None) -> "Pace":
        """From credits by bucket; *first* where the account is known to be older than they are."""
        begin = now - HISTORY + 1
        sums = list(accumulate(map(spent.get, range(begin, now + 1), repeat(_NONE)), initial=_NONE))
        return cls(now, since, until, min(spent, default=now + 1) if first is None else first, sums)

    def between(self, start: int, end: int) -> Decimal:
        """Credits of the buckets in [start, end); what is outside the history counts 0."""
        begin = self.now - HISTORY + 1
        low, high = (min(max(bucket - begin, 0), HISTORY) for bucket in (start, end))
        return self.sums[high] - self.sums[low] if high > low else _NONE

    def spent(self, window: int) -> Decimal:
        """Credits of the last *window* buckets, the running one included."""
        return self.between(self.now + 1 - window, self.now + 1)

    def fastest(self, window: int) -> Decimal:
        """The most that one such window of the last day took out of this period."""
        since = max(self.since - (self.now - HISTORY + 1), 0)
        ends = range(max(HISTORY - DAY, since) + 1, HISTORY + 1)
        return max((self.sums[end] - self.sums[max(end - window, since)] for end in ends), default=_NONE)

    def usual(self, window: int) -> Decimal:
        """The most that one such window took in the two weeks before the last three days."""
        before = self.sums[: 2 * WEEK + 1]
        return max(map(Decimal.__sub__, before[window:], before))

    @property
    def days(self) -> int:
        """Whole days that the forecast rests on, at most 7; 0 for none."""
        return min(7, (self.now + 1 - self.first) // DAY)

    def forecast(self, horizon: int) -> Decimal | None:
        """Credits of the next *horizon* buckets of this period; None for accounts that are younger than a day."""
        horizon = max(0, min(horizon, self.until - self.now - 1))
        if self.days < 1:
            return None
        if self.days < 7:
            average = self.spent(self.days * DAY) / self.days
            return horizon * max(average, self.spent(DAY) if horizon <= SOON else average) / DAY
        weeks = (WEEK, 2 * WEEK) if self.first <= self.now + 1 - 2 * WEEK else (WEEK,)
        growths = _GROWTH if horizon <= SOON else ()
        return min(
            self._repeated(horizon, ago) + horizon * max((self._growth(each, ago) for each in growths), default=_NONE)
            for ago in weeks
        )

    def _repeated(self, horizon: int, ago: int) -> Decimal:
        """What *horizon* buckets need if each week of them is like the one that began *ago*."""
        weeks, rest = divmod(horizon, WEEK)
        start = self.now + 1 - ago
        return weeks * self.between(start, start + WEEK) + self.between(start, start + rest)

    def _growth(self, window: int, ago: int) -> Decimal:
        """Credits a bucket by which the last *window* buckets were above those of *ago*; 0 if not clearly."""
        start = self.now + 1 - ago
        if self.first > start - window:
            return _NONE
        recent, before = self.spent(window), self.between(start - window, start)
        clear = recent > before * Decimal(_CLEAR) and recent - before > Decimal(math.sqrt(recent + before))
        return (recent - before) / window if clear else _NONE
